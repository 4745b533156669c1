"""Two evaluations of one recording, figure by figure, with intervals of the differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.evaluation.bootstrap import (
    CONFIDENCE,
    RESAMPLES,
    Interval,
    difference_interval,
)
from gemdepth_ros.evaluation.result import (
    EvaluationResult,
    ProtocolResult,
    TemporalScore,
    TrajectoryResult,
)
from gemdepth_ros.interfaces import Float64Array

DEPTH_METRICS = ('abs_rel', 'sq_rel', 'rmse', 'rmse_log', 'delta1', 'delta2', 'delta3')
HIGHER_IS_BETTER = ('delta1', 'delta2', 'delta3', 'coverage')
EXACT = Interval(math.nan, math.nan, math.nan, 0, 0)


@dataclass(frozen=True)
class ComparedFigure:
    """One figure of two evaluations.

    Attributes:
        name: ``vda.abs_rel``, ``tae``, ``trajectory.ate_rmse_m`` ...; what thresholds refer to.
        first: of the first evaluation.
        second: of the second.
        difference: second - first with its interval over frames that both have; of a figure that
            is no mean over frames the ends are NaN.
        higher_is_better: sense of the figure.
    """

    name: str
    first: float
    second: float
    difference: Interval
    higher_is_better: bool

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, or ``equal`` when the interval includes 0; of the second."""
        if math.isnan(self.difference.low):
            return 'unknown'
        if not self.difference.excludes_zero:
            return 'equal'
        return 'better' if (self.difference.mean > 0) == self.higher_is_better else 'worse'

    @property
    def worsening(self) -> float:
        """How much worse the second is, in the figure's unit; < 0: it is better.

        Over the frames that both have: a run that drops the hard ones is no better for it.
        """
        change = self.difference.mean
        return -change if self.higher_is_better else change


@dataclass(frozen=True)
class Comparison:
    """Everything that two evaluations have in common.

    Attributes:
        figures: by name, in the order of the reports.
        differences: what about the two is not the same, one line each: read it first.
    """

    figures: tuple[ComparedFigure, ...]
    differences: tuple[str, ...]

    def figure(self, name: str) -> ComparedFigure:
        """Return a figure by its name.

        Raises:
            ConfigError: the evaluations do not both have it.
        """
        for item in self.figures:
            if item.name == name:
                return item
        known = ', '.join(item.name for item in self.figures) or 'none'
        raise ConfigError(f'the results have no figure {name} in common; they have {known}')


@dataclass(frozen=True)
class Threshold:
    """How much worse a figure may become.

    Attributes:
        name: of the figure.
        limit: allowed worsening in the figure's unit, or as a part of the first one's.
        relative: whether ``limit`` is a part.
    """

    name: str
    limit: float
    relative: bool = False

    def exceeded(self, figure: ComparedFigure) -> bool:
        """Return whether the second evaluation is worse than allowed; a lost figure is."""
        limit = self.limit * abs(figure.first) if self.relative else self.limit
        return not figure.worsening <= limit


def parse_threshold(text: str) -> Threshold:
    """Return what ``vda.abs_rel=0.005`` or ``tae=2%`` allows.

    Raises:
        ConfigError: it is neither.
    """
    name, equals, number = text.partition('=')
    relative = number.endswith('%')
    try:
        limit = float(number.removesuffix('%'))
    except ValueError:
        limit = math.nan
    if not equals or not name or not 0 <= limit < math.inf:
        raise ConfigError(f'a threshold is FIGURE=LIMIT or FIGURE=PERCENT%, got {text!r}')
    return Threshold(name, limit / 100 if relative else limit, relative)


