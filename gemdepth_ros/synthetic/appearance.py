"""The light, the sky and the colours of the ground in one scene."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gemdepth_ros.synthetic.vehicles import mixed

if TYPE_CHECKING:
    from gemdepth_ros.synthetic.config import WorldConfig
    from gemdepth_ros.synthetic.primitives import Colour


@dataclass(frozen=True)
class Light:
    """Sun and sky.

    Attributes:
        towards_sun: unit vector in the scene.
        sun: colour of the sun's light, linear; zero when the sky is covered.
        ambient: colour of the light from all over the sky.
        horizon: colour of the sky at the horizon, and of the fog.
        zenith: colour of the sky above.
        clouds: part of the sky that clouds cover, about.
        cloud_seed: shift of the clouds' texture.
        visibility_m: distance at which fog leaves 1/e of the contrast.
    """

    towards_sun: tuple[float, float, float]
    sun: Colour
    ambient: Colour
    horizon: Colour
    zenith: Colour
    clouds: float
    cloud_seed: float
    visibility_m: float


@dataclass(frozen=True)
class RoadPaint:
    """Colours and markings of the ground.

    Attributes:
        asphalt: colour of the road.
        pavement: colour of the pavement.
        field: colour of what lies beyond the pavement.
        kerb: colour of the kerb.
        mark: colour of the markings.
        pavement_m: width of the pavement.
        slab_m: size of its slabs.
        lines: lateral place, dash period [m] and painted share of each line; share 2: unbroken.
        zebra_m: places of zebra crossings along the road.
        wear: contrast of stains and patches.
    """

    asphalt: Colour
    pavement: Colour
    field: Colour
    kerb: Colour
    mark: Colour
    pavement_m: float
    slab_m: float
    lines: tuple[tuple[float, float, float], ...]
    zebra_m: tuple[float, ...]
    wear: float


def make_light(random: np.random.Generator, config: WorldConfig) -> Light:
    """Draw the light of a scene."""
    elevation = math.radians(random.uniform(*config.sun_elevation_deg))
    azimuth = random.uniform(0.0, 2 * math.pi)
    covered = random.random() < config.overcast_share
    low = math.exp(-elevation / 0.35)
    strength = 0.0 if covered else random.uniform(1.3, 2.4)
    sun = (strength, strength * (1.0 - 0.25 * low), strength * (0.92 - 0.5 * low))
    grey = random.uniform(0.55, 0.95)
    horizon = (0.75, 0.82, 0.9) if not covered else (0.8, 0.82, 0.84)
    zenith = (0.22, 0.4, 0.75) if not covered else (0.6, 0.62, 0.66)
    ambient = mixed(random, (0.42, 0.47, 0.56) if not covered else (0.8, 0.82, 0.85), 0.15)
    return Light(
        (
            math.cos(elevation) * math.cos(azimuth),
            math.cos(elevation) * math.sin(azimuth),
            math.sin(elevation),
        ),
        sun,
        ambient,
        mixed(random, horizon, 0.06),
        (zenith[0] * grey, zenith[1] * grey, zenith[2] * grey),
        random.uniform(0.2, 0.8) if not covered else 1.0,
        float(random.uniform(0.0, 100.0)),
        float(np.exp(random.uniform(*np.log(config.visibility_m)))),
    )


def make_indoor_light(random: np.random.Generator, config: WorldConfig) -> Light:
    """Draw the light of rooms: lamps above, and what the walls throw back."""
    elevation = math.radians(random.uniform(*config.sun_elevation_deg))
    azimuth = random.uniform(0.0, 2 * math.pi)
    flat = math.cos(elevation)
    warm = mixed(random, (0.6, 0.56, 0.48), 0.25)
    grey = mixed(random, (0.6, 0.6, 0.6), 0.1)
    return Light(
        (flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)),
        warm,
        mixed(random, (0.55, 0.53, 0.5), 0.25),
        grey,
        grey,
        0.0,
        0.0,
        random.uniform(*config.visibility_m),
    )


def make_road_paint(
    random: np.random.Generator,
    style: str,
    lane_m: float,
    lanes: int,
    half_width_m: float,
    pavement_m: float,
) -> RoadPaint:
    """Draw the ground of a road."""
    period = random.uniform(5.0, 12.0)
    dashes = random.uniform(0.3, 0.5)
    lines = [(0.0, period, dashes if random.random() < 0.6 else 2.0)]
    if random.random() < 0.15 and style != 'highway':
        lines = []
    for lane in range(1, lanes):
        lines += [(side * lane * lane_m, period, dashes) for side in (-1.0, 1.0)]
    if random.random() < 0.6 or style == 'highway':
        lines += [(side * lanes * lane_m, period, 2.0) for side in (-1.0, 1.0)]
    zebra = ()
    if style in ('city', 'suburb'):
        zebra = tuple(np.cumsum(random.uniform(20.0, 90.0, 8)).tolist())
    green = style != 'city'
    return RoadPaint(
        asphalt=mixed(random, (0.085, 0.085, 0.09), 0.35),
        pavement=mixed(random, (0.24, 0.23, 0.21), 0.3),
        field=mixed(random, (0.1, 0.14, 0.04) if green else (0.2, 0.19, 0.17), 0.3),
        kerb=mixed(random, (0.32, 0.31, 0.3), 0.2),
        mark=mixed(random, (0.62, 0.62, 0.6), 0.12),
        pavement_m=pavement_m,
        slab_m=random.uniform(0.3, 1.2),
        lines=tuple(lines),
        zebra_m=zebra,
        wear=random.uniform(0.2, 0.9),
    )
