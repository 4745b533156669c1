"""Trees, poles, signs, people and small things beside the road."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gemdepth_ros.synthetic.primitives import Builder, Colour, Material, Spot
from gemdepth_ros.synthetic.vehicles import mixed, paint

if TYPE_CHECKING:
    import numpy as np

_METAL = Material((0.3, 0.31, 0.32), grain=0.3)
_BARK = Material((0.12, 0.085, 0.06), grain=0.9)
_SKINS: tuple[Colour, ...] = ((0.6, 0.38, 0.28), (0.35, 0.2, 0.13), (0.16, 0.09, 0.06))


def foliage(random: np.random.Generator) -> Material:
    """Return leaves: dark gaps between bright ones."""
    colour = mixed(random, (0.1, 0.16, 0.04), 0.4)
    return Material(colour, grain=1.6, grain_m=random.uniform(0.03, 0.08))


def tree(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build a tree: round, or a fir."""
    green = foliage(random)
    if random.random() < 0.2:
        _fir(builder, spot, random, green)
        return
    height, crown = random.uniform((4.5, 2.5), (10.0, 5.5))
    bole = random.uniform(0.25, 0.45) * height
    builder.cylinder(spot, random.uniform(0.1, 0.25), bole + 0.5, _BARK)
    for _ in range(random.integers(4, 7)):
        ahead, left = random.uniform(-0.33, 0.33, 2) * crown
        part = random.uniform(0.45, 0.75)
        tall = part * (height - bole)
        base = bole + random.uniform(-0.05, 0.95) * (height - bole - tall)
        size = (part * crown, part * crown * random.uniform(0.8, 1.2), tall)
        builder.ellipsoid(spot.moved(ahead, left, random.uniform(0, 3)), size, green, base=base)


def _fir(builder: Builder, spot: Spot, random: np.random.Generator, green: Material) -> None:
    height, crown = random.uniform((5.0, 2.2), (12.0, 4.0))
    builder.cylinder(spot, 0.15, 1.5, _BARK)
    layers = int(random.integers(2, 5))
    step = (height - 0.8) / (layers + 0.5)
    for layer in range(layers):
        width = crown * (1.0 - 0.75 * layer / layers)
        turn = spot.moved(0.0, 0.0, random.uniform(0, 1.5))
        size = (width, width, 1.5 * step)
        lean = (0.495 * width, 0.495 * width)
        builder.box(turn, size, green, base=0.8 + layer * step, taper=lean)


