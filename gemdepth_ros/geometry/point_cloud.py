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
    finite = np.array(depth, np.float32, order='C')  # of every n-th pixel, made contiguous
    finite[np.isinf(finite)] = np.nan
    xyz = np.empty((height, width, 3), np.float32)
    columns = (np.arange(width, dtype=np.float32) - np.float32(camera.cx)) / np.float32(camera.fx)
    rows = (np.arange(height, dtype=np.float32) - np.float32(camera.cy)) / np.float32(camera.fy)
    np.multiply(finite, columns, out=xyz[..., 0])
    np.multiply(finite, rows[:, None], out=xyz[..., 1])
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
        _picked_colours(image_rgb, decimation),
        metric,
        None if normals is None else np.ascontiguousarray(normals[kept]),
    )


def _picked_colours(image_rgb: UInt8Array, step: int) -> UInt8Array:
    """Every ``step``-th row and column; pixels move as wholes, in a third of the time."""
    image = np.ascontiguousarray(image_rgb)
    pixels = image.view(np.dtype((np.void, 3)))[::step, ::step]
    return np.ascontiguousarray(pixels).view(np.uint8)
