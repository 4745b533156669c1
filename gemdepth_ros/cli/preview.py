"""``gemdepth-ros preview``: a bag or a video as a video of images and their depth."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from gemdepth_ros.cli.argument_types import at_least, positive
from gemdepth_ros.cli.network_arguments import add_network_choice, settle_network
from gemdepth_ros.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from gemdepth_ros.cli.reconstruction.recording import RecordedFrames
    from gemdepth_ros.interfaces import VideoFrame
    from gemdepth_ros.pipeline import DepthPipeline
    from gemdepth_ros.pipeline.config import PipelineConfig

LOOK_AHEAD = 12  # frames whose stamps tell the rate
DEFAULT_RATE_HZ = 10.0
DEFAULT_INPUT_SIZE = 252
RATES_HZ = (1.0, 120.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``gemdepth-ros preview``."""
    add = parser.add_argument
    add('source', metavar='BAG|VIDEO|FOLDER', type=Path, help='ROS bag, video or image folder')
    add('-o', '--output', metavar='FILE.mp4', type=Path, required=True, help='.mp4 or .avi')
    add('--force', action='store_true', help='replace FILE.mp4')
    add_network_choice(parser, DEFAULT_INPUT_SIZE)
    add('--mode', choices=('sliding', 'causal'), default='causal', help='(%(default)s)')
    add('--window', type=at_least(1), default=16, help='frames per window (%(default)s)')
    add('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    add('--dtype', default='auto', help='auto, float32, bfloat16 or float16')
    add('--topic', default='', help='image topic of a bag; default: the only one')
    add('--max-frames', type=at_least(1), metavar='N', help='stop after N frames')
    add('--rate', type=positive, metavar='HZ', help='of the video; default: as recorded')


def run(args: argparse.Namespace) -> int:
    """Write the video; what goes wrong is a ``GemDepthError``.

    Returns:
        0.
    """
    settle_network(args)
    output = args.output.expanduser()
    _check_output(output, args.force)

    from rich.console import Console

    from gemdepth_ros.cli.reconstruction.recording import SourceOptions, open_recording
    from gemdepth_ros.pipeline import DepthPipeline

    console = Console(highlight=False, soft_wrap=True)
    # Without metres nothing but the images is needed, not even their intrinsics.
    options = SourceOptions(args.rate, args.topic, None, 'none', 'none')
    recording = open_recording(args.source.expanduser(), options, lambda _: None)
    pipeline = DepthPipeline(_pipeline_config(args))
    console.print(f'{recording.description}; weights: {pipeline.weights_description}')
    try:
        frames = _write(args, output, recording, pipeline, console)
    finally:
        pipeline.close()
    console.print(f'{frames} frames: {output}')
    return 0


def _check_output(output: Path, force: bool) -> None:
    if not output.parent.is_dir() or output.is_dir():
        raise ConfigError(f'cannot write {output}: {output.parent} must be an existing folder')
    if output.exists() and not force:
        raise ConfigError(f'{output} exists; choose another name, or --force')


def _pipeline_config(args: argparse.Namespace) -> PipelineConfig:
    from gemdepth_ros.inference.config import StreamingConfig
    from gemdepth_ros.pipeline.config import NetworkConfig, PipelineConfig

    return PipelineConfig(
        network=NetworkConfig(args.preset, args.weights, args.device, args.dtype),
        streaming=StreamingConfig(mode=args.mode, window=args.window, input_size=args.input_size),
    )


def _write(
    args: argparse.Namespace,
    output: Path,
    recording: RecordedFrames,
    pipeline: DepthPipeline,
    console: Console,
) -> int:
    """Send every frame through the pipeline into the video; return how many."""
    from rich.progress import Progress

    from gemdepth_ros.interfaces import OutputRequest
    from gemdepth_ros.media.preview_video import PreviewVideo

    frames = islice((frame for frame, _ in recording.frames), args.max_frames)
    first = list(islice(frames, LOOK_AHEAD))
    if not first:
        raise ConfigError(f'{args.source} holds no frames')
    rate_hz = args.rate or _rate_hz(first)
    total = recording.count
    if args.max_frames is not None:
        total = args.max_frames if total is None else min(total, args.max_frames)
    count = 0
    start_ns = first[0].stamp_ns
    wanted = OutputRequest(depth=True, points=False)
    with _replacing(output) as partial, Progress(console=console) as progress:
        video = PreviewVideo(partial, rate_hz)
        task = progress.add_task('frames', total=total)
        try:
            for frame in chain(first, frames):
                result = pipeline.process(frame, wanted)
                assert result.disparity is not None  # it was asked for
                text = _text(frame, start_ns, pipeline.trained)
                video.add(frame.image_rgb, result.disparity, text)
                count += 1
                progress.advance(task)
        finally:
            video.close()
    return count


def _text(frame: VideoFrame, start_ns: int, trained: bool) -> str:
    seconds = (frame.stamp_ns - start_ns) / 1e9
    meaning = 'bright is near, no unit' if trained else 'random weights: no meaning'
    return f'{seconds:7.2f} s   disparity: {meaning}'


def _rate_hz(frames: Iterable[VideoFrame]) -> float:
    """Return the rate of frames by the middle one of their distances."""
    stamps = [frame.stamp_ns for frame in frames]
    steps = sorted(after - before for before, after in pairwise(stamps))
    step_ns = steps[len(steps) // 2] if steps else 0
    rate_hz = 1e9 / step_ns if step_ns > 0 else DEFAULT_RATE_HZ
    return min(max(rate_hz, RATES_HZ[0]), RATES_HZ[1])


@contextmanager
def _replacing(output: Path) -> Iterator[Path]:
    """Yield a file beside ``output`` that takes its place when all went well."""
    partial = output.with_name(f'.partial-{output.name}')
    try:
        yield partial
        os.replace(partial, output)
    finally:
        partial.unlink(missing_ok=True)
