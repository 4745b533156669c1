"""Cars, vans, trucks, buses and bicycles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gemdepth_ros.synthetic.primitives import Builder, Colour, Material, Spot

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float64Array

_GLASS = (0.025, 0.03, 0.035)
_TYRE = Material((0.02, 0.02, 0.022), grain=0.3)
_UNDER = Material((0.015, 0.015, 0.017), grain=0.2)
_TAIL = Material((0.5, 0.02, 0.02), grain=0.1)
_HEAD = Material((0.8, 0.8, 0.75), grain=0.1)
_PLATE = Material(
    (0.7, 0.7, 0.65), second=(0.05, 0.05, 0.05), period_m=(0.09, 9.0), share=(0.5, 2)
)
_PAINTS: tuple[Colour, ...] = (
    (0.7, 0.7, 0.7),
    (0.45, 0.46, 0.48),
    (0.2, 0.2, 0.22),
    (0.03, 0.03, 0.035),
    (0.35, 0.03, 0.03),
    (0.04, 0.08, 0.3),
    (0.05, 0.15, 0.08),
    (0.5, 0.35, 0.1),
    (0.25, 0.2, 0.16),
)


def paint(random: np.random.Generator) -> Colour:
    """Return the colour of a car."""
    return mixed(random, _PAINTS[random.integers(len(_PAINTS))], 0.2)


def mixed(random: np.random.Generator, colour: Colour, spread: float) -> Colour:
    """Return a colour near another one; the hue changes less than the brightness."""
    values: Float64Array = np.array(colour) * random.uniform(1 - spread / 3, 1 + spread / 3, 3)
    values = np.clip(values * random.uniform(1 - spread, 1 + spread), 0.0, 0.95)
    return float(values[0]), float(values[1]), float(values[2])


def car(builder: Builder, spot: Spot, random: np.random.Generator) -> float:
    """Build a car, its middle at the spot, and return its length [m]."""
    length, width, roof = random.uniform((3.6, 1.62, 1.4), (4.9, 1.88, 1.62))
    belt = random.uniform(0.55, 0.62) * roof
    colour = paint(random)
    body = Material(colour, grain=0.06, gloss=0.25)
    # Pillars stand in the glass.
    cabin = Material(
        colour,
        second=_GLASS,
        top=colour,
        period_m=(random.uniform(0.9, 1.3), 3.0),
        share=(0.88, 2.0),
        grain=0.06,
        gloss=0.6,
    )
    estate = random.random() < 0.4
    cabin_length = length * (0.68 if estate else 0.58)
    behind = spot.moved(-length * (0.13 if estate else 0.06), 0.0)
    builder.box(spot, (length, width, belt - 0.2), body, base=0.2, taper=(0.06, 0.05))
    rest = roof - belt
    builder.box(behind, (cabin_length, width - 0.12, rest), cabin, base=belt, taper=(0.45, 0.16))
    builder.box(spot, (length - 0.5, width - 0.2, 0.2), _UNDER, base=0.1)
    _wheels(builder, spot, length, width, 0.31)
    _lights(builder, spot, length, width, 0.55 * belt + 0.15)
    return float(length)


def van(builder: Builder, spot: Spot, random: np.random.Generator) -> float:
    """Build a van."""
    length, width, roof = random.uniform((4.6, 1.8, 1.9), (6.0, 2.05, 2.6))
    colour = paint(random)
    body = Material(colour, grain=0.06, gloss=0.2)
    glass = Material(_GLASS, top=colour, grain=0.05, gloss=0.6)
    builder.box(spot, (length, width, 0.9), body, base=0.25, taper=(0.05, 0.03))
    hold = spot.moved(-0.14 * length, 0.0)
    builder.box(hold, (0.7 * length, width - 0.04, roof - 1.15), body, base=1.15)
    front = spot.moved(0.31 * length, 0.0)
    builder.box(front, (0.3 * length, width - 0.1, roof - 1.2), glass, base=1.15, taper=(0.5, 0.1))
    _wheels(builder, spot, length, width, 0.34)
    _lights(builder, spot, length, width, 0.75)
    return float(length)


def truck(builder: Builder, spot: Spot, random: np.random.Generator) -> float:
    """Build a lorry with a box or a bus."""
    length, height = random.uniform((7.0, 3.0), (12.0, 3.9))
    width = 2.5
    colour = paint(random)
    if random.random() < 0.35:
        bus = Material(
            colour,
            second=_GLASS,
            top=colour,
            period_m=(1.5, 2.6),
            share=(0.88, 0.36),
            grain=0.06,
            gloss=0.5,
        )
        builder.box(spot, (length, width, height - 0.6), bus, base=0.35)
    else:
        load = Material(
            mixed(random, (0.6, 0.6, 0.58), 0.35),
            second=paint(random),
            period_m=(random.uniform(0.3, 8.0), random.uniform(1.0, 5.0)),
            share=(0.5 if random.random() < 0.5 else 2.0, 0.4),
            grain=0.2,
        )
        cabin = Material(colour, second=_GLASS, period_m=(2.2, 2.2), share=(0.8, 0.4), gloss=0.3)
        back = spot.moved(-1.1, 0.0)
        builder.box(back, (length - 2.3, width, height - 1.0), load, base=1.0)
        builder.box(back, (length - 2.3, 1.2, 0.5), _UNDER, base=0.5)
        front = spot.moved(length / 2 - 1.0, 0.0)
        builder.box(front, (1.9, width - 0.1, 2.3), cabin, base=0.45, taper=(0.1, 0.05))
    _wheels(builder, spot, length, width, 0.5)
    _lights(builder, spot, length, width, 0.8)
    return float(length)


def vehicle(builder: Builder, spot: Spot, random: np.random.Generator) -> float:
    """Build any of them: mostly cars."""
    kind = random.random()
    if kind < 0.76:
        return car(builder, spot, random)
    if kind < 0.9:
        return van(builder, spot, random)
    return truck(builder, spot, random)


def bicycle(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build a bicycle: two thin wheels and a frame."""
    frame = Material(paint(random), grain=0.1)
    for ahead in (-0.52, 0.52):
        builder.ellipsoid(spot.moved(ahead, 0.0), (0.66, 0.05, 0.66), _TYRE)
    builder.box(spot, (0.9, 0.05, 0.12), frame, base=0.5)
    builder.box(spot.moved(-0.2, 0.0), (0.06, 0.05, 0.9), frame, base=0.1)
    builder.box(spot.moved(0.42, 0.0), (0.06, 0.5, 0.06), frame, base=0.95)


def _wheels(builder: Builder, spot: Spot, length: float, width: float, radius: float) -> None:
    for ahead in (-0.31, 0.32):
        for left in (-0.5, 0.5):
            place = spot.moved(ahead * length, left * (width - 0.16))
            builder.ellipsoid(place, (2 * radius, 0.26, 2 * radius), _TYRE)


def _lights(builder: Builder, spot: Spot, length: float, width: float, height: float) -> None:
    for left in (-0.4, 0.4):
        rear = spot.moved(-length / 2, left * width)
        front = spot.moved(length / 2, left * width)
        builder.box(rear, (0.06, 0.2, 0.16), _TAIL, base=height)
        builder.box(front, (0.06, 0.26, 0.14), _HEAD, base=height - 0.05)
    builder.box(spot.moved(-length / 2, 0.0), (0.05, 0.5, 0.12), _PLATE, base=height - 0.12)
