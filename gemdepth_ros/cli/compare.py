"""``gemdepth-ros compare``: two results side by side; a gate for continuous integration."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gemdepth_ros.cli.argument_types import at_least

if TYPE_CHECKING:
    from rich.console import Console

    from gemdepth_ros.evaluation.comparison import Comparison

EXIT_WORSE = 3
"""The second result is worse than allowed. 1 and 2 are errors and wrong arguments."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``gemdepth-ros compare``."""
    parser.epilog = (
        f'Exit code {EXIT_WORSE}: a threshold is exceeded (or, with --fail-on-worse, a figure is '
        'worse beyond chance, or cannot be judged).'
    )
    add = parser.add_argument
    add('first', metavar='A.json', type=Path, help='what differences start from')
    add('second', metavar='B.json', type=Path, help='what is judged')
    add(
        '--threshold',
        action='append',
        default=[],
        metavar='FIGURE=LIMIT',
        help='largest worsening of B against A: vda.abs_rel=0.005 or vda.abs_rel=2%%; repeatable',
    )
    add('--fail-on-worse', action='store_true', help='any figure worse beyond chance, or lost')
    add('--confidence', type=float, default=0.95, help='of the intervals (%(default)s)')
    add('--resamples', type=at_least(1), default=2000, help='of the bootstrap (%(default)s)')
    add('--json', metavar='FILE', type=Path, help='write the comparison, too')


def run(args: argparse.Namespace) -> int:
    """Compare; what goes wrong is a ``GemDepthError``.

    Returns:
        0, or ``EXIT_WORSE``.
    """
    from rich.console import Console

    from gemdepth_ros.evaluation.comparison import compare_results, parse_threshold
    from gemdepth_ros.evaluation.json_format import read_result

    thresholds = [parse_threshold(text) for text in args.threshold]
    first, second = read_result(args.first), read_result(args.second)
    comparison = compare_results(
        first, second, confidence=args.confidence, resamples=args.resamples
    )
    console = Console(highlight=False, soft_wrap=True)
    _print(comparison, console)
    complaints = [
        f'{item.name}: {comparison.figure(item.name).worsening:+.5g} worse, allowed '
        f'{item.limit:g}{" of A" if item.relative else ""}'
        for item in thresholds
        if item.exceeded(comparison.figure(item.name))
    ]
    if args.fail_on_worse:
        # A against itself: all figures that A has, and which of them have an interval.
        own = compare_results(first, first, confidence=args.confidence, resamples=1)
        complaints += [*_worse(comparison), *_not_judged(comparison, own)]
    if args.json is not None:
        _write(comparison, complaints, args.json)
    for complaint in complaints:
        console.print(f'worse: {complaint}')
    return EXIT_WORSE if complaints else 0


def _worse(comparison: Comparison) -> Iterator[str]:
    for item in comparison.figures:
        if item.verdict == 'worse':
            interval = item.difference
            yield f'{item.name}: worse beyond chance ({interval.low:+.5g} to {interval.high:+.5g})'


def _not_judged(comparison: Comparison, own: Comparison) -> Iterator[str]:
    """Say what a gate cannot judge: a result that lost its figures must not pass it."""
    from gemdepth_ros.evaluation.bootstrap import MIN_FRAMES

    others = {item.name: item for item in comparison.figures}
    for item in own.figures:
        if item.name not in others:
            yield f'{item.name}: B has no such figure'
        elif item.verdict != 'unknown' and others[item.name].verdict == 'unknown':
            yield (
                f'{item.name}: no interval, A and B have {others[item.name].difference.frames} '
                f'frames with a value in common, {MIN_FRAMES} are needed'
            )
    if all(item.verdict == 'unknown' for item in own.figures):
        yield f'no figure of A has an interval: evaluate {MIN_FRAMES} frames or more'


def _print(comparison: Comparison, console: Console) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from gemdepth_ros.cli.evaluation.tables import print_table

    for line in comparison.differences:
        console.print(f'differs: {line}')
    table = Table(box=SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
    table.add_column('figure', no_wrap=True)
    for head in ('A', 'B', 'B - A', 'interval', 'B is'):
        table.add_column(head, justify='right', no_wrap=True)
    for item in comparison.figures:
        interval = item.difference
        table.add_row(
            item.name,
            f'{item.first:.4f}',
            f'{item.second:.4f}',
            f'{interval.mean:+.4f}',
            '' if item.verdict == 'unknown' else f'{interval.low:+.4f}..{interval.high:+.4f}',
            '' if item.verdict == 'unknown' else item.verdict,
        )
    print_table(table, console)


def _write(comparison: Comparison, complaints: list[str], path: Path) -> None:
    from gemdepth_ros.errors import ConfigError
    from gemdepth_ros.evaluation.json_format import to_plain

    figures = [
        to_plain(item) | {'verdict': item.verdict, 'worsening': to_plain(item.worsening)}
        for item in comparison.figures
    ]
    plain = {
        'differences': list(comparison.differences),
        'figures': figures,
        'complaints': complaints,
    }
    try:
        path.write_text(json.dumps(plain, indent=1, allow_nan=False) + '\n', 'utf-8')
    except OSError as error:
        raise ConfigError(f'cannot write {path}: {error.strerror or error}') from error
