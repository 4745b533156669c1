"""Organised clouds from depth maps."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
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
    return np.asarray(cv2.merge(_planes(depth, camera)), np.float32)


def _planes(depth: Float32Array, camera: PinholeIntrinsics) -> list[Float32Array]:
    """x, y and z, each [H, W]; interleaved at last, which is faster than writing every third."""
    height, width = depth.shape
    z = np.array(depth, np.float32, order='C')  # of every n-th pixel, made contiguous
    np.copyto(z, np.float32(np.nan), where=np.isinf(z))
    columns = (np.arange(width, dtype=np.float32) - np.float32(camera.cx)) / np.float32(camera.fx)
    rows = (np.arange(height, dtype=np.float32) - np.float32(camera.cy)) / np.float32(camera.fy)
    return [z * columns, z * rows[:, None], z]


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
    planes = _planes(depth[kept], camera.decimated(decimation))
    return OrganizedCloud(
        _interleaved(planes, _picked_colours(image_rgb, decimation)),
        metric,
        None if normals is None else np.ascontiguousarray(normals[kept]),
    )


def coloured_points(xyz: Float32Array, rgb: UInt8Array) -> Float32Array:
    """Return the points of an ``OrganizedCloud``, float32 [h, w, 4], from both halves."""
    return _interleaved(
        [np.ascontiguousarray(xyz[..., axis], np.float32) for axis in range(3)], rgb
    )


def _interleaved(planes: Sequence[Float32Array], rgb: UInt8Array) -> Float32Array:
    """x, y and z, each float32 [h, w], and colours uint8 [h, w, 3] as float32 [h, w, 4]."""
    bgra = np.asarray(cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2BGRA))
    packed = bgra.view('<u4')[..., 0].astype(np.uint32, copy=False)
    packed &= 0x00FFFFFF
    # All four as integers, whose bits nobody touches.
    columns = [plane.view(np.int32) for plane in (*planes, packed)]
    return np.asarray(cv2.merge(columns)).view(np.float32)


def _picked_colours(image_rgb: UInt8Array, step: int) -> UInt8Array:
    """Every ``step``-th row and column; pixels move as wholes, in a third of the time."""
    image = np.ascontiguousarray(image_rgb)
    pixels = image.view(np.dtype((np.void, 3)))[::step, ::step]
    return np.ascontiguousarray(pixels).view(np.uint8)
