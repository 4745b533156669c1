"""Two results of the same recording, frame by frame: what differs, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gemdepth_ros.evaluation.bootstrap import Interval, difference_interval
from gemdepth_ros.evaluation.result import EvaluationResult, FrameScore, TemporalScore

# Field of DepthErrors and whether larger is better.
FRAME_METRICS = (('abs_rel', False), ('rmse', False), ('silog', False), ('delta1', True))


@dataclass(frozen=True)
class Difference:
    """How a second run differs from a first one, over the frames that both have.

    Attributes:
        protocol: of the depth; empty where it does not matter.
        metric: what is compared.
        larger_is_better: whether a positive difference is good.
        first: mean of the first run over the common frames.
        second: mean of the second run over them.
        interval: of ``second - first``, with 95 % confidence.
    """

    protocol: str
    metric: str
    larger_is_better: bool
    first: float
    second: float
    interval: Interval

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, or ``open`` where the interval holds 0."""
        if not self.interval.excludes_zero:
            return 'open'
        return 'better' if (self.interval.mean > 0) == self.larger_is_better else 'worse'


def differences(first: EvaluationResult, second: EvaluationResult) -> tuple[Difference, ...]:
    """Return the differences in everything that both results have frame by frame.

    Frames are paired by their stamps. Protocols and temporal scores that only one of the results
    has, and those without a common frame, are left out.

    Args:
        first: what is compared with.
        second: what is compared.
    """
    return (*_depth(first, second), *_temporal(first, second))


def _depth(first: EvaluationResult, second: EvaluationResult) -> Iterator[Difference]:
    for ours in first.protocols:
        theirs = second.protocol(ours.name)
        if theirs is None:
            continue
        for metric, larger in FRAME_METRICS:
            values = [_by_stamp(item.frames, metric) for item in (ours, theirs)]
            found = _difference(ours.name, metric, larger, *values)
            if found is not None:
                yield found


def _temporal(first: EvaluationResult, second: EvaluationResult) -> Iterator[Difference]:
    for ours in first.temporal:
        for theirs in second.temporal:
            if (ours.name, ours.depth) == (theirs.name, theirs.depth):
                metric = f'{ours.name} ({ours.depth}) [%]'
                found = _difference('', metric, False, _pairs(ours), _pairs(theirs))
                if found is not None:
                    yield found


def _by_stamp(frames: tuple[FrameScore, ...], metric: str) -> dict[int, float]:
    return {frame.stamp_ns: float(getattr(frame.errors, metric)) for frame in frames}


def _pairs(score: TemporalScore) -> dict[int, float]:
    return dict(zip(score.stamps_ns, score.values, strict=True))


def _difference(
    protocol: str, metric: str, larger: bool, first: dict[int, float], second: dict[int, float]
) -> Difference | None:
    common = [
        stamp
        for stamp in sorted(first.keys() & second.keys())
        if math.isfinite(first[stamp]) and math.isfinite(second[stamp])
    ]
    if not common:
        return None
    ours = np.array([first[stamp] for stamp in common])
    theirs = np.array([second[stamp] for stamp in common])
    interval = difference_interval(ours, theirs)
    return Difference(protocol, metric, larger, float(ours.mean()), float(theirs.mean()), interval)
