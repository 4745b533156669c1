"""``gemdepth-ros evaluate``: a recording, its truth and the node's own pipeline to figures."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gemdepth_ros.cli.argument_types import at_least, not_negative, positive
from gemdepth_ros.cli.evaluation.engine_options import (
    EngineOptions,
    add_engine_arguments,
    engine_options,
)
from gemdepth_ros.cli.evaluation.settings import (
    AUTO,
    CROP_NAMES,
    MODES,
    PROTOCOL_NAMES,
    EvaluationSettings,
)
from gemdepth_ros.cli.network_arguments import add_network_choice, settle_network
from gemdepth_ros.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from gemdepth_ros.evaluation.result import EvaluationResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``gemdepth-ros evaluate``."""
    add = parser.add_argument
    add(
        'source',
        metavar='SOURCE',
        type=Path,
        nargs='+',
        help='bag, KITTI or TUM folder, video, images; many give one report over all',
    )
    add('-o', '--output', metavar='FOLDER', type=Path, required=True, help='for the result')
    add('--force', action='store_true', help='evaluate anew what is finished or half done')
    add('--no-report', action='store_true', help='write no report.html')
    add('--rerun', metavar='FILE.rrd', type=Path, help='what was seen, for the Rerun viewer')
    add(
        '--through-ros',
        action='store_true',
        help='play the bag to the live node over DDS, in real time',
    )
    add('--play-rate', type=positive, default=1.0, metavar='R', help='then: times real time (1)')
    add_setting_arguments(parser)
    add_engine_arguments(parser)


