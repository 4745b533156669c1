"""Analytic scenes for the depth products: a road, boxes on it, and the sky."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gemdepth_ros.interfaces import Float32Array, Float64Array, PinholeIntrinsics

CAMERA_HEIGHT_M = 1.65
CAMERA = PinholeIntrinsics(310, 94, 180.4, 180.4, 152.4, 43.2)  # KITTI's, a quarter of the size
# Optical axes to x forward, y left, z up, on the ground below the camera.
BASE_FROM_CAMERA: Float64Array = np.array(
    [[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, CAMERA_HEIGHT_M], [0, 0, 0, 1.0]]
)


@dataclass(frozen=True)
class Wall:
    """A plate that faces the camera.

    Attributes:
        depth_m: distance along the optical axis [m].
        left_m: smallest x, to the right of the camera [m].
        right_m: largest x [m].
        bottom_m: lower edge above the ground [m].
        top_m: upper edge above the ground [m].
    """

    depth_m: float
    left_m: float
    right_m: float
    bottom_m: float
    top_m: float


def slopes(camera: PinholeIntrinsics = CAMERA) -> tuple[Float64Array, Float64Array]:
    """x and y of the rays (x, y, 1), [H, W] each."""
    v, u = np.mgrid[: camera.height, : camera.width].astype(float)
    return (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy


def scene(*walls: Wall, camera: PinholeIntrinsics = CAMERA, road: bool = True) -> Float32Array:
    """Depth [H, W] of walls on a flat road under an empty sky (+Inf)."""
    x, y = slopes(camera)
    depth = np.full(x.shape, np.inf)
    if road:
        with np.errstate(divide='ignore'):
            depth = np.where(y > 0, CAMERA_HEIGHT_M / y, np.inf)
    for wall in walls:
        height = CAMERA_HEIGHT_M - y * wall.depth_m
        sideways = x * wall.depth_m
        seen = (sideways >= wall.left_m) & (sideways <= wall.right_m)
        seen &= (height >= wall.bottom_m) & (height <= wall.top_m) & (wall.depth_m < depth)
        depth[seen] = wall.depth_m
    return depth.astype(np.float32)
