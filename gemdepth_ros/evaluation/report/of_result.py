"""An evaluation's result as a page."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gemdepth_ros.evaluation.report.page import Highlight, Page, write_page
from gemdepth_ros.evaluation.report.pictures import (
    depth_legend,
    depth_range,
    error_legend,
    frame_pictures,
)
from gemdepth_ros.evaluation.report.plots import figures, start_ns
from gemdepth_ros.evaluation.report.tables import depth_table, motion_table, number, time_table
from gemdepth_ros.evaluation.result import EvaluationResult
from gemdepth_ros.evaluation.samples import SampleFrame, read_samples

UNTRAINED = (
    'The weights are random numbers (untrained): these figures say nothing about the method.'
)
MAX_RESETS = 5  # that are named


def write_report(result: EvaluationResult, file: Path, folder: Path) -> None:
    """Write the HTML report of a result.

    Args:
        result: what an evaluation found.
        file: the HTML file; replaced in one step.
        folder: where the result's JSON lies: its samples are named relative to it.

    Raises:
        DependencyError: Jinja2 or plotly is not installed.
        BagError: a sample is damaged.
        GemDepthError: the file cannot be written.
    """
    samples = read_samples(folder / result.samples) if result.samples else []
    write_page(report_page(result, samples), file)


def report_page(result: EvaluationResult, samples: list[SampleFrame]) -> Page:
    """Return the report of a result as a page."""
    near_m, far_m = depth_range(samples)
    tables = [depth_table(item) for item in result.protocols]
    consistency = time_table(result)
    if consistency is not None:
        tables.append(consistency)
    if result.trajectory is not None:
        tables.append(motion_table(result.trajectory))
    with_truth = any(sample.truth_m is not None for sample in samples)
    origin = start_ns(result) or min((sample.stamp_ns for sample in samples), default=0)
    return Page(
        title=Path(result.source.path).name or 'Evaluation',
        subtitle=_subtitle(result),
        warnings=tuple(_warnings(result)),
        facts=tuple(_facts(result)),
        highlights=tuple(_highlights(result)),
        tables=tuple(tables),
        legends=(depth_legend(near_m, far_m), *([error_legend()] if with_truth else [])),
        frames=tuple(frame_pictures(sample, near_m, far_m, origin) for sample in samples),
        figures=tuple(figures(result)),
    )


def _subtitle(result: EvaluationResult) -> str:
    source = result.source
    parts = [source.description or source.kind, f'{source.width} × {source.height} px']
    parts.append(f'{source.processed} of {source.frames} frames in {source.duration_s:.1f} s')
    return ' · '.join(part for part in parts if part)


def _warnings(result: EvaluationResult) -> Iterator[str]:
    if not result.system.trained and not any('untrained' in note for note in result.notes):
        yield UNTRAINED
    yield from result.notes


def _highlights(result: EvaluationResult) -> Iterator[Highlight]:
    if result.protocols:
        first = result.protocols[0]
        rival = min(
            (b for b in first.baselines if math.isfinite(b.mean.abs_rel)),
            key=lambda item: item.mean.abs_rel,
            default=None,
        )
        beside = f'no skill: {number(rival.mean.abs_rel)}' if rival else ''
        label = f'AbsRel, “{first.name}”'
        yield Highlight(label, number(first.mean.abs_rel), beside)
        beside = f'no skill: {number(rival.mean.delta1)}' if rival else ''
        yield Highlight(f'δ1, “{first.name}”', number(first.mean.delta1), beside)
    for item in result.temporal[:1]:
        title = 'TAE' if item.name == 'tae' else item.name.replace('_', ' ')
        yield Highlight(title, number(item.percent, 2, '%'), f'{item.pairs} pairs of frames')
    if result.scale is not None and math.isfinite(result.scale.mean_ratio):
        drift = f'drift {number(result.scale.drift_percent_per_minute, 2, "%/min")}'
        yield Highlight('predicted / true depth', number(result.scale.mean_ratio), drift)
    if result.trajectory is not None and result.trajectory.errors:
        best = result.trajectory.errors[-1]
        note = f'{best.alignment}, path {result.trajectory.path_m:.0f} m'
        yield Highlight('ATE', number(best.ate_rmse_m, 2, 'm'), note)
    latency = np.array(result.timing.latency_ms, float)
    if np.isfinite(latency).any():
        p50, p99 = np.nanpercentile(latency, (50, 99))
        device = result.system.device
        yield Highlight('latency, median', f'{p50:.1f} ms', f'p99 {p99:.1f} ms, {device}')


def _facts(result: EvaluationResult) -> Iterator[tuple[str, str]]:
    source, system, truth, timing = result.source, result.system, result.truth, result.timing
    yield 'source', f'{source.path} ({source.kind})'
    yield 'frames', f'{source.processed} processed, {source.dropped} dropped'
    yield 'unusable frames', str(source.unusable)
    yield 'simulated latency', f'{system.simulated_latency_ms:g} ms'
    yield 'weights', system.weights
    yield 'mode', f'{system.mode}, window {system.window}'
    height, width = system.network_size
    yield 'network input', f'{width} × {height} px'
    yield 'device', f'{system.device}, {system.dtype}'
    yield 'sources of metres', ', '.join(system.grounding) or 'none'
    yield 'true depth', f'{truth.depth} ({truth.depth_frames} frames)'
    yield 'true poses', f'{truth.poses} ({truth.pose_frames} frames)'
    yield 'masks', truth.masks
    yield 'tolerance of stamps', f'{truth.tolerance_ms:g} ms'
    if result.resets:
        shown = result.resets[:MAX_RESETS]
        more = ' …' if len(result.resets) > MAX_RESETS else ''
        yield 'stream started anew', ', '.join(f'{r.reason} at {r.index}' for r in shown) + more
    for setting in system.settings:
        name, _, value = setting.partition('=')
        yield name, value
    yield 'package', system.version
    yield 'evaluated', f'{timing.started_at}, {timing.total_s:.1f} s'
