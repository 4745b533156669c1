"""Streaming of Video Depth Anything: the published form against ours, in one run.

    python benchmarks/bench_vda_stream.py [--preset vda-small] [--size 140 462] [--frames 20]

Both streams get the same frames in turn; weights are random, which costs the same. Beside the
time by the clock stands the processor's time over all threads, which other programs on the machine
change little. Floating-point operations are counted by PyTorch on one step, the memory of a full
stream is that of the formula.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

if importlib.util.find_spec('gemdepth_ros') is None:  # not installed: the checkout itself
    sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from gemdepth_ros.inference.config import StreamingConfig, StreamMode
from gemdepth_ros.inference.encoded import EncodedFrame, PatchGrid
from gemdepth_ros.inference.memory import stream_bytes
from gemdepth_ros.inference.vda import VdaStreamEngine
from gemdepth_ros.model import VideoDepthAnything, build_network
from gemdepth_ros.model.config import MAX_FRAMES

FORMS: dict[StreamMode, bool] = {'published_stream': True, 'causal': False}
MEGABYTE, GIGA = 1e6, 1e9


class Stream:
    """One stream from images to maps."""

    def __init__(self, model: VideoDepthAnything, size: tuple[int, int], published: bool) -> None:
        self._model, self._grid = model, PatchGrid.of_encoder(model, size)
        self.engine = VdaStreamEngine(model, self._grid, MAX_FRAMES, 512, published=published)
        self._number = 0

    def step(self, image_1CHW: torch.Tensor) -> tuple[list[float], torch.Tensor]:
        """Return [encoder, head] by the clock and by the processor [s], and the map."""
        marks = [_now()]
        levels = self._model.encode(image_1CHW, self._grid.encoder_positions_1LC)
        marks.append(_now())
        first, second, third, fourth = levels
        frame = EncodedFrame(self._number, (first, second, third, fourth))
        disparity = self.engine.step(frame).disparity_HW
        marks.append(_now())
        self._number += 1
        return [b - a for kind in zip(*marks, strict=True) for a, b in pairwise(kind)], disparity


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


@torch.inference_mode()
def measure(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Run both forms; return their figures."""
    model: Any = build_network(args.preset)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(8, 1, 3, *args.size, generator=generator)
    streams = {name: Stream(model, tuple(args.size), form) for name, form in FORMS.items()}
    for number in range(args.warm_up):
        for stream in streams.values():
            stream.step(images[number % len(images)])
    times: dict[str, list[list[float]]] = {name: [] for name in streams}
    furthest = 0.0
    for number in range(args.frames):
        maps = []
        for name, stream in streams.items():
            taken, disparity = stream.step(images[number % len(images)])
            times[name].append(taken)
            maps.append(disparity)
        furthest = max(furthest, float((maps[0] - maps[1]).abs().max()))
    print(f'largest difference of the two maps: {furthest:.1e}')
    memory = {
        name: stream_bytes(model.config, StreamingConfig(name, MAX_FRAMES), *args.size)
        for name in streams
    }
    return {
        name: _figures(stream, times[name], images[0], memory[name])
        for name, stream in streams.items()
    }


def _figures(
    stream: Stream, times: list[list[float]], image: torch.Tensor, memory: int
) -> dict[str, float]:
    # Its plain kernel: PyTorch does not count the fused one of CPUs.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        stream.step(image)
    columns = list(zip(*times, strict=True))
    encoder, head, encoder_cpu, head_cpu = (statistics.median(c) * 1e3 for c in columns)
    frame = statistics.median(t[0] + t[1] for t in times) * 1e3
    return {
        'encoder_ms': encoder,
        'head_ms': head,
        'frame_ms': frame,
        'fastest_ms': min(t[0] + t[1] for t in times) * 1e3,
        'fps': 1e3 / frame,
        'encoder_cpu_ms': encoder_cpu,
        'head_cpu_ms': head_cpu,
        'gflop': counter.get_total_flops() / GIGA,
        'memory_mb': memory / MEGABYTE,
    }


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--preset', default='vda-small', help='network (default: vda-small)')
    parser.add_argument('--size', type=int, nargs=2, default=(140, 462), metavar=('H', 'W'))
    parser.add_argument('--frames', type=int, default=20, help='measured frames (default 20)')
    parser.add_argument('--warm-up', type=int, default=4, help='frames before (default 4)')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads (default 2)')
    parser.add_argument('--json', type=Path, help='also write the figures to this file')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    figures = measure(args)
    print(f'{args.preset}, network input {args.size[1]}x{args.size[0]}, {args.threads} threads')
    names = next(iter(figures.values()))
    print(f'{"form":<18}' + ''.join(f'{name:>15}' for name in names))
    for form, values in figures.items():
        print(f'{form:<18}' + ''.join(f'{value:15.1f}' for value in values.values()))
    published, ours = figures['published_stream'], figures['causal']
    for name in ('frame_ms', 'head_ms', 'head_cpu_ms', 'gflop'):
        print(f'causal / published_stream, {name}: {ours[name] / published[name]:.3f}')
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + '\n', encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
