"""Time and memory of every way of running a stream, side by side in one process.

    python benchmarks/bench_streaming.py [--windows 4 8 16 32] [--preset small] [--device cpu]

For each window length: the dense window re-run for every frame, ``sliding``, ``causal``, and the
offline windows, lean (as shipped) and plain (every window encoded anew, the head on all frames at
once). The forms take turns, so that a slow moment of the machine hits all of them; ratios of
medians are what to quote. Beside each ratio stands that of the FLOPs; `slot/median` is the slowest
slot of a causal segment (median over three segments), which tells what a seam costs.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import platform
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from gemdepth_ros.inference import StreamingConfig, StreamSession, WindowConfig, WindowedPredictor
from gemdepth_ros.inference.preprocessing import network_size, preprocess
from gemdepth_ros.inference.segments import SegmentPlan
from gemdepth_ros.inference.stitching import Stitcher, next_window
from gemdepth_ros.interfaces import VideoFrame
from gemdepth_ros.model import GemDepth, build_gemdepth
from gemdepth_ros.model.camera_head import ROUNDS
from gemdepth_ros.model.cost import FlopCount
from gemdepth_ros.model.dpt_head import resize

MS = 1e3
MB = 1e6
FRAME_NS = 100_000_000
ROUNDS_OF_STAGE = {'camera head': ROUNDS}  # how often a step reads the stage's weights
OFFLINE_ROUNDS = 3


@dataclass
class Timing:
    """Per-frame times of one form [ms] and its peak memory above the start [MB]."""

    ms: list[float] = field(default_factory=list)
    peak_mb: float = float('nan')

    @property
    def median(self) -> float:
        """Median time [ms]; NaN when nothing was measured."""
        return statistics.median(self.ms) if self.ms else float('nan')


@dataclass
class Row:
    """Results for one window length."""

    window: int
    dense_ms: float
    sliding_ms: float
    causal_ms: float
    causal_mean_ms: float
    causal_slowest_slot_over_median: float
    dense_over_sliding: float
    dense_over_sliding_flops: float
    dense_over_causal: float
    dense_over_causal_flops: float
    offline_ms: float
    offline_plain_ms: float
    plain_over_offline: float
    plain_over_offline_flops: float
    offline_difference: float
    peak_mb: dict[str, float]
    stream_mb: dict[str, float]


def main() -> None:
    """Run the benchmark and print the table."""
    args = arguments()
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    dtype = getattr(torch, args.dtype)
    model = build_gemdepth(args.preset, device=device, dtype=dtype)
    height, width = args.image
    size = network_size(height, width, args.input_size)
    frames = np.random.default_rng(0).integers(0, 255, (40, height, width, 3), np.uint8)
    console = Console(width=150)
    console.print(
        f'{args.preset}, {args.dtype}, {machine(device)}, network input {size[1]}x{size[0]}'
    )
    rows = [measure(model, frames, args.input_size, T, args.rounds) for T in args.windows]
    console.print(table(rows))
    console.print(flop_table(model, size, args.windows))
    limits = Limits.of(model)
    console.print(floor_table(model, size, args.windows, limits))
    if args.json:
        result = {
            'machine': machine(device),
            'torch': torch.__version__,
            'threads': args.threads,
            'preset': args.preset,
            'dtype': args.dtype,
            'network_size': size,
            'limits': asdict(limits),
            'rows': [asdict(row) for row in rows],
        }
        Path(args.json).write_text(json.dumps(result, indent=2) + '\n', encoding='utf-8')


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--preset', default='small', help='network (default: small)')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--dtype', default='float32', choices=('float32', 'bfloat16', 'float16'))
    parser.add_argument('--windows', type=int, nargs='+', default=[4, 8, 16, 32])
    parser.add_argument('--image', type=int, nargs=2, default=(375, 1242), metavar=('H', 'W'))
    parser.add_argument('--input-size', type=int, default=130, help='130 gives 70x238 on KITTI')
    parser.add_argument('--rounds', type=int, default=7, help='dense steps per window length')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--json', help='write the results here as well')
    return parser.parse_args()


def machine(device: torch.device) -> str:
    """Name of the processor or GPU."""
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    info = Path('/proc/cpuinfo')
    names = [line for line in info.read_text().splitlines() if line.startswith('model name')]
    name = names[0].split(':', 1)[1].strip() if names else platform.processor()
    return f'{name}, {torch.get_num_threads()} threads'


def measure(model: GemDepth, frames: np.ndarray, input_size: int, window: int, rounds: int) -> Row:
    """Let the forms take turns for one window length."""
    dense, sliding, causal = Timing(), Timing(), Timing()
    run_dense = dense_step(model, frames, input_size, window)
    run_sliding, sliding_bytes = stream_step(model, frames, input_size, 'sliding', window)
    run_causal, causal_bytes = stream_step(model, frames, input_size, 'causal', window)
    plan = SegmentPlan.of(window)
    per_round = -(-3 * (window - len(plan.key_slots)) // rounds)  # three segments in all
    for _ in range(rounds):
        timed(dense, model, run_dense)
        for _ in range(2):
            timed(sliding, model, run_sliding)
        for _ in range(per_round):
            timed(causal, model, run_causal)
    offline, plain, difference = offline_forms(model, frames, input_size, window)
    for timing, run in ((dense, run_dense), (sliding, run_sliding), (causal, run_causal)):
        with peak_memory(timing, model):
            run()
    flops = FlopCount(model.config, *network_size(*frames.shape[1:3], input_size))
    total = {
        'dense': sum(flops.dense(window).values()),
        'sliding': sum(flops.sliding(window).values()),
        'causal': typical_causal(flops, plan),
    }
    return Row(
        window,
        dense.median,
        sliding.median,
        causal.median,
        statistics.mean(causal.ms),
        slowest_slot(causal.ms, window - len(plan.key_slots)) / causal.median,
        dense.median / sliding.median,
        total['dense'] / total['sliding'],
        dense.median / causal.median,
        total['dense'] / total['causal'],
        offline.median,
        plain.median,
        plain.median / offline.median,
        offline_flops(flops, window),
        difference,
        {
            'dense': dense.peak_mb,
            'sliding': sliding.peak_mb,
            'causal': causal.peak_mb,
            'offline': offline.peak_mb,
            'offline plain': plain.peak_mb,
        },
        {'sliding': sliding_bytes / MB, 'causal': causal_bytes / MB},
    )


def slowest_slot(ms: list[float], period: int) -> float:
    """Largest median time of a slot over the segments [ms].

    What a seam costs comes back at the same slot in every segment; a slow moment does not.
    """
    return max(statistics.median(ms[slot::period]) for slot in range(period))


def typical_causal(flops: FlopCount, plan: SegmentPlan) -> float:
    """FLOPs of the median frame in steady state.

    A frame that seeds the next segment costs twice what follows the encoder.
    """
    costs = []
    for slot in range(len(plan.key_slots), plan.slots):
        step = flops.causal(slot + 1)
        encoder = step.pop('encoder')
        costs.append(encoder + (1 if plan.seed_slot(slot) is None else 2) * sum(step.values()))
    return statistics.median(costs)


def offline_flops(flops: FlopCount, window: int) -> float:
    """Ratio of FLOPs, plain over lean."""
    step = WindowConfig.preset(window).step if window in (8, 16, 32) else window
    plain, lean = flops.dense(window), flops.windowed(window, step)
    return sum(plain.values()) / sum(lean.values())


def timed(timing: Timing, model: GemDepth, run: Callable[[], object]) -> None:
    """Add one timed call."""
    synchronise(model)
    start = time.perf_counter()
    run()
    synchronise(model)
    timing.ms.append((time.perf_counter() - start) * MS)


def synchronise(model: GemDepth) -> None:
    """Wait for the GPU."""
    if model.device.type == 'cuda':
        torch.cuda.synchronize(model.device)


def dense_step(
    model: GemDepth, frames: np.ndarray, input_size: int, window: int
) -> Callable[[], object]:
    """Prepare re-running the whole window for one new frame (the others are preprocessed)."""
    size = network_size(*frames.shape[1:3], input_size)
    clip = np.stack([preprocess(frames[i % len(frames)], size) for i in range(window)])
    images = torch.from_numpy(clip)[None].to(model.device)

    @torch.inference_mode()
    def run() -> object:
        images[0, -1] = torch.from_numpy(preprocess(frames[0], size)).to(model.device)
        return model(images).disparity_BTHW[0, -1].cpu()

    run()
    return run


def stream_step(
    model: GemDepth, frames: np.ndarray, input_size: int, mode: str, window: int
) -> tuple[Callable[[], object], int]:
    """Bring a session into its steady state; return its step and the bytes it holds."""
    config = StreamingConfig(mode=mode, window=window, input_size=input_size)
    session = StreamSession(model, config)
    number = 0

    def run() -> object:
        nonlocal number
        number += 1
        output = session.step(VideoFrame(frames[number % len(frames)], number * FRAME_NS))
        assert output is not None
        return output.disparity_HW.cpu()

    for _ in range(window + 1):
        run()
    return run, session.nbytes


def offline_forms(
    model: GemDepth, frames: np.ndarray, input_size: int, window: int
) -> tuple[Timing, Timing, float]:
    """Time the published windows in both forms over three windows of a video."""
    lean, plain = Timing(), Timing()
    if window not in (8, 16, 32):
        return lean, plain, float('nan')
    config = WindowConfig.preset(window)
    count = config.length + 2 * config.step
    video = [frames[i % len(frames)] for i in range(count)]
    results = {}
    stacked = np.stack(video)
    forms = (
        (lean, lambda: WindowedPredictor(model, config).predict(stacked, input_size)),
        (plain, lambda: plain_windows(model, video, input_size, config)),
    )
    for timing, run in forms * OFFLINE_ROUNDS:
        with peak_memory(timing, model):
            synchronise(model)
            start = time.perf_counter()
            result = run()
            synchronise(model)
            timing.ms.append((time.perf_counter() - start) * MS / count)
        results[id(timing)] = getattr(result, 'disparity_THW', result)
    first, second = results[id(lean)], results[id(plain)]
    return lean, plain, float(np.linalg.norm(first - second) / np.linalg.norm(second))


@torch.inference_mode()
def plain_windows(
    model: GemDepth, video: list[np.ndarray], input_size: int, config: WindowConfig
) -> np.ndarray:
    """Run the published procedure without keeping anything between windows: [T, H, W]."""
    size = network_size(*video[0].shape[:2], input_size)
    stitcher, parts = Stitcher(config), []
    window = list(range(config.length))
    number = 0
    while number * config.step < len(video):
        shown = [video[min(index, len(video) - 1)] for index in window]
        images = torch.from_numpy(np.stack([preprocess(frame, size) for frame in shown]))
        output = model(images[None].to(model.device), chunk=config.length)
        disparity = resize(output.disparity_BTHW, video[0].shape[:2])[0].cpu().numpy()
        parts.append(stitcher.add(disparity))
        window = next_window(window, config)
        number += 1
    parts.append(stitcher.finish())
    return np.concatenate(parts)[: len(video)]


@contextmanager
def peak_memory(timing: Timing, model: GemDepth) -> Iterator[None]:
    """Record the peak above the start: the GPU's allocator, or the process's resident size."""
    gc.collect()
    if model.device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(model.device)
        start = torch.cuda.memory_allocated(model.device)
        yield
        timing.peak_mb = (torch.cuda.max_memory_allocated(model.device) - start) / MB
        return
    ctypes.CDLL('libc.so.6').malloc_trim(0)
    start, peak, stop = resident(), [resident()], threading.Event()

    def watch() -> None:
        while not stop.wait(0.002):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
    timing.peak_mb = (max(peak[0], resident()) - start) / MB


def resident() -> int:
    """Resident memory of this process [byte]."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * 4096