def add_setting_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare everything that becomes `EvaluationSettings`."""
    defaults = EvaluationSettings()
    truth = parser.add_argument_group('truth')
    truth.add_argument(
        '--ground-truth',
        nargs='+',
        default=[AUTO],
        metavar='TRUTH',
        help='auto (what the source holds), none, topics, a folder of depth maps, a pose file',
    )
    truth.add_argument('--masks', default='', metavar='FOLDER|TOPIC', help='not black: it moves')
    truth.add_argument(
        '--depth-factor',
        type=positive,
        metavar='F',
        help='values per metre of depth maps in a folder (256; TUM: 5000)',
    )
    truth.add_argument(
        '--tolerance', type=not_negative, default=defaults.tolerance_ms, metavar='MS',
        help='largest difference of stamps that belong together (%(default)g ms)',
    )  # fmt: skip
    _add_protocol_arguments(parser, defaults)
    _add_network_arguments(parser, defaults)
    _add_source_arguments(parser)


def _add_protocol_arguments(parser: argparse.ArgumentParser, defaults: EvaluationSettings) -> None:
    group = parser.add_argument_group('protocol')
    add = group.add_argument
    add('--protocol', nargs='+', choices=PROTOCOL_NAMES, default=list(PROTOCOL_NAMES),
        help='alignments to judge under (all)')  # fmt: skip
    add('--crop', choices=CROP_NAMES, default='none', help="KITTI's usual crops (%(default)s)")
    add('--max-depth', type=positive, default=defaults.max_depth_m, help='m (%(default)g)')
    add('--min-depth', type=positive, default=defaults.min_depth_m, help='m (%(default)g)')


def _add_network_arguments(parser: argparse.ArgumentParser, defaults: EvaluationSettings) -> None:
    group = parser.add_argument_group('network')
    add = group.add_argument
    add_network_choice(group, defaults.input_size)
    add('--mode', choices=MODES, default=defaults.mode, help='(%(default)s)')
    add('--window', type=at_least(1), default=defaults.window, help='frames (%(default)s)')
    add('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    add('--dtype', default='auto', help='auto, float32, bfloat16 or float16')
    add('--simulate-latency', type=not_negative, default=0.0, metavar='MS',
        help='drop the frames that a node of this latency would not see')  # fmt: skip
    add('--set', action='append', default=[], metavar='SECTION.FIELD=VALUE',
        help='of the pipeline, as in the node: grounding.lidar.enabled=true')  # fmt: skip


def _add_source_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('source')
    add = group.add_argument
    add('--topic', default='', help='image topic of a bag; default: the only one')
    add('--camera', type=at_least(0), help="number of KITTI's camera")
    add('--rate', type=positive, metavar='HZ', help='of a video or a folder of images')
    add('--intrinsics', type=float, nargs=4, metavar=('FX', 'FY', 'CX', 'CY'), help='px')
    add('--max-frames', type=at_least(1), metavar='N', help='stop after N images')
    add('--samples', type=at_least(0), default=6, help='sample frames to keep (%(default)s)')
    add('--checkpoint', type=not_negative, default=30.0, metavar='S',
        help='save the state every S seconds (%(default)g)')  # fmt: skip


def settings_of(args: argparse.Namespace) -> EvaluationSettings:
    """Return what the arguments say.

    Raises:
        ConfigError: they contradict each other.
    """
    return EvaluationSettings(
        ground_truth=tuple(args.ground_truth),
        masks=args.masks,
        depth_factor=args.depth_factor or 0.0,
        tolerance_ms=args.tolerance,
        protocols=tuple(dict.fromkeys(args.protocol)),
        crop=args.crop,
        min_depth_m=args.min_depth,
        max_depth_m=args.max_depth,
        mode=args.mode,
        window=args.window,
        input_size=args.input_size,
        weights=args.weights,
        preset=args.preset,
        device=args.device,
        dtype=args.dtype,
        simulated_latency_ms=args.simulate_latency,
        topic=args.topic,
        camera=args.camera,
        rate_hz=args.rate,
        intrinsics=tuple(args.intrinsics) if args.intrinsics else None,
        max_frames=args.max_frames,
        overrides=tuple(args.set),
        samples=args.samples,
        checkpoint_s=args.checkpoint,
    )


def run(args: argparse.Namespace) -> int:
    """Evaluate; what goes wrong is a ``GemDepthError``.

    Returns:
        0.
    """
    settle_network(args)
    settings = settings_of(args)
    output = args.output.expanduser()

    options = engine_options(args)
    _check_choices(args, options)

    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    if len(args.source) > 1 or options.name == 'ray':
        from gemdepth_ros.cli.evaluation.many import run_many

        if args.force:
            clear_many(args.source, output)
        return run_many(args.source, settings, output, options, console)
    return _run_one(args, settings, output, console)


def _check_choices(args: argparse.Namespace, options: EngineOptions) -> None:
    """Refuse wishes that contradict each other, before anything heavy is loaded."""
    many = len(args.source) > 1 or options.name == 'ray'
    for flag, wanted in (('--rerun', args.rerun), ('--through-ros', args.through_ros)):
        if many and wanted:
            raise ConfigError(f'{flag} is for one source and the local engine')
    if args.rerun and args.through_ros:
        raise ConfigError('--rerun shows the pipeline itself: leave out --through-ros')
    if args.rerun and args.mode == 'offline':
        raise ConfigError('--rerun needs a stream: leave out --mode offline')


def _run_one(
    args: argparse.Namespace, settings: EvaluationSettings, output: Path, console: Console
) -> int:
    """Evaluate one source: live, or by replay."""
    from gemdepth_ros.cli.evaluation.tables import print_result

    source = args.source[0]
    if args.through_ros:
        from gemdepth_ros.cli.evaluation.through_ros.run import evaluate_through_ros

        result = evaluate_through_ros(source, settings, output, args.play_rate, console)
    else:
        # What is finished would show nothing to the viewer.
        if args.force or args.rerun:
            clear(output)
        result = _replay(source, settings, output, args.rerun, console)
    print_result(result, console)
    console.print(f'result: {output / "result.json"}')
    if not args.no_report:
        _report(result, output, console)
    return 0


def _replay(
    source: Path,
    settings: EvaluationSettings,
    output: Path,
    rerun: Path | None,
    console: Console,
) -> EvaluationResult:
    """Evaluate by replay, and record for the viewer where that is wanted."""
    from gemdepth_ros.cli.evaluation.run import evaluate_source
    from gemdepth_ros.evaluation.viewing.rerun_file import RerunFile

    with ExitStack() as stack:
        viewer = None if rerun is None else RerunFile(rerun.expanduser())
        observer = None if viewer is None else stack.enter_context(viewer)
        frames, scores = stack.enter_context(_progress(console))
        result = evaluate_source(
            source, settings, output, observer=observer, progress=frames, scoring_progress=scores
        )
    if rerun is not None:
        console.print(f'for the viewer: rerun {rerun}')
    return result


def _report(result: EvaluationResult, output: Path, console: Console) -> None:
    """Write the report, where Jinja2 and plotly are installed."""
    from gemdepth_ros.errors import DependencyError
    from gemdepth_ros.evaluation.report.of_result import write_report

    try:
        write_report(result, output / 'report.html', output)
    except DependencyError as error:
        console.print(f'note: no report: {error}')
    else:
        console.print(f'report: {output / "report.html"}')


def clear_many(sources: Sequence[Path], output: Path) -> None:
    """Forget the evaluations of many sources."""
    from gemdepth_ros.cli.evaluation.engines import source_folders

    for folder in source_folders(sources, output):
        clear(folder)


def clear(output: Path) -> None:
    """Forget the evaluation in a folder, finished or not; other files stay."""
    import shutil

    from gemdepth_ros.cli.evaluation.workspace import RESULT, RUN, SAMPLES, WORK

    try:
        for name in (WORK, SAMPLES):
            if (output / name).is_dir():
                shutil.rmtree(output / name)
        for name in (RESULT, RUN):
            (output / name).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f'cannot clear {output}: {error.strerror or error}') from error


@contextmanager
def _progress(
    console: Console,
) -> Iterator[tuple[Callable[[int, int | None], None], Callable[[int, int], None]]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=console) as progress:

        def bar(name: str) -> Callable[[int, int | None], None]:
            tasks: list[TaskID] = []

            def update(done: int, total: int | None) -> None:
                if not tasks:
                    tasks.append(progress.add_task(name, total=total))
                progress.update(tasks[0], completed=done, total=total)

            return update

        yield bar('frames'), bar('scores')
