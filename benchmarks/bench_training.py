"""What a training step costs, and how fast a few pictures are learned by heart.

    python benchmarks/bench_training.py speed  # where a step's time goes
    python benchmarks/bench_training.py start  # four pictures, with and without training's start

Both print plain text. Times are CPU seconds of this process: a busy machine matters little.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from gemdepth_ros.model.initialization import initialize
from gemdepth_ros.training.batches import Batch, make_batch
from gemdepth_ros.training.clip_plan import plan_batch
from gemdepth_ros.training.config import (
    DataConfig,
    LossConfig,
    OptimizerConfig,
    StageConfig,
    TrainingConfig,
)
from gemdepth_ros.training.network import TrainedNetwork
from gemdepth_ros.training.optimizers import RunningMean, make_optimizer
from gemdepth_ros.training.sequences import render_frames
from gemdepth_ros.training.starting import smooth_positions, starting_network

ONLY_DEPTH = LossConfig(alignment='none', gradient=0, temporal=0, pose=0, direct=0)


def config(lengths: dict[int, float], frames_per_step: int, **optimizer: object) -> TrainingConfig:
    """Return a configuration for rendered pictures of 70x238."""
    return TrainingConfig(
        data=DataConfig(world='random', sequences=4, frames=16, height=98, width=322),
        stages=(StageConfig(1000, 70, 238, frames_per_step, lengths, causal_share=0.5),),
        optimizer=OptimizerConfig(**optimizer),  # type: ignore[arg-type]
    )


def batches(chosen: TrainingConfig, count: int) -> list[Batch]:
    """Render four short drives and make batches of them."""
    data = chosen.data
    drives = [render_frames(data, 7000 + k, range(data.frames)) for k in range(data.sequences)]
    started = time.process_time()
    made = [
        make_batch(plan_batch(chosen, step, len(drives), data.frames), drives, chosen.clips)
        for step in range(count)
    ]
    print(f'making a batch: {(time.process_time() - started) / count:.3f} s')
    return made


def speed(bfloat16: bool) -> None:
    """Print the CPU seconds of each part of a step of 16 frames; the best of several."""
    chosen = config({1: 1.0, 4: 1.0, 8: 1.0}, 16, kind='muon')
    model = starting_network(chosen, None)
    network = TrainedNetwork(model, chosen.losses, bfloat16)
    optimizer = make_optimizer(network, chosen.optimizer)
    parameters = [p for p in network.parameters() if p.requires_grad]
    mean = RunningMean(list(parameters), 0.99)
    rows = []
    for batch in batches(chosen, 8):
        marks = [time.process_time()]
        losses = network(batch)
        marks.append(time.process_time())
        losses.total.backward()
        marks.append(time.process_time())
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        marks.append(time.process_time())
        optimizer.zero_grad()
        mean.update(1)
        marks.append(time.process_time())
        rows.append(np.diff(marks))
    best = np.min(rows[1:], axis=0)
    names = ('forward and losses', 'backward', 'clipping and optimiser', 'running mean')
    parts = ', '.join(f'{name} {value:.3f} s' for name, value in zip(names, best, strict=True))
    print(f'{"bfloat16" if bfloat16 else "float32"}: {parts}: {16 / best.sum():.1f} frames/s')


def start(training_start: bool, steps: int, **optimizer: object) -> None:
    """Print the mean absolute error of four pictures while they are learned by heart."""
    chosen = config({1: 1.0}, 4, warmup_steps=20, **optimizer)
    model = starting_network(chosen, None)
    if not training_start:
        initialize(model, chosen.seed)
        smooth_positions(model)
    network = TrainedNetwork(model, ONLY_DEPTH, in_bfloat16=True)
    moving = make_optimizer(network, chosen.optimizer)
    batch, errors = batches(chosen, 1)[0], []
    for step in range(steps):
        moving.set_rate(min(1.0, (step + 1) / 20))
        losses = network(batch)
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(list(network.parameters()), 1.0)
        moving.step()
        moving.zero_grad()
        errors.append(float(losses.spatial.detach()))
    shown = ' '.join(f'{np.mean(errors[k : k + 15]):.3f}' for k in range(0, steps, 15))
    print(f'{"training" if training_start else "plain"} start, {optimizer}: {shown}')


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('what', choices=('speed', 'start'))
    parser.add_argument('--steps', type=int, default=90)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.what == 'speed':
        speed(bfloat16=False)
        speed(bfloat16=True)
        return
    start(False, args.steps, learning_rate=1e-3)
    start(False, args.steps, learning_rate=3e-4)
    start(True, args.steps, learning_rate=1e-3)
    start(True, args.steps, learning_rate=3e-4)
    start(True, args.steps, kind='muon', learning_rate=3e-4, matrix_rate=2e-3)


if __name__ == '__main__':
    main()
