"""``gemdepth-ros infer``: a video or a folder of images to disparity, poses and a video."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from gemdepth_ros.cli.argument_types import at_least
from gemdepth_ros.cli.network_arguments import add_network_choice, settle_network
from gemdepth_ros.errors import ConfigError, InferenceError

if TYPE_CHECKING:
    from rich.console import Console

    from gemdepth_ros.inference import WindowConfig, WindowedPredictor
    from gemdepth_ros.media import FrameSource, MediaFrame


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``gemdepth-ros infer``."""
    add = parser.add_argument
    add('source', metavar='VIDEO_OR_FOLDER', type=Path, help='video file, image folder or image')
    add('-o', '--output', metavar='OUT', type=Path, required=True, help='folder for the results')
    add_network_choice(parser)
    add('--window', type=int, choices=(32, 16, 8), default=32, help='frames per window (32)')
    add('--format', choices=('png16', 'npz'), default='png16', help='of disparity maps (png16)')
    add('--no-video', action='store_true', help='no comparison video')
    add('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    add('--dtype', default='auto', help='auto, float32, bfloat16 or float16')
    add('--rate', type=float, metavar='HZ', help="default: the video's own, 10 for images")
    add('--max-frames', type=at_least(1), metavar='N', help='stop after N frames')
    add('--force', action='store_true', help='replace the results of a former run in OUT')


def run(args: argparse.Namespace) -> int:
    """Run the network over the clip; what goes wrong is a ``GemDepthError``.

    Returns:
        0.
    """
    from rich.console import Console

    from gemdepth_ros.media import check_folder, open_source

    settle_network(args)
    console = Console(highlight=False, soft_wrap=True)
    source = open_source(args.source.expanduser(), args.rate)
    check_folder(args.output.expanduser(), args.source.expanduser(), overwrite=args.force)
    predictor, window, facts = _load(args, console)
    began = time.monotonic()
    written = _predict(args, source, predictor, window, facts, console)
    seconds = time.monotonic() - began
    stated = source.stated_frames
    if stated is not None and written < min(stated, args.max_frames or stated):
        console.print(
            f'note: {args.source} states {stated} frames, {written} could be decoded; '
            'it may be cut short'
        )
    console.print(f'{written} frames in {seconds:.1f} s: {args.output}')
    return 0


def _load(
    args: argparse.Namespace, console: Console
) -> tuple[WindowedPredictor, WindowConfig, dict[str, object]]:
    """Build the network; say first what its weights are."""
    from gemdepth_ros import __version__
    from gemdepth_ros.hub import CATALOGUE, locate, read_record, sha256_of
    from gemdepth_ros.inference import WindowConfig, WindowedPredictor
    from gemdepth_ros.inference.device import choose_placement
    from gemdepth_ros.model import GemDepth, build_network, is_metric, preset_name

    entry = CATALOGUE.get(args.weights)
    weights = locate(args.weights) if args.weights else None
    if weights is None:
        described = 'none (seeded random numbers)'
        console.print(
            'weights: none; the network is seeded with random numbers, so these pictures '
            'mean nothing (--weights gemdepth-vitl)'
        )
    else:
        record = read_record(weights)
        digest = record.sha256 if record else sha256_of(weights)
        described = f'{weights.name} sha256:{digest}'
        demonstration = ', a demonstration model' if entry and entry.bundled else ''
        console.print(f'weights: {weights.name} sha256:{digest[:12]}{demonstration}')
    place = choose_placement(args.device, args.dtype)
    dtype = str(place.dtype).removeprefix('torch.')
    window = WindowConfig.preset(args.window)
    model = build_network(args.preset, weights, place.device, place.dtype)
    preset = preset_name(model.config) or 'of the weights'
    console.print(f'network: {preset} on {place.device} in {dtype}, windows of {args.window}')
    if not isinstance(model, GemDepth):
        console.print('this network predicts no poses: none are written')
    facts: dict[str, object] = {
        'written_by': f'gemdepth_ros {__version__}',
        'source': str(args.source),
        'network': preset,
        'weights': described,
        'trained': weights is not None,
        'window': args.window,
        'input_size': args.input_size,
        'device': str(place.device),
        'dtype': dtype,
        'poses': isinstance(model, GemDepth),
        'metric': is_metric(model),
    }
    return WindowedPredictor(model, window), window, facts


def _predict(
    args: argparse.Namespace,
    source: FrameSource,
    predictor: WindowedPredictor,
    window: WindowConfig,
    facts: dict[str, object],
    console: Console,
) -> int:
    """Send the clip through the network into the result folder, under a progress bar."""
    from gemdepth_ros.media import ResultFolder, write_results

    frames: Iterable[MediaFrame] = islice(source, args.max_frames)
    folder = args.output.expanduser()
    with (
        _failures_explained(folder),
        _progress(console, _expected(source, args.max_frames)) as advance,
        ResultFolder(
            folder,
            args.format,
            source.frame_rate_hz,
            facts,
            video=not args.no_video,
            overwrite=args.force,
            poses=bool(facts['poses']),
            metric=bool(facts['metric']),
        ) as results,
    ):
        return write_results(
            frames,
            lambda images: predictor.stream(images, args.input_size),
            results,
            capacity=2 * window.length,  # a window is read before its first result comes
            on_frame=advance,
        )


def _expected(source: FrameSource, max_frames: int | None) -> int | None:
    stated = source.stated_frames
    return stated if max_frames is None or stated is None else min(stated, max_frames)


@contextmanager
def _progress(console: Console, total: int | None) -> Iterator[Callable[[int], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn('frames'), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task('frames', total=total)
        yield lambda count: progress.update(task, completed=count)


@contextmanager
def _failures_explained(folder: Path) -> Iterator[None]:
    """Turn a full disk and a full GPU into one line with a remedy."""
    import torch

    try:
        yield
    except OSError as error:
        raise ConfigError(f'cannot write to {folder}: {error.strerror or error}') from error
    except torch.OutOfMemoryError as error:
        raise InferenceError(
            'the GPU memory is too small: use --window 16 or 8, a smaller --input-size, '
            '--dtype bfloat16, or --device cpu'
        ) from error
