"""``gemdepth-ros bench``: time, memory and energy per frame on this machine, as table and JSON."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemdepth_ros.cli.argument_types import at_least, positive
from gemdepth_ros.cli.benchmark.cases import DEFAULT_MODES, EAGER, MODES, Case, Plan, size
from gemdepth_ros.errors import ConfigError, InferenceError

if TYPE_CHECKING:
    from rich.console import Console

    from gemdepth_ros.cli.benchmark.result import Report
    from gemdepth_ros.inference.device import Placement

DESCRIPTION = """Modes: offline, sliding, causal (and published_stream of Video Depth Anything);
for comparison dense (the whole window anew for every frame) and plain (the published windows,
nothing kept between them). Weights do not change what a frame costs: random ones are used."""
PLAIN_WIDTH = 144  # of the table in a file or a pipe
DTYPES = ('float32', 'bfloat16', 'float16')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``gemdepth-ros bench``."""
    parser.epilog = DESCRIPTION
    add = parser.add_argument
    several: dict[str, Any] = {'nargs': '+'}
    add('--presets', **several, default=['small'], metavar='NAME', help='networks (small)')
    add('--sizes', **several, type=size, default=[(140, 462)], metavar='HxW',
        help='of the network input, multiples of 14 (140x462)')  # fmt: skip
    add('--modes', **several, choices=MODES, default=list(DEFAULT_MODES),
        help=f'({" ".join(DEFAULT_MODES)})')  # fmt: skip
    add('--windows', **several, type=at_least(1), default=[8], metavar='T',
        help='frames per window or segment, 1..32; offline 8, 16, 32 (8)')  # fmt: skip
    add('--precision', **several, choices=('auto', *DTYPES), default=['auto'],
        help='auto: what the node would choose')  # fmt: skip
    add('--backend', **several, default=[EAGER], metavar='NAME', help='(eager)')
    add('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    add('--threads', type=at_least(0), default=0, help='CPU threads; 0: as torch chooses')
    add('--weights', default='', metavar='FILE|NAME', help='default: seeded random numbers')
    add('--seconds', type=positive, default=60.0,
        help='of the timed rounds in all; loading and warming up come on top (60)')  # fmt: skip
    add('--no-memory', action='store_true', help='leave out the process per case')
    add('--json', type=Path, metavar='FILE', help='write everything here as well')


def run(args: argparse.Namespace) -> int:
    """Measure, print, write; what goes wrong is a ``GemDepthError``.

    Returns:
        0 when every case has its figures, else 1.
    """
    if args.json is not None:
        _check_json(args.json.expanduser())

    from rich.console import Console

    from gemdepth_ros.cli.benchmark.tables import print_report

    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    placements = _placements(args)
    plan = _plan(args, placements)
    report = _measure(args, str(placements[0].device), plan, console)
    print_report(report, console)
    if args.json is not None:
        report.write(args.json.expanduser())
    return int(any(row.problem for row in report.rows))


def _check_json(path: Path) -> None:
    """Refuse before all measuring what could not be written after it."""
    if not path.parent.is_dir():
        raise ConfigError(f'cannot write --json {path}: its folder does not exist')
    if path.is_dir():
        raise ConfigError(f'cannot write --json {path}: it is a folder, give the name of a file')
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError(f'cannot write --json {path}: you may not write there, give another one')


def _placements(args: argparse.Namespace) -> list[Placement]:
    from gemdepth_ros.inference.device import choose_placement

    return [choose_placement(args.device, precision) for precision in args.precision]


def _plan(args: argparse.Namespace, placements: list[Placement]) -> Plan:
    """Combine what was asked for; refuse what cannot be run before anything is loaded."""
    from gemdepth_ros.cli.benchmark.backends import check_backend
    from gemdepth_ros.cli.benchmark.pictures import image_for
    from gemdepth_ros.model.vda_config import model_config

    for preset in args.presets:
        model_config(preset)
    for wanted in args.sizes:
        image_for(wanted)
    for backend in args.backend:
        check_backend(backend)
    precisions = [str(placement.dtype).removeprefix('torch.') for placement in placements]
    plan = Plan.of(args.presets, precisions, args.sizes, args.modes, args.windows, args.backend)
    if not plan.cases:
        raise ConfigError(f'nothing to run: {"; ".join(plan.left_out)}')
    return plan


def _measure(args: argparse.Namespace, device: str, plan: Plan, console: Console) -> Report:
    """Times of each network's cases in turns, then the memory of each case by itself."""
    from gemdepth_ros.cli.benchmark.machine import describe_packages, describe_system
    from gemdepth_ros.cli.benchmark.result import Report, row_of

    report = Report(
        describe_system(), describe_packages(), args.weights, args.seconds,
        left_out=plan.left_out,
    )  # fmt: skip
    for cases in plan.by_network():
        share = args.seconds * len(cases) / len(plan.cases)
        console.print(f'{" ".join(cases[0].network)}: {len(cases)} case(s), {share:.0f} s')
        times = _times(args, device, cases, share)
        report.machine |= times.get('device', {})
        report.energy = times.get('energy', report.energy)
        for case, row in zip(cases, times['rows'], strict=True):
            without = args.no_memory or 'error' in row
            memory = {} if without else _memory(args, device, case, console)
            report.rows.append(row_of(case, row, memory))
    return report


def _times(
    args: argparse.Namespace, device: str, cases: tuple[Case, ...], seconds: float
) -> dict[str, Any]:
    from gemdepth_ros.cli.benchmark.task import Task

    try:
        return Task('time', cases, device, args.weights, args.threads, seconds).run()
    except InferenceError as error:
        return {'rows': [{'error': str(error)}] * len(cases)}


def _memory(
    args: argparse.Namespace, device: str, case: Case, console: Console
) -> dict[str, Any] | str:
    from gemdepth_ros.cli.benchmark.task import Task

    console.print(f'memory of {case}')
    try:
        return Task('memory', (case,), device, args.weights, args.threads).run()
    except InferenceError as error:
        return str(error)
