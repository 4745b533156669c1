"""Which pixels can show which solid: a window around each one's corners, in rows of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float64Array, PinholeIntrinsics
    from gemdepth_ros.synthetic.primitives import Solids

NEAR_M = 0.05
_SIGNS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
_EDGES = np.array([(a, b) for a in range(8) for b in (a ^ 1, a ^ 2, a ^ 4) if a < b])
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Windows:
    """Solids that can be seen, with the first and one past the last row and column of each.

    Attributes:
        solid: int64 [V], rows of the table of solids.
        top: int64 [V].
        bottom: int64 [V].
        left: int64 [V].
        right: int64 [V].
    """

    solid: IntArray
    top: IntArray
    bottom: IntArray
    left: IntArray
    right: IntArray


def windows_of(
    solids: Solids,
    placed: Float64Array,
    scene_from_camera: Float64Array,
    camera: PinholeIntrinsics,
    far_m: float,
) -> Windows:
    """Return the windows of all solids within ``far_m`` before the camera."""
    extent = solids.extent()
    position = scene_from_camera[:3, 3]
    offset = placed[:, :3] - position
    radius = np.linalg.norm(extent, axis=1)
    ahead = offset @ scene_from_camera[:3, 2]
    # A cone around the optical axis that holds the whole image.
    reach = np.hypot(
        max(camera.cx, camera.width - camera.cx) / camera.fx,
        max(camera.cy, camera.height - camera.cy) / camera.fy,
    )
    aside = np.sqrt(np.maximum((offset**2).sum(axis=1) - ahead**2, 0.0))
    inside = aside <= reach * ahead + radius * np.hypot(1.0, reach)
    near = np.flatnonzero(inside & (ahead + radius > NEAR_M) & (ahead - radius < far_m))
    corners = _corners(placed[near], extent[near])
    corners = (corners - position) @ scene_from_camera[:3, :3]
    bounds = _bounds(corners, camera)
    some = (bounds[:, 0] < bounds[:, 1]) & (bounds[:, 2] < bounds[:, 3])
    return Windows(near[some], *bounds[some].T)


def _corners(placed: Float64Array, extent: Float64Array) -> Float64Array:
    """Return the corners of boxes in the scene, float64 [P, 8, 3]."""
    local = _SIGNS * extent[:, np.newaxis]
    cos, sin = np.cos(placed[:, 3, np.newaxis]), np.sin(placed[:, 3, np.newaxis])
    x, y, z = np.moveaxis(local, 2, 0)
    turned = np.stack([cos * x - sin * y, sin * x + cos * y, z], axis=-1)
    return turned + placed[:, np.newaxis, :3]


def _bounds(corners: Float64Array, camera: PinholeIntrinsics) -> IntArray:
    """Return top, bottom, left, right, int64 [P, 4], of what lies before the near plane."""
    first, second = corners[:, _EDGES[:, 0]], corners[:, _EDGES[:, 1]]
    crosses = (first[..., 2] < NEAR_M) != (second[..., 2] < NEAR_M)
    with np.errstate(divide='ignore', invalid='ignore'):
        part = (NEAR_M - first[..., 2]) / (second[..., 2] - first[..., 2])
        cut = first + part[..., np.newaxis] * (second - first)
        cut[..., 2] = NEAR_M
        points = np.concatenate([corners, cut], axis=1)
        shown = np.concatenate([corners[..., 2] >= NEAR_M, crosses], axis=1)
        column = camera.fx * points[..., 0] / points[..., 2] + camera.cx
        row = camera.fy * points[..., 1] / points[..., 2] + camera.cy
    limits = []
    for values, size in ((row, camera.height), (column, camera.width)):
        low = np.where(shown, values, np.inf).min(axis=1)
        high = np.where(shown, values, -np.inf).max(axis=1)
        limits += [
            np.clip(np.ceil(low - 1e-6), 0, size),
            np.clip(np.floor(high + 1e-6) + 1, 0, size),
        ]
    return np.stack(limits, axis=1).astype(np.int64)
