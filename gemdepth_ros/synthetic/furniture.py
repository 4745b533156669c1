"""What stands in rooms. Spots are on the floor; what has a back has it to its left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemdepth_ros.synthetic.primitives import Builder, Colour, Material, Spot
from gemdepth_ros.synthetic.roadside import foliage
from gemdepth_ros.synthetic.vehicles import mixed

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    Build = Callable[[Builder, Spot, np.random.Generator], None]

_WOODS: tuple[Colour, ...] = (
    (0.42, 0.27, 0.15),
    (0.25, 0.14, 0.08),
    (0.55, 0.42, 0.28),
    (0.75, 0.74, 0.7),
    (0.1, 0.09, 0.09),
)
_CLOTHS: tuple[Colour, ...] = (
    (0.3, 0.31, 0.33),
    (0.15, 0.2, 0.32),
    (0.4, 0.16, 0.12),
    (0.5, 0.46, 0.38),
    (0.16, 0.27, 0.18),
    (0.6, 0.45, 0.15),
)
_STEEL = Material((0.4, 0.41, 0.42), grain=0.2, gloss=0.3)
_BLACK = Material((0.02, 0.02, 0.022), grain=0.1, gloss=0.4)


def wood(random: np.random.Generator) -> Material:
    """Return boards with a grain."""
    colour = mixed(random, _WOODS[random.integers(len(_WOODS))], 0.2)
    return Material(colour, grain=0.5, grain_m=0.01)


def cloth(random: np.random.Generator) -> Material:
    """Return cloth, plain or striped."""
    colour = mixed(random, _CLOTHS[random.integers(len(_CLOTHS))], 0.25)
    striped = random.random() < 0.3
    second = mixed(random, _CLOTHS[random.integers(len(_CLOTHS))], 0.25)
    return Material(
        colour,
        second=second,
        period_m=(random.uniform(0.04, 0.3), 1.0),
        share=(0.5, 2.0) if striped else (0.0, 0.0),
        grain=0.6,
        grain_m=0.006,
    )


def table(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build a table, perhaps with things on it."""
    length, width, height = random.uniform((0.9, 0.6, 0.7), (1.9, 0.95, 0.78))
    top = wood(random)
    builder.box(spot, (length, width, 0.04), top, base=height - 0.04)
    for ahead in (-0.45, 0.45):
        for left in (-0.42, 0.42):
            leg = spot.moved(ahead * length, left * width)
            builder.box(leg, (0.06, 0.06, height - 0.04), top)
    for _ in range(random.integers(0, 4)):
        place = spot.moved(*(random.uniform(-0.35, 0.35, 2) * (length, width)))
        _thing(builder, place, random, height)


