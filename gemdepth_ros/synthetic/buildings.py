"""Houses, blocks, walls, and the bridge over the road."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemdepth_ros.synthetic.primitives import Builder, Colour, Material, Spot
from gemdepth_ros.synthetic.vehicles import mixed, paint

if TYPE_CHECKING:
    import numpy as np

_WALLS: tuple[Colour, ...] = (
    (0.45, 0.38, 0.3),
    (0.55, 0.5, 0.42),
    (0.3, 0.14, 0.09),
    (0.38, 0.36, 0.34),
    (0.6, 0.57, 0.5),
    (0.42, 0.27, 0.16),
    (0.2, 0.21, 0.24),
)
_ROOFS: tuple[Colour, ...] = ((0.25, 0.08, 0.05), (0.12, 0.12, 0.13), (0.2, 0.13, 0.09))
_PANE = (0.03, 0.04, 0.05)


def wall_material(random: np.random.Generator) -> Material:
    """Return a wall of bricks or of plaster."""
    colour = mixed(random, _WALLS[random.integers(len(_WALLS))], 0.15)
    if random.random() < 0.4:
        mortar = mixed(random, (0.45, 0.43, 0.4), 0.1)
        width = random.uniform(0.25, 0.6)
        return Material(
            mortar,
            second=colour,
            period_m=(width, 0.4 * width),
            share=(0.92, 0.82),
            bond=1.0,
            cell=0.35,
            grain=0.4,
        )
    return Material(colour, grain=0.5, grain_m=0.04)


def facade_material(random: np.random.Generator) -> Material:
    """Return a wall with rows of windows."""
    glass = random.random() < 0.2
    return Material(
        mixed(random, _WALLS[random.integers(len(_WALLS))], 0.15),
        second=mixed(random, _PANE, 0.4),
        top=(0.2, 0.2, 0.2),
        period_m=(float(random.uniform(1.6, 4.0)), float(random.uniform(2.6, 3.6))),
        share=(0.9, 0.8) if glass else (random.uniform(0.3, 0.6), random.uniform(0.4, 0.6)),
        cell=random.uniform(0.2, 0.9),
        grain=0.45,
        grain_m=0.04,
        gloss=0.4,
    )


def block(
    builder: Builder, spot: Spot, random: np.random.Generator, size: tuple[float, float, float]
) -> None:
    """Build a block of flats; the spot is the middle of its front, which faces to the right."""
    length, depth, height = size
    middle = spot.moved(0.0, depth / 2)
    facade = facade_material(random)
    builder.box(middle, size, facade)
    ledge = Material(mixed(random, facade.colour, 0.3), grain=0.4)
    builder.box(middle, (length + 0.3, depth + 0.5, 0.5), ledge, base=height)
    if random.random() < 0.7:  # shops
        shop = Material(
            mixed(random, (0.35, 0.32, 0.3), 0.5),
            second=mixed(random, (0.05, 0.06, 0.07), 0.5),
            period_m=(random.uniform(2.0, 5.0), 3.6),
            share=(random.uniform(0.5, 0.85), 1.3),
            cell=0.8,
            grain=0.4,
            gloss=0.4,
        )
        builder.box(spot.moved(0.0, 0.3), (length - 0.2, 1.0, 3.4), shop)
        sign = Material(
            paint(random), second=(0.8, 0.8, 0.75), period_m=(0.7, 0.6), share=(0.6, 0.4)
        )
        builder.box(spot.moved(0.0, 0.1), (0.7 * length, 1.0, 0.6), sign, base=3.0)
    else:
        _balconies(builder, spot, random, length, height)


def _balconies(
    builder: Builder, spot: Spot, random: np.random.Generator, length: float, height: float
) -> None:
    if random.random() < 0.5:
        return
    rail = Material(mixed(random, (0.4, 0.4, 0.4), 0.5), grain=0.3)
    ahead = random.uniform(-0.3, 0.3) * length
    for base in range(3, int(height) - 2, 3):
        builder.box(spot.moved(ahead, 0.0), (3.0, 2.2, 1.0), rail, base=base)


def house(builder: Builder, spot: Spot, random: np.random.Generator) -> float:
    """Build a house with a gable roof and return its length along the road [m]."""
    length, depth, eaves, ridge = random.uniform((7.0, 7.0, 2.8, 2.0), (13.0, 10.0, 6.5, 4.0))
    middle = spot.moved(0.0, depth / 2)
    if random.random() < 0.5:  # gable towards the road
        middle = spot.moved(0.0, length / 2, 1.5708)
    wall = wall_material(random)
    builder.box(middle, (length, depth, eaves), wall)
    tile = Material(
        mixed(random, _ROOFS[random.integers(len(_ROOFS))], 0.2),
        period_m=(5.0, 0.35),
        share=(2.0, 0.15),
        grain=0.6,
    )
    builder.box(
        middle, (length + 0.5, depth + 0.8, ridge), tile, base=eaves, taper=(0.0, depth / 2 + 0.4)
    )
    chimney = middle.moved(random.uniform(-0.3, 0.3) * length, 0.5)
    builder.box(chimney, (0.7, 0.7, ridge + 0.8), wall, base=eaves)
    _openings(builder, middle, random, (length, depth, eaves))
    return float(length)


def _openings(
    builder: Builder, middle: Spot, random: np.random.Generator, size: tuple[float, float, float]
) -> None:
    length, depth, eaves = size
    pane = Material(
        (0.75, 0.75, 0.72),
        second=mixed(random, _PANE, 0.4),
        period_m=(0.6, 0.7),
        share=(0.85, 0.85),
        gloss=0.5,
        grain=0.1,
    )
    door = Material(paint(random), grain=0.3)
    for base in [0.9, 3.6][: 1 + (eaves > 5.2)]:
        for ahead in (-0.3, 0.05, 0.32):
            builder.box(
                middle.moved(ahead * length, 0.0), (1.2, depth + 0.1, 1.4), pane, base=base
            )
        builder.box(middle.moved(0.0, 0.2 * depth), (length + 0.1, 1.2, 1.4), pane, base=base)
    builder.box(middle.moved(-0.1 * length, 0.0), (1.0, depth + 0.12, 2.1), door)


def garden_wall(
    builder: Builder, spot: Spot, random: np.random.Generator, length: float, green: Material
) -> None:
    """Build a hedge, a wall or a fence along the road."""
    kind = random.random()
    height = random.uniform(0.7, 1.9)
    if kind < 0.45:
        width = random.uniform(0.5, 1.0)
        builder.box(spot, (length, width, height), green, taper=(0.1, 0.1))
    elif kind < 0.75:
        builder.box(spot, (length, 0.25, height), wall_material(random))
        cap = Material(mixed(random, (0.4, 0.38, 0.35), 0.2))
        builder.box(spot, (length, 0.35, 0.08), cap, base=height)
    else:
        plank = Material(
            (0.05, 0.04, 0.03),
            second=mixed(random, (0.35, 0.24, 0.14), 0.4),
            period_m=(random.uniform(0.1, 0.2), 5.0),
            share=(0.85, 2.0),
            cell=0.4,
            grain=0.6,
        )
        builder.box(spot, (length, 0.06, height), plank)


def bridge(builder: Builder, spot: Spot, random: np.random.Generator, half_width: float) -> None:
    """Build a bridge over the road; the spot is on the centre line."""
    clearance, deck = random.uniform(4.6, 6.5), random.uniform(0.8, 1.4)
    across = spot.moved(0.0, 0.0, 1.5708 + random.uniform(-0.2, 0.2))
    width = random.uniform(5.0, 14.0)
    concrete = Material(
        mixed(random, (0.38, 0.37, 0.35), 0.2),
        second=(0.25, 0.24, 0.23),
        period_m=(random.uniform(2.0, 6.0), 3.0),
        share=(0.04, 2.0),
        grain=0.7,
        grain_m=0.05,
    )
    rail = Material((0.2, 0.22, 0.24), grain=0.3)
    span = 2 * half_width + random.uniform(30.0, 60.0)
    builder.box(across, (span, width, deck), concrete, base=clearance)
    for left in (-0.5, 0.5):
        builder.box(across.moved(0.0, left * width), (span, 0.1, 1.1), rail, base=clearance + deck)
    abutment = half_width + random.uniform(2.0, 5.0)
    for side in (-1.0, 1.0):
        pier = across.moved(side * (abutment + 1.0), 0.0)
        if random.random() < 0.5:
            builder.box(pier, (1.5, width - 0.5, clearance), concrete)
        else:
            for left in (-0.35, 0.35):
                builder.cylinder(pier.moved(0.0, left * width), 0.5, clearance, concrete)
