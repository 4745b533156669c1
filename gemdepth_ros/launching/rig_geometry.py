"""Frames of a rig: from angles to matrices, and the tree they form."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.geometry import se3
from gemdepth_ros.interfaces import Float64Array
from gemdepth_ros.ros import rotations

Edge = tuple[str, str, Float64Array]  # parent, child, parent_from_child
# REP 103: a body has x forward, y left, z up; an optical frame z forward, x right, y down.
BODY_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def vector_of(numbers: Sequence[float]) -> Float64Array:
    """Return numbers as float64 [N]."""
    return np.array(numbers, np.float64)


def transform(xyz_m: Float64Array, rpy_deg: Float64Array) -> Float64Array:
    """Return ``parent_from_child``, float64 [4, 4].

    Args:
        xyz_m: [3] origin of the child in the parent [m].
        rpy_deg: [3] roll, pitch and yaw about the parent's fixed x, y and z, in this order, as in
            URDF [deg]; a positive pitch turns x downwards.
    """
    return se3.from_parts(rotations.of_angles(np.deg2rad(rpy_deg)), xyz_m)


def base_from_frames(
    where: str, base_frame: str, frames: Sequence[Edge]
) -> tuple[list[Edge], dict[str, Float64Array]]:
    """Return the edges from the base outwards, and each frame's pose in the base.

    Raises:
        ConfigError: a frame has two parents, or no way leads from it to the base.
    """
    children = [child for _, child, _ in frames]
    for child in children:
        if child == base_frame or children.count(child) > 1:
            raise ConfigError(f'{where}: {child!r} has two parents, or is the base itself')
    base_from = {base_frame: np.eye(4)}
    ordered: list[Edge] = []
    waiting = list(frames)
    while waiting:
        ready = [edge for edge in waiting if edge[0] in base_from]
        if not ready:
            parent, child, _ = waiting[0]
            raise ConfigError(
                f'{where}: the parent {parent!r} of {child!r} does not lead to {base_frame!r}'
            )
        for parent, child, parent_from_child in ready:
            base_from[child] = base_from[parent] @ parent_from_child
        ordered += ready
        waiting = [edge for edge in waiting if edge[1] not in base_from]
    return ordered, base_from


def pitch_and_roll(base_from_camera: Float64Array) -> tuple[float, float]:
    """Return a camera's pitch below the horizon and its roll [rad], as ``mounting.*`` means them.

    Args:
        base_from_camera: float64 [4, 4] from optical axes to a base with z up.
    """
    right, below, ahead = (-base_from_camera[2, :3]).tolist()  # down, in optical axes
    return math.asin(max(-1.0, min(1.0, ahead))), math.atan2(right, below)
