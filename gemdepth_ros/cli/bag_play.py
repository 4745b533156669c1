"""``gemdepth-ros bag play``: the topics of a bag, published at their recorded rate."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from gemdepth_ros.cli.argument_types import not_negative, positive
from gemdepth_ros.cli.ros_errors import needing_ros
from gemdepth_ros.errors import BagError

if TYPE_CHECKING:
    from gemdepth_ros.bags.reader import BagReader
    from gemdepth_ros.ros.player import PlayedTopic


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``gemdepth-ros bag play``."""
    add = parser.add_argument
    add('bag', metavar='BAG', type=Path, help='folder, or .mcap or .db3 file')
    add(
        '--rate',
        type=positive,
        default=1.0,
        metavar='R',
        help='2.0 is twice as fast (%(default)s)',
    )
    add(
        '--delay',
        type=not_negative,
        default=0.0,
        metavar='S',
        help='before the first message, seconds',
    )
    add('--topics', nargs='+', default=[], metavar='TOPIC', help='only these (all)')
    add(
        '--wait-for',
        nargs='+',
        type=_topic_and_count,
        default=[],
        metavar='TOPIC[=N]',
        help='begin when these topics, of any node, have N (1) subscriptions',
    )
    add('--wait-timeout', type=positive, default=60.0, metavar='S', help='give up (%(default)s)')
    add(
        '--clock',
        type=positive,
        nargs='?',
        const=40.0,
        default=0.0,
        metavar='HZ',
        help="send the bag's time as /clock, so often (40), for nodes with use_sim_time",
    )
    add('--result', type=Path, metavar='FILE', help='write what was published, as JSON')
    parser.set_defaults(run_action=run)


def run(args: argparse.Namespace) -> int:
    """Play the bag; return 0, or 130 after Ctrl-C."""
    with needing_ros('bag play'):
        from gemdepth_ros.ros.player import PlayOptions, play
    from gemdepth_ros.bags.reader import BagReader

    options = PlayOptions(
        args.rate, args.delay, dict(args.wait_for), args.wait_timeout, args.clock
    )
    with BagReader(args.bag.expanduser()) as reader:
        topics = _played_topics(reader, args.topics)
        # As they are stored: nothing is decoded.
        messages = (
            (connection.topic, stamp_ns, bytes(data))
            for connection, stamp_ns, data in reader.serialized_messages(args.topics)
        )
        result = play(topics, messages, options)
    for topic, count in result.counts.items():
        print(f'{topic}: {count} messages')
    print(f'{result.seconds:.1f} s, at most {1e3 * result.latest_s:.0f} ms late')
    if args.result is not None:
        args.result.write_text(json.dumps(dataclasses.asdict(result), indent=2) + '\n')
    return 0 if result.complete else 130


def _played_topics(reader: BagReader, wanted: list[str]) -> list[PlayedTopic]:
    from gemdepth_ros.ros.player import PlayedTopic

    if reader.is_ros1:
        raise BagError(
            f'{reader.path} is a ROS 1 bag: convert it first, '
            f'gemdepth-ros bag convert {reader.path} -o NEW'
        )
    return [
        PlayedTopic(topic.name, topic.message_type, topic.latched)
        for topic in reader.topics.values()
        if not wanted or topic.name in wanted
    ]


def _topic_and_count(text: str) -> tuple[str, int]:
    topic, _, count = text.partition('=')
    if not topic or (count and not count.isdigit()):
        raise argparse.ArgumentTypeError(f'write TOPIC or TOPIC=N, got {text!r}')
    return topic, int(count or 1)