def table(rows: list[Row]) -> Table:
    """Times, ratios and memory."""
    shown = Table(
        title='ms per frame (median), ratios (measured / FLOPs), peak memory above start'
    )
    for name in (
        'T', 'dense', 'sliding', 'causal', 'mean', 'slot/median', 'dense/sliding',
        'dense/causal', 'offline', 'plain', 'plain/offline', 'peak MB d | s | c | o | p', 'held',
    ):  # fmt: skip
        shown.add_column(name, justify='right')
    for row in rows:
        shown.add_row(
            str(row.window),
            f'{row.dense_ms:.0f}',
            f'{row.sliding_ms:.0f}',
            f'{row.causal_ms:.0f}',
            f'{row.causal_mean_ms:.0f}',
            f'{row.causal_slowest_slot_over_median:.2f}',
            f'{row.dense_over_sliding:.2f} / {row.dense_over_sliding_flops:.2f}',
            f'{row.dense_over_causal:.1f} / {row.dense_over_causal_flops:.1f}',
            f'{row.offline_ms:.0f}',
            f'{row.offline_plain_ms:.0f}',
            f'{row.plain_over_offline:.2f} / {row.plain_over_offline_flops:.2f}',
            ' | '.join(f'{value:.0f}' for value in row.peak_mb.values()),
            ' | '.join(f'{value:.0f}' for value in row.stream_mb.values()),
        )
    return shown


