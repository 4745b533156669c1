"""Many sources: progress, one report for each, one over all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gemdepth_ros.cli.evaluation.engine_options import EngineOptions
from gemdepth_ros.cli.evaluation.one_source import Outcome
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.errors import ConfigError, DependencyError

if TYPE_CHECKING:
    from rich.console import Console

    from gemdepth_ros.evaluation.fleet import FleetResult

MERGED_FILE = 'merged.json'
INDEX_FILE = 'index.html'
REPORT_FILE = 'report.html'


def run_many(
    sources: Sequence[Path],
    settings: EvaluationSettings,
    output: Path,
    options: EngineOptions,
    console: Console,
) -> int:
    """Evaluate many sources into ``output``; return 1 when one of them failed.

    Writes a folder with result, samples and report for each source, ``merged.json`` and
    ``index.html`` over all.

    Raises:
        ConfigError: nothing can be written, or a cluster cannot be reached.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from gemdepth_ros.cli.evaluation.engines import evaluate_many

    _make_folder(output)
    columns = (TextColumn('sources'), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task('sources', total=len(sources))

        def done(outcome: Outcome) -> None:
            progress.advance(bar)
            text = outcome.error or f'{_frames(outcome)} frames'
            progress.console.print(f'{outcome.source}: {text}')

        outcomes = evaluate_many(
            sources, settings, output, options, lambda text: console.print(f'note: {text}'), done
        )
    return conclude(outcomes, output, console)


def conclude(outcomes: Sequence[Outcome], output: Path, console: Console) -> int:
    """Write what is merged; return 1 when a source failed."""
    from gemdepth_ros.evaluation.fleet import merge
    from gemdepth_ros.evaluation.json_format import to_plain

    fleet = merge([(_name(item), item.source, item.result, item.error) for item in outcomes])
    text = json.dumps(to_plain(fleet), indent=1, allow_nan=False) + '\n'
    (output / MERGED_FILE).write_text(text, 'utf-8')
    console.print(f'merged: {output / MERGED_FILE}')
    try:
        _write_reports(outcomes, fleet, output)
        console.print(f'report: {output / INDEX_FILE}')
    except DependencyError as error:
        console.print(f'note: no report: {error}')
    failed = [item for item in outcomes if item.result is None]
    for item in failed:
        console.print(f'failed: {item.source}: {item.error}')
    return 1 if failed else 0


def _write_reports(outcomes: Sequence[Outcome], fleet: FleetResult, output: Path) -> None:
    from gemdepth_ros.evaluation.report.fleet import fleet_page
    from gemdepth_ros.evaluation.report.of_result import write_report
    from gemdepth_ros.evaluation.report.page import write_page

    reports = {}
    for item in outcomes:
        if item.result is not None:
            folder = Path(item.folder)
            write_report(item.result, folder / REPORT_FILE, folder)
            reports[_name(item)] = f'{folder.name}/{REPORT_FILE}'
    write_page(fleet_page(fleet, reports), output / INDEX_FILE)


def _name(outcome: Outcome) -> str:
    return Path(outcome.folder).name


def _frames(outcome: Outcome) -> int:
    return outcome.result.source.processed if outcome.result else 0


def _make_folder(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f'cannot make the folder {output}: {error.strerror or error}') from error
