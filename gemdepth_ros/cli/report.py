"""``gemdepth-ros report``: the HTML report of a result, or a page that compares several."""

from __future__ import annotations

import argparse
from pathlib import Path

from gemdepth_ros.errors import ConfigError

RESULT_FILE = 'result.json'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``gemdepth-ros report``."""
    add = parser.add_argument
    add(
        'results',
        metavar='RESULT.json',
        type=Path,
        nargs='+',
        help='of evaluate, or its folder; several are compared with the first',
    )
    add('-o', '--output', metavar='FILE.html', type=Path, required=True, help='one file')
    add('--names', nargs='+', metavar='NAME', help='of several; default: their folders')


def run(args: argparse.Namespace) -> int:
    """Write the page; what goes wrong is a ``GemDepthError``.

    Returns:
        0.
    """
    from gemdepth_ros.evaluation.json_format import read_result
    from gemdepth_ros.evaluation.report.comparison import write_comparison
    from gemdepth_ros.evaluation.report.of_result import write_report

    files = [_file(path.expanduser()) for path in args.results]
    output = args.output.expanduser()
    names = args.names or [file.resolve().parent.name for file in files]
    if len(names) != len(files):
        raise ConfigError(f'{len(files)} results need as many --names, got {len(names)}')
    results = [read_result(file) for file in files]
    if len(results) == 1:
        write_report(results[0], output, files[0].parent)
    else:
        write_comparison(list(zip(names, results, strict=True)), output)
    print(f'{output}: {output.stat().st_size / 1e6:.1f} MB')
    return 0


def _file(path: Path) -> Path:
    return path / RESULT_FILE if path.is_dir() else path
