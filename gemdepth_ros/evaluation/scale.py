"""The scale of depth over time against the truth."""

from __future__ import annotations

import math

import numpy as np

from gemdepth_ros.evaluation.metrics import fit_scale_shift
from gemdepth_ros.evaluation.records import FrameRecord
from gemdepth_ros.evaluation.result import ScaleResult, ScaleSample
from gemdepth_ros.evaluation.views import DepthView

MAD_TO_STD = 1.4826
NS_PER_MINUTE = 60e9


class ScaleScorer:
    """Ratio of predicted to true depth, frame by frame."""

    def __init__(self, view: DepthView) -> None:
        self._view = view
        self._samples: list[ScaleSample] = []

    def add(self, record: FrameRecord) -> None:
        """Take one frame."""
        ratio = spread = fitted = math.nan
        if record.truth_m is not None and len(record.truth_m):
            ratio, spread = self._ratio(record)
            fit = fit_scale_shift(record.at_truth(record.disparity), record.truth_m)
            # 1 / Z = (p - t) / s, so s is the inverse of the fit's factor on p.
            fitted = 1.0 / fit.scale if fit.scale else math.nan
        self._samples.append(
            ScaleSample(
                record.index,
                record.stamp_ns,
                ratio,
                spread,
                record.scale,
                record.scale_std,
                fitted,
                record.depth_m is not None,
            )
        )

    def _ratio(self, record: FrameRecord) -> tuple[float, float]:
        depth = self._view.depth(record)
        if depth is None or record.truth_m is None:
            return math.nan, math.nan
        logs = np.log(record.at_truth(depth) / record.truth_m)
        known = logs[np.isfinite(logs)]
        if not known.size:
            return math.nan, math.nan
        middle = float(np.median(known))
        return math.exp(middle), MAD_TO_STD * float(np.median(np.abs(known - middle)))

    def result(self) -> ScaleResult | None:
        """Return the series, or None when no frame has truth and depth."""
        known = [(item.stamp_ns, item.depth_ratio) for item in self._samples]
        known = [(stamp, math.log(ratio)) for stamp, ratio in known if ratio > 0]
        if not known:
            return None
        logs = np.array([value for _, value in known])
        minutes = np.array([stamp - known[0][0] for stamp, _ in known]) / NS_PER_MINUTE
        slope = math.nan
        if np.ptp(minutes) > 0:
            slope = 100.0 * float(np.polyfit(minutes, logs, 1)[0])
        return ScaleResult(
            self._view.words,
            math.exp(float(logs.mean())),
            float(logs.std()),
            slope,
            tuple(self._samples),
        )
