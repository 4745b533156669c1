"""Predictions without skill, fitted on the very truth: what any network must beat.

The row prior knows only the image row: the median true disparity of each row over the whole
sequence, then aligned by one scale and shift like a prediction. (Row means would be the
least-squares choice; medians score better in AbsRel and δ1, and a baseline shall be strong.) The
constant knows nothing: one disparity. Counts and sums alone are kept.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gemdepth_ros.evaluation.metrics.alignment import SMALLEST, TRUTH_OFFSET_M
from gemdepth_ros.interfaces import Float64Array

MEANINGS = {
    'row_prior': 'median true disparity of each image row, aligned to this truth: no image seen',
    'constant': 'one best disparity for all pixels of this truth',
}
BINS = 2048
"""Of the logarithm of depth: medians are exact to 0.6 % of depth, then interpolated."""
FARTHEST_M = 1000.0


class PriorFit:
    """Median and mean inverse depth of each image row.

    Args:
        height: rows of the image.
        width: columns of the image.
    """

    def __init__(self, height: int, width: int) -> None:
        self._width = width
        self._sums = np.zeros(height)
        self._histogram = np.zeros((height, BINS), np.int64)
        self._solved: dict[str, Float64Array] = {}

    def add(self, pixels: npt.NDArray[np.int32], truth_m: npt.ArrayLike) -> None:
        """Take the true depths [m] of flat pixel indices."""
        self._solved.clear()
        truth = np.asarray(truth_m, np.float64)
        rows = pixels // self._width
        height = len(self._sums)
        self._sums += np.bincount(rows, 1.0 / (truth + TRUTH_OFFSET_M), minlength=height)
        position = np.log(truth / SMALLEST) / np.log(FARTHEST_M / SMALLEST) * BINS
        bins = np.clip(position.astype(np.int64), 0, BINS - 1)
        self._histogram += np.bincount(rows * BINS + bins, minlength=height * BINS).reshape(
            height, BINS
        )

    def predict(self, name: str, pixels: npt.NDArray[np.int32]) -> Float64Array:
        """Return what a baseline of `MEANINGS` says about pixels: inverse metres."""
        if not self._solved:
            self._solved = self._solve()
        values: Float64Array = self._solved[name][pixels // self._width]
        return values

    def _solve(self) -> dict[str, Float64Array]:
        """Return the inverse depth that each baseline gives to each row."""
        counts = self._histogram.sum(axis=1)
        total = max(int(counts.sum()), 1)
        medians = self._row_medians(counts)
        mean_p, mean_y = float(counts @ medians) / total, float(self._sums.sum()) / total
        # Least squares of all pixels' disparities on their rows' medians needs row sums only.
        spread = float(counts @ (medians - mean_p) ** 2)
        together = float((medians - mean_p) @ (self._sums - counts * mean_y))
        slope = together / spread if spread > 0 else 0.0
        return {
            'row_prior': mean_y + slope * (medians - mean_p),
            'constant': np.full(len(counts), mean_y),
        }

    def _row_medians(self, counts: npt.NDArray[np.int64]) -> Float64Array:
        """Return the median inverse depth of each row; 0 where a row has no truth."""
        below = np.cumsum(self._histogram, axis=1)
        middle = counts / 2
        rows = np.arange(len(counts))
        place = (below < middle[:, np.newaxis]).sum(axis=1).clip(0, BINS - 1)
        inside = self._histogram[rows, place]
        before = below[rows, place] - inside
        part = (middle - before) / np.maximum(inside, 1)
        depth = SMALLEST * (FARTHEST_M / SMALLEST) ** ((place + part) / BINS)
        medians: Float64Array = np.where(counts > 0, 1.0 / depth, 0.0)
        return medians
