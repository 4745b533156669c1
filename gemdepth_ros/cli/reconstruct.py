"""``gemdepth-ros reconstruct``: a recording becomes one coloured point cloud (PLY)."""

from __future__ import annotations

import argparse
import math
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from gemdepth_ros.cli.argument_types import at_least, positive
from gemdepth_ros.errors import ConfigError, InferenceError

if TYPE_CHECKING:
    from rich.console import Console

    from gemdepth_ros.cli.reconstruction.builder import BuildSettings, CloudBuilder
    from gemdepth_ros.cli.reconstruction.recording import RecordedFrames
    from gemdepth_ros.pipeline import DepthPipeline, PipelineConfig

METRES_NEED = (
    'units are relative: depth and motion have factors of their own, so frames do not lie on each '
    'other; metres need --scale, --shift and --translation-factor'
)
DEFAULT_VOXEL_M = 0.1
DEFAULT_MAX_DEPTH_M = 25.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``gemdepth-ros reconstruct``."""
    add = parser.add_argument
    add('source', metavar='VIDEO|FOLDER|BAG', type=Path, help='video, image folder or ROS bag')
    add('-o', '--output', metavar='FILE.ply', type=Path, required=True, help='the cloud')
    add('--force', action='store_true', help='replace FILE.ply')
    add('--weights', metavar='FILE|NAME', default='', help='default: none (seeded, no meaning)')
    add('--preset', choices=('vitl', 'small'), help='network; default: that of the weights')
    add('--mode', choices=('sliding', 'causal'), default='sliding', help='(%(default)s)')
    add('--window', type=at_least(1), default=8, help='frames per window (%(default)s)')
    add('--input-size', type=at_least(14), default=518, help='short side, px (%(default)s)')
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
    metres = parser.add_argument_group('metres: Z = scale / (disparity - shift)')
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
    config = _pipeline_config(args)
    metric = args.scale is not None

    from rich.console import Console

    from gemdepth_ros.cli.reconstruction.builder import CloudBuilder
    from gemdepth_ros.cli.reconstruction.recording import open_recording
    from gemdepth_ros.pipeline import DepthPipeline

    console = Console(highlight=False, soft_wrap=True)

    def note(text: str) -> None:
        console.print(f'note: {text}')

    given = tuple(args.intrinsics) if args.intrinsics else None
    recording = open_recording(args.source.expanduser(), args.rate, args.topic, given, note)
    pipeline = DepthPipeline(config)
    console.print(f'{recording.description}; weights: {pipeline.weights_description}')
    if not pipeline.trained:
        note('without trained weights this cloud means nothing yet (--weights gemdepth-vitl)')
    if not metric:
        note(METRES_NEED)
    builder = CloudBuilder(_build_settings(args, metric))
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


def _pipeline_config(args: argparse.Namespace) -> PipelineConfig:
    from gemdepth_ros.inference.config import StreamingConfig
    from gemdepth_ros.pipeline import (
        GroundingConfig,
        ManualConfig,
        NetworkConfig,
        PipelineConfig,
        ProductsConfig,
    )

    if (args.scale is None) != (args.translation_factor is None):
        raise ConfigError(
            'metres need both --scale and --translation-factor: depth and motion have factors of '
            'their own'
        )
    if args.scale is not None and not args.weights:
        raise ConfigError('random weights give no metres: --scale needs --weights')
    grounding = GroundingConfig()
    if args.scale is not None:
        manual = ManualConfig(True, args.scale, args.shift, args.translation_factor)
        grounding = GroundingConfig(manual=manual)
    return PipelineConfig(
        network=NetworkConfig(args.preset or 'auto', args.weights, args.device, args.dtype),
        streaming=StreamingConfig(mode=args.mode, window=args.window, input_size=args.input_size),
        grounding=grounding,
        products=ProductsConfig(max_depth_m=args.max_depth or DEFAULT_MAX_DEPTH_M),
    )


def _build_settings(args: argparse.Namespace, metric: bool) -> BuildSettings:
    from gemdepth_ros.cli.reconstruction.builder import BuildSettings
    from gemdepth_ros.pipeline.products_config import EdgeFilter

    return BuildSettings(
        metric=metric,
        voxel=args.voxel or (DEFAULT_VOXEL_M if metric else 0.0),
        max_depth=args.max_depth or (DEFAULT_MAX_DEPTH_M if metric else 0.0),
        max_voxels=args.max_voxels,
        step=args.step,
        normals=args.normals,
        edges=EdgeFilter() if metric else EdgeFilter(plane_distance_m=math.inf),
    )


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
        for frame in islice(recording.frames, max_frames):
            builder.add(frame, pipeline.process(frame, wanted))
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
            'without metres'
        )
    xyz, rgb, normals = cloud.points(args.min_count)
    unit = 'metres' if args.scale is not None else 'relative'
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
    if builder.breaks:
        console.print(f'note: the trajectory is broken {builder.breaks} times')
