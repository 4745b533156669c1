"""Depth of a sequence of records under one protocol, frame by frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gemdepth_ros.evaluation.baselines import MEANINGS, PriorFit
from gemdepth_ros.evaluation.distance import DistanceErrors
from gemdepth_ros.evaluation.frequency import error_bands
from gemdepth_ros.evaluation.metrics import (
    SMALLEST,
    DepthErrors,
    ErrorMean,
    ScaleShift,
    ScaleShiftFit,
    depth_errors,
    fit_scale_shift,
    mean_errors,
    median_ratio,
)
from gemdepth_ros.evaluation.protocols import Protocol, Region
from gemdepth_ros.evaluation.records import FrameRecord
from gemdepth_ros.evaluation.result import Baseline, ErrorBands, FrameScore, ProtocolResult
from gemdepth_ros.interfaces import Float64Array

UNALIGNED = ScaleShift(1.0, 0.0)


@dataclass
class SequenceFits:
    """What only the whole sequence tells: its scale and shift, and the priors.

    Attributes:
        shared: the one scale and shift of predicted disparity.
        prior: of each row and of all pixels; None before the first frame.
        frames: how many have true depth.
        size: (height, width) of the true depth maps, that is of the first of them.
        other_sizes: maps of another size; they do not count.
    """

    shared: ScaleShiftFit = field(default_factory=ScaleShiftFit)
    prior: PriorFit | None = None
    frames: int = 0
    size: tuple[int, int] | None = None
    other_sizes: int = 0

    def add(self, record: FrameRecord) -> None:
        """Take the truth of one frame."""
        if record.truth_pixels is None or record.truth_m is None:
            return
        height, width = record.disparity.shape
        if self.size is None or self.prior is None:
            self.size, self.prior = (height, width), PriorFit(height, width)
        if self.size != (height, width):
            self.other_sizes += 1
            return
        self.shared.add(record.at_truth(record.disparity), record.truth_m)
        self.prior.add(record.truth_pixels, record.truth_m)
        self.frames += len(record.truth_m) > 0


class DepthScorer:
    """Judge records under one protocol.

    Args:
        protocol: how predictions are aligned.
        region: which truths count.
        fits: of the whole sequence.
    """

    def __init__(self, protocol: Protocol, region: Region, fits: SequenceFits) -> None:
        self._protocol = protocol
        self._region = region
        self._prior = fits.prior
        self._shared = fits.shared.solve()
        self._frames: list[FrameScore] = []
        self._baselines = {name: ErrorMean() for name in MEANINGS}
        self._static, self._moving = ErrorMean(), ErrorMean()
        self._distance = DistanceErrors(region.max_depth_m)
        self._with_truth = self._predicted = 0

    def add(self, record: FrameRecord) -> None:
        """Judge one frame; a frame without truth or prediction gets NaN."""
        truth = np.empty(0) if record.truth_m is None else record.truth_m.astype(np.float64)
        depth, fit = self._depth(record, truth)
        kept = ~np.isnan(depth)
        self._with_truth += truth.size
        depth, truth = depth[kept], truth[kept]
        self._predicted += truth.size
        errors = depth_errors(depth, truth)
        score = FrameScore(record.index, record.stamp_ns, truth.size, fit.scale, fit.shift, errors)
        self._frames.append(score)
        if not truth.size:
            return
        self._distance.add(depth, truth)
        self._split(record, kept, depth, truth)
        assert record.truth_pixels is not None
        self._judge_baselines(record.truth_pixels[kept], truth)

    def result(self) -> ProtocolResult:
        """Return everything about the frames so far."""
        frames = [frame.errors for frame in self._frames]
        sequence = self._shared if self._protocol.name == 'vda' else None
        return ProtocolResult(
            name=self._protocol.name,
            alignment=self._protocol.alignment,
            crop=self._region.crop,
            min_depth_m=self._region.min_depth_m,
            max_depth_m=self._region.max_depth_m,
            mean=mean_errors(frames),
            coverage=self._predicted / self._with_truth if self._with_truth else math.nan,
            scale=sequence.scale if sequence else math.nan,
            shift=sequence.shift if sequence else math.nan,
            baselines=tuple(
                Baseline(name, MEANINGS[name], errors.mean())
                for name, errors in self._baselines.items()
            ),
            frames=tuple(self._frames),
            by_distance=self._distance.bins(),
            static=self._static.mean() if self._static.frames else None,
            moving=self._moving.mean() if self._moving.frames else None,
            bands=_bands(frames),
        )

    def _depth(self, record: FrameRecord, truth: Float64Array) -> tuple[Float64Array, ScaleShift]:
        """Return predicted depth at the truth's pixels, NaN where there is none."""
        limit = self._region.max_depth_m
        if self._protocol.metric:
            if record.depth_m is None:
                return np.full(truth.shape, math.nan), UNALIGNED
            metres = record.at_truth(record.depth_m).astype(np.float64)
            return np.clip(metres, SMALLEST, limit), UNALIGNED
        disparity = record.at_truth(record.disparity)
        fit = self._fit(disparity, truth)
        return fit.depth(disparity, limit), fit

    def _fit(self, disparity: npt.NDArray[np.floating], truth: Float64Array) -> ScaleShift:
        if self._protocol.name == 'vda':
            return self._shared
        if self._protocol.name == 'per_frame':
            return fit_scale_shift(disparity, truth)
        known = ~np.isnan(disparity)
        depth = 1.0 / np.maximum(disparity[known].astype(np.float64), SMALLEST)
        return ScaleShift(1.0 / median_ratio(depth, truth[known]), 0.0)

    def _judge_baselines(self, pixels: npt.NDArray[np.int32], truth: Float64Array) -> None:
        assert self._prior is not None
        for name, errors in self._baselines.items():
            guess = self._prior.predict(name, pixels)
            # Under "vda" and "metric" the fit on the truth is the best alignment already.
            aligned = self._protocol.name in ('per_frame', 'median')
            fit = self._fit(guess, truth) if aligned else UNALIGNED
            errors.add(depth_errors(fit.depth(guess, self._region.max_depth_m), truth))

    def _split(
        self,
        record: FrameRecord,
        kept: npt.NDArray[np.bool_],
        depth: Float64Array,
        truth: Float64Array,
    ) -> None:
        if record.moving is None:
            return
        moving = record.at_truth(record.moving)[kept]
        self._moving.add(depth_errors(depth[moving], truth[moving]))
        self._static.add(depth_errors(depth[~moving], truth[~moving]))


def _bands(frames: list[DepthErrors]) -> tuple[ErrorBands, ...]:
    known = [frame for frame in frames if not math.isnan(frame.abs_rel)]
    return (
        error_bands('abs_rel', [frame.abs_rel for frame in known]),
        error_bands('rmse', [frame.rmse for frame in known]),
        error_bands('1-delta1', [1.0 - frame.delta1 for frame in known]),
    )
