"""Predictions without skill, fitted on the very truth: what any network must beat.

The row prior knows only the image row: the best disparity per row in the least-squares sense, as
the "vda" protocol aligns. The constant knows nothing. Sums alone are kept.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gemdepth_ros.evaluation.metrics.alignment import TRUTH_OFFSET_M
from gemdepth_ros.interfaces import Float64Array

MEANINGS = {
    'row_prior': 'best disparity as a function of the image row alone, fitted on this truth',
    'constant': 'one best disparity for all pixels, fitted on this truth',
}


class PriorFit:
    """Mean inverse depth of each image row and of all pixels.

    Args:
        height: rows of the image.
        width: columns of the image.
    """

    def __init__(self, height: int, width: int) -> None:
        self._width = width
        self._sums = np.zeros(height)
        self._counts = np.zeros(height)

    def add(self, pixels: npt.NDArray[np.int32], truth_m: npt.ArrayLike) -> None:
        """Take the true depths [m] of flat pixel indices."""
        inverse = 1.0 / (np.asarray(truth_m, np.float64) + TRUTH_OFFSET_M)
        rows = pixels // self._width
        self._sums += np.bincount(rows, inverse, minlength=len(self._sums))
        self._counts += np.bincount(rows, minlength=len(self._counts))

    def predict(self, name: str, pixels: npt.NDArray[np.int32]) -> Float64Array:
        """Return what a baseline of `MEANINGS` says about pixels: inverse metres."""
        if name == 'constant':
            mean = self._sums.sum() / max(self._counts.sum(), 1)
            return np.full(len(pixels), mean)
        by_row = self._sums / np.maximum(self._counts, 1)
        values: Float64Array = by_row[pixels // self._width]
        return values
