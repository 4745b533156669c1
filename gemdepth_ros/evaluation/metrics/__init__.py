"""The measures themselves: arrays in, numbers out."""

from __future__ import annotations

from gemdepth_ros.evaluation.metrics.alignment import (
    SMALLEST,
    ScaleShift,
    ScaleShiftFit,
    fit_scale_shift,
    median_ratio,
)
from gemdepth_ros.evaluation.metrics.depth import (
    METRIC_NAMES,
    NO_ERRORS,
    DepthErrors,
    ErrorMean,
    depth_errors,
    mean_errors,
)
from gemdepth_ros.evaluation.metrics.sequence import SequenceScore, resize_to, score_sequence
from gemdepth_ros.evaluation.metrics.tae import TemporalAlignment

__all__ = [
    'METRIC_NAMES',
    'NO_ERRORS',
    'SMALLEST',
    'DepthErrors',
    'ErrorMean',
    'ScaleShift',
    'ScaleShiftFit',
    'SequenceScore',
    'TemporalAlignment',
    'depth_errors',
    'fit_scale_shift',
    'mean_errors',
    'median_ratio',
    'resize_to',
    'score_sequence',
]
