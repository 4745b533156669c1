"""Depth in metres by source of metres, through the live node over DDS, on synthetic bags.

    python benchmarks/bench_grounding_node.py [--weights FILE|NAME] [--seeds 100 101 102]

For each seed a bag is rendered, and for each source of metres player, node and recorder run as
processes. The depth that the node publishes is compared with the truth of the same stamp, without
any alignment. Beside it: what one best scale and shift for the whole bag gives.

The node normally keeps metres to itself while it is not sure of them. Here it tells them whatever
their standard deviation is; "sure" counts the frames that it would have released, "metric" those
that it had any metres for. The stated deviation is that of scale and shift, at 20 m: what it is
to be compared with is the median of depth / truth around 20 m, not AbsRel, which holds the
network's own errors as well. Use seeds that the network was not trained on.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from grounding_node_cases import CAMERA_INFO, CASES, IMAGE, RELATIVE, RINGS, Case, manual
from rich.console import Console
from rich.table import Table

from gemdepth_ros.bags.images import read_depth_m
from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.bags.stamps import header_stamp_ns
from gemdepth_ros.cli.evaluation.through_ros import topics
from gemdepth_ros.cli.evaluation.through_ros.live import run_live
from gemdepth_ros.cli.synthesis.options import SynthesisOptions
from gemdepth_ros.cli.synthesis.write import write_drive
from gemdepth_ros.errors import GemDepthError
from gemdepth_ros.evaluation.metrics import ScaleShiftFit, depth_errors
from gemdepth_ros.grounding.config import GroundingConfig

TRUTH_TOPIC = '/camera/depth_ground_truth'
NEAREST_M, FARTHEST_M = 1.0, 80.0
AROUND_20_M = (15.0, 25.0)
FIRST_THIRD = 3
SURE_STD = GroundingConfig().max_depth_std_at_20m
WHATEVER_STD = 100.0

Images = dict[int, np.ndarray]


@dataclass(frozen=True)
class Played:
    """What is played, as `run_live` reads it.

    Attributes:
        image: topic of the images.
        played: all topics.
        listeners: subscriptions that must be there first.
        seconds: length of the bag [s].
    """

    image: str
    played: list[str]
    listeners: dict[str, int]
    seconds: float


@dataclass(frozen=True)
class Score:
    """One source on one bag.

    Attributes:
        source: name of the case.
        seed: of the bag.
        published: images.
        processed: by the node.
        metric: frames whose depth came in metres.
        abs_rel: mean |d - g| / g over the metric frames; NaN without.
        delta1: share of pixels within 25 %.
        bias: median of d / g where g is 15..25 m; mean over the frames.
        seen: share of the pixels with truth that have depth.
        stated: median of the standard deviation at 20 m that the node states.
        sure: frames that the node would have released by its default limit.
        sure_abs_rel: mean |d - g| / g over those.
        sure_bias: as ``bias``, over those.
        complaint: what the node knew where no frame is metric.
    """

    source: str
    seed: int
    published: int
    processed: int
    metric: int
    abs_rel: float = math.nan
    delta1: float = math.nan
    bias: float = math.nan
    seen: float = math.nan
    stated: float = math.nan
    sure: int = 0
    sure_abs_rel: float = math.nan
    sure_bias: float = math.nan
    complaint: str = ''


def make_bag(args: argparse.Namespace, seed: int) -> Path:
    """Render the bag of a seed, unless it is there."""
    height, width = args.size
    options = SynthesisOptions(
        frames=args.frames,
        height=height,
        width=width,
        seed=seed,
        varied=args.varied,
        lidar_rings=RINGS,
        lidar_field_deg=120.0,
        imu_orientation=True,
        masks=True,
    )
    bag: Path = args.folder / f'bag_{"varied_" if args.varied else ""}{seed}_{args.frames}'
    if not bag.exists():
        write_drive(options, bag)
    return bag


def inputs_of(case: Case, bag: Path) -> Played:
    """Return what is played to the node for a case."""
    with BagReader(bag) as reader:
        seconds = reader.summary.duration_ns / 1e9
    sensors = list(case.inputs.values())
    listeners = dict.fromkeys([CAMERA_INFO, topics.DEPTH, topics.DISPARITY, *sensors], 1)
    return Played(
        IMAGE, [IMAGE, CAMERA_INFO, '/tf_static', *sensors], {IMAGE: 2, **listeners}, seconds
    )


def run_case(case: Case, bag: Path, args: argparse.Namespace, folder: Path) -> Any:
    """Play a bag to the node; return the live run, whose recording is in ``folder``."""
    height, width = args.size
    common = {
        'network.weights': f"'{args.weights}'",
        'network.allow_untrained_metric': 'false' if args.weights else 'true',
        'network.threads': args.threads,
        'grounding.max_depth_std_at_20m': WHATEVER_STD,
        'streaming.mode': args.mode,
        'streaming.window': args.window,
        'streaming.input_size': args.input_size,
        'warm_up_height': height,
        'warm_up_width': width,
        'status_period_s': topics.STATUS_PERIOD_S,
    }
    return run_live(bag, inputs_of(case, bag), case.arguments(common), folder, args.rate)


def read_images(bag: Path, topic: str) -> Images:
    """Return the float images of a topic by stamp."""
    with BagReader(bag) as reader:
        found = reader.messages([topic]) if topic in reader.topics else ()
        return {header_stamp_ns(item.message): read_depth_m(item.message) for item in found}


def known(truth: np.ndarray) -> np.ndarray:
    """Return the pixels whose truth counts."""
    return (truth >= NEAREST_M) & (truth <= FARTHEST_M)


def score(case: Case, seed: int, run: Any, truth: Images) -> Score:
    """Compare the recorded depth with the truth."""
    status = run.status
    depth = read_images(run.recording, topics.DEPTH)
    counts = (case.name, seed, run.sent, int(status.frames_processed), len(depth))
    if not depth:
        return Score(*counts, complaint=last_message(run.recording))
    stated = stated_std(run.recording)
    rows = np.array([frame_row(image, truth[stamp]) for stamp, image in depth.items()])
    std = np.array([stated.get(stamp, math.nan) for stamp in depth])
    sure = std <= SURE_STD
    return Score(
        *counts,
        *mean_rows(rows),
        float(np.nanmedian(std)) if np.isfinite(std).any() else math.nan,
        int(sure.sum()),
        mean_rows(rows[sure])[0],
        mean_rows(rows[sure])[2],
    )


def mean_rows(rows: np.ndarray) -> list[float]:
    """Return the mean of each column over the rows that know it; NaN where none does."""
    known = np.isfinite(rows)
    with np.errstate(invalid='ignore'):
        mean = np.where(known, rows, 0.0).sum(axis=0) / known.sum(axis=0)
    return [float(value) for value in mean]


def frame_row(depth: np.ndarray, truth: np.ndarray) -> tuple[float, float, float, float]:
    """Return AbsRel, delta1, median ratio and share of seen pixels of one frame."""
    counted = known(truth)
    have = counted & ~np.isnan(depth)
    predicted = np.clip(depth[have], 0.1, FARTHEST_M)  # +Inf: beyond what the node states
    errors = depth_errors(predicted, truth[have])
    middle = (truth[have] >= AROUND_20_M[0]) & (truth[have] <= AROUND_20_M[1])
    ratio = float(np.median((predicted / truth[have])[middle])) if middle.any() else math.nan
    return errors.abs_rel, errors.delta1, ratio, float(have.sum() / counted.sum())


def statuses(recording: Path) -> Iterator[Any]:
    """Yield the node's status messages."""
    with BagReader(recording) as reader:
        yield from (item.message for item in reader.messages([topics.STATUS]))


