"""``gemdepth-ros bag``: make ROS 2 bags, convert, play and record them, and look into them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gemdepth_ros.cli import bag_play, bag_record, bag_synthesize
from gemdepth_ros.cli.argument_types import at_least
from gemdepth_ros.cli.bag_output import add_output, progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from gemdepth_ros.bags.reader import BagSummary
    from gemdepth_ros.bags.recording import Recording


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions of ``gemdepth-ros bag`` and their arguments."""
    actions = parser.add_subparsers(dest='action', metavar='ACTION', required=True)
    _add_from_kitti(actions.add_parser('from-kitti', help='a KITTI folder to a bag'))
    bag_synthesize.add_arguments(
        actions.add_parser('synthesize', help='a rendered drive to a bag')
    )
    _add_convert(actions.add_parser('convert', help='a bag (ROS 1 too) to another storage'))
    info = actions.add_parser('info', help='what a bag holds')
    info.add_argument('bag', metavar='BAG', type=Path, help='folder, or .mcap, .db3, .bag file')
    info.set_defaults(run_action=_info)
    bag_play.add_arguments(actions.add_parser('play', help='publish a bag to ROS 2'))
    bag_record.add_arguments(actions.add_parser('record', help='ROS 2 topics to a bag'))


def run(args: argparse.Namespace) -> int:
    """Run the chosen action; what a user or a file caused is a ``BagError``."""
    action: Callable[[argparse.Namespace], int] = args.run_action
    return action(args)


def _add_from_kitti(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('folder', metavar='FOLDER', type=Path, help='clip, raw drive or odometry sequence')
    add_output(parser)
    add('--start', type=at_least(0), default=0, metavar='N', help='first frame (0)')
    add('--frames', type=at_least(1), metavar='N', help='number of frames (all)')
    add('--camera', type=int, choices=range(4), help='default: left colour, else left grey')
    add('--camera-height', type=float, metavar='M', help="default: the folder's, else 1.65 m")
    add(
        '--base-time',
        default='2011-09-26',
        metavar='TIME',
        help='UTC date and time of second 0 where the folder has none (%(default)s)',
    )
    parser.set_defaults(run_action=_from_kitti)


def _add_convert(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('bag', metavar='IN', type=Path, help='folder, or .mcap, .db3, .bag file')
    add_output(parser)
    parser.set_defaults(run_action=_convert)


def _from_kitti(args: argparse.Namespace) -> int:
    from gemdepth_ros.bags.kitti import open_kitti
    from gemdepth_ros.bags.kitti_files import KittiOptions
    from gemdepth_ros.bags.stamps import parse_time_ns

    options = KittiOptions(
        camera=args.camera,
        base_time_ns=parse_time_ns(args.base_time),
        camera_height_m=args.camera_height,
    )
    recording = open_kitti(args.folder.expanduser(), options)
    return _write(recording.part(args.start, args.frames), args)


def _write(recording: Recording, args: argparse.Namespace) -> int:
    from gemdepth_ros.bags.from_recording import write_recording
    from gemdepth_ros.bags.writer import Storage

    output = args.output.expanduser()
    with progress(f'{recording.name}', recording.frame_count) as advance:
        messages = write_recording(
            recording,
            output,
            Storage(args.storage),
            compress=args.compress,
            overwrite=args.force,
            on_frame=advance,
        )
    print(f'{recording.frame_count} frames, {messages} messages: {output}')
    return 0


def _convert(args: argparse.Namespace) -> int:
    from gemdepth_ros.bags.convert import convert_bag
    from gemdepth_ros.bags.reader import BagReader
    from gemdepth_ros.bags.writer import Storage

    source, output = args.bag.expanduser(), args.output.expanduser()
    with BagReader(source) as reader:
        total = reader.summary.message_count
    with progress(f'{source}', total) as advance:
        messages = convert_bag(
            source,
            output,
            Storage(args.storage),
            compress=args.compress,
            overwrite=args.force,
            on_message=advance,
        )
    print(f'{messages} messages: {output}')
    return 0


def _info(args: argparse.Namespace) -> int:
    from gemdepth_ros.bags.reader import BagReader

    with BagReader(args.bag.expanduser()) as reader:
        _print_summary(reader.summary)
    return 0


def _print_summary(summary: BagSummary) -> None:
    import datetime

    seconds = summary.duration_ns / 1e9
    start = datetime.datetime.fromtimestamp(summary.start_ns // 10**9, datetime.timezone.utc)
    print(
        f'{summary.path}: {summary.storage}, {summary.size_bytes / 1e6:.1f} MB, '
        f'{summary.message_count} messages in {seconds:.1f} s from {start:%Y-%m-%d %H:%M:%S} UTC'
    )
    rows = [('topic', 'type', 'messages', 'Hz', '')]
    for topic in summary.topics.values():
        # n messages span n - 1 intervals.
        rate = (topic.message_count - 1) / seconds if seconds > 0 else 0.0
        rows.append(
            (
                topic.name,
                topic.message_type,
                str(topic.message_count),
                f'{rate:.1f}' if rate > 0 else '-',
                'latched' if topic.latched else '',
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, kind, count, rate_text, note in rows:
        print(
            f'{name:<{widths[0]}}  {kind:<{widths[1]}}  {count:>{widths[2]}}  '
            f'{rate_text:>{widths[3]}}  {note}'.rstrip()
        )