def bush(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build a bush."""
    green = foliage(random)
    for _ in range(random.integers(1, 4)):
        size = random.uniform((0.8, 0.8, 0.6), (2.2, 2.2, 1.8))
        place = spot.moved(*random.uniform(-0.6, 0.6, 2))
        builder.ellipsoid(place, (size[0], size[1], size[2]), green, base=-0.2 * size[2])


def lamp(builder: Builder, spot: Spot, random: np.random.Generator, reach: float) -> None:
    """Build a street lamp; its arm reaches ``reach`` metres to the left."""
    height = random.uniform(4.5, 8.5)
    builder.cylinder(spot, 0.08, height, _METAL)
    builder.box(spot.moved(0.0, reach / 2), (0.08, abs(reach), 0.08), _METAL, base=height - 0.1)
    builder.box(spot.moved(0.0, reach), (0.3, 0.7, 0.14), _METAL, base=height - 0.16)


def sign(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build a traffic sign that faces back along the spot's heading."""
    height = random.uniform(2.0, 2.6)
    builder.cylinder(spot, 0.035, height + 0.3, _METAL)
    edge: Colour = (0.55, 0.03, 0.03) if random.random() < 0.6 else (0.03, 0.1, 0.45)
    face = Material(
        (0.75, 0.75, 0.72), second=edge, period_m=(0.31, 0.31), share=(0.3, 2.0), grain=0.1
    )
    width = random.uniform(0.55, 0.9)
    place = spot.moved(-0.05, 0.0)
    if random.random() < 0.5:
        builder.ellipsoid(place, (0.06, width, width), face, base=height - 0.4)
    else:
        builder.box(place, (0.04, width, random.uniform(0.5, 0.9)), face, base=height - 0.4)


def board(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build an advertisement or a direction board on two legs."""
    width, height = random.uniform((1.8, 1.2), (4.5, 2.6))
    picture = Material(
        paint(random),
        second=paint(random),
        period_m=(random.uniform(0.3, width), random.uniform(0.3, height)),
        share=(random.uniform(0.3, 0.7), random.uniform(0.3, 0.8)),
        cell=0.8,
        grain=0.8,
        grain_m=0.05,
    )
    base = random.uniform(0.6, 2.2)
    builder.box(spot, (0.15, width, height), picture, base=base)
    for left in (-0.35, 0.35):
        builder.cylinder(spot.moved(0.0, left * width), 0.06, base + 0.2, _METAL)


def traffic_light(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build a traffic light."""
    builder.cylinder(spot, 0.07, 3.4, _METAL)
    dark = Material((0.02, 0.025, 0.02), grain=0.1)
    builder.box(spot.moved(-0.15, 0.0), (0.25, 0.32, 0.95), dark, base=2.4)
    colour = ((0.9, 0.05, 0.03), (0.9, 0.5, 0.03), (0.05, 0.8, 0.3))
    lit = int(random.integers(3))
    lens = Material(colour[lit], grain=0.0)
    builder.ellipsoid(spot.moved(-0.28, 0.0), (0.1, 0.22, 0.22), lens, base=3.05 - 0.3 * lit)


def small_thing(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build a bin, a bollard, a box of the electricity works or a bench."""
    kind = random.integers(4)
    if kind == 0:
        builder.cylinder(spot, random.uniform(0.2, 0.35), random.uniform(0.7, 1.1), _plain(random))
    elif kind == 1:
        builder.cylinder(spot, 0.07, random.uniform(0.7, 1.0), _METAL)
    elif kind == 2:
        size = random.uniform((0.8, 0.35, 0.9), (1.6, 0.5, 1.5))
        builder.box(spot, (size[0], size[1], size[2]), _plain(random))
    else:
        builder.box(spot, (1.6, 0.5, 0.07), _BARK, base=0.42)
        builder.box(spot.moved(0.0, 0.25), (1.6, 0.06, 0.45), _BARK, base=0.45)
        builder.box(spot, (1.2, 0.4, 0.42), _METAL)


def _plain(random: np.random.Generator) -> Material:
    return Material(mixed(random, (0.25, 0.27, 0.25), 0.6), grain=0.4)


def person(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build someone who stands or walks."""
    tall = random.uniform(1.5, 1.92)
    step = random.uniform(0.0, 0.22)
    trousers, coat = (Material(mixed(random, paint(random), 0.4), grain=0.5) for _ in range(2))
    skin = Material(_SKINS[random.integers(3)], grain=0.2)
    for ahead, left in ((step, 0.1), (-step, -0.1)):
        leg = spot.moved(ahead, left)
        builder.box(leg, (0.17, 0.15, 0.5 * tall), trousers, taper=(0.0, 0.0))
        builder.ellipsoid(
            spot.moved(-ahead * 0.7, left * 2.6), (0.13, 0.12, 0.38 * tall), coat, base=0.45 * tall
        )
    builder.ellipsoid(spot, (0.3, 0.46, 0.42 * tall), coat, base=0.43 * tall)
    builder.ellipsoid(spot, (0.2, 0.17, 0.25), skin, base=tall - 0.25)


def hill(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build a wooded hill far away."""
    size = random.uniform((80.0, 80.0, 16.0), (220.0, 220.0, 60.0))
    green = Material(mixed(random, (0.09, 0.13, 0.06), 0.3), grain=1.3, grain_m=0.6)
    builder.ellipsoid(
        spot.moved(0.0, 0.0, random.uniform(0, math.pi)), tuple(size), green, base=-size[2] / 2
    )
