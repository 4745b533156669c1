"""Entry point of ``gemdepth-ros``: picks the sub-command, and turns errors into exit codes.

A sub-command is a module with ``add_arguments(parser)`` and ``run(args) -> exit code``; it is
imported only when it is chosen, and imports what is heavy (torch, OpenCV) only in ``run``.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

from gemdepth_ros import __version__
from gemdepth_ros.errors import GemDepthError

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class Command(NamedTuple):
    """One sub-command: its name, its module, and one line of help."""

    name: str
    module: str
    help: str


COMMANDS = (
    Command('infer', 'gemdepth_ros.cli.infer', 'depth and camera motion of a video or a folder'),
    Command(
        'reconstruct',
        'gemdepth_ros.cli.reconstruct',
        'a coloured point cloud (PLY) of a recording',
    ),
    Command('report', 'gemdepth_ros.cli.report', 'results of evaluate as an HTML page'),
    Command('preview', 'gemdepth_ros.cli.preview', 'a video of images and their depth'),
    Command(
        'evaluate', 'gemdepth_ros.cli.evaluate', 'how good depth and motion of a recording are'
    ),
    Command('compare', 'gemdepth_ros.cli.compare', 'two results of evaluate side by side'),
    Command('demo', 'gemdepth_ros.cli.demo', 'the whole path over ROS 2 on a short clip'),
    Command('bag', 'gemdepth_ros.cli.bag', 'make, play and record ROS 2 bags, and look into them'),
    Command(
        'bench', 'gemdepth_ros.cli.bench', 'time, memory and energy per frame on this machine'
    ),
    Command('export', 'gemdepth_ros.cli.export', 'the network as ONNX files, checked'),
    Command('train', 'gemdepth_ros.cli.train', 'train a network on the synthetic world'),
    Command('weights', 'gemdepth_ros.cli.weights', 'download and check network weights'),
)


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """Return the parser; only the sub-command named ``chosen`` has its arguments."""
    parser = argparse.ArgumentParser(
        prog='gemdepth-ros',
        description='Depth and camera motion from one camera (GemDepth).',
        epilog='gemdepth-ros COMMAND --help explains a command.',
    )
    parser.add_argument('--version', action='version', version=f'gemdepth-ros {__version__}')
    subparsers = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.name, help=command.help, description=command.help
        )
        if command.name == chosen:
            module = importlib.import_module(command.module)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    What a user or a file caused (``GemDepthError``) is one line on stderr and exit code 1; a bug
    keeps its traceback.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # No option before the sub-command takes a value, so the first other word names it.
    chosen = next((word for word in words if not word.startswith('-')), None)
    try:
        args = build_parser(chosen).parse_args(words)
        return int(args.run(args))
    except GemDepthError as error:
        print(f'gemdepth-ros: error: {error}', file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


if __name__ == '__main__':
    sys.exit(main())
