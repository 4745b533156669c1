"""KITTI's relative errors of motion: per hundred metres, over segments of fixed length.

Definition: Geiger, Lenz, Urtasun, "Are we ready for Autonomous Driving? The KITTI Vision Benchmark
Suite" (CVPR 2012), and the odometry development kit: from every tenth frame, segments whose true
path is at least 100, 200 .. 800 m long; the error of a segment is the rest of its motion after
the true one is taken away, divided by the length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gemdepth_ros.geometry.se3 import inverse
from gemdepth_ros.interfaces import Float64Array

LENGTHS_M = (100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0)
SHORT_LENGTHS_M = (5.0, 10.0, 20.0, 40.0)
"""For clips without a segment of 100 m; not comparable with the benchmark."""

START_STEP = 10


@dataclass(frozen=True)
class SegmentErrors:
    """Means over segments.

    Attributes:
        translation: error of translation, as a part of the length; NaN: no segment.
        rotation_deg_per_m: error of rotation [deg/m].
        lengths_m: lengths that had segments [m].
        segments: how many.
    """

    translation: float
    rotation_deg_per_m: float
    lengths_m: tuple[float, ...]
    segments: int


def path_distances(positions: Float64Array) -> Float64Array:
    """Return the length of the path up to each of the positions [N, 3], [N]."""
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def segment_errors(estimated: Float64Array, true: Float64Array) -> SegmentErrors:
    """Return the relative errors of estimated against true poses, both [N, 4, 4], in metres.

    Segments of `LENGTHS_M`; where the path is too short for all of them, of `SHORT_LENGTHS_M`.
    """
    distances = path_distances(true[:, :3, 3])
    lengths = LENGTHS_M if distances[-1] >= LENGTHS_M[0] else SHORT_LENGTHS_M
    step = START_STEP if lengths is LENGTHS_M else 1
    # The development kit ends a segment at the first frame beyond its length.
    rows = [
        (length, *_segment(estimated, true, start, end, length))
        for start in range(0, len(true), step)
        for length in lengths
        if (end := int(np.searchsorted(distances, distances[start] + length, 'right'))) < len(true)
    ]
    if not rows:
        return SegmentErrors(math.nan, math.nan, (), 0)
    used = tuple(sorted({row[0] for row in rows}))
    means = np.mean([row[1:] for row in rows], axis=0)
    return SegmentErrors(float(means[0]), math.degrees(float(means[1])), used, len(rows))


def _segment(
    estimated: Float64Array, true: Float64Array, start: int, end: int, length: float
) -> tuple[float, float]:
    """Return the errors of one segment: part of the length, and [rad/m]."""
    true_step = inverse(true[start]) @ true[end]
    step = inverse(estimated[start]) @ estimated[end]
    rest = inverse(step) @ true_step
    angle = math.acos(float(np.clip((np.trace(rest[:3, :3]) - 1) / 2, -1, 1)))
    return float(np.linalg.norm(rest[:3, 3])) / length, angle / length
