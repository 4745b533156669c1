"""Is the stated standard deviation of depth the real one? Sums and one histogram are kept."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import norm

from gemdepth_ros.evaluation.metrics import SMALLEST
from gemdepth_ros.evaluation.records import FrameRecord
from gemdepth_ros.evaluation.result import CalibrationResult, CoveragePoint

NOMINAL = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.683, 0.7, 0.8, 0.9, 0.954, 0.99)
HISTOGRAM_BINS = 4000
HISTOGRAM_MAX = 20.0  # of |z|


class CalibrationScorer:
    """Compare errors of metric depth with the deviations stated beside it."""

    def __init__(self, max_depth_m: float) -> None:
        self._max_depth_m = max_depth_m
        self._limits = norm.ppf((1 + np.array(NOMINAL)) / 2)
        self._within = np.zeros(len(NOMINAL))
        self._histogram = np.zeros(HISTOGRAM_BINS + 1)
        self._pixels = 0
        self._square = self._stated = self._actual = 0.0

    def add(self, record: FrameRecord) -> None:
        """Take one frame; without truth or stated deviation it says nothing."""
        if record.depth_m is None or record.depth_std_m is None or record.truth_m is None:
            return
        truth = record.truth_m.astype(np.float64)
        depth = record.at_truth(record.depth_m).astype(np.float64)
        std = record.at_truth(record.depth_std_m).astype(np.float64)
        # Beyond the cap depth is a statement about "far", not a measurement.
        known = np.isfinite(depth) & np.isfinite(std) & (std > 0) & (depth > SMALLEST)
        known &= depth < self._max_depth_m
        truth, depth, std = truth[known], depth[known], std[known]
        z = np.abs(depth - truth) / std
        self._pixels += z.size
        self._square += float((z**2).sum())
        self._stated += float((std / depth).sum())
        self._actual += float((np.abs(depth - truth) / truth).sum())
        self._within += (z[:, np.newaxis] <= self._limits).sum(axis=0)
        bins = np.minimum(z * (HISTOGRAM_BINS / HISTOGRAM_MAX), HISTOGRAM_BINS).astype(np.int64)
        self._histogram += np.bincount(bins, minlength=HISTOGRAM_BINS + 1)

    def result(self) -> CalibrationResult | None:
        """Return the comparison, or None when no deviation was stated."""
        if not self._pixels:
            return None
        observed = self._within / self._pixels
        middle = int(np.searchsorted(np.cumsum(self._histogram), self._pixels / 2))
        return CalibrationResult(
            pixels=self._pixels,
            rms_z=math.sqrt(self._square / self._pixels),
            median_abs_z=(middle + 0.5) * HISTOGRAM_MAX / HISTOGRAM_BINS,
            within=tuple(
                CoveragePoint(nominal, float(share))
                for nominal, share in zip(NOMINAL, observed, strict=True)
            ),
            mean_gap=float(np.abs(observed - NOMINAL).mean()),
            mean_stated_relative=self._stated / self._pixels,
            mean_actual_relative=self._actual / self._pixels,
        )
