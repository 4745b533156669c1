"""``gemdepth-ros bag record``: what topics carry, into a bag."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from gemdepth_ros.cli.argument_types import positive
from gemdepth_ros.cli.ros_errors import needing_ros

if TYPE_CHECKING:
    from gemdepth_ros.bags.writer import BagWriter


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``gemdepth-ros bag record``."""
    add = parser.add_argument
    add('-o', '--output', metavar='OUT', type=Path, required=True, help='folder of the new bag')
    add('--topics', nargs='+', required=True, metavar='TOPIC', help='full names')
    add('--duration', type=positive, default=math.inf, metavar='S', help='end by itself, seconds')
    add('--storage', choices=('mcap', 'sqlite3'), default='mcap', help='(%(default)s)')
    add('--compress', action='store_true', help='by zstd')
    add('--force', action='store_true', help='replace a bag at OUT')
    parser.set_defaults(run_action=run)


def run(args: argparse.Namespace) -> int:
    """Record until Ctrl-C, SIGTERM or the end of the duration; the bag is complete then."""
    with needing_ros('bag record'):
        from gemdepth_ros.ros.recorder import record
    from gemdepth_ros.bags.writer import BagWriter, Storage

    output = args.output.expanduser()
    with BagWriter(
        output, Storage(args.storage), compress=args.compress, overwrite=args.force
    ) as writer:
        counts = record(
            args.topics,
            _BagSink(writer),
            duration_s=args.duration,
            on_subscribed=lambda topic: print(f'recording {topic}', flush=True),
        )
    for topic, count in counts.items():
        print(f'{topic}: {count} messages' if count else f'{topic}: nothing came')
    print(f'{sum(counts.values())} messages: {output}')
    return 0


class _BagSink:
    """A bag as the recorder knows it."""

    def __init__(self, writer: BagWriter) -> None:
        self._writer = writer

    def add_topic(self, topic: str, message_type: str, *, latched: bool) -> None:
        from gemdepth_ros.bags.qos import LATCHED, RELIABLE

        self._writer.add_topic(topic, message_type, LATCHED if latched else RELIABLE)

    def write_serialized(self, topic: str, data: bytes, stamp_ns: int) -> None:
        self._writer.write_serialized(topic, data, stamp_ns)