def stated_std(recording: Path) -> dict[int, float]:
    """Return the relative standard deviation of depth at 20 m that the node states, by stamp."""
    return {header_stamp_ns(s): float(s.depth_std_at_20m) for s in statuses(recording)}


def last_message(recording: Path) -> str:
    """Return what the node knew at its end: sources and standard deviation."""
    last = list(statuses(recording))[-1]
    sources = ', '.join(last.grounding_sources) or 'no source has spoken'
    return f'{sources}; std at 20 m {last.depth_std_at_20m:.2f}'


def aligned(recording: Path, truth: Images, seed: int, run: Any) -> tuple[Score, Case | None]:
    """Return what one scale and shift for the bag gives, and those of its first third."""
    disparity = read_images(recording, topics.DISPARITY)
    whole, first = ScaleShiftFit(), ScaleShiftFit()
    for number, (stamp_ns, image) in enumerate(sorted(disparity.items())):
        good = known(truth[stamp_ns]) & np.isfinite(image)
        whole.add(image[good], truth[stamp_ns][good])
        if number * FIRST_THIRD < len(disparity):
            first.add(image[good], truth[stamp_ns][good])
    fit, errors = whole.solve(), []
    for stamp_ns, image in disparity.items():
        good = known(truth[stamp_ns]) & np.isfinite(image)
        errors.append(depth_errors(fit.depth(image[good], FARTHEST_M), truth[stamp_ns][good]))
    abs_rel, delta1 = (
        float(np.mean([getattr(error, name) for error in errors])) if errors else math.nan
        for name in ('abs_rel', 'delta1')
    )
    processed = int(run.status.frames_processed)
    best = Score(
        'one best scale and shift', seed, run.sent, processed, len(disparity), abs_rel, delta1
    )
    constants = first.solve()
    if not constants.scale > 0:
        return best, None
    return best, manual(1.0 / constants.scale, -constants.shift / constants.scale)


