"""Errors by true distance, over all pixels of a sequence, in constant memory."""

from __future__ import annotations

import math

import numpy as np

from gemdepth_ros.evaluation.metrics.depth import DELTA_BASE
from gemdepth_ros.evaluation.result import DistanceBin
from gemdepth_ros.interfaces import Float64Array

# 0, 5, 10, 20, 30, 40, 60, 80 m at a cap of 80 m.
PARTS = (0.0, 1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1.0)


class DistanceErrors:
    """Sums of errors in bins of true depth, up to a cap [m]."""

    def __init__(self, max_depth_m: float) -> None:
        self._edges = np.array(PARTS) * max_depth_m
        self._sums = np.zeros((len(PARTS) - 1, 4))

    def add(self, depth: Float64Array, truth: Float64Array) -> None:
        """Take pixels, both [N] [m]."""
        bins = np.clip(np.searchsorted(self._edges, truth, 'right') - 1, 0, len(self._sums) - 1)
        error = np.abs(depth - truth)
        good = np.maximum(depth / truth, truth / depth) < DELTA_BASE
        for column, weights in enumerate((np.ones_like(truth), error / truth, error**2, good)):
            self._sums[:, column] += np.bincount(bins, weights, minlength=len(self._sums))

    def bins(self) -> tuple[DistanceBin, ...]:
        """Return the bins, empty ones with NaN."""
        return tuple(
            _bin(low, high, row)
            for low, high, row in zip(
                self._edges[:-1].tolist(),
                self._edges[1:].tolist(),
                self._sums.tolist(),
                strict=True,
            )
        )


def _bin(low: float, high: float, sums: list[float]) -> DistanceBin:
    count, relative, square, good = sums
    if not count:
        return DistanceBin(low, high, 0, math.nan, math.nan, math.nan)
    return DistanceBin(
        low, high, int(count), relative / count, math.sqrt(square / count), good / count
    )
