"""All records of a sequence to everything that can be said about them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol as Interface

from gemdepth_ros.errors import DependencyError
from gemdepth_ros.evaluation.calibration import CalibrationScorer
from gemdepth_ros.evaluation.depth_scorer import DepthScorer, SequenceFits
from gemdepth_ros.evaluation.even_records import EvenRecords
from gemdepth_ros.evaluation.metrics import ScaleShift
from gemdepth_ros.evaluation.protocols import PROTOCOLS, Region
from gemdepth_ros.evaluation.records import FrameRecord, Records
from gemdepth_ros.evaluation.result import (
    EvaluationResult,
    ProtocolResult,
    ResetEvent,
    TrajectoryResult,
)
from gemdepth_ros.evaluation.scale import ScaleScorer
from gemdepth_ros.evaluation.temporal import AlignmentScorer, FlickerScorer, fitted_factor
from gemdepth_ros.evaluation.trajectory import TrajectoryScorer
from gemdepth_ros.evaluation.views import DepthView, aligned_view, metric_view, relative_view

Progress = Callable[[int, int], None]


class Scorer(Interface):
    """Something that looks at every record once."""

    def add(self, record: FrameRecord) -> None:
        """Take the next frame."""


@dataclass(frozen=True)
class Contents:
    """What a first look at the records found.

    Attributes:
        fits: of the whole sequence.
        true_poses: frames with a true pose.
        own_poses: frames with an estimated pose.
        own_metric: of these, in metres.
        metric: frames with metric depth.
        masks: frames with a mask of movers.
        resets: where the stream started anew.
    """

    fits: SequenceFits
    true_poses: int
    own_poses: int
    own_metric: int
    metric: int
    masks: int
    resets: tuple[ResetEvent, ...]


def look_through(records: Records, progress: Progress | None = None) -> Contents:
    """Read all records once, for what only the whole sequence tells."""
    fits = SequenceFits()
    true_poses = own_poses = own_metric = metric = masks = 0
    resets = []
    for number, record in enumerate(records):
        fits.add(record)
        true_poses += record.world_from_camera is not None
        own_poses += record.own_from_camera is not None
        own_metric += record.own_from_camera is not None and record.own_metric
        metric += record.depth_m is not None
        masks += record.moving is not None
        if record.reset:
            resets.append(ResetEvent(record.index, record.stamp_ns, record.reset))
        if progress is not None:
            progress(number + 1, len(records))
    return Contents(fits, true_poses, own_poses, own_metric, metric, masks, tuple(resets))


def score_records(
    records: Records,
    protocols: Sequence[str],
    region: Region,
    base: EvaluationResult,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Return ``base`` with every score that the records allow, and notes on the others.

    Args:
        records: of the whole sequence.
        protocols: names, keys of `PROTOCOLS`.
        region: which truths count.
        base: facts about source, system and truth.
        progress: told (done, total) of the second reading.
    """
    contents = look_through(records)
    records = EvenRecords(records, contents.fits.size)
    notes = [*base.notes, *_other_sizes(contents.fits)]
    names = _possible(protocols, contents, notes)
    views = _views(contents, region)
    depth = [DepthScorer(PROTOCOLS[name], region, contents.fits) for name in names]
    temporal = _temporal(records, contents, views, notes)
    flicker = FlickerScorer(views[0])
    scale = ScaleScorer(views[0])
    calibration = CalibrationScorer(region.max_depth_m)
    motion = TrajectoryScorer()
    scorers: list[Scorer] = [*depth, *temporal, flicker, scale, calibration, motion]
    for number, record in enumerate(records):
        for scorer in scorers:
            scorer.add(record)
        if progress is not None:
            progress(number + 1, len(records))
    trajectory = _trajectory(motion, contents, notes, offline=base.system.mode == 'offline')
    scores = tuple(score for item in temporal if (score := item.result()) is not None)
    return replace(
        base,
        protocols=tuple(item.result() for item in depth),
        temporal=scores,
        flicker=flicker.result(),
        trajectory=trajectory,
        scale=scale.result() if contents.fits.frames else None,
        calibration=calibration.result(),
        resets=contents.resets,
        notes=tuple(notes),
        truth=replace(
            base.truth,
            depth_frames=contents.fits.frames,
            pose_frames=contents.true_poses,
            mask_frames=contents.masks,
        ),
    )