def desk(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build a desk with a screen and a chair."""
    table(builder, spot, random)
    builder.box(spot.moved(0.0, 0.12), (0.5, 0.03, 0.32), _BLACK, base=0.85)
    builder.box(spot.moved(0.0, 0.14), (0.06, 0.1, 0.2), _BLACK, base=0.72)
    chair(
        builder, spot.moved(random.uniform(-0.2, 0.2), -0.6, 3.1 + random.normal(0, 0.3)), random
    )


def chair(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build a chair."""
    seat = cloth(random) if random.random() < 0.5 else wood(random)
    builder.box(spot, (0.42, 0.42, 0.05), seat, base=0.43)
    builder.box(spot.moved(0.0, 0.2), (0.4, 0.04, 0.45), seat, base=0.48)
    for ahead in (-0.18, 0.18):
        for left in (-0.18, 0.18):
            builder.cylinder(spot.moved(ahead, left), 0.018, 0.44, _STEEL)


def sofa(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build a sofa or an armchair."""
    cover = cloth(random)
    length = random.choice([0.9, 1.5, 2.1])
    builder.box(spot, (length, 0.85, 0.3), cover, base=0.1)
    builder.box(spot.moved(0.0, 0.33), (length, 0.2, 0.75), cover, base=0.1, taper=(0.0, 0.05))
    for side in (-0.5, 0.5):
        builder.box(spot.moved(side * (length - 0.16), 0.0), (0.16, 0.85, 0.55), cover, base=0.05)
    cushion = cloth(random)
    builder.ellipsoid(spot.moved(-0.3 * length, 0.15), (0.42, 0.2, 0.42), cushion, base=0.4)


def shelf(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build a shelf with books."""
    length, height = random.uniform((0.6, 0.9), (1.6, 2.1))
    frame = wood(random)
    builder.box(spot.moved(0.0, 0.14), (length, 0.02, height), frame)
    for side in (-0.5, 0.5):
        builder.box(spot.moved(side * length, 0.0), (0.025, 0.3, height), frame)
    level = 0.05
    while level < height - 0.2:
        builder.box(spot, (length, 0.3, 0.025), frame, base=level)
        books = Material(
            mixed(random, (0.2, 0.18, 0.15), 0.5),
            second=mixed(random, (0.45, 0.35, 0.3), 0.7),
            period_m=(random.uniform(0.02, 0.05), 1.0),
            share=(0.85, 2.0),
            cell=1.6,
            grain=0.3,
        )
        part = random.uniform(0.3, 0.95)
        size = (part * length, 0.22, random.uniform(0.16, 0.26))
        builder.box(spot.moved(0.45 * (part - 1) * length, 0.0), size, books, base=level + 0.025)
        level += 0.34


def cabinet(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build a cupboard with doors, or a chest of drawers."""
    length, depth, height = random.uniform((0.6, 0.4, 0.6), (1.8, 0.6, 2.1))
    body = wood(random)
    doors = Material(
        mixed(random, (0.05, 0.05, 0.05), 0.3),
        second=body.colour,
        top=body.colour,
        period_m=(random.uniform(0.4, 0.6), random.uniform(0.25, 0.9)),
        share=(0.97, 0.96),
        grain=0.4,
        grain_m=0.01,
    )
    builder.box(spot, (length, depth, height), doors)
    for _ in range(random.integers(0, 3)):
        _thing(builder, spot.moved(random.uniform(-0.35, 0.35) * length, 0.0), random, height)


def bed(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build a bed along the wall."""
    frame, cover = wood(random), cloth(random)
    width = random.uniform(0.9, 1.5)
    side = spot.moved(0.0, -width / 2 + 0.3)
    builder.box(side, (2.05, width, 0.3), frame)
    builder.box(
        side.moved(0.1, 0.0), (1.8, width + 0.05, 0.24), cover, base=0.28, taper=(0.05, 0.05)
    )
    builder.box(side.moved(-1.03, 0.0), (0.06, width, 0.9), frame)
    pillow = Material((0.75, 0.74, 0.72), grain=0.3)
    builder.ellipsoid(side.moved(-0.75, 0.0), (0.4, 0.65, 0.2), pillow, base=0.45)


def plant(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build a plant in a pot."""
    green = foliage(random)
    builder.cylinder(spot, 0.17, 0.35, Material(mixed(random, (0.4, 0.2, 0.12), 0.4)))
    for _ in range(random.integers(2, 5)):
        place = spot.moved(*random.uniform(-0.12, 0.12, 2))
        size = random.uniform(0.25, 0.55)
        base = random.uniform(0.35, 0.9)
        builder.ellipsoid(place, (size, size, 1.4 * size), green, base=base)


def floor_lamp(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build a standing lamp."""
    height = random.uniform(1.3, 1.7)
    builder.cylinder(spot, 0.15, 0.03, _BLACK)
    builder.cylinder(spot, 0.012, height, _STEEL)
    shade = Material((0.9, 0.82, 0.6), grain=0.1)
    size = (0.4, 0.4, 0.28)
    builder.box(spot, size, shade, base=height - 0.05, taper=(0.08, 0.08))


def boxes(builder: Builder, spot: Spot, random: np.random.Generator) -> None:
    """Build a stack of cardboard boxes."""
    base = 0.0
    for _ in range(random.integers(1, 4)):
        card = Material(
            mixed(random, (0.45, 0.31, 0.18), 0.2),
            second=(0.6, 0.5, 0.35),
            period_m=(0.6, 0.6),
            share=(0.12, 2.0),
            grain=0.4,
        )
        size = random.uniform((0.3, 0.25, 0.2), (0.6, 0.45, 0.45))
        turned = spot.moved(0.0, 0.0, random.normal(0.0, 0.2))
        builder.box(turned, (size[0], size[1], size[2]), card, base=base)
        base += size[2]


def _thing(builder: Builder, spot: Spot, random: np.random.Generator, base: float) -> None:
    """Put a cup, a ball, a book or a box on something."""
    colour = Material(mixed(random, _CLOTHS[random.integers(len(_CLOTHS))], 0.4), grain=0.3)
    turned = spot.moved(0.0, 0.0, random.uniform(0.0, 3.0))
    size = random.uniform((0.08, 0.06, 0.04), (0.35, 0.25, 0.25))
    kind = random.integers(3)
    if kind == 0:
        builder.cylinder(spot, random.uniform(0.03, 0.1), size[2] + 0.05, colour, base=base)
    elif kind == 1:
        builder.ellipsoid(spot, (size[1], size[1], size[1]), colour, base=base)
    else:
        builder.box(turned, (size[0], size[1], size[2]), colour, base=base)


AT_WALLS: tuple[Build, ...] = (
    desk,
    sofa,
    shelf,
    shelf,
    cabinet,
    cabinet,
    bed,
    plant,
    floor_lamp,
    boxes,
)
FREE_STANDING: tuple[Build, ...] = (table, chair, chair, boxes, plant)
