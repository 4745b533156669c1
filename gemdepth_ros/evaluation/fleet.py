"""Results of many recordings as one: each recording weighs the same, however long it is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gemdepth_ros.evaluation.metrics import DepthErrors, mean_errors
from gemdepth_ros.evaluation.result import Baseline, EvaluationResult

FLEET_VERSION = 1


@dataclass(frozen=True)
class FleetSource:
    """One recording.

    Attributes:
        name: of its folder in the output.
        path: of the recording.
        error: why it could not be evaluated; empty: it was.
        frames: images in it.
        processed: of these, given to the network.
        notes: how many lines say that something of it could not be evaluated.
    """

    name: str
    path: str
    error: str = ''
    frames: int = 0
    processed: int = 0
    notes: int = 0


@dataclass(frozen=True)
class FleetProtocol:
    """Depth under one protocol, over the recordings that could be evaluated under it.

    Attributes:
        name: of the protocol.
        alignment: in words.
        mean: over recordings.
        names: of the recordings.
        each: errors of each of them.
        baselines: predictions without skill, mean over recordings.
    """

    name: str
    alignment: str
    mean: DepthErrors
    names: tuple[str, ...]
    each: tuple[DepthErrors, ...]
    baselines: tuple[Baseline, ...]


@dataclass(frozen=True)
class FleetScore:
    """A score with one number per recording.

    Attributes:
        name: what it is, with its unit.
        mean: over recordings.
        names: of the recordings.
        each: the number of each.
    """

    name: str
    mean: float
    names: tuple[str, ...]
    each: tuple[float, ...]


@dataclass(frozen=True)
class FleetResult:
    """What many evaluations found. Nothing in it depends on the machine's speed.

    Attributes:
        sources: in the order in which they were given.
        protocols: in the order of the first result.
        scores: consistency, motion, scale and calibration.
        version: of this format.
    """

    sources: tuple[FleetSource, ...] = ()
    protocols: tuple[FleetProtocol, ...] = ()
    scores: tuple[FleetScore, ...] = ()
    version: int = FLEET_VERSION


def merge(items: Sequence[tuple[str, str, EvaluationResult | None, str]]) -> FleetResult:
    """Merge results.

    Args:
        items: name, path, result (None when it failed) and error of each recording.
    """
    found = [(name, result) for name, _, result, _ in items if result is not None]
    protocols = dict.fromkeys(p.name for _, result in found for p in result.protocols)
    return FleetResult(
        sources=tuple(_source(*item) for item in items),
        protocols=tuple(_protocol(name, found) for name in protocols),
        scores=tuple(_scores(found)),
    )


def _source(name: str, path: str, result: EvaluationResult | None, error: str) -> FleetSource:
    if result is None:
        return FleetSource(name, path, error)
    source = result.source
    return FleetSource(name, path, '', source.frames, source.processed, len(result.notes))


def _protocol(name: str, found: list[tuple[str, EvaluationResult]]) -> FleetProtocol:
    having = [(key, p) for key, result in found for p in [result.protocol(name)] if p is not None]
    each = tuple(protocol.mean for _, protocol in having)
    baselines = []
    for first in having[0][1].baselines:
        same = [b.mean for _, p in having for b in p.baselines if b.name == first.name]
        baselines.append(Baseline(first.name, first.meaning, mean_errors(same)))
    return FleetProtocol(
        name,
        having[0][1].alignment,
        mean_errors(each),
        tuple(key for key, _ in having),
        each,
        tuple(baselines),
    )


def _scores(found: list[tuple[str, EvaluationResult]]) -> Iterable[FleetScore]:
    numbers: dict[str, dict[str, float]] = {}

    def add(score: str, name: str, value: float) -> None:
        if math.isfinite(value):
            numbers.setdefault(score, {})[name] = value

    for name, result in found:
        for item in result.temporal:
            add(f'{item.name.replace("_", " ")} ({item.depth}) [%]', name, item.percent)
        if result.trajectory is not None:
            for errors in result.trajectory.errors:
                add(f'ATE RMSE, {errors.alignment} [m]', name, errors.ate_rmse_m)
            add('KITTI t_rel [%]', name, result.trajectory.t_rel_percent)
        if result.scale is not None:
            add('predicted / true depth', name, result.scale.mean_ratio)
        if result.calibration is not None:
            add('rms of error / stated deviation', name, result.calibration.rms_z)
    for score, values in numbers.items():
        mean = sum(values.values()) / len(values)
        yield FleetScore(score, mean, tuple(values), tuple(values.values()))
