"""Which network a command runs: the arguments that all of them share, and what follows of them."""

from __future__ import annotations

import argparse

from gemdepth_ros.cli.argument_types import at_least
from gemdepth_ros.hub.catalogue import CATALOGUE, GEMDEPTH_TINY, NETWORKS

NO_WEIGHTS = 'none'
PUBLISHED_INPUT_SIZE = 518
MIN_INPUT_SIZE = 14  # one patch


def add_network_choice(
    group: argparse._ActionsContainer, input_size: int = PUBLISHED_INPUT_SIZE
) -> None:
    """Declare ``--weights``, ``--preset`` and ``--input-size``.

    Args:
        group: parser or group of it.
        input_size: default short side [px] with weights that have no largest size of their own.
    """
    group.add_argument(
        '--weights',
        metavar='FILE|NAME',
        help=f'default: {GEMDEPTH_TINY.name}, for demonstration; {NO_WEIGHTS}: seeded random '
        'numbers, also the default with a --preset of another network',
    )
    group.add_argument(
        '--preset',
        choices=('auto', *NETWORKS),
        default='auto',
        help='network; default: that of the weights',
    )
    group.add_argument(
        '--input-size',
        type=at_least(MIN_INPUT_SIZE),
        metavar='PX',
        help=f'short side; default: {input_size}, or the largest that the weights are made for',
    )
    group.set_defaults(default_input_size=input_size)


def settle_network(args: argparse.Namespace) -> None:
    """Replace what was left open in parsed arguments: ``weights``, ``preset``, ``input_size``.

    ``weights`` becomes empty for random numbers. Known weights name their network. An input size
    that was given stays.
    """
    if args.weights is None:
        own = args.preset in ('auto', GEMDEPTH_TINY.preset)
        args.weights = GEMDEPTH_TINY.name if own else ''
    elif args.weights == NO_WEIGHTS:
        args.weights = ''
    entry = CATALOGUE.get(args.weights)
    if entry is not None and args.preset == 'auto':
        args.preset = entry.preset
    if args.input_size is None:
        largest = entry.max_input_size if entry is not None else 0
        args.input_size = min(args.default_input_size, largest or args.default_input_size)
