"""What a frame costs at least on devices that nobody measured: computed, and nothing else.

    python benchmarks/table_deployment.py            # Markdown, seconds, no GPU

FLOPs are those of ``gemdepth_ros.model.cost``. Bytes are the weights of one step, as often as it
reads them, and the keys, values and levels of the stream that it reads; values in between are left
out. The floor adds up, stage by stage, the longer of FLOPs over the device's rate and weights over
its memory's: no implementation can be faster, and real ones are slower by a factor that only a
measurement tells. The rates are the makers' figures, not measured.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import torch
from bench_streaming import typical_causal, weight_bytes

from gemdepth_ros.inference import StreamingConfig
from gemdepth_ros.inference.memory import stream_bytes
from gemdepth_ros.inference.segments import SegmentPlan
from gemdepth_ros.model import GemDepth, GemDepthConfig
from gemdepth_ros.model.cost import FlopCount, Stages


@dataclass(frozen=True)
class Device:
    """What a maker says of a device.

    Attributes:
        name: of the device.
        tflops: dense matrix products in half precision with float32 sums [TFLOP/s].
        gbps: memory bandwidth [GB/s].
        memory_gb: memory, on a Jetson shared with everything else [GB].
    """

    name: str
    tflops: float
    gbps: float
    memory_gb: int


# Jetsons: the makers give sparse INT8 (Orin) or sparse FP4 (Thor) rates of the GPU; dense half
# precision is a quarter of the one and an eighth of the other.
DEVICES = (
    Device('Orin Nano 8 GB (25 W)', 67 / 4, 102, 8),
    Device('Orin NX 16 GB', 60 / 4, 102, 16),
    Device('AGX Orin 64 GB', 170 / 4, 205, 64),
    Device('AGX Thor', 2070 / 8, 273, 128),
    Device('GeForce RTX 4060', 30, 272, 8),
    Device('GeForce RTX 4090', 165, 1008, 24),
    Device('H200', 989, 4800, 141),
)


@dataclass(frozen=True)
class Work:
    """One frame in one setting: FLOPs and bytes by stage."""

    name: str
    flops: Stages
    weights: dict[str, float]
    stream_read: float
    memory: float

    @classmethod
    def of(cls, preset: str, mode: str, window: int, size: tuple[int, int]) -> Work:
        """Compute a frame in the middle of a segment or a full window, in half precision."""
        config = GemDepthConfig.preset(preset)
        with torch.device('meta'):
            model = GemDepth(config).set_dtype(torch.float16)
        count = FlopCount(config, *size)
        if mode == 'causal':
            flops = count.causal(_middle_slot(window) + 1)
        elif mode == 'sliding':
            flops = count.sliding(window)
        else:
            flops = count.dense(window)
        weights = weight_bytes(model)
        held = 0
        if mode != 'dense':
            streaming = StreamingConfig(mode=mode, window=window)  # type: ignore[arg-type]
            held = stream_bytes(config, streaming, *size, torch.float16)
        read = held / 4 if mode == 'causal' else held  # one segment of two, half full
        name = f'{preset}, {mode}, T = {window}, {size[0]}x{size[1]}'
        parameters = sum(p.numel() * p.element_size() for p in model.parameters())
        return cls(name, flops, weights, read, parameters + held)

    @property
    def bytes(self) -> float:
        """Least that a frame reads [byte]."""
        return sum(self.weights.values()) + self.stream_read

    def floor_ms(self, device: Device) -> float:
        """Least time on a device [ms]."""
        rate, width = device.tflops * 1e12, device.gbps * 1e9
        stages = sum(max(self.flops[s] / rate, self.weights[s] / width) for s in self.flops)
        return 1e3 * max(stages, self.bytes / width)


def _middle_slot(window: int) -> int:
    plan = SegmentPlan.of(window)
    return (plan.slots + len(plan.key_slots)) // 2


WORK = (
    ('small', 'causal', 8, (140, 462)),
    ('vitl', 'causal', 8, (140, 462)),
    ('vitl', 'sliding', 8, (140, 462)),
    ('vitl', 'causal', 32, (280, 924)),
    ('vitl', 'sliding', 8, (280, 924)),
    ('vitl', 'dense', 8, (280, 924)),
)


def main() -> None:
    """Print both tables as Markdown."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    every = [Work.of(*work) for work in WORK]
    print('| setting | GFLOP per frame | bytes read per frame | weights and stream held |')
    print('| --- | --- | --- | --- |')
    for work in every:
        gflop = sum(work.flops.values()) / 1e9
        print(
            f'| {work.name} | {gflop:.0f} | {work.bytes / 1e9:.2f} GB | '
            f'{work.memory / 1e9:.2f} GB |'
        )
    seeded = FlopCount(GemDepthConfig.preset('vitl'), 140, 462)
    ratio = sum(seeded.dense(8).values()) / typical_causal(seeded, SegmentPlan.of(8))
    print(f'\nvitl, T = 8, 140x462: a dense window is {ratio:.1f} times a causal frame that seeds')
    print(f'\n| floor, computed [ms] | {" | ".join(device.name for device in DEVICES)} |')
    print(f'| --- |{" --- |" * len(DEVICES)}')
    for work in every:
        cells = [
            f'{work.floor_ms(device):.3g}' if work.memory < device.memory_gb * 1e9 else 'too large'
            for device in DEVICES
        ]
        print(f'| {work.name} | {" | ".join(cells)} |')
    rates = ', '.join(f'{d.name} {d.tflops:.3g} TFLOP/s and {d.gbps:g} GB/s' for d in DEVICES)
    print(f'\nRates assumed: {rates}.')


if __name__ == '__main__':
    main()