def _other_sizes(fits: SequenceFits) -> list[str]:
    if not fits.other_sizes or fits.size is None:
        return []
    height, width = fits.size
    return [
        f'true depth maps of another size than the first ({width}x{height}) are left out: '
        f'{fits.other_sizes} of them'
    ]


def primary(result: EvaluationResult) -> ProtocolResult | None:
    """Return the protocol that sample pictures show: the first one with figures."""
    known = (item for item in result.protocols if not math.isnan(item.mean.abs_rel))
    return next(known, None)


def sample_view(result: EvaluationResult, region: Region) -> DepthView:
    """Return how sample pictures read depth: as `primary` says, else relative."""
    first = primary(result)
    if first is not None and PROTOCOLS[first.name].metric:
        return metric_view(region.max_depth_m)
    fit = _shared_fit(result)
    return aligned_view(fit, region.max_depth_m) if fit else relative_view()


def _shared_fit(result: EvaluationResult) -> ScaleShift | None:
    vda = result.protocol('vda')
    if vda is None or math.isnan(vda.scale):
        return None
    return ScaleShift(vda.scale, vda.shift)


def _possible(protocols: Sequence[str], contents: Contents, notes: list[str]) -> list[str]:
    """Return the protocols that can be evaluated, and say why the others cannot."""
    if not contents.fits.frames:
        notes.append('no true depth belongs to any frame: errors of depth are not evaluated')
        return []
    names = []
    for name in protocols:
        if PROTOCOLS[name].metric and not contents.metric:
            notes.append(
                f'protocol {name}: no frame has metric depth; it needs trained weights and a '
                'source of metres (--set grounding.SOURCE.enabled=true) that agrees with the depth'
            )
        else:
            names.append(name)
    return names


def _views(contents: Contents, region: Region) -> list[DepthView]:
    """Return the readings of depth that there are, the most honest first."""
    views = [metric_view(region.max_depth_m)] if contents.metric else []
    if contents.fits.frames:
        views.append(aligned_view(contents.fits.shared.solve(), region.max_depth_m))
    return views or [relative_view()]


def _temporal(
    records: Records, contents: Contents, views: list[DepthView], notes: list[str]
) -> list[AlignmentScorer]:
    in_metres = [view for view in views if view.metres]
    if contents.true_poses > 1 and in_metres:
        return [AlignmentScorer('tae', view) for view in in_metres]
    if contents.own_poses < 2:
        notes.append('no poses: consistency over time is not evaluated')
        return []
    if contents.metric > 1 and contents.own_metric > 1:
        return [AlignmentScorer('self_consistency', views[0], own=True)]
    relative = relative_view()
    metric = 2 * contents.own_metric > contents.own_poses
    factor = fitted_factor(records, relative, own_metric=metric)
    if factor is None:
        notes.append('no two neighbouring frames have own poses: no self-consistency')
        return []
    if math.isnan(factor):
        notes.append(
            'no factor on own translations keeps half of the pixels in the image from frame to '
            'frame: no self-consistency'
        )
        return []
    scorer = AlignmentScorer(
        'self_consistency', relative, own=True, factor=factor, own_metric=metric
    )
    return [scorer]


def _trajectory(
    motion: TrajectoryScorer, contents: Contents, notes: list[str], *, offline: bool
) -> TrajectoryResult | None:
    if not contents.true_poses:
        notes.append('no true poses: the trajectory is not evaluated')
        return None
    if not contents.own_poses:
        why = 'offline windows have poses in units of their own' if offline else 'no own poses'
        notes.append(f'{why}: no trajectory')
        return None
    try:
        result, said = motion.result()
    except DependencyError as error:
        notes.append(f'the trajectory is not evaluated: {error}')
        return None
    notes.extend(said)
    return result
