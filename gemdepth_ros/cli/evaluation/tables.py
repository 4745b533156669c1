"""A result as tables in the terminal; no figure without its protocol and what no skill scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gemdepth_ros.evaluation.result import EvaluationResult, ProtocolResult

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from gemdepth_ros.evaluation.metrics import DepthErrors

COLUMNS = ('abs_rel', 'sq_rel', 'rmse', 'rmse_log', 'delta1', 'delta2', 'delta3')
HEADS = ('AbsRel', 'SqRel', 'RMSE', 'RMSElog', 'δ1', 'δ2', 'δ3')
LOG_WIDTH = 120
NO_SKILL = {'row_prior': '  no skill: row prior', 'constant': '  no skill: constant'}


def print_result(result: EvaluationResult, console: Console) -> None:
    """Print the figures of a result, and everything that could not be evaluated."""
    source, system = result.source, result.system
    console.print(
        f'{source.description}: {source.processed} of {source.frames} frames '
        f'({source.dropped} dropped, {source.unusable} unusable); weights: {system.weights}; '
        f'{system.mode}, window {system.window}'
    )
    if result.protocols:
        console.print(f'true depth: {result.truth.depth}, {result.truth.depth_frames} frames')
        print_table(_depth_table(result.protocols), console)
    for line in _other_lines(result):
        console.print(line)
    for note in result.notes:
        console.print(f'note: {note}')


def print_table(table: Table, console: Console) -> None:
    """Print a table at its own width where nobody looks at a terminal (a log, a file)."""
    from rich.console import Console

    width = console.width if console.is_terminal else max(console.width, LOG_WIDTH)
    Console(file=console.file, highlight=False, width=width).print(table)


def _depth_table(protocols: tuple[ProtocolResult, ...]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    first = protocols[0]
    title = f'depth up to {first.max_depth_m:g} m, crop {first.crop}'
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
    table.add_column('protocol', no_wrap=True)
    for head in (*HEADS, 'seen'):
        table.add_column(head, justify='right')
    for protocol in protocols:
        table.add_row(protocol.name, *_cells(protocol.mean), _number(protocol.coverage))
        for name, errors in (('static', protocol.static), ('moving', protocol.moving)):
            if errors is not None:
                table.add_row(f'  {name} parts', *_cells(errors), '')
        for baseline in protocol.baselines:
            table.add_row(NO_SKILL[baseline.name], *_cells(baseline.mean), '', style='dim')
    return table


def _other_lines(result: EvaluationResult) -> list[str]:
    lines = [
        f'{score.name} ({score.depth}): {score.percent:.3f} % over {score.pairs} pairs'
        for score in result.temporal
    ]
    flicker = result.flicker
    if flicker is not None:
        lines.append(
            f'flicker at standstill ({flicker.depth}): mean {flicker.mean_percent:.3f} %, median '
            f'{flicker.median_percent:.3f} % over {flicker.pairs} pairs'
        )
    if result.scale is not None and not math.isnan(result.scale.mean_ratio):
        lines.append(
            f'scale of depth ({result.scale.depth}): {result.scale.mean_ratio:.4f} of the truth, '
            f'spread {100 * result.scale.std_log_ratio:.2f} %'
        )
    motion = result.trajectory
    for errors in motion.errors if motion is not None else ():
        lines.append(
            f'trajectory, {errors.alignment}: ATE {errors.ate_rmse_m:.3f} m, RPE '
            f'{errors.rpe_translation_rmse_m:.4f} m and {errors.rpe_rotation_rmse_deg:.4f} deg'
        )
    if motion is not None and not math.isnan(motion.t_rel_percent):
        scaled = ', scaled' if motion.scaled else ''
        first, last = motion.lengths_m[0], motion.lengths_m[-1]
        lengths = f'{first:g}' if first == last else f'{first:g}..{last:g}'
        lines.append(
            f'trajectory over {lengths} m{scaled}: t_rel {motion.t_rel_percent:.3f} %, r_rel '
            f'{motion.r_rel_deg_per_m:.5f} deg/m'
        )
    calibration = result.calibration
    if calibration is not None:
        lines.append(
            f'stated deviation of depth: rms of error / deviation {calibration.rms_z:.2f} (1 is '
            f'right), mean gap of coverage {100 * calibration.mean_gap:.1f} points'
        )
    return lines


def _cells(errors: DepthErrors) -> list[str]:
    return [_number(getattr(errors, name)) for name in COLUMNS]


def _number(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.3f}'
