"""A scene: solids, ground, light and motion, drawn from a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.synthetic.appearance import (
    Light,
    RoadPaint,
    make_indoor_light,
    make_light,
    make_road_paint,
)
from gemdepth_ros.synthetic.ground import Ground
from gemdepth_ros.synthetic.indoor import Floor, IndoorMotion
from gemdepth_ros.synthetic.motion import Actors, Carrier, EgoMotion
from gemdepth_ros.synthetic.road import Piece, Road, make_road
from gemdepth_ros.synthetic.street import Street, make_cross_section

if TYPE_CHECKING:
    from gemdepth_ros.synthetic.config import WorldConfig
    from gemdepth_ros.synthetic.primitives import Solids


@dataclass(frozen=True, eq=False)
class Scene:
    """All that can be seen and how it moves.

    Attributes:
        solids: the table of solids.
        actors: what moves.
        ego: how the camera's carrier moves.
        ground: the road; None where solids are the floor.
        paint: of the ground.
        light: sun and sky.
    """

    solids: Solids
    actors: Actors
    ego: Carrier
    ground: Ground | None
    paint: RoadPaint | None
    light: Light


def make_scene(
    kind: str, random: np.random.Generator, config: WorldConfig, duration_s: float
) -> Scene:
    """Draw a scene: 'driving' or 'indoor'."""
    if kind == 'driving':
        return driving_scene(random, config, duration_s)
    if kind == 'indoor':
        return indoor_scene(random, config, duration_s)
    raise ConfigError(f"kind must be 'driving' or 'indoor', got {kind!r}")


def indoor_scene(random: np.random.Generator, config: WorldConfig, duration_s: float) -> Scene:
    """Draw a floor of a building."""
    floor = Floor(random, config, duration_s)
    ego = IndoorMotion(random, config, floor, duration_s)
    corridor = Road([Piece(0.0, 0.0, 0.0, 0.0, 0.0, math.inf)])
    actors = Actors(corridor, ego)
    floor.people(actors)
    solids = floor.builder.build()
    return Scene(solids, actors, ego, None, None, make_indoor_light(random, config))


def driving_scene(random: np.random.Generator, config: WorldConfig, duration_s: float) -> Scene:
    """Draw a road with everything along it."""
    style = str(random.choice(config.styles))
    length = config.speed_mps[1] * 1.2 * (duration_s + 8.0) + 250.0
    section = make_cross_section(random, config, style)
    road = make_road(random, config, length)
    ego = EgoMotion(random, config, road, section.ego_m, duration_s)
    street = Street(random, config, style, road, section, ego, duration_s)
    paint = make_road_paint(
        random, style, section.lane_m, section.lanes, section.half_width_m, section.pavement_m
    )
    return Scene(
        street.builder.build(),
        street.actors,
        ego,
        Ground(road, section.half_width_m, random.uniform(*config.kerb_m)),
        paint,
        make_light(random, config),
    )
