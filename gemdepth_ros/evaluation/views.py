"""Which depth a measure over time looks at: metric, aligned to the truth, or relative."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gemdepth_ros.evaluation.metrics import SMALLEST, ScaleShift
from gemdepth_ros.evaluation.records import FrameRecord
from gemdepth_ros.interfaces import Float64Array


@dataclass(frozen=True)
class DepthView:
    """One reading of the predictions as depth.

    Attributes:
        words: for reports.
        metres: whether its unit is the metre.
        depth: returns a record's map, float64 [H, W]; NaN unknown; None: this frame has none.
    """

    words: str
    metres: bool
    depth: Callable[[FrameRecord], Float64Array | None]


def metric_view(max_depth_m: float) -> DepthView:
    """Return metres as the node states them, cut at a cap [m]."""

    def depth(record: FrameRecord) -> Float64Array | None:
        if record.depth_m is None:
            return None
        return np.clip(record.depth_m.astype(np.float64), SMALLEST, max_depth_m)

    return DepthView('metric, no alignment', True, depth)


def aligned_view(fit: ScaleShift, max_depth_m: float) -> DepthView:
    """Return depth with the sequence's one scale and shift."""
    return DepthView(
        'aligned by one scale and shift per sequence',
        True,
        lambda record: fit.depth(record.disparity, max_depth_m),
    )


def relative_view() -> DepthView:
    """Return 1 / disparity, in the network's unit."""
    return DepthView(
        'relative, 1 / disparity, no alignment',
        False,
        lambda record: 1.0 / np.maximum(record.disparity.astype(np.float64), SMALLEST),
    )
