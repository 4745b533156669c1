"""``gemdepth-ros bag synthesize``: a rendered drive with exact truth, as a bag."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from gemdepth_ros.cli.argument_types import at_least, not_negative, positive, share
from gemdepth_ros.cli.bag_output import add_output, progress

if TYPE_CHECKING:
    from gemdepth_ros.cli.synthesis.options import SynthesisOptions

DEFAULT_FRAMES = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``gemdepth-ros bag synthesize``."""
    add = parser.add_argument
    add_output(parser)
    length = parser.add_mutually_exclusive_group()
    length.add_argument('--seconds', type=positive, metavar='S', help='length of the drive')
    length.add_argument(
        '--frames', type=at_least(1), metavar='N', help=f'camera frames ({DEFAULT_FRAMES})'
    )
    add('--rate', type=positive, default=10.0, metavar='HZ', help='of the camera (%(default)g)')
    add(
        '--size',
        type=_size,
        default=(621, 188),
        metavar='WxH',
        help='of the images, px (621x188, half of KITTI)',
    )
    add('--seed', type=at_least(0), default=0, help='which world, and all noise (%(default)s)')
    add('--kind', choices=('driving', 'indoor'), default='driving', help='(%(default)s)')
    add(
        '--varied',
        action='store_true',
        help="the camera's place, its lens, speed, light and weather vary with the seed, too",
    )
    add('--device', default='cpu', help='where to render: cpu, cuda, cuda:N, auto (%(default)s)')
    _add_instruments(parser.add_argument_group('instruments'))
    _add_faults(parser.add_argument_group('faults of the camera'))
    parser.set_defaults(run_action=run)


def _add_instruments(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        '--lidar-rings',
        type=int,
        nargs='+',
        choices=(64, 16, 1),
        default=[16],
        help='of the LiDAR; several: one LiDAR each (16)',
    )
    add('--lidar-field', type=positive, default=360.0, metavar='DEG', help='(%(default)g)')
    add('--no-lidar', action='store_true', help='no LiDAR')
    add('--no-odometry', action='store_true', help='no wheel odometry')
    add('--no-imu', action='store_true', help='no IMU')
    add('--imu-orientation', action='store_true', help='the IMU has an orientation')
    add('--no-depth', action='store_true', help='no true depth')
    add('--masks', action='store_true', help='masks of the sky and of what moves')
    add('--compressed', action='store_true', help='JPEG images')


def _add_faults(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        '--drop-frames',
        type=share,
        default=0.0,
        metavar='SHARE',
        help='this part of the frames is missing, 0..1',
    )
    add(
        '--stamp-jitter',
        type=not_negative,
        default=0.0,
        metavar='MS',
        help='stamps are off by up to this, to both sides',
    )
    add(
        '--exposure-jumps',
        type=at_least(0),
        nargs='?',
        const=3,
        default=0,
        metavar='N',
        help='the brightness jumps so often (3 where N is left out)',
    )


def run(args: argparse.Namespace) -> int:
    """Make the bag; what goes wrong is a ``GemDepthError``."""
    from gemdepth_ros.bags.writer import Storage
    from gemdepth_ros.cli.synthesis.write import write_drive

    options, output = options_of(args), args.output.expanduser()
    with progress(f'{options.kind} world, seed {options.seed}', options.frames) as advance:
        made = write_drive(
            options,
            output,
            Storage(args.storage),
            compress=args.compress,
            overwrite=args.force,
            on_frame=advance,
        )
    print(f'{made.frames} frames, {made.messages} messages: {output}')
    return 0


def options_of(args: argparse.Namespace) -> SynthesisOptions:
    """Return what the arguments ask for."""
    from gemdepth_ros.cli.synthesis.options import CameraFaults, SynthesisOptions

    frames = args.frames or DEFAULT_FRAMES
    if args.seconds is not None:
        frames = max(round(args.seconds * args.rate), 1)
    width, height = args.size
    return SynthesisOptions(
        frames=frames,
        rate_hz=args.rate,
        height=height,
        width=width,
        seed=args.seed,
        kind=args.kind,
        varied=args.varied,
        device=args.device,
        lidar_rings=() if args.no_lidar else tuple(args.lidar_rings),
        lidar_field_deg=args.lidar_field,
        odometry=not args.no_odometry,
        imu=not args.no_imu,
        imu_orientation=args.imu_orientation,
        depth=not args.no_depth,
        masks=args.masks,
        compressed=args.compressed,
        faults=CameraFaults(args.drop_frames, args.stamp_jitter, args.exposure_jumps),
    )


def _size(text: str) -> tuple[int, int]:
    """Return (width, height) of a text like 640x480."""
    found = re.fullmatch(r'(\d+)x(\d+)', text)
    if not found or min(int(part) for part in found.groups()) < 8:
        raise argparse.ArgumentTypeError(f'write WIDTHxHEIGHT of at least 8x8 px, got {text!r}')
    return int(found[1]), int(found[2])
