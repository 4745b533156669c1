"""``gemdepth-ros export``: causal step and encoder as ONNX files, checked against eager."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gemdepth_ros.cli.argument_types import at_least
from gemdepth_ros.cli.network_arguments import add_network_choice, settle_network

if TYPE_CHECKING:
    from gemdepth_ros.inference.engines.export import Exported


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``gemdepth-ros export``."""
    add = parser.add_argument
    add('--format', choices=('onnx',), default='onnx', help='of the graphs (onnx)')
    add('-o', '--output', metavar='DIR', type=Path, required=True, help='folder for the files')
    add_network_choice(parser)
    add('--height', type=at_least(1), required=True, help='rows of the camera image [px]')
    add('--width', type=at_least(1), required=True, help='columns of the camera image [px]')
    add('--window', type=at_least(1), default=8, help='as streaming.window, 1..32 (8)')
    add('--precision', choices=('float32', 'float16'), default='float32', help='(float32)')


def run(args: argparse.Namespace) -> int:
    """Export, compare, and print the table.

    Returns:
        0; what goes wrong, a difference included, is a ``GemDepthError``.
    """
    from rich.console import Console

    from gemdepth_ros.errors import ConfigError
    from gemdepth_ros.hub import digest_of, locate
    from gemdepth_ros.inference.config import MAX_WINDOW
    from gemdepth_ros.inference.device import DTYPES
    from gemdepth_ros.inference.engines.export import export_step, trtexec_command
    from gemdepth_ros.inference.preprocessing import network_size
    from gemdepth_ros.model import build_gemdepth

    settle_network(args)
    console = Console(highlight=False, soft_wrap=True)
    if args.window > MAX_WINDOW:
        raise ConfigError(f'--window must be 1..{MAX_WINDOW}, got {args.window}')
    weights = locate(args.weights) if args.weights else None
    size = network_size(args.height, args.width, args.input_size)
    model = build_gemdepth(args.preset, weights, 'cpu', DTYPES[args.precision])
    folder = args.output.expanduser()
    console.print(f'exporting {size[1]}x{size[0]}, window {args.window}, {args.precision} ...')
    exported = export_step(model, digest_of(weights), size, args.window, folder)
    print_parity(console, exported)
    console.print(f'written: {folder}; run it with streaming.backend onnx and')
    console.print(f'streaming.engine_folder {folder}, or build a TensorRT engine of it:')
    console.print(f'  {trtexec_command(folder, args.precision)}')
    return 0


def print_parity(console: object, exported: Exported) -> None:
    """Print the distance from eager by step and output."""
    from rich.console import Console
    from rich.table import Table

    assert isinstance(console, Console)
    title = f'relative L2 distance of {exported.provider} from eager'
    table = Table('step', *exported.rows[0], title=title)
    for number, row in enumerate(exported.rows):
        table.add_row(str(number), *(f'{distance:.1e}' for distance in row.values()))
    worst = exported.manifest.parity
    table.add_row('worst', *(f'{worst[name]:.1e}' for name in exported.rows[0]))
    console.print(table)
