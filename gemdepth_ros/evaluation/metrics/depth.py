"""Errors of depth over the pixels of one frame, as the papers define them.

Definitions: Eigen, Puhrsch, Fergus, "Depth Map Prediction from a Single Image using a Multi-Scale
Deep Network" (NIPS 2014), section 4; iRMSE and SILog as KITTI's depth benchmark has them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.interfaces import Float64Array

DELTA_BASE = 1.25


@dataclass(frozen=True, slots=True)
class DepthErrors:
    """Errors over the pixels of one frame, or their mean over frames; NaN where unknown.

    Attributes:
        abs_rel: mean |d - g| / g.
        sq_rel: mean (d - g)^2 / g [m].
        rmse: root of the mean (d - g)^2 [m].
        rmse_log: root of the mean (ln d - ln g)^2.
        delta1: share of pixels with max(d / g, g / d) < 1.25.
        delta2: ... < 1.25^2.
        delta3: ... < 1.25^3.
        log10: mean |log10 d - log10 g|.
        silog: 100 times the standard deviation of ln d - ln g.
        irmse: root of the mean (1 / d - 1 / g)^2 [1/m].
    """

    abs_rel: float
    sq_rel: float
    rmse: float
    rmse_log: float
    delta1: float
    delta2: float
    delta3: float
    log10: float
    silog: float
    irmse: float


METRIC_NAMES = tuple(item.name for item in fields(DepthErrors))
NO_ERRORS = DepthErrors(*(math.nan,) * len(METRIC_NAMES))


def depth_errors(depth: npt.ArrayLike, truth: npt.ArrayLike) -> DepthErrors:
    """Return the errors over pixels whose truth is known.

    Args:
        depth: predicted depths, any shape, finite and > 0.
        truth: true depths of the same pixels, finite and > 0, in the same unit.

    Returns:
        All NaN when there is no pixel.

    Raises:
        ConfigError: the shapes differ.
    """
    d, g = np.asarray(depth, np.float64), np.asarray(truth, np.float64)
    if d.shape != g.shape:
        raise ConfigError(f'depth {list(d.shape)} and truth {list(g.shape)} differ in shape')
    if not d.size:
        return NO_ERRORS
    difference = d - g
    log_ratio = np.log(d) - np.log(g)
    worse = np.maximum(d / g, g / d)
    square = difference**2
    mean_log = float(log_ratio.mean())
    mean_square_log = float((log_ratio**2).mean())
    return DepthErrors(
        abs_rel=float((np.abs(difference) / g).mean()),
        sq_rel=float((square / g).mean()),
        rmse=math.sqrt(square.mean()),
        rmse_log=math.sqrt(mean_square_log),
        delta1=float((worse < DELTA_BASE).mean()),
        delta2=float((worse < DELTA_BASE**2).mean()),
        delta3=float((worse < DELTA_BASE**3).mean()),
        log10=float(np.abs(log_ratio).mean()) / math.log(10.0),
        silog=100.0 * math.sqrt(max(mean_square_log - mean_log**2, 0.0)),
        irmse=math.sqrt(((1.0 / d - 1.0 / g) ** 2).mean()),
    )


class ErrorMean:
    """Mean over frames, each of the same weight; frames without pixels do not count."""

    def __init__(self) -> None:
        self.frames = 0
        self._sums: Float64Array = np.zeros(len(METRIC_NAMES))

    def add(self, errors: DepthErrors) -> None:
        """Take the next frame."""
        if not math.isnan(errors.abs_rel):
            self.frames += 1
            self._sums += [getattr(errors, name) for name in METRIC_NAMES]

    def mean(self) -> DepthErrors:
        """Return the mean so far; all NaN without a frame."""
        if not self.frames:
            return NO_ERRORS
        return DepthErrors(*(self._sums / self.frames).tolist())


def mean_errors(frames: Iterable[DepthErrors]) -> DepthErrors:
    """Return the mean over frames, see `ErrorMean`."""
    mean = ErrorMean()
    for frame in frames:
        mean.add(frame)
    return mean.mean()
