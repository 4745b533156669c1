"""The tables of a report: every figure beside its protocol and beside what no skill gives."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gemdepth_ros.evaluation.metrics import DepthErrors
from gemdepth_ros.evaluation.report.page import Row, Table
from gemdepth_ros.evaluation.result import EvaluationResult, ProtocolResult, TrajectoryResult

# Name of the field, heading, digits behind the point, whether larger is better.
DEPTH_COLUMNS = (
    ('abs_rel', 'AbsRel ↓', 3, False),
    ('sq_rel', 'SqRel [m] ↓', 3, False),
    ('rmse', 'RMSE [m] ↓', 2, False),
    ('rmse_log', 'RMSE log ↓', 3, False),
    ('silog', 'SILog ↓', 1, False),
    ('delta1', 'δ1 ↑', 3, True),
    ('delta2', 'δ2 ↑', 3, True),
    ('delta3', 'δ3 ↑', 3, True),
)


def number(value: float, digits: int = 3, unit: str = '') -> str:
    """Return a number for people; a dash where it is unknown."""
    if not math.isfinite(value):
        return '–'
    return f'{value:.{digits}f}{" " + unit if unit else ""}'


def depth_table(protocol: ProtocolResult) -> Table:
    """Return the errors of depth under one protocol."""
    rows = [Row('this run', _cells(protocol.mean))]
    if protocol.static is not None:
        rows.append(Row('… what stands still', _cells(protocol.static)))
    if protocol.moving is not None:
        rows.append(Row('… what moves', _cells(protocol.moving)))
    rows += [
        Row(f'no skill: {item.name.replace("_", " ")}', _cells(item.mean), baseline=True)
        for item in protocol.baselines
    ]
    pixels = sum(frame.pixels for frame in protocol.frames)
    crop = '' if protocol.crop in ('', 'none') else f', {protocol.crop} crop'
    note = (
        f'Alignment: {protocol.alignment}. Truth from {protocol.min_depth_m:g} to '
        f'{protocol.max_depth_m:g} m{crop}. Mean over {len(protocol.frames)} frames, each of the '
        f'same weight ({pixels:,} pixels; {100 * protocol.coverage:.1f} % of the truth has a '
        'prediction).'
    )
    meanings = ' '.join(f'{_sentence(item.meaning)}' for item in protocol.baselines)
    return Table(
        f'Depth, protocol “{protocol.name}”',
        ('', *(heading for _, heading, _, _ in DEPTH_COLUMNS)),
        tuple(rows),
        f'{note} {meanings}'.strip(),
    )


def motion_table(trajectory: TrajectoryResult) -> Table:
    """Return the errors of the camera's motion."""
    rows = [
        Row(
            f'{item.alignment} alignment',
            (
                number(item.scale),
                number(item.ate_rmse_m, 3),
                number(item.ate_max_m, 3),
                number(item.rpe_translation_rmse_m, 4),
                number(item.rpe_rotation_rmse_deg, 3),
            ),
        )
        for item in trajectory.errors
    ]
    claim = 'metres' if trajectory.metric else 'an unknown unit'
    note = (
        f'{trajectory.frames} poses over {trajectory.path_m:.1f} m; the estimate is in {claim}; '
        f'the chain was broken {trajectory.lost} times. '
    )
    if math.isfinite(trajectory.t_rel_percent):
        lengths = ', '.join(f'{length:g}' for length in trajectory.lengths_m)
        note += (
            f'KITTI t_rel {trajectory.t_rel_percent:.2f} %, r_rel '
            f'{100 * trajectory.r_rel_deg_per_m:.3f} °/100 m over segments of {lengths} m'
            f'{", after one scale for the sequence" if trajectory.scaled else ""}.'
        )
    else:
        note += 'The path is too short for KITTI’s segments.'
    columns = (
        *('', 'scale put on the estimate', 'ATE RMSE [m] ↓', 'ATE max [m] ↓'),
        *('RPE [m/frame] ↓', 'RPE [°/frame] ↓'),
    )
    return Table('Camera motion', columns, tuple(rows), note)


def time_table(result: EvaluationResult) -> Table | None:
    """Return the consistency over time; None where nothing is known about it."""
    rows = list(_time_rows(result))
    if not rows:
        return None
    note = 'A static world is assumed: what moves counts as an error.'
    return Table('Consistency over time', ('', 'value', 'of', 'pairs'), tuple(rows), note)


def _time_rows(result: EvaluationResult) -> Iterator[Row]:
    titles = {
        'tae': 'TAE, true poses ↓',
        'self_consistency': 'self-consistency, own poses ↓',
    }
    for item in result.temporal:
        title = titles.get(item.name, item.name)
        yield Row(title, (number(item.percent, 3, '%'), item.depth, str(item.pairs)))
    if result.flicker is not None:
        cells = (number(result.flicker.mean_percent, 3, '%'), result.flicker.depth)
        yield Row('flicker at standstill ↓', (*cells, str(result.flicker.pairs)))


def _cells(errors: DepthErrors) -> tuple[str, ...]:
    return tuple(number(getattr(errors, name), digits) for name, _, digits, _ in DEPTH_COLUMNS)


def _sentence(text: str) -> str:
    text = text.strip()
    return f'{text[:1].upper()}{text[1:]}{"" if text.endswith(".") else "."}' if text else ''
