"""A scene: solids, ground, light and motion, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gemdepth_ros.synthetic.appearance import Light, RoadPaint, make_light, make_road_paint
from gemdepth_ros.synthetic.config import CAMERA_HEIGHT_M
from gemdepth_ros.synthetic.ground import Ground
from gemdepth_ros.synthetic.motion import Actors, EgoMotion
from gemdepth_ros.synthetic.road import make_road
from gemdepth_ros.synthetic.street import Street, make_cross_section

if TYPE_CHECKING:
    from gemdepth_ros.synthetic.config import WorldConfig
    from gemdepth_ros.synthetic.primitives import Solids

__all__ = ['CAMERA_HEIGHT_M', 'Scene', 'driving_scene']


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
    ego: EgoMotion
    ground: Ground | None
    paint: RoadPaint | None
    light: Light


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
