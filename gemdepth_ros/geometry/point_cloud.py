"""Organised clouds from depth maps."""

from __future__ import annotations

import numpy as np

from gemdepth_ros.interfaces import (
    Float32Array,
    OrganizedCloud,
    PinholeIntrinsics,
    UInt8Array,
)


def unproject(depth: Float32Array, camera: PinholeIntrinsics) -> Float32Array:
    """Points [H, W, 3] in the optical frame of a depth map [H, W] along the optical axis.

    Depth that is not finite gives NaN in all three coordinates (REP 118: +Inf is no point).
    """
    height, width = depth.shape
    finite = np.where(np.isfinite(depth), depth, np.float32(np.nan))
    xyz = np.empty((height, width, 3), np.float32)
    columns = (np.arange(width, dtype=np.float32) - np.float32(camera.cx)) / np.float32(camera.fx)
    rows = (np.arange(height, dtype=np.float32) - np.float32(camera.cy)) / np.float32(camera.fy)
    xyz[..., 0] = finite * columns
    xyz[..., 1] = finite * rows[:, None]
    xyz[..., 2] = finite
    return xyz


def organized_cloud(
    depth: Float32Array,
    image_rgb: UInt8Array,
    camera: PinholeIntrinsics,
    decimation: int,
    *,
    metric: bool,
    normals: Float32Array | None = None,
) -> OrganizedCloud:
    """Cloud of every ``decimation``-th row and column.

    Args:
        depth: float32 [H, W], metres or relative.
        image_rgb: uint8 [H, W, 3].
        camera: intrinsics of both at full size.
        decimation: step between kept rows and columns, >= 1.
        metric: whether the depth is metres.
        normals: float32 [H, W, 3] of the depth's surfaces, or None.
    """
    kept = (slice(None, None, decimation), slice(None, None, decimation))
    points = unproject(depth[kept], camera.decimated(decimation))
    return OrganizedCloud(
        points,
        np.ascontiguousarray(image_rgb[kept]),
        metric,
        None if normals is None else np.ascontiguousarray(normals[kept]),
    )