def compare_results(
    first: EvaluationResult,
    second: EvaluationResult,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare two evaluations; frames are paired by their number in the source.

    Args:
        first: what the differences start from.
        second: what is judged.
        confidence: of the intervals.
        resamples: of the bootstrap.
    """

    def interval(a: Sequence[tuple[int, float]], b: Sequence[tuple[int, float]]) -> Interval:
        paired = _paired(a, b)
        return difference_interval(*paired, confidence=confidence, resamples=resamples)

    figures: list[ComparedFigure] = []
    for protocol in first.protocols:
        other = second.protocol(protocol.name)
        for metric in DEPTH_METRICS if other is not None else ():
            assert other is not None
            figures.append(
                ComparedFigure(
                    f'{protocol.name}.{metric}',
                    getattr(protocol.mean, metric),
                    getattr(other.mean, metric),
                    interval(_series(protocol, metric), _series(other, metric)),
                    metric in HIGHER_IS_BETTER,
                )
            )
    for score, name in _named_scores(first):
        match = next((item for item, key in _named_scores(second) if key == name), None)
        if match is not None:
            series = _pairs_of(score), _pairs_of(match)
            figures.append(
                ComparedFigure(name, score.percent, match.percent, interval(*series), False)
            )
    figures += _single_figures(first, second)
    return Comparison(tuple(figures), tuple(_what_differs(first, second)))


def _series(protocol: ProtocolResult, metric: str) -> list[tuple[int, float]]:
    return [(frame.index, getattr(frame.errors, metric)) for frame in protocol.frames]


def _named_scores(result: EvaluationResult) -> list[tuple[TemporalScore, str]]:
    """Return the scores with names that tell them apart: ``tae.metric``, ``tae.aligned``."""
    return [
        (item, f'{item.name}.{item.depth.split(",")[0].split(" ")[0]}') for item in result.temporal
    ]


def _pairs_of(score: TemporalScore) -> list[tuple[int, float]]:
    return list(zip(score.stamps_ns, score.values, strict=True))


def _paired(
    first: Sequence[tuple[int, float]], second: Sequence[tuple[int, float]]
) -> tuple[Float64Array, Float64Array]:
    others = dict(second)
    rows = [(value, others[key]) for key, value in first if key in others]
    columns = np.array(rows, np.float64).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]


def _single_figures(first: EvaluationResult, second: EvaluationResult) -> list[ComparedFigure]:
    """Return the figures that are no means over frames."""
    a, b = _singles(first), _singles(second)
    return [
        ComparedFigure(
            name,
            a[name],
            b[name],
            replace(EXACT, mean=b[name] - a[name]),
            name.rpartition('.')[2] in HIGHER_IS_BETTER,
        )
        for name in a
        if name in b
    ]


def _singles(result: EvaluationResult) -> dict[str, float]:
    found = {f'{item.name}.coverage': item.coverage for item in result.protocols}
    if result.trajectory is not None:
        found |= _trajectory_figures(result.trajectory)
    if result.flicker is not None:
        found['flicker.mean_percent'] = result.flicker.mean_percent
    if result.scale is not None:
        found['scale.std_log_ratio'] = result.scale.std_log_ratio
    if result.calibration is not None:
        found['calibration.mean_gap'] = result.calibration.mean_gap
    return {name: value for name, value in found.items() if not math.isnan(value)}


def _trajectory_figures(motion: TrajectoryResult) -> dict[str, float]:
    found = {
        'trajectory.t_rel_percent': motion.t_rel_percent,
        'trajectory.r_rel_deg_per_m': motion.r_rel_deg_per_m,
    }
    for item in motion.errors:
        name = 'sim3' if item.alignment.startswith('Sim') else 'se3'
        found[f'trajectory.{name}.ate_rmse_m'] = item.ate_rmse_m
        found[f'trajectory.{name}.rpe_translation_rmse_m'] = item.rpe_translation_rmse_m
        found[f'trajectory.{name}.rpe_rotation_rmse_deg'] = item.rpe_rotation_rmse_deg
    return found


def _what_differs(first: EvaluationResult, second: EvaluationResult) -> list[str]:
    """Return what makes figures incomparable, or explains their difference."""
    a, b = first.source, second.source
    lines = []
    if (a.description, a.frames) != (b.description, b.frames):
        lines.append(f'sources: {a.description} ({a.frames}) and {b.description} ({b.frames})')
    if a.processed != b.processed:
        lines.append(f'frames processed: {a.processed} and {b.processed}')
    for name in ('depth', 'poses', 'masks'):
        pair = getattr(first.truth, name), getattr(second.truth, name)
        if pair[0] != pair[1]:
            lines.append(f'truth of {name}: {pair[0]} and {pair[1]}')
    rules = [
        {(item.crop, item.min_depth_m, item.max_depth_m) for item in result.protocols}
        for result in (first, second)
    ]
    if all(rules) and rules[0] != rules[1]:
        lines.append(f'crop and caps: {sorted(rules[0])} and {sorted(rules[1])}')
    for name in ('weights', 'mode', 'window', 'input_size', 'dtype', 'simulated_latency_ms'):
        pair = getattr(first.system, name), getattr(second.system, name)
        if pair[0] != pair[1]:
            lines.append(f'{name}: {pair[0]} and {pair[1]}')
    if first.system.settings != second.system.settings:
        lines.append(
            f'settings: {" ".join(first.system.settings) or "defaults"} and '
            f'{" ".join(second.system.settings) or "defaults"}'
        )
    return lines
