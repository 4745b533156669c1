"""The report on the terminal."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from gemdepth_ros.cli.benchmark.cases import EAGER
from gemdepth_ros.cli.benchmark.result import Report, Row

NOTHING = '-'


def print_report(report: Report, console: Console) -> None:
    """Print what was measured on what."""
    console.print(_facts(report))
    console.print(_figures(report))
    for row in report.rows:
        if row.problem:
            console.print(f'{row.case}: {row.problem}')
    for text in report.left_out:
        console.print(f'left out: {text}')
    if report.energy:
        console.print(f'J/frame: {report.energy}')


def _facts(report: Report) -> str:
    facts = [f'{name} {value}' for name, value in report.machine.items()]
    facts += [f'{name} {version}' for name, version in report.packages.items()]
    weights = report.weights or 'seeded random numbers (they cost the same)'
    return '; '.join(facts) + f'\nweights: {weights}'


def _figures(report: Report) -> Table:
    table = Table(title='per new frame; peak memory of a process of its own')
    columns: dict[str, Callable[[Row], str]] = {
        'network': lambda row: row.case.preset,
        'precision': lambda row: row.case.precision,
        'input': lambda row: f'{row.case.height}x{row.case.width}',
        'mode': lambda row: row.case.mode,
        'T': lambda row: str(row.case.window),
        'backend': lambda row: row.case.backend,
        'ms': lambda row: _number(row.median_ms, 3),
        'p99': lambda row: _number(row.p99_ms, 3),
        'fps': lambda row: _number(row.fps, 3),
        'J': lambda row: _number(row.joules, 3),
        'peak MB': lambda row: _number(row.peak_mb),
        'above the network': lambda row: _number(row.above_mb),
        'by formula': lambda row: _number(row.formula_mb),
        'calls': lambda row: str(row.calls),
    }
    if all(row.case.backend == EAGER for row in report.rows):
        del columns['backend']
    left = ('network', 'precision', 'input', 'mode', 'backend')
    for name in columns:
        table.add_column(name, justify='left' if name in left else 'right')
    for row in report.rows:
        table.add_row(*(cell(row) for cell in columns.values()))
    return table


def _number(value: float | None, digits: int = 0) -> str:
    """Round to so many significant digits (0: to a whole number), without exponents."""
    if value is None:
        return NOTHING
    if not digits or value >= 10**digits:
        return f'{value:.0f}'
    decimals = digits - 1
    while value and abs(value) * 10 ** (digits - 1 - decimals) >= 10 and decimals:
        decimals -= 1
    return f'{value:.{decimals}f}'