def flop_table(model: GemDepth, size: tuple[int, int], windows: list[int]) -> Table:
    """GFLOP per step and stage."""
    shown = Table(title='GFLOP per frame')
    count = FlopCount(model.config, *size)
    stages = list(count.dense(1))
    for name in ('T', 'form', *stages, 'sum'):
        shown.add_column(name, justify='right')
    for window in windows:
        for form, step in (
            ('dense', count.dense(window)),
            ('sliding', count.sliding(window)),
            ('causal, last slot', count.causal(window)),
        ):
            cells = [f'{step[stage] / 1e9:.2f}' for stage in stages]
            shown.add_row(str(window), form, *cells, f'{sum(step.values()) / 1e9:.2f}')
    return shown


@dataclass(frozen=True)
class Limits:
    """What this machine reaches at best, measured here.

    Attributes:
        gflops: rate of large matrix products in the network's precision [GFLOP/s].
        gbps: rate at which weights come from memory to a single token [GB/s].
    """

    gflops: float
    gbps: float

    @classmethod
    def of(cls, model: GemDepth) -> Limits:
        """Time matrix products with many tokens, and with one."""
        width = model.config.encoder.width
        many = torch.randn(4096, width, device=model.device, dtype=model.dtype)
        weights = [
            torch.randn(4 * width, width, device=model.device, dtype=model.dtype)
            for _ in range(max(1, 400_000_000 // (4 * width * width * many.element_size())))
        ]
        few = weights[:8]
        product = best_seconds(model, lambda: [many @ w.T for w in few])
        reading = best_seconds(model, lambda: [many[:1] @ w.T for w in weights])
        return cls(
            2 * many.numel() * 4 * width * len(few) / product / 1e9,
            sum(w.nbytes for w in weights) / reading / 1e9,
        )

    def floor_ms(self, flops: dict[str, float], weight_bytes: dict[str, float]) -> float:
        """Time that no implementation of these stages can go below here [ms]."""
        slowest = (
            max(flops[stage] / self.gflops, weight_bytes[stage] / self.gbps) for stage in flops
        )
        return sum(slowest) / 1e9 * MS


def best_seconds(model: GemDepth, run: Callable[[], object]) -> float:
    """Shortest of five calls [s]."""
    timing = Timing()
    for _ in range(6):
        timed(timing, model, run)
    return min(timing.ms[1:]) / MS


def weight_bytes(model: GemDepth) -> dict[str, float]:
    """Bytes of weights that one step reads, by stage."""
    geometry, astt, head = model.geometry, model.astt, model.head
    parts = {
        'encoder': [model.encoder],
        'frame block': [geometry.frame_block],
        'global block': [geometry.global_block],
        'camera head': [model.camera_head, model.pose_features],
        'spatial': [astt.spatial_blocks],
        'time': [astt.time_blocks],
        'motion': [head.motion_modules],
        'head': [head.projects, head.resizes, head.reduce, head.fusions],
    }
    return {
        stage: sum(p.nbytes for part in modules for p in part.parameters())
        * ROUNDS_OF_STAGE.get(stage, 1)
        for stage, modules in parts.items()
    }


def floor_table(
    model: GemDepth, size: tuple[int, int], windows: list[int], limits: Limits
) -> Table:
    """The least that a step can take on this machine, and the ratios that follow from it."""
    shown = Table(
        title=f'floor [ms]: {limits.gflops:.0f} GFLOP/s and {limits.gbps:.1f} GB/s measured here'
    )
    for name in ('T', 'dense', 'sliding', 'causal', 'dense/sliding', 'dense/causal'):
        shown.add_column(name, justify='right')
    count, read = FlopCount(model.config, *size), weight_bytes(model)
    for window in windows:
        middle = (SegmentPlan.of(window).slots + len(SegmentPlan.of(window).key_slots)) // 2
        forms = (count.dense(window), count.sliding(window), count.causal(max(middle, 1)))
        dense, sliding, causal = (limits.floor_ms(form, read) for form in forms)
        shown.add_row(
            str(window),
            *(f'{value:.1f}' for value in (dense, sliding, causal)),
            f'{dense / sliding:.1f}',
            f'{dense / causal:.1f}',
        )
    return shown


if __name__ == '__main__':
    main()
