"""Rates that a device reaches, and which share of them each stage of the network gets."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from gemdepth_ros.model import GemDepth
from gemdepth_ros.model.cost import Stages

# Stages of ``FlopCount`` by the parts of the paper's figure.
PARTS = {
    'encoder': ('encoder',),
    'GEM': ('frame block', 'global block', 'camera head'),
    'ASTT': ('spatial', 'time'),
    'head': ('motion', 'head'),
}
REPEATS = 8


@dataclass(frozen=True)
class Rates:
    """What large operations reach on this device, measured here.

    Attributes:
        tflops: matrix products in the network's precision [TFLOP/s].
        gbps: reading and writing memory [GB/s].
    """

    tflops: float
    gbps: float


def measure_rates(device: torch.device, dtype: torch.dtype) -> Rates:
    """Time large matrix products and a large copy; the best of some repetitions counts."""
    sides = (8192, 16384) if device.type == 'cuda' else (512, 1024)
    tflops = 0.0
    for side in sides:
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        seconds = best_seconds(lambda a=a, b=b: a @ b, device)  # type: ignore[misc]
        tflops = max(tflops, 2 * side**3 / seconds / 1e12)
    values = torch.zeros(2**28 if device.type == 'cuda' else 2**24, device=device)
    target = torch.empty_like(values)
    seconds = best_seconds(lambda: target.copy_(values), device)
    return Rates(tflops, 2 * values.nbytes / seconds / 1e9)


def best_seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return the shortest of ``REPEATS`` calls [s]; the first one warms up and does not count."""
    times = []
    for _ in range(REPEATS + 1):
        synchronise(device)
        start = time.perf_counter()
        work()
        synchronise(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def synchronise(device: torch.device) -> None:
    """Wait for the GPU."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


class StageClock:
    """Adds up the time in each part of a network while it is entered.

    Methods of the network's modules are replaced by timed ones; what they call among themselves
    counts for the outermost. On a GPU events in the stream are used, which wait for nothing.

    Args:
        model: the network.
    """

    def __init__(self, model: GemDepth) -> None:
        self._device = model.device
        self._depth = 0
        self._spans: list[tuple[str, Any, Any]] = []
        geometry, head = model.geometry, model.camera_head
        self._methods: list[tuple[str, Any, str]] = [
            ('encoder', model, 'encode'),
            *(('GEM', geometry, name) for name in ('forward', 'frame_tokens')),
            *(('GEM', geometry, name) for name in ('global_key_value', 'camera_features')),
            *(('GEM', head, name) for name in ('forward', 'step')),
            ('GEM', model, 'inject_pose'),
            *(('ASTT', model.astt, name) for name in ('forward', 'embed', 'step')),
            *(('head', model.head, name) for name in ('forward', 'level_map', 'coarse', 'fine')),
        ]

    def __enter__(self) -> StageClock:
        """Begin to time."""
        for stage, owner, name in self._methods:
            setattr(owner, name, self._timed(stage, getattr(owner, name)))
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the network as it was."""
        for _, owner, name in self._methods:
            delattr(owner, name)  # the class's own method shows again

    def milliseconds(self) -> dict[str, float]:
        """Return the time in each part so far [ms]."""
        synchronise(self._device)
        total = dict.fromkeys(PARTS, 0.0)
        for stage, start, end in self._spans:
            cuda = self._device.type == 'cuda'
            total[stage] += start.elapsed_time(end) if cuda else (end - start) * 1e3
        return total

    def _timed(self, stage: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            if self._depth:
                return method(*args, **kwargs)
            self._depth += 1
            start = self._now()
            try:
                return method(*args, **kwargs)
            finally:
                self._spans.append((stage, start, self._now()))
                self._depth -= 1

        return run

    def _now(self) -> Any:
        if self._device.type != 'cuda':
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event


def by_part(stages: Stages) -> dict[str, float]:
    """Sum the FLOPs of the stages of each part."""
    return {part: sum(stages[name] for name in names) for part, names in PARTS.items()}
