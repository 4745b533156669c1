"""One evaluation from a source to its result: what `evaluate` and its workers call."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from gemdepth_ros.cli.evaluation.open_source import open_evaluation_source
from gemdepth_ros.cli.evaluation.prediction import Predictor, open_predictor
from gemdepth_ros.cli.evaluation.replay import Observer, Progress, Replay, ReplayCounts
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.evaluation.source import EvaluationSource
from gemdepth_ros.cli.evaluation.workspace import (
    REPLAY,
    SAMPLES,
    ImageShelf,
    Workspace,
    fingerprint,
)
from gemdepth_ros.errors import BagError
from gemdepth_ros.evaluation.json_format import read_result, write_result
from gemdepth_ros.evaluation.protocols import Region
from gemdepth_ros.evaluation.records import FrameRecord
from gemdepth_ros.evaluation.result import (
    EvaluationResult,
    SourceFacts,
    Timing,
    TruthFacts,
)
from gemdepth_ros.evaluation.samples import SampleFrame, write_sample
from gemdepth_ros.evaluation.scoring import sample_view, score_records
from gemdepth_ros.evaluation.views import DepthView
from gemdepth_ros.inference.preprocessing import network_size
from gemdepth_ros.interfaces import Float32Array

UNTRAINED = 'untrained weights: these figures say nothing about the method (--weights)'


def evaluate_source(
    source: Path,
    settings: EvaluationSettings,
    output: Path,
    *,
    observer: Observer | None = None,
    progress: Progress | None = None,
    scoring_progress: Callable[[int, int], None] | None = None,
    make_predictor: Callable[[EvaluationSettings], Predictor] = open_predictor,
    made_by: str = REPLAY,
) -> EvaluationResult:
    """Evaluate one recording and write ``output/result.json``, with ``output/samples``.

    An evaluation that was killed goes on where it stopped; one that is finished is read.

    Args:
        source: bag, folder or video.
        settings: everything else that the figures depend on.
        output: folder of the result.
        observer: called once for each frame that is predicted now.
        progress: told (images seen, images in all or None) of the first half.
        scoring_progress: told (records, records in all) of the second.
        make_predictor: what makes the predictions.
        made_by: its kind in words; an evaluation by another kind is another evaluation.

    Raises:
        GemDepthError: nothing of the source can be evaluated; the text is one line.
    """
    began, started_at = time.monotonic(), datetime.datetime.now(datetime.timezone.utc)
    space = Workspace(output, fingerprint(source, settings, output=output, made_by=made_by))
    if space.is_finished():
        return read_result(space.result)
    opened = open_evaluation_source(source, settings, space.work)
    predictor = make_predictor(settings)
    try:
        replay = Replay(opened, predictor, settings, space, observer, progress)
        counts = replay.run()
        base = _facts(source, settings, opened, counts, predictor, len(space.records))
    finally:
        predictor.close()
    if not len(space.records):
        raise BagError(f'{opened.description} holds no image that can be evaluated')
    region = Region(settings.crop, settings.max_depth_m, settings.min_depth_m)
    result = score_records(space.records, settings.protocols, region, base, scoring_progress)
    result = replace(
        result,
        samples=_write_samples(space, replay.images, sample_view(result, region)),
        timing=Timing(
            started_at.isoformat(timespec='seconds'),
            round(time.monotonic() - began, 3),
            tuple(round(record.latency_ms, 3) for record in space.records),
        ),
    )
    write_result(result, space.result)
    space.finish()
    return result


def _facts(
    source: Path,
    settings: EvaluationSettings,
    opened: EvaluationSource,
    counts: ReplayCounts,
    predictor: Predictor,
    processed: int,
) -> EvaluationResult:
    size = network_size(max(counts.height, 1), max(counts.width, 1), settings.input_size)
    system = replace(predictor.facts(), network_size=size)
    notes = [UNTRAINED] if not system.trained else []
    for sensor in set(system.grounding) & {'lidar', 'odometry'}:
        notes.append(
            f'{sensor} gives the metres; where it is the truth as well, metric figures judge the '
            'fit, not the depth'
        )
    return EvaluationResult(
        source=SourceFacts(
            path=str(source),
            kind=opened.kind,
            description=opened.description,
            width=counts.width,
            height=counts.height,
            frames=counts.findings.frames,
            processed=processed,
            dropped=counts.findings.frames - counts.findings.unusable - processed,
            unusable=counts.findings.unusable,
            duration_s=(counts.last_ns - counts.first_ns) / 1e9,
        ),
        system=system,
        truth=TruthFacts(
            opened.depth_truth, opened.pose_truth, opened.mask_truth, settings.tolerance_ms
        ),
        notes=(*notes, *counts.findings.notes),
    )


def _write_samples(space: Workspace, images: ImageShelf, view: DepthView) -> str:
    """Write the sample frames; return their folder's name, or nothing."""
    chosen = images.chosen()
    folder = space.output / SAMPLES
    for old in folder.glob('*.npz') if folder.is_dir() else ():
        old.unlink()
    for number in chosen:
        record = space.records.read(number)
        depth = view.depth(record)
        if depth is None:
            depth = np.full(record.disparity.shape, np.nan)
        image = images.read(number)
        write_sample(
            folder,
            SampleFrame(
                record.index, record.stamp_ns, image, depth.astype(np.float32), _truth(record)
            ),
        )
    return SAMPLES if chosen else ''


def _truth(record: FrameRecord) -> Float32Array | None:
    """Return the true depth that counts as a map, NaN elsewhere."""
    if record.truth_pixels is None or record.truth_m is None:
        return None
    truth = np.full(record.disparity.size, np.nan, np.float32)
    truth[record.truth_pixels] = record.truth_m
    return truth.reshape(record.disparity.shape)
