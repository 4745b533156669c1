"""Clouds for costmaps: points that mark obstacles, and points whose rays clear free space.

A costmap source drops points outside its height limits before it marks *and* before it clears,
and drops NaN and infinity. So obstacles and clearing need two clouds, and sky, which has no
depth, is sent as a finite point at the clearing range: on its ray, nothing is near.

Unknown depth (NaN: flying pixels, the vehicle itself, too near) neither marks nor clears.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from gemdepth_ros.interfaces import Float32Array, Float64Array, PinholeIntrinsics, UInt8Array
from gemdepth_ros.pipeline.products_config import CostmapClouds

BoolArray = npt.NDArray[np.bool_]
Slices = tuple[slice, slice]
KEPT_MAPS = 32  # of a camera and a step: of sixteen cameras
_NEIGHBOURS = ((0, 1), (1, -1), (1, 0), (1, 1))  # (row, column); the others are their opposites


def points_mark(
    depth_m: Float32Array,
    camera: PinholeIntrinsics,
    base_from_camera: Float64Array,
    config: CostmapClouds,
    std_m: Float32Array | None = None,
) -> Float32Array:
    """Return the points that mark obstacles, float32 [N, 3] in the optical frame [m].

    Kept are points within the limits of height (in the base frame) and range, sure enough, with
    neighbours that belong to the same surface. More than ``max_mark_points`` are thinned evenly,
    without chance.

    Args:
        depth_m: float32 [H, W], NaN unknown, +Inf beyond range; after the edge filter.
        camera: intrinsics of the depth.
        base_from_camera: float64 [4, 4], camera (optical axes) to the base frame, whose origin
            is on the ground and whose z points up.
        config: limits.
        std_m: float32 [H, W] standard deviation of depth, or None when it is not to be used.
    """
    step = config.mark_step
    depth = _picked(depth_m, step)
    rays = _rays(camera, depth_m.shape, step)
    # NaN and infinity compare as false.
    with np.errstate(invalid='ignore'):
        distance = depth * _lengths(camera, depth_m.shape, step)
        kept = (distance >= config.min_range_m) & (distance <= config.max_range_m)
        above, origin = _above_camera(depth, camera, depth_m.shape, step, base_from_camera)
        kept &= above >= config.min_height_m - origin
        kept &= above <= config.max_height_m - origin
        if std_m is not None and config.max_relative_std < np.inf:
            kept &= _picked(std_m, step) <= config.max_relative_std * depth
    if config.min_neighbours:
        kept &= _supported(depth, kept, config)
    chosen = _thinned(np.flatnonzero(kept), config.max_mark_points)
    return _points(depth.ravel()[chosen], rays, chosen)


def points_clear(
    depth_m: Float32Array,
    camera: PinholeIntrinsics,
    base_from_camera: Float64Array,
    config: CostmapClouds,
    std_m: Float32Array | None = None,
    *,
    max_depth_m: float = np.inf,
) -> Float32Array:
    """Return the ends of free rays, float32 [N, 3] in the optical frame [m], all finite.

    - ground: the point itself;
    - sky and whatever is beyond ``clearing_range_m``: the ray's point at that range, but a
      margin before ``max_depth_m`` [m along the optical axis] at the most: beyond it depth is
      +Inf whatever is there;
    - anything higher than the ground: the ray ends a margin before it, so that what stood in
      front of it is cleared and it is not;
    - unknown depth: no ray.

    The other arguments are those of ``points_mark``.
    """
    step = config.clear_step
    depth = _picked(depth_m, step)
    rays = _rays(camera, depth_m.shape, step)
    lengths = _lengths(camera, depth_m.shape, step)
    with np.errstate(invalid='ignore'):
        distance = depth * lengths
        above, origin = _above_camera(depth, camera, depth_m.shape, step, base_from_camera)
        obstacle = above >= config.min_height_m - origin
        margin = np.full_like(depth, config.clear_margin_m)
        if std_m is not None:
            stated = config.clear_margin_std * _picked(std_m, step) * lengths
            margin = np.fmax(margin, stated)
        end = np.where(obstacle & np.isfinite(distance), distance - margin, distance)
        limit = np.float32(max_depth_m) * lengths - np.float32(config.clear_margin_m)
        end = np.where(np.isinf(distance), limit, end)
        end = np.minimum(end, np.float32(config.clearing_range_m))
        known = end > 0
    chosen = _thinned(np.flatnonzero(known), config.max_clear_points)
    ends_z: Float32Array = (end / lengths).astype(np.float32, copy=False)
    return _points(ends_z.ravel()[chosen], rays, chosen)


def _picked(values: Float32Array, step: int) -> Float32Array:
    """Every ``step``-th row and column, from the middle of the first step; contiguous."""
    first_row, first_column = (min(step // 2, size - 1) for size in values.shape)
    return np.ascontiguousarray(values[first_row::step, first_column::step])


@functools.lru_cache(maxsize=KEPT_MAPS)
def _rays(
    camera: PinholeIntrinsics, shape: tuple[int, ...], step: int
) -> tuple[Float32Array, Float32Array]:
    """Slopes x [w] and y [h] of the rays (x, y, 1) of the picked pixels."""
    first_row, first_column = (min(step // 2, size - 1) for size in shape)
    columns = np.arange(first_column, shape[1], step, dtype=np.float32)
    rows = np.arange(first_row, shape[0], step, dtype=np.float32)
    x = (columns - np.float32(camera.cx)) / np.float32(camera.fx)
    y = (rows - np.float32(camera.cy)) / np.float32(camera.fy)
    return x, y


@functools.lru_cache(maxsize=KEPT_MAPS)
def _lengths(camera: PinholeIntrinsics, shape: tuple[int, ...], step: int) -> Float32Array:
    """Lengths [h, w] of these rays: the same for every frame of a camera."""
    x, y = _rays(camera, shape, step)
    lengths: Float32Array = np.sqrt(x**2 + (y**2 + 1)[:, None])
    return lengths


def _above_camera(
    depth: Float32Array,
    camera: PinholeIntrinsics,
    shape: tuple[int, ...],
    step: int,
    base_from_camera: Float64Array,
) -> tuple[Float32Array, np.float32]:
    """How far each point is above the camera, and the camera above the base's origin [m]."""
    along_x, along_y, along_z, origin = base_from_camera[2].astype(np.float32).tolist()
    return depth * _rises(camera, shape, step, (along_x, along_y, along_z)), np.float32(origin)


