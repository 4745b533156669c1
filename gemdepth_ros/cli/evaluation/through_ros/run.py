"""``evaluate --through-ros``: play, record, score, report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.cli.evaluation.bag_source import is_bag
from gemdepth_ros.cli.evaluation.run import evaluate_source
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.evaluation.through_ros.live import run_live
from gemdepth_ros.cli.evaluation.through_ros.measures import measures
from gemdepth_ros.cli.evaluation.through_ros.recorded import RecordedPredictor
from gemdepth_ros.cli.evaluation.through_ros.topics import node_arguments, read_inputs
from gemdepth_ros.errors import BagError, ConfigError
from gemdepth_ros.evaluation.result import EvaluationResult

if TYPE_CHECKING:
    from rich.console import Console

MEASURES_FILE = 'through_ros.json'
_SHOWN = (
    ('latency, mean', 'BasicPerformanceMetrics.MEAN_LATENCY', 'ms'),
    ('latency, p50', 'NodeMetrics.P50_LATENCY', 'ms'),
    ('latency, p99', 'NodeMetrics.P99_LATENCY', 'ms'),
    ('latency, max', 'BasicPerformanceMetrics.MAX_LATENCY', 'ms'),
    ('rate in', 'BasicPerformanceMetrics.MEAN_PLAYBACK_FRAME_RATE', 'Hz'),
    ('rate out', 'BasicPerformanceMetrics.MEAN_FRAME_RATE', 'Hz'),
    ('frames sent', 'BasicPerformanceMetrics.NUM_FRAMES_SENT', ''),
    ('frames without depth', 'BasicPerformanceMetrics.NUM_MISSED_FRAMES', ''),
    ('CPU of the node, 100 is one core', 'NodeMetrics.MEAN_CPU_UTILIZATION', '%'),
    ('peak memory of the node', 'NodeMetrics.PEAK_MEMORY_MIB', 'MiB'),
)


def evaluate_through_ros(
    bag: Path, settings: EvaluationSettings, output: Path, rate: float, console: Console
) -> EvaluationResult:
    """Play a bag through the live node; write ``result.json`` and ``through_ros.json``.

    Args:
        bag: ROS 2 bag.
        settings: of node and scores.
        output: folder; what an earlier evaluation left there is replaced.
        rate: 2.0 plays twice as fast as recorded.
        console: told what happens.

    Raises:
        GemDepthError: there is no ROS, the bag cannot be played, a process failed, or no depth
            came out.
    """
    from gemdepth_ros.cli.evaluate import clear

    if not is_bag(bag):
        raise ConfigError(
            f'--through-ros plays bags, and {bag} is none: make one with '
            'gemdepth-ros bag from-kitti'
        )
    inputs = read_inputs(bag, settings)
    arguments = node_arguments(inputs, settings, _image_size(bag, inputs.image))
    clear(output)
    output.mkdir(parents=True, exist_ok=True)
    console.print(f'{inputs.image} of {bag}: {inputs.seconds / rate:.1f} s over DDS ...')
    run = run_live(bag, inputs, arguments, output, rate)
    recorded = RecordedPredictor(run.recording, inputs.image, settings, run.status)
    if not run.status.frames_processed:
        raise BagError(f'the node published no depth; see {output / "logs"}')
    made_by = f'live node, played at {rate:g} times the recorded rate'
    result = evaluate_source(
        bag, settings, output, make_predictor=lambda _: recorded, made_by=made_by
    )
    content = measures(run, recorded, result, rate)
    (output / MEASURES_FILE).write_text(json.dumps(content, indent=2, allow_nan=False) + '\n')
    # The figures are written; the images of a long drive would fill a disk.
    shutil.rmtree(run.recording, ignore_errors=True)
    print_measures(content, console)
    return result


def print_measures(content: dict[str, Any], console: Console) -> None:
    """Print the figures of a live run."""
    from rich.table import Table

    table = Table(show_header=False, title='through ROS, in real time', title_justify='left')
    table.add_column()
    table.add_column(justify='right')
    for name, key, unit in _SHOWN:
        value = content[key]
        text = '–' if value is None else f'{value:.1f} {unit}' if unit else f'{value:.0f}'
        table.add_row(name, text)
    console.print(table)


def _image_size(bag: Path, topic: str) -> tuple[int, int]:
    """Return (height, width) of the first image [px]."""
    from gemdepth_ros.bags.images import read_rgb

    with BagReader(bag) as reader:
        for item in reader.messages([topic]):
            height, width = read_rgb(item.message).shape[:2]
            return height, width
    raise BagError(f'bag {bag} holds no messages of {topic}: nothing to evaluate')
