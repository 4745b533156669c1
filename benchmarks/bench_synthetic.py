"""Frames per second of the synthetic world, by kind of scene and device.

Random drives as the trainer uses them: everything on that the seed draws. Building a world is
timed apart; a clip of 16 frames builds one. Time is the process' own on the CPU (one thread), so
that a busy machine does not count, and the wall clock on a GPU.

    OMP_NUM_THREADS=1 python benchmarks/bench_synthetic.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from gemdepth_ros.synthetic import INDOOR, VARIED, SyntheticDrive, WorldConfig

FRAMES = (3, 6, 9, 12)
KINDS: tuple[tuple[str, str, WorldConfig], ...] = (
    ('driving, default', 'driving', WorldConfig()),
    ('driving, everything varies', 'driving', VARIED),
    ('indoor', 'indoor', INDOOR),
)


def timed(task: Callable[[], object], device: str) -> float:
    """Return the seconds that a task takes."""
    clock = time.process_time if device == 'cpu' else time.perf_counter
    start = clock()
    task()
    if device != 'cpu':
        torch.cuda.synchronize()
    return clock() - start


def render(drive: SyntheticDrive) -> None:
    """Render a few frames."""
    for index in FRAMES:
        drive.render(index)


def measure(
    kind: str, config: WorldConfig, device: str, size: tuple[int, int], seeds: int
) -> tuple[float, float, float]:
    """Return seconds to build a world, mean frames/s, and frames/s of the slowest world."""
    built, rendered = [], []
    for seed in range(seeds):

        def build(seed: int = seed) -> SyntheticDrive:
            return SyntheticDrive(16, *size, seed, kind=kind, device=device, config=config)

        drive = build()
        drive.render(0)  # first use of each operation
        built.append(timed(build, device))
        rendered.append(timed(partial(render, drive), device) / len(FRAMES))
    return float(np.mean(built)), 1 / float(np.mean(rendered)), 1 / float(np.max(rendered))


def main() -> None:
    """Print a row per kind of scene and device."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--height', type=int, default=98, metavar='PX')
    parser.add_argument('--width', type=int, default=322, metavar='PX')
    parser.add_argument('--seeds', type=int, default=20, metavar='N')
    args = parser.parse_args()
    torch.set_num_threads(1)
    devices = ['cpu', *(['cuda'] if torch.cuda.is_available() else [])]
    print(f'{args.height}x{args.width}, {args.seeds} worlds each')
    print(f'{"scene":28} {"device":6} {"build [s]":>9} {"frames/s":>9} {"slowest":>9}')
    for device in devices:
        for name, kind, config in KINDS:
            built, mean, slowest = measure(
                kind, config, device, (args.height, args.width), args.seeds
            )
            print(f'{name:28} {device:6} {built:9.3f} {mean:9.1f} {slowest:9.1f}')


if __name__ == '__main__':
    main()
