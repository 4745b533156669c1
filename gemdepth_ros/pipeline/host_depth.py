"""Metric depth without flying pixels on the host: what each pixel needs, while it is in the cache.

The same numbers as ``products.depth_within`` and ``surfaces.flying_pixels`` give on any device. On
the host their intermediate maps would each go to memory and back, which costs more than the
arithmetic; here a strip of rows goes through all steps at once.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from gemdepth_ros.interfaces import Float32Array, GroundingState, PinholeIntrinsics
from gemdepth_ros.pipeline.config import ProductsConfig

STRIP_ROWS = 48


def filtered_metric_depth(
    disparity: Float32Array,
    state: GroundingState,
    camera: PinholeIntrinsics,
    config: ProductsConfig,
) -> Float32Array:
    """Return depth in metres, NaN where it is unknown, too near or a mixture, +Inf where far.

    What float32 cannot hold has its meaning all the same: a distance beyond it is +Inf, an inverse
    depth beyond it is too near. So numpy need not warn of it.

    Args:
        disparity: float32 [H, W]; NaN unknown.
        state: scale and shift.
        camera: intrinsics of the map.
        config: limits, and what an edge is.
    """
    assert state.metric
    depth = np.empty_like(disparity)
    height, reach = len(disparity), config.edges.window // 2
    with np.errstate(divide='ignore', over='ignore', invalid='ignore'):
        shift, scale = np.float32(state.shift), np.float32(state.scale)
        far, near = np.float32(1 / config.max_depth_m), np.float32(config.min_depth_m)
        for first in range(0, height, STRIP_ROWS):
            last = min(first + STRIP_ROWS, height)
            above = max(first - reach, 0)
            inverse = disparity[above : min(last + reach, height)] - shift
            inverse /= scale
            inner = slice(first - above, last - above)
            hidden = _mixtures(inverse, inner, camera, config)
            strip, out = inverse[inner], depth[first:last]
            np.divide(np.float32(1), strip, out=out)
            np.copyto(out, np.float32(np.inf), where=strip <= far)
            hidden |= out < near
            np.copyto(out, np.float32(np.nan), where=hidden)
    return depth


def _mixtures(
    inverse: Float32Array, inner: slice, camera: PinholeIntrinsics, config: ProductsConfig
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """``surfaces.flying_pixels`` of the inner rows of a strip of inverse depth."""
    edges = config.edges
    kernel = np.ones((edges.window, edges.window), np.uint8)
    low = high = inverse
    # OpenCV's comparison with NaN gives now the one, now the other value. The sum of magnitudes is
    # finite where all are: one look at a strip in the cache, cheaper than one at each pixel.
    if not math.isfinite(cv2.norm(inverse, cv2.NORM_L1)):
        low, high = (np.nan_to_num(inverse, nan=unknown) for unknown in (-np.inf, np.inf))
    largest = cv2.dilate(low, kernel)[inner]
    change = cv2.erode(high, kernel)[inner]
    np.maximum(change, 0, out=change)
    np.subtract(largest, change, out=change)
    np.multiply(largest, np.float32(edges.jump), out=largest)
    focal = min(camera.fx, camera.fy)
    grazing = (edges.window - 1) / (focal * edges.plane_distance_m)
    np.maximum(largest, np.float32(grazing), out=largest)
    mixed: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = change > largest
    return mixed
