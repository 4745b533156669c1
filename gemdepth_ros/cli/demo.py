"""``gemdepth-ros demo``: a clip through player, node and recorder over DDS, checked and drawn."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gemdepth_ros.cli.argument_types import at_least, positive
from gemdepth_ros.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from gemdepth_ros.cli.demonstration.evidence import Evidence
    from gemdepth_ros.cli.demonstration.settings import NodeSettings
    from gemdepth_ros.cli.demonstration.summary import DemoSummary

UNTRAINED = (
    'No trained weights (--weights FILE|NAME): the network runs on random numbers, '
    'so the picture means nothing yet.'
)
MIN_INPUT_SIZE = 14  # one patch
BUNDLED = 'gemdepth-tiny'
NO_WEIGHTS = 'none'
MIN_SHARE = 0.25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``gemdepth-ros demo``."""
    add = parser.add_argument
    add('-o', '--output', metavar='OUT', type=Path, default=Path('out/demo'), help='(%(default)s)')
    add(
        '--source',
        metavar='FOLDER',
        default='synthetic',
        help='KITTI folder, or: synthetic (%(default)s)',
    )
    add('--frames', type=at_least(1), metavar='N', help='default: all, or 60 synthetic ones')
    add(
        '--rate',
        type=positive,
        default=1.0,
        metavar='R',
        help='2.0 plays twice as fast (%(default)s)',
    )
    add(
        '--weights',
        metavar='FILE|NAME',
        default='',
        help=f'default: {BUNDLED} where this package carries it; {NO_WEIGHTS}: random, no '
        'meaning, also the default with a --preset of another network',
    )
    add('--preset', choices=('vitl', 'small', 'tiny'), help='network; default: the weights tell')
    add('--mode', choices=('causal', 'sliding'), default='causal', help='(%(default)s)')
    add('--window', type=at_least(1), default=16, metavar='N', help='frames (%(default)s)')
    add(
        '--input-size',
        type=at_least(MIN_INPUT_SIZE),
        default=98,
        metavar='N',
        help='size of the resize rule, px; small, for two CPU cores (%(default)s)',
    )
    add(
        '--min-share',
        type=_share,
        default=MIN_SHARE,
        metavar='SHARE',
        help='fail when a smaller part of the frames is processed (%(default)s)',
    )
    add('--told', action='store_true', help=argparse.SUPPRESS)  # scripts/demo.sh says it first
    add('--threads', type=at_least(0), default=0, metavar='N', help='of the network; 0: all')


def run(args: argparse.Namespace) -> int:
    """Run the demonstration; return 1 when it did not keep its promises."""
    from rich.console import Console

    signal.signal(signal.SIGTERM, _interrupt)
    console = Console(highlight=False, soft_wrap=True)
    settings = _node_settings(args)
    if not settings.weights and not args.told:
        console.print(UNTRAINED)
    return _demonstrate(args, settings, console)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt  # ends the processes on its way up, as Ctrl-C does


def _node_settings(args: argparse.Namespace) -> NodeSettings:
    """Check the values before anything is started."""
    from gemdepth_ros.cli.demonstration.settings import NodeSettings
    from gemdepth_ros.hub import CATALOGUE, locate

    name = _weights_name(args.weights, args.preset)
    weights = str(locate(name)) if name else ''
    entry = CATALOGUE.get(name)
    # Of a file the node sees by itself which network it fits.
    preset = args.preset or (entry.preset if entry else 'auto' if weights else 'small')
    return NodeSettings(preset, weights, args.mode, args.window, args.input_size, args.threads)


def _weights_name(wish: str, preset: str | None) -> str:
    """Return file or name of the weights; empty: random numbers."""
    from gemdepth_ros.hub import CATALOGUE, weights_path

    if wish == NO_WEIGHTS:
        return ''
    bundled = CATALOGUE[BUNDLED]
    if not wish and preset in (None, bundled.preset) and weights_path(bundled).is_file():
        return BUNDLED
    return wish


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'must be in 0..1, got {text}')
    return value


def _demonstrate(args: argparse.Namespace, settings: NodeSettings, console: Console) -> int:
    """Play, look at what was recorded, and show it."""
    from gemdepth_ros.cli.demonstration.clip import make_clip
    from gemdepth_ros.cli.demonstration.conclude import summarize
    from gemdepth_ros.cli.demonstration.evidence import image_stamps, read_evidence
    from gemdepth_ros.cli.demonstration.run import play_through
    from gemdepth_ros.cli.demonstration.table import print_tables

    folder = args.output.expanduser()
    _make_folder(folder)
    source = None if args.source == 'synthetic' else Path(args.source).expanduser()
    name, clip = make_clip(source, args.frames, folder / 'input')
    console.print(f'{name}: {clip.seconds:.1f} s over DDS: player -> node -> recorder ...')
    played = play_through(clip, folder, settings, args.rate)
    evidence = read_evidence(folder / 'output', image_stamps(clip.bag))
    summary = summarize(name, clip, settings, played, evidence, args.min_share)
    print_tables(summary, console)
    return _conclude(folder, evidence, summary, console)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f'--output {folder} is no folder and cannot be made one ({error.strerror}): '
            'give another folder'
        ) from None


def _conclude(folder: Path, evidence: Evidence, summary: DemoSummary, console: Console) -> int:
    """Write report and summary; say what is wrong, if anything is."""
    from gemdepth_ros.cli.demonstration.checks import problems
    from gemdepth_ros.cli.demonstration.picture import write_report

    found = problems(summary)
    content = json.dumps(summary.as_json(found), indent=2)
    (folder / 'summary.json').write_text(content + '\n')
    report = folder / 'report.png'
    report.unlink(missing_ok=True)
    if summary.frames.processed:
        write_report(report, folder / 'output', evidence, summary)
    if found:
        print(f'demo: FAILED: {"; ".join(found)}', file=sys.stderr)
        return 1
    console.print(f'All {summary.frames.published} frames are accounted for. See {report}')
    console.print(f'and the bag {folder / "output"}')
    return 0
