"""Several results of one recording on one page, with their differences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.evaluation.comparison import ComparedFigure, Comparison, compare_results
from gemdepth_ros.evaluation.report.figures import (
    DistanceError,
    difference_name,
    error_by_distance,
    forest,
    latency_histogram,
)
from gemdepth_ros.evaluation.report.page import Figure, Page, Row, Table, write_page
from gemdepth_ros.evaluation.report.plots import abs_rel_series, start_ns
from gemdepth_ros.evaluation.report.series import over_time
from gemdepth_ros.evaluation.report.tables import DEPTH_COLUMNS, number
from gemdepth_ros.evaluation.result import EvaluationResult, ProtocolResult

LEFT_OUT = ('sq_rel', 'rmse_log', 'delta2', 'delta3')  # they say what the others say
VERDICTS = {'better': 'better', 'worse': 'worse', 'equal': 'open'}
MIN_RUNS, MAX_RUNS = 2, 6  # as many as there are colours that can be told apart

Runs = Sequence[tuple[str, EvaluationResult]]


def write_comparison(runs: Runs, file: Path) -> None:
    """Write a page that compares runs with the first of them.

    Args:
        runs: name and result of each; names must differ.
        file: the HTML file; replaced in one step.

    Raises:
        ConfigError: too few or too many runs, equal names, or nothing that can be compared.
        DependencyError: Jinja2 or plotly is not installed.
        GemDepthError: the file cannot be written.
    """
    write_page(comparison_page(runs), file)


def comparison_page(runs: Runs) -> Page:
    """Return the page that compares runs with the first of them.

    Raises:
        ConfigError: see `write_comparison`.
    """
    names = [name for name, _ in runs]
    if not MIN_RUNS <= len(runs) <= MAX_RUNS:
        raise ConfigError(f'a comparison takes {MIN_RUNS} to {MAX_RUNS} results, got {len(runs)}')
    if len(set(names)) < len(names):
        raise ConfigError(f'results to compare need different names, got {", ".join(names)}')
    base_name, base = runs[0]
    compared = {name: compare_results(base, result) for name, result in runs[1:]}
    found = {name: _shown(item) for name, item in compared.items()}
    protocols = [p.name for p in base.protocols if all(r.protocol(p.name) for _, r in runs)]
    if not protocols and not any(found.values()):
        raise ConfigError(
            f'nothing to compare: {", ".join(names)} have no protocol and no frame in common'
        )
    tables = [_protocol_table(runs, name) for name in protocols]
    tables += [_difference_table(base_name, name, items) for name, items in found.items() if items]
    tables += [_other_table(runs), _origin_table(runs)]
    return Page(
        title='Comparison',
        subtitle=f'{", ".join(names[1:])} against {base_name}',
        warnings=tuple(_warnings(runs, compared)),
        tables=tuple(tables),
        figures=tuple(_figures(runs, protocols, found)),
    )


def _protocol_table(runs: Runs, protocol: str) -> Table:
    rows = []
    for name, result in runs:
        found = result.protocol(protocol)
        assert found is not None
        rows.append(Row(name, _cells(found)))
    first = runs[0][1].protocol(protocol)
    assert first is not None
    for baseline in first.baselines:
        cells = (getattr(baseline.mean, key) for key, _, _, _ in DEPTH_COLUMNS)
        digits = (count for _, _, count, _ in DEPTH_COLUMNS)
        texts = tuple(number(v, d) for v, d in zip(cells, digits, strict=True))
        rows.append(Row(f'no skill: {baseline.name.replace("_", " ")}', texts, baseline=True))
    headings = ('', *(heading for _, heading, _, _ in DEPTH_COLUMNS))
    note = f'Alignment: {first.alignment}. Each run over its own frames.'
    return Table(f'Depth, protocol “{protocol}”', headings, tuple(rows), note)


def _cells(protocol: ProtocolResult) -> tuple[str, ...]:
    return tuple(number(getattr(protocol.mean, key), d) for key, _, d, _ in DEPTH_COLUMNS)


def _shown(comparison: Comparison) -> tuple[ComparedFigure, ...]:
    """Return the figures that are means over frames, the usual ones of each protocol."""
    return tuple(
        item
        for item in comparison.figures
        if item.verdict != 'unknown' and item.name.partition('.')[2] not in LEFT_OUT
    )


def _difference_table(base: str, name: str, items: tuple[ComparedFigure, ...]) -> Table:
    rows = tuple(
        Row(
            difference_name(item),
            (
                f'{item.first:.4f}',
                f'{item.second:.4f}',
                f'{item.difference.mean:+.4f}',
                f'{item.difference.low:+.4f} … {item.difference.high:+.4f}',
                VERDICTS[item.verdict],
                str(item.difference.frames),
            ),
            baseline=item.verdict == 'equal',
        )
        for item in items
    )
    note = (
        'Over the frames that both runs have. The interval comes from a bootstrap over blocks of '
        'neighbouring frames; “open” where it holds 0. It speaks of this recording, not of others.'
    )
    columns = ('', base, name, 'difference', '95 % interval', 'verdict', 'frames')
    return Table(f'{name} against {base}', columns, rows, note)


def _other_table(runs: Runs) -> Table:
    rows = []
    for name, result in runs:
        tae = result.temporal[0].percent if result.temporal else math.nan
        errors = result.trajectory.errors if result.trajectory else ()
        ratio = result.scale.mean_ratio if result.scale else math.nan
        rms_z = result.calibration.rms_z if result.calibration else math.nan
        times = result.timing.latency_ms
        p50, p99 = np.percentile(times, (50, 99)) if times else (math.nan, math.nan)
        cells = (
            number(tae),
            number(errors[-1].ate_rmse_m) if errors else '–',
            number(ratio),
            number(rms_z, 2),
            f'{number(p50, 1)} / {number(p99, 1)}',
            f'{result.source.processed} / {result.source.dropped}',
        )
        rows.append(Row(name, cells))
    consistency = next((r.temporal[0].name for _, r in runs if r.temporal), 'TAE')
    columns = (
        *('', f'{consistency.replace("_", " ")} [%] ↓', 'ATE RMSE [m] ↓'),
        *('predicted / true depth → 1', 'rms z → 1', 'latency p50 / p99 [ms]'),
        'frames processed / dropped',
    )
    return Table('Time, motion, scale and speed', columns, tuple(rows))


def _figures(
    runs: Runs, protocols: list[str], found: dict[str, tuple[ComparedFigure, ...]]
) -> Iterator[Figure]:
    if any(found.values()):
        caption = (
            'Difference to the first run in per cent of its value, with 95 % intervals, turned so '
            'that left of 0 is better.'
        )
        title = 'Differences and their intervals'
        yield Figure('differences', title, forest(found), caption, wide=True)
    for protocol in protocols:
        yield from _protocol_figures(runs, protocol)
    times = {n: np.array(r.timing.latency_ms) for n, r in runs if r.timing.latency_ms}
    if times:
        yield Figure('latency', 'Latency', latency_histogram(times), 'Lines: median and p99.')


def _protocol_figures(runs: Runs, protocol: str) -> Iterator[Figure]:
    found = [(name, p) for name, r in runs for p in [r.protocol(protocol)] if p is not None]
    origin = min(start_ns(result) for _, result in runs)
    lines = [abs_rel_series(item, origin, name) for name, item in found if item.frames]
    if lines:
        figure = over_time(lines, 'AbsRel [%]')
        figure.update_yaxes(rangemode='tozero')
        yield Figure(f'error-{protocol}', f'Error over time, “{protocol}”', figure)
    bins = [
        DistanceError(
            name,
            np.array([b.near_m for b in item.by_distance] + [item.by_distance[-1].far_m]),
            np.array([100 * b.abs_rel for b in item.by_distance]),
        )
        for name, item in found
        if item.by_distance
    ]
    if bins:
        figure = error_by_distance(bins, 'AbsRel [%]')
        yield Figure(f'distance-{protocol}', f'Error by distance, “{protocol}”', figure)


def _warnings(runs: Runs, compared: dict[str, Comparison]) -> Iterator[str]:
    untrained = [name for name, result in runs if not result.system.trained]
    if untrained:
        yield f'Random weights (untrained), figures without meaning: {", ".join(untrained)}.'
    for name, item in compared.items():
        yield from (f'{name} against {runs[0][0]}: {line}' for line in item.differences)


def _origin_table(runs: Runs) -> Table:
    rows = []
    for name, result in runs:
        system = result.system
        height, width = system.network_size
        cells = (
            system.weights,
            f'{system.mode}, window {system.window}',
            f'{width} × {height}',
            f'{system.device}, {system.dtype}',
            ', '.join(system.settings) or '–',
            system.version,
        )
        rows.append(Row(name, cells))
    columns = ('', 'weights', 'mode', 'network input [px]', 'device', 'settings', 'package')
    return Table('How these numbers came about', columns, tuple(rows))