def bench_seed(args: argparse.Namespace, seed: int, console: Console) -> Iterator[Score]:
    """Yield the scores of all cases on the bag of a seed."""
    bag = make_bag(args, seed)
    truth = read_images(bag, TRUTH_TOPIC)
    folder: Path = args.folder / 'run'
    run = run_case(RELATIVE, bag, args, folder)
    best, constants = aligned(run.recording, truth, seed, run)
    yield best
    cases = [case for case in CASES if not args.only or case.name in args.only]
    if constants is not None and (not args.only or constants.name in args.only):
        cases.insert(0, constants)
    for case in cases:
        console.print(f'seed {seed}: {case.name} ...')
        yield score(case, seed, run_case(case, bag, args, folder), truth)
    shutil.rmtree(folder)


def print_table(scores: list[Score], console: Console) -> None:
    """Print the mean over the bags for each source, and the worst bag."""
    names = ('source', 'AbsRel', 'worst bag', 'δ1', 'd / g at 20 m', 'stated std', 'seen')
    table = Table(*names, 'metric', 'sure', 'AbsRel, sure', 'd / g, sure')
    for name in dict.fromkeys(item.source for item in scores):
        rows = [item for item in scores if item.source == name]
        metric, processed, sure = (
            sum(getattr(row, key) for row in rows) for key in ('metric', 'processed', 'sure')
        )
        table.add_row(
            name,
            mean_text(row.abs_rel for row in rows),
            worst_text([row.abs_rel for row in rows]),
            mean_text(row.delta1 for row in rows),
            mean_text(row.bias for row in rows),
            mean_text(row.stated for row in rows),
            mean_text(row.seen for row in rows),
            f'{metric} of {processed}',
            str(sure),
            mean_text(row.sure_abs_rel for row in rows),
            mean_text(row.sure_bias for row in rows),
        )
    console.print(table)
    for item in scores:
        if item.complaint:
            console.print(f'{item.source}, seed {item.seed}: never in metres ({item.complaint})')


def mean_text(values: Iterator[float]) -> str:
    """Return the mean of the numbers that are known."""
    numbers = [value for value in values if not math.isnan(value)]
    return f'{np.mean(numbers):.3f}' if numbers else '-'


def worst_text(values: list[float]) -> str:
    """Return the largest of the numbers that are known."""
    numbers = [value for value in values if not math.isnan(value)]
    return f'{max(numbers):.3f}' if numbers else '-'


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--weights', default='gemdepth-tiny', help="file or name; '': random (%(default)s)")
    add('--seeds', type=int, nargs='+', default=[9001, 9002, 9003])
    add('--frames', type=int, default=60, help='per bag, at 10 Hz (%(default)s)')
    add('--size', type=int, nargs=2, default=[188, 621], metavar=('H', 'W'))
    add('--varied', action='store_true', help='camera, speed, light vary with the seed')
    add('--rate', type=float, default=0.4, help='of the player; 1 is real time (%(default)s)')
    add('--mode', choices=('causal', 'sliding'), default='causal')
    add('--window', type=int, default=16)
    add('--input-size', type=int, default=98)
    add('--threads', type=int, default=0)
    add('--only', nargs='*', default=[], metavar='SOURCE', help='names as in the table')
    add('--folder', type=Path, default=Path('out/bench_grounding_node'))
    add('--json', type=Path, help='write all scores')
    return parser.parse_args()


def main() -> int:
    """Run the cases."""
    args, console = arguments(), Console(highlight=False, width=130)
    args.folder.mkdir(parents=True, exist_ok=True)
    if not args.weights:
        console.print('random weights: the figures only show that everything is connected')
    scores: list[Score] = []
    try:
        for seed in args.seeds:
            scores.extend(bench_seed(args, seed, console))
    except GemDepthError as error:
        print(f'bench_grounding_node: {error}', file=sys.stderr)
        return 1
    print_table(scores, console)
    if args.json:
        args.json.write_text(json.dumps([vars(item) for item in scores], indent=1) + '\n')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
