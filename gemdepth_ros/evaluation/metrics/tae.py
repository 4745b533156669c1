"""Temporal alignment error: does the next frame's depth agree with this one's, moved along?

Definition: Chen et al., "Video Depth Anything" (CVPR 2025), section 4.1. Every pixel of a frame is
moved by the relative pose into its neighbour, rounded to the nearest pixel (the last one written
wins, no occlusion test), and compared with the depth there. A static world is assumed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gemdepth_ros.geometry.se3 import inverse
from gemdepth_ros.interfaces import Float64Array


def transported_depth(
    depth: npt.ArrayLike, matrix: Float64Array, next_from_this: Float64Array
) -> Float64Array:
    """Return what the next camera would see of this frame's depth.

    Args:
        depth: [H, W], metres or any unit that the translation shares; NaN is unknown.
        matrix: float64 [3, 3] camera matrix of both frames.
        next_from_this: float64 [4, 4].

    Returns:
        float64 [H, W], 0 where nothing lands.
    """
    z = np.asarray(depth, np.float64)
    height, width = z.shape
    v, u = np.mgrid[0:height, 0:width].astype(np.float64)
    x = (u - matrix[0, 2]) * z / matrix[0, 0]
    y = (v - matrix[1, 2]) * z / matrix[1, 1]
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    moved = points @ next_from_this[:3, :3].T + next_from_this[:3, 3]
    depth_next = moved[:, 2]
    with np.errstate(divide='ignore', invalid='ignore'):
        column = np.rint(matrix[0, 0] * moved[:, 0] / depth_next + matrix[0, 2])
        row = np.rint(matrix[1, 1] * moved[:, 1] / depth_next + matrix[1, 2])
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    inside &= np.isfinite(depth_next)
    landed = np.zeros((height, width))
    # Of several points on one pixel numpy keeps the last, as the definition has it.
    landed[row[inside].astype(np.int64), column[inside].astype(np.int64)] = depth_next[inside]
    return landed


def alignment_error(expected: Float64Array, depth: npt.ArrayLike) -> float:
    """Return the mean |depth - expected| / depth where both are known; 0 where none is."""
    d = np.asarray(depth, np.float64)
    known = (expected > 0) & (d > 0)
    if not known.any():
        return 0.0
    return float((np.abs(d[known] - expected[known]) / d[known]).mean())


def exchanged_depths(
    before: npt.ArrayLike, now: npt.ArrayLike, matrix: Float64Array, now_from_before: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Return what each of two neighbouring frames would see of the other one's depth.

    Args:
        before: [H, W], depth of the earlier frame.
        now: [H, W], depth of the later one.
        matrix: float64 [3, 3] camera matrix of both.
        now_from_before: float64 [4, 4], in depth's unit.

    Returns:
        Both float64 [H, W], the first in the later frame; 0 where nothing lands.
    """
    forward = transported_depth(before, matrix, now_from_before)
    return forward, transported_depth(now, matrix, inverse(now_from_before))


def landed_share(expected: Float64Array, depth: npt.ArrayLike) -> float:
    """Return the part of the known pixels of ``depth`` on which something landed, 0..1."""
    known = np.asarray(depth, np.float64) > 0
    count = int(np.count_nonzero(known))
    return int(np.count_nonzero(known & (expected > 0))) / count if count else 0.0


class TemporalAlignment:
    """TAE of a sequence, frame by frame; two frames in memory.

    Args:
        matrix: float64 [3, 3] camera matrix.

    Attributes:
        pairs: errors (forward + backward) / 2 of each pair so far, as parts of 1.
    """

    def __init__(self, matrix: Float64Array) -> None:
        self.pairs: list[float] = []
        self._matrix = matrix
        self._last: tuple[Float64Array, Float64Array] | None = None

    def add(self, depth: npt.ArrayLike, world_from_camera: Float64Array) -> float | None:
        """Take the next frame; return the error of its pair, or None for a first frame.

        Args:
            depth: [H, W].
            world_from_camera: float64 [4, 4], in depth's unit.
        """
        now = np.asarray(depth, np.float64)
        last, self._last = self._last, (now, world_from_camera)
        if last is None:
            return None
        before, world_from_before = last
        now_from_before = np.linalg.inv(world_from_camera) @ world_from_before
        forward, backward = exchanged_depths(before, now, self._matrix, now_from_before)
        error = (alignment_error(forward, now) + alignment_error(backward, before)) / 2
        self.pairs.append(error)
        return error

    def forget(self) -> None:
        """Start anew: the next frame is no neighbour of the last one."""
        self._last = None

    @property
    def percent(self) -> float:
        """The mean over pairs so far, in percent; NaN before the first pair."""
        return 100.0 * float(np.mean(self.pairs)) if self.pairs else float('nan')