@functools.lru_cache(maxsize=KEPT_MAPS)
def _rises(
    camera: PinholeIntrinsics, shape: tuple[int, ...], step: int, up: tuple[float, float, float]
) -> Float32Array:
    """What the rays rise along ``up`` [h, w] per metre of depth: the same while nothing turns."""
    x, y = _rays(camera, shape, step)
    along_x, along_y, along_z = (np.float32(part) for part in up)
    rises: Float32Array = x * along_x + (y * along_y + along_z)[:, None]
    return rises


def _supported(depth: Float32Array, kept: BoolArray, config: CostmapClouds) -> BoolArray:
    """Where enough of the eight neighbours are kept, too, and at nearly the same depth."""
    supported = np.zeros(depth.shape, bool)
    rows = np.flatnonzero(kept.any(axis=1))
    if rows.size:  # obstacles fill a part of the image only
        band = slice(int(rows[0]), int(rows[-1]) + 1)
        count = _alike_neighbours(depth[band], kept[band], config.neighbour_distance)
        supported[band] = count >= config.min_neighbours
    return supported


def _alike_neighbours(depth: Float32Array, kept: BoolArray, distance: float) -> UInt8Array:
    """How many of the eight neighbours are kept and differ by less than ``distance`` of it."""
    height, width = depth.shape
    padded = np.full((height + 2, width + 2), np.inf, np.float32)
    padded[1:-1, 1:-1][kept] = depth[kept]
    limit = np.zeros_like(padded)
    np.multiply(padded[1:-1, 1:-1], np.float32(distance), out=limit[1:-1, 1:-1], where=kept)
    count = np.zeros(padded.shape, np.uint8)
    change, alike = np.empty(padded.size, np.float32), np.empty(padded.size, bool)
    with np.errstate(invalid='ignore'):
        for row, column in _NEIGHBOURS:
            there, here = _pair(row, column)
            size = padded[here].shape
            difference = change[: size[0] * size[1]].reshape(size)
            near = alike[: size[0] * size[1]].reshape(size)
            np.abs(np.subtract(padded[there], padded[here], out=difference), out=difference)
            for side in (here, there):
                np.less(difference, limit[side], out=near)
                np.add(count[side], near.view(np.uint8), out=count[side])
    return count[1:-1, 1:-1]


def _pair(row: int, column: int) -> tuple[Slices, Slices]:
    """The places of an array that have a neighbour so far away in it: the neighbours, and they."""
    columns = slice(max(column, 0), min(column, 0) or None)
    others = slice(max(-column, 0), min(-column, 0) or None)
    return (slice(row, None), columns), (slice(None, -row or None), others)


def _thinned(places: npt.NDArray[np.intp], largest: int) -> npt.NDArray[np.intp]:
    """At most ``largest`` of the places, evenly spread and always the same."""
    if places.size <= largest:
        return places
    return places[np.arange(largest) * places.size // largest]


def _points(
    depth: Float32Array,
    rays: tuple[Float32Array, Float32Array],
    places: npt.NDArray[np.intp],
) -> Float32Array:
    """Points [N, 3] of depths [N] at flat places of the picked image."""
    x, y = rays
    rows = places // x.size
    points = np.empty((places.size, 3), np.float32)
    points[:, 0] = x[places - rows * x.size] * depth
    points[:, 1] = y[rows] * depth
    points[:, 2] = depth
    return points
