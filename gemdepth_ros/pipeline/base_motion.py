"""Motion and mounting of the vehicle's base from those of its camera, for the drivers."""

from __future__ import annotations

import math

from gemdepth_ros.grounding.inputs import CameraMounting, speed_at
from gemdepth_ros.grounding.pose_chain import base_motion
from gemdepth_ros.interfaces import Float64Array
from gemdepth_ros.pipeline.config import MountingConfig

__all__ = ['base_motion', 'mounting_of_base', 'speed_at']


def mounting_of_base(
    base_from_camera: Float64Array, base_height_m: float, config: MountingConfig
) -> CameraMounting:
    """Return where the camera sits, from the static transform of a base.

    Args:
        base_from_camera: float64 [4, 4], optical frame to a base with x forward and z up.
        base_height_m: of the base's origin above the ground [m].
        config: standard deviations.
    """
    on_ground = base_from_camera.copy()
    on_ground[2, 3] += base_height_m
    angle_std = math.radians(config.angle_std_deg)
    return CameraMounting.of_transform(on_ground, 0.0, config.height_std_m, angle_std)
