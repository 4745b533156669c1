"""``gemdepth-ros reconstruct``: a recording becomes one coloured point cloud (PLY)."""

from __future__ import annotations

import argparse
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from gemdepth_ros.cli.argument_types import at_least, positive
from gemdepth_ros.cli.network_arguments import add_network_choice, settle_network
from gemdepth_ros.cli.reconstruction import DEFAULT_MAX_DEPTH_M, DEFAULT_VOXEL_M
from gemdepth_ros.errors import ConfigError, InferenceError

if TYPE_CHECKING:
    from rich.console import Console

    from gemdepth_ros.cli.reconstruction.builder import CloudBuilder
    from gemdepth_ros.cli.reconstruction.recording import RecordedFrames
    from gemdepth_ros.geometry.voxel_cloud import VoxelCloud
    from gemdepth_ros.pipeline import DepthPipeline

METRES_NEED = (
    'units are relative: depth and motion have factors of their own, so frames do not lie on each '
    'other; metres need a LiDAR in the bag, or --scale, --shift and --translation-factor'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``gemdepth-ros reconstruct``."""
    add = parser.add_argument
    add('source', metavar='VIDEO|FOLDER|BAG', type=Path, help='video, image folder or ROS bag')
    add('-o', '--output', metavar='FILE.ply', type=Path, required=True, help='the cloud')
    add('--force', action='store_true', help='replace FILE.ply')
    add_network_choice(parser)
    add('--mode', choices=('sliding', 'causal'), default='sliding', help='(%(default)s)')
    add('--window', type=at_least(1), default=8, help='frames per window (%(default)s)')
    add('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    add('--dtype', default='auto', help='auto, float32, bfloat16 or float16')
    add('--max-frames', type=at_least(1), metavar='N', help='stop after N frames')
    source = parser.add_argument_group('recording')
    source.add_argument('--rate', type=float, metavar='HZ', help='of a video or a folder')
    source.add_argument('--topic', default='', help='image topic of a bag; default: the only one')
    source.add_argument(
        '--intrinsics',
        type=float,
        nargs=4,
        metavar=('FX', 'FY', 'CX', 'CY'),
        help='of the rectified images [px]; default: camera_info of the bag, or a guess',
    )
    metres = parser.add_argument_group(
        'metres', 'from LiDAR and odometry of a bag, or given as Z = scale / (disparity - shift)'
    )
    metres.add_argument(
        '--lidar', metavar='TOPIC', default='', help='default: the only one; none: not used'
    )
    metres.add_argument(
        '--odometry', metavar='TOPIC', default='', help='default: the only one; none: not used'
    )
    metres.add_argument('--scale', type=positive, help='[m * disparity]')
    metres.add_argument('--shift', type=float, default=0.0, help='[disparity] (%(default)s)')
    metres.add_argument('--translation-factor', type=positive, help='metres per unit of motion')
    cloud = parser.add_argument_group('cloud')
    cloud.add_argument(
        '--voxel', type=positive, help=f'edge [m] ({DEFAULT_VOXEL_M}; relative: from the scene)'
    )
    cloud.add_argument(
        '--max-depth',
        type=positive,
        help=f'leave out what is farther [m] ({DEFAULT_MAX_DEPTH_M:g}; relative: from the scene)',
    )
    cloud.add_argument('--max-voxels', type=at_least(1), default=5_000_000, help='(%(default)s)')
    cloud.add_argument('--min-count', type=at_least(1), default=2, help='points per voxel (2)')
    cloud.add_argument('--step', type=at_least(1), default=2, help='every n-th row, column (2)')
    cloud.add_argument('--normals', action='store_true', help='write normals, too')


def run(args: argparse.Namespace) -> int:
    """Reconstruct; what goes wrong is a ``GemDepthError``.

    Returns:
        0.
    """
    output = args.output.expanduser()
    _check_output(output, args.force)

    from rich.console import Console

    from gemdepth_ros.cli.reconstruction import settings
    from gemdepth_ros.cli.reconstruction.builder import CloudBuilder
    from gemdepth_ros.cli.reconstruction.recording import open_recording
    from gemdepth_ros.pipeline import DepthPipeline

    settle_network(args)
    settings.check_metres(args)
    console = Console(highlight=False, soft_wrap=True)

    def note(text: str) -> None:
        console.print(f'note: {text}')

    recording = open_recording(args.source.expanduser(), settings.source_options(args), note)
    grounding = settings.grounding_of(args, recording.sensors)
    metric = bool(grounding.enabled_sources)
    pipeline = DepthPipeline(settings.pipeline_config(args, grounding))
    console.print(f'{recording.description}; weights: {pipeline.weights_description}')
    if not pipeline.trained:
        note('without trained weights this cloud means nothing yet (--weights gemdepth-vitl)')
    note(f'metres from {settings.origin(args, recording.sensors)}' if metric else METRES_NEED)
    builder = CloudBuilder(settings.build_settings(args, metric))
    began = time.monotonic()
    try:
        _drive(recording, pipeline, builder, args.max_frames, console)
    finally:
        pipeline.close()
    _finish(args, output, builder, console, time.monotonic() - began)
    return 0


def _check_output(output: Path, force: bool) -> None:
    if output.suffix.lower() != '.ply':
        raise ConfigError(f'the cloud is written as PLY: name it .ply, got {output}')
    if output.is_dir() or not output.parent.is_dir():
        raise ConfigError(f'cannot write {output}: {output.parent} must be an existing folder')
    if output.exists() and not force:
        raise ConfigError(f'{output} exists; choose another name, or --force')


def _drive(
    recording: RecordedFrames,
    pipeline: DepthPipeline,
    builder: CloudBuilder,
    max_frames: int | None,
    console: Console,
) -> None:
    """Send every frame through the pipeline into the cloud, under a progress bar."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from gemdepth_ros.interfaces import OutputRequest

    total = recording.count
    if max_frames is not None:
        total = max_frames if total is None else min(total, max_frames)
    wanted = OutputRequest(depth=True, points=False, preview=False)
    columns = (TextColumn('frames'), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task('frames', total=total)
        for frame, readings in islice(recording.frames, max_frames):
            builder.add(frame, pipeline.process(frame, wanted, readings))
            progress.advance(task)


def _finish(
    args: argparse.Namespace,
    output: Path,
    builder: CloudBuilder,
    console: Console,
    seconds: float,
) -> None:
    """Write the cloud and say what is in it."""
    from gemdepth_ros.geometry.ply import write_ply

    cloud = builder.cloud
    if cloud is None:
        raise InferenceError(
            f'no frame of {args.source} has points: {builder.left_out} frames were lost or '
            f'without metres{"".join(f"; {text}" for text in builder.complaints)}'
        )
    xyz, rgb, normals = cloud.points(args.min_count)
    if not len(xyz):
        raise InferenceError(
            f'the cloud would be empty: none of {len(cloud)} voxels of {cloud.voxel_size:.3g} has '
            f'{args.min_count} points{_beyond_span(cloud)}; give --min-count 1, a larger --voxel, '
            'or more frames'
        )
    unit = 'metres' if builder.metric else 'relative'
    comments = [
        'made by gemdepth-ros reconstruct',
        f'unit: {unit}',
        'axes: x forward, y left, z up; origin: the first camera',
    ]
    try:
        write_ply(output, xyz, rgb, normals, comments)
    except OSError as error:
        raise ConfigError(f'cannot write {output}: {error.strerror or error}') from error
    console.print(
        f'{builder.used} frames in {seconds:.1f} s: {len(xyz)} points ({unit}, voxels of '
        f'{cloud.voxel_size:.3g}) in {output}'
    )
    if builder.guessed_cameras:
        console.print(
            f'note: the field of view of {builder.guessed_cameras} frames is a guess of the '
            'network: give --intrinsics'
        )
    if builder.left_out:
        console.print(f'note: {builder.left_out} frames were lost or without metres')
    for text in builder.complaints:
        console.print(f'note: {text}')
    if cloud.out_of_span:
        console.print(f'note: {_beyond_span(cloud).lstrip(", ")}: give a larger --voxel')
    if builder.breaks:
        console.print(f'note: the trajectory is broken {builder.breaks} times')


def _beyond_span(cloud: VoxelCloud) -> str:
    """Say how many points voxels of this size cannot number; nothing when there are none."""
    if not cloud.out_of_span:
        return ''
    return (
        f', {cloud.out_of_span} points were too far from the first camera for voxels of '
        f'{cloud.voxel_size:.3g} and left out'
    )
