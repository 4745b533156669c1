"""A process that measures: ``python -m gemdepth_ros.cli.benchmark.child TASK RESULT``.

TASK is a JSON file (``Task``). ``time``: all cases over one network, in fair rounds. ``memory``:
one case by itself, so that its peak is nobody else's. The answer goes to the file RESULT.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from gemdepth_ros.cli.benchmark.forms import Form, prepare
from gemdepth_ros.cli.benchmark.machine import describe_device
from gemdepth_ros.cli.benchmark.memory import MB, MemoryWatch
from gemdepth_ros.cli.benchmark.need import need_of
from gemdepth_ros.cli.benchmark.power_sources import find_meter
from gemdepth_ros.cli.benchmark.rounds import take_turns
from gemdepth_ros.cli.benchmark.task import Task
from gemdepth_ros.errors import GemDepthError
from gemdepth_ros.inference.device import DTYPES
from gemdepth_ros.model import DepthNetwork, build_network

MEMORY_CALLS = 2


def main() -> None:
    """Run the task and write what it gave."""
    task = Task.from_json(Path(sys.argv[1]).read_text(encoding='utf-8'))
    # Window fits of random weights are flat; a warning for each would bury the table.
    logging.getLogger('gemdepth_ros').setLevel(logging.ERROR)
    if task.threads:
        torch.set_num_threads(task.threads)
    try:
        result = measure_times(task) if task.kind == 'time' else measure_memory(task)
    except GemDepthError as error:
        result = {'error': str(error)}
    Path(sys.argv[2]).write_text(json.dumps(result), encoding='utf-8')


def measure_times(task: Task) -> dict[str, Any]:
    """Let all cases take turns over one network."""
    model = build(task)
    forms: list[Form] = []
    rows: list[dict[str, Any]] = []
    for case in task.cases:
        form, error = _attempt(lambda case=case: prepare(model, case))  # type: ignore[misc]
        rows.append({'error': error} if form is None else {'held_mb': form.held_bytes / MB})
        if form is not None:
            forms.append(form)
    metering = find_meter(task.device)
    try:
        samples = iter(take_turns(forms, task.seconds, metering.meter))
    finally:
        if metering.meter is not None:
            metering.meter.close()
    for row in rows:
        if 'error' not in row:
            row |= asdict(next(samples))
    return {'rows': rows, 'device': describe_device(task.device), 'energy': metering.note}


def measure_memory(task: Task) -> dict[str, Any]:
    """Peak memory of one case, from the loaded network on."""
    (case,) = task.cases
    model = build(task)
    watch = MemoryWatch(model.device)

    def work() -> None:
        form = prepare(model, case)
        for _ in range(MEMORY_CALLS):
            form()

    _, error = _attempt(work)
    if error:
        return {'error': error}
    need = need_of(case)
    formula_mb = None if need is None else (need.kept + need.in_work) / MB
    return {**asdict(watch.result()), 'formula_mb': formula_mb}


def build(task: Task) -> DepthNetwork:
    """Build the network that all cases of a task share."""
    preset, precision = task.cases[0].network
    weights = task.weights or None
    if weights is not None:
        from gemdepth_ros.hub import locate

        weights = str(locate(weights))
    return build_network(preset, weights, task.device, DTYPES[precision])


def _attempt(work: Callable[[], Any]) -> tuple[Any, str]:
    """Return what ``work`` gives and why it failed: one case too large must not end the others."""
    try:
        return work(), ''
    except GemDepthError as error:
        return None, str(error)
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return None, 'out of device memory'


if __name__ == '__main__':
    main()
