"""``gemdepth-ros bag``: make ROS 2 bags, convert, play and record them, and look into them."""

from __future__ import annotations

import argparse
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gemdepth_ros.cli import bag_play, bag_record
from gemdepth_ros.cli.argument_types import at_least

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gemdepth_ros.bags.reader import BagSummary
    from gemdepth_ros.bags.recording import Recording

_STORAGES = ('mcap', 'sqlite3')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions of ``gemdepth-ros bag`` and their arguments."""
    actions = parser.add_subparsers(dest='action', metavar='ACTION', required=True)
    _add_from_kitti(actions.add_parser('from-kitti', help='a KITTI folder to a bag'))
    _add_synthesize(actions.add_parser('synthesize', help='a rendered drive to a bag'))
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
    _add_output(parser)
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


def _add_synthesize(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    _add_output(parser)
    add('--frames', type=at_least(1), default=40, metavar='N', help='at 10 Hz (%(default)s)')
    add('--height', type=at_least(8), default=188, help='of the images, px (%(default)s)')
    add('--width', type=at_least(8), default=621, help='of the images, px (%(default)s)')
    add('--seed', type=at_least(0), default=0, help='which street (%(default)s)')
    parser.set_defaults(run_action=_synthesize)


def _add_convert(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('bag', metavar='IN', type=Path, help='folder, or .mcap, .db3, .bag file')
    _add_output(parser)
    parser.set_defaults(run_action=_convert)


def _add_output(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('-o', '--output', metavar='OUT', type=Path, required=True, help='folder of the new bag')
    add('--storage', choices=_STORAGES, default='mcap', help='(%(default)s)')
    add('--compress', action='store_true', help='by zstd')
    add('--force', action='store_true', help='replace a bag at OUT')


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


def _synthesize(args: argparse.Namespace) -> int:
    return _write(synthetic_recording(args.frames, args.height, args.width, args.seed), args)


def synthetic_recording(frames: int, height: int, width: int, seed: int) -> Recording:
    """Return a rendered drive as a recording, with exact depth, poses and LiDAR-like points.

    The LiDAR sits in the camera's centre: its points come from the camera's depth.
    """
    import numpy as np

    from gemdepth_ros.bags.recording import (
        Recording,
        Rig,
        SensorFrame,
        base_from_level_camera,
        pose_samples,
    )
    from gemdepth_ros.geometry.se3 import from_parts
    from gemdepth_ros.synthetic import CAMERA_HEIGHT_M, SyntheticDrive

    drive = SyntheticDrive(frames, height, width, seed)
    base_from_camera = base_from_level_camera(CAMERA_HEIGHT_M)
    stamps_ns = [drive.stamp_ns(index) for index in range(frames)]
    world_from_camera = np.stack([drive.world_from_camera(index) for index in range(frames)])

    def load(index: int) -> SensorFrame:
        frame = drive.render(index)
        return SensorFrame(
            frame.stamp_ns, frame.image_rgb, frame.lidar_points(), frame.stamp_ns, frame.depth_m
        )

    return Recording(
        name=f'synthetic drive, seed {seed}',
        rig=Rig(drive.camera, base_from_camera, from_parts(np.eye(3), base_from_camera[:3, 3])),
        frame_count=frames,
        load=load,
        poses=pose_samples(stamps_ns, world_from_camera, base_from_camera),
        has_lidar=True,
        has_depth=True,
    )


def _write(recording: Recording, args: argparse.Namespace) -> int:
    from gemdepth_ros.bags.from_recording import write_recording
    from gemdepth_ros.bags.writer import Storage

    output = args.output.expanduser()
    with _progress(f'{recording.name}', recording.frame_count) as advance:
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
    with _progress(f'{source}', total) as advance:
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


@contextmanager
def _progress(description: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar on stderr; yields what advances it by one."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    console = Console(stderr=True)
    # Into a file or a pipe, a bar would be noise.
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(escape(description), total=total)
        yield lambda: progress.advance(task)
