"""Scale and shift between predicted disparity and true inverse depth.

The benchmarks of relative depth solve min over (s, t) of sum (s p + t - 1/g)^2: once per sequence
("vda" protocol) or once per frame. Sums are kept centred and merged pairwise (Chan, Golub,
LeVeque, "Algorithms for computing the sample variance", The American Statistician 37, 1983), so a
sequence of any length needs constant memory and loses no digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gemdepth_ros.interfaces import Float64Array

SMALLEST = 1e-3
"""Floor of disparities [-] and depths [m], before and after alignment."""

TRUTH_OFFSET_M = 1e-8
"""The published scripts add it to the truth before they invert it."""


@dataclass(frozen=True)
class ScaleShift:
    """``1 / depth = scale * disparity + shift``."""

    scale: float
    shift: float

    def depth(self, disparity: npt.ArrayLike, max_depth_m: float = math.inf) -> Float64Array:
        """Return depth [m], within `SMALLEST` and ``max_depth_m``, of disparities."""
        floored = np.maximum(np.asarray(disparity, np.float64), SMALLEST)
        inverse = np.maximum(self.scale * floored + self.shift, SMALLEST)
        depth: Float64Array = np.clip(1.0 / inverse, SMALLEST, max_depth_m)
        return depth


class ScaleShiftFit:
    """Least squares of one scale and shift over any number of pixels, in constant memory."""

    def __init__(self) -> None:
        self.count = 0
        self._mean_p = self._mean_y = 0.0
        self._pp = self._py = 0.0

    def add(self, disparity: npt.ArrayLike, truth_m: npt.ArrayLike) -> None:
        """Take pixels with their true depth.

        Args:
            disparity: predicted, any shape; floored at `SMALLEST` as the published scripts do.
                Pixels where it is NaN have no prediction and do not count, nor do infinite ones:
                one of them would spoil the fit of all.
            truth_m: true depth [m], > 0, of the same pixels.
        """
        p = np.maximum(np.asarray(disparity, np.float64).ravel(), SMALLEST)
        y = 1.0 / (np.asarray(truth_m, np.float64).ravel() + TRUTH_OFFSET_M)
        known = np.isfinite(p)
        if not known.all():
            p, y = p[known], y[known]
        if not p.size:
            return
        mean_p, mean_y = float(p.mean()), float(y.mean())
        pp, py = float(((p - mean_p) ** 2).sum()), float(((p - mean_p) * (y - mean_y)).sum())
        total = self.count + p.size
        step_p, step_y = mean_p - self._mean_p, mean_y - self._mean_y
        weight = self.count * p.size / total
        self._pp += pp + step_p**2 * weight
        self._py += py + step_p * step_y * weight
        self._mean_p += step_p * p.size / total
        self._mean_y += step_y * p.size / total
        self.count = total

    def solve(self) -> ScaleShift:
        """Return the fit; scale 0 where all disparities are equal, NaN without a pixel."""
        if not self.count:
            return ScaleShift(math.nan, math.nan)
        # Below this the spread of disparity is rounding, and its slope noise.
        spread = np.finfo(np.float64).eps ** 2 * self.count * self._mean_p**2
        scale = self._py / self._pp if self._pp > spread else 0.0
        return ScaleShift(scale, self._mean_y - scale * self._mean_p)


def fit_scale_shift(disparity: npt.ArrayLike, truth_m: npt.ArrayLike) -> ScaleShift:
    """Return the scale and shift of these pixels alone, see `ScaleShiftFit.add`."""
    fit = ScaleShiftFit()
    fit.add(disparity, truth_m)
    return fit.solve()


def median_ratio(depth: npt.ArrayLike, truth_m: npt.ArrayLike) -> float:
    """Return median(truth) / median(depth): what the median protocol multiplies depth with."""
    d, g = np.asarray(depth, np.float64), np.asarray(truth_m, np.float64)
    return float(np.median(g) / np.median(d)) if d.size else math.nan
