"""Time per frame of a causal stream by every backend that this machine has, in one process.

    python benchmarks/bench_backends.py [--weights gemdepth-tiny] [--size 98 322] [--window 8]

The backends take turns frame by frame, so that a slow moment of the machine hits all of them.
Making them (compiling, exporting) and the frames that are checked against eager are timed apart.
What this machine does not have is said, with the reason. Writes a JSON file beside the table.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from gemdepth_ros.hub import digest_of, locate
from gemdepth_ros.inference import StreamingConfig, StreamSession
from gemdepth_ros.inference.config import Backend
from gemdepth_ros.inference.device import choose_placement
from gemdepth_ros.inference.engines.machine import build_machine, library_versions
from gemdepth_ros.inference.engines.pool import EnginePool
from gemdepth_ros.inference.preprocessing import network_size
from gemdepth_ros.interfaces import VideoFrame
from gemdepth_ros.model import build_gemdepth

MS = 1e3
FRAME_NS = 100_000_000
CHECKED = 4


@dataclass(frozen=True)
class Measured:
    """Times of one backend.

    Attributes:
        backend: as asked for.
        used: what computed the frames.
        fault: why it is not the backend; empty when it is.
        first_s: first frame, with all that is made before it [s].
        median_ms: per frame after the check [ms].
        p99_ms: likewise [ms].
        worst_difference: largest relative L2 distance of a disparity from eager's.
    """

    backend: str
    used: str
    fault: str
    first_s: float
    median_ms: float
    p99_ms: float
    worst_difference: float


def input_size_for(size: tuple[int, int]) -> int:
    """Return the ``input_size`` with which an image of ``size`` is taken as it is."""
    for value in range(14, 2000):
        if network_size(*size, value) == size:
            return value
    raise SystemExit(f'no input_size keeps {size[1]}x{size[0]}: sides are multiples of 14')


def frames_of(size: tuple[int, int], count: int) -> list[VideoFrame]:
    """Return a moving picture."""
    height, width = size
    noise = np.random.default_rng(0).integers(
        0, 256, (height // 7, (width + 4 * count) // 7 + 1, 3)
    )
    wide = noise.repeat(7, 0).repeat(7, 1).astype(np.uint8)
    pictures = (np.ascontiguousarray(wide[:, 4 * n : 4 * n + width]) for n in range(count))
    return [VideoFrame(picture, n * FRAME_NS) for n, picture in enumerate(pictures)]


def measure(
    sessions: dict[str, StreamSession], frames: Sequence[VideoFrame], device: torch.device
) -> list[Measured]:
    """Send the frames through all sessions, in turns."""
    times: dict[str, list[float]] = {name: [] for name in sessions}
    worst = dict.fromkeys(sessions, 0.0)
    for frame in frames:
        expected = None
        for name, session in sessions.items():
            began = time.perf_counter()
            output = session.step(frame)
            if device.type == 'cuda':
                torch.cuda.synchronize(device)
            times[name].append(time.perf_counter() - began)
            assert output is not None
            expected = output.disparity_HW if expected is None else expected
            gap = (output.disparity_HW - expected).norm() / expected.norm()
            worst[name] = max(worst[name], float(gap))
    rows = []
    for name, session in sessions.items():
        steady = sorted(t * MS for t in times[name][CHECKED + 1 :])
        p99 = steady[min(int(0.99 * len(steady)), len(steady) - 1)]
        median = statistics.median(steady)
        row = Measured(
            name, session.backend, session.backend_fault, times[name][0], median, p99, worst[name]
        )
        rows.append(row)
    return rows


def main() -> None:
    """Parse, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--weights', default='gemdepth-tiny')
    add('--size', type=int, nargs=2, default=(98, 322), metavar=('ROWS', 'COLUMNS'))
    add('--window', type=int, default=8)
    add('--frames', type=int, default=60)
    add('--device', default='auto')
    add('--dtype', default='auto')
    add('--threads', type=int, default=0, help='0: as PyTorch chooses')
    add('--backends', nargs='+', choices=get_args(Backend), default=get_args(Backend))
    add('--output', type=Path, default=Path('out/bench_backends.json'))
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    size = (args.size[0], args.size[1])
    place = choose_placement(args.device, args.dtype)
    weights = locate(args.weights)
    model = build_gemdepth('auto', weights, place.device, place.dtype)
    pool = EnginePool(model, digest_of(weights))
    names = ['eager', *(name for name in args.backends if name != 'eager')]
    sessions = {
        name: StreamSession(
            model,
            StreamingConfig(
                mode='causal',
                window=args.window,
                input_size=input_size_for(size),
                backend=name,
                backend_check_frames=CHECKED,
            ),
            pool,
        )
        for name in names
    }
    rows = measure(sessions, frames_of(size, args.frames), place.device)
    report(rows, size, args, place.device, place.dtype)


def report(
    rows: Sequence[Measured],
    size: tuple[int, int],
    args: argparse.Namespace,
    device: torch.device,
    dtype: torch.dtype,
) -> None:
    """Print the table and write the JSON file."""
    console = Console(width=110, highlight=False)
    title = f'{args.weights}, causal, {size[0]}x{size[1]}, window {args.window}, {dtype}, {device}'
    table = Table(
        'backend', 'first frame s', 'median ms', 'p99 ms', 'x eager', 'from eager', title=title
    )
    eager = rows[0].median_ms
    for row in rows:
        if row.fault:
            table.add_row(row.backend, 'refused')
            continue
        table.add_row(
            row.used,
            f'{row.first_s:.1f}',
            f'{row.median_ms:.1f}',
            f'{row.p99_ms:.1f}',
            f'{eager / row.median_ms:.2f}',
            f'{row.worst_difference:.0e}',
        )
    console.print(table)
    for row in filter(lambda row: row.fault, rows):
        console.print(row.fault, soft_wrap=True)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    facts = {
        'title': title,
        'threads': torch.get_num_threads(),
        'frames': args.frames,
        'processor': platform.processor() or platform.machine(),
        'machine': build_machine(device),
        'versions': library_versions(),
        'rows': [asdict(row) for row in rows],
    }
    args.output.write_text(json.dumps(facts, indent=2) + '\n', encoding='utf-8')
    console.print(f'{args.output}, {torch.get_num_threads()} threads')


if __name__ == '__main__':
    main()
