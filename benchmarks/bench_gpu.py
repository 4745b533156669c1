"""All GPU aims in one run of under eight minutes: what was aimed at beside what was measured.

    python benchmarks/bench_gpu.py --json gpu.json                 # on an H200, as the aims ask
    python benchmarks/bench_gpu.py --device cpu --preset tiny --size 28x42 --seconds 20  # a trial

Times are of single new frames, preprocessing and the copy of the map to the host included. Peak
memory is the allocator's, weights included. Random weights cost what trained ones do; for the
distance of bfloat16 from float32 ``--weights`` gives trained ones. Nothing is begun that may not
end in time (``--seconds``); what was left out is listed.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from gpu_stages import Rates, StageClock, by_part, measure_rates
from rich.console import Console
from rich.table import Table

from gemdepth_ros.cli.benchmark.cases import Case, size
from gemdepth_ros.cli.benchmark.forms import Stream, maps_of, prepare
from gemdepth_ros.cli.benchmark.machine import (
    describe_device,
    describe_packages,
    describe_system,
)
from gemdepth_ros.cli.benchmark.memory import MemoryWatch
from gemdepth_ros.cli.benchmark.pictures import Pictures
from gemdepth_ros.cli.benchmark.rounds import take_turns
from gemdepth_ros.errors import GemDepthError
from gemdepth_ros.inference.device import DTYPES
from gemdepth_ros.inference.preprocessing import preprocess
from gemdepth_ros.inference.segments import SegmentPlan
from gemdepth_ros.model import GemDepth, build_gemdepth
from gemdepth_ros.model.cost import FlopCount, Stages

GB = 1e3  # MB
CAUSAL, SLIDING, OFFLINE = 'causal', 'sliding', 'offline'
WIDTH = 120
AIMED_AT = {'preset': 'vitl', 'dtype': 'bfloat16', 'size': '(280, 924)'}
TIMED_SHARE = 1 / 12  # of the time, for the rounds of the three forms
SHARES = (0.02, 0.15, 0.05, 0.05, 0.05)  # of the time that each part may need
PRECISION_AIM = 'half precision from float32, relative L2'
BACKEND_AIM = 'best backend over eager, causal T=32'
COMPARED_FRAMES = 8
MET, MISSED, UNKNOWN, OTHER = 'met', 'missed', 'not measured', 'not for this machine'


@dataclass(frozen=True)
class Aim:
    """One line of the result.

    Attributes:
        name: what is measured.
        limit: the aim.
        at_least: whether more is better.
        unit: of both numbers.
    """

    name: str
    limit: float
    unit: str
    at_least: bool = False

    def verdict(self, value: float | None, *, here: bool) -> str:
        """Say whether a value meets the aim; ``here``: on what the aim is for."""
        if value is None:
            return UNKNOWN
        if not here:
            return OTHER
        return MET if (value >= self.limit if self.at_least else value <= self.limit) else MISSED


AIMS = (
    Aim('causal T=32: time per frame', 8.0, 'ms'),
    Aim('causal T=32: peak memory', 4.0, 'GB'),
    Aim('sliding T=8: time per frame', 15.0, 'ms'),
    Aim('offline T=32: time per new frame', 12.0, 'ms'),
    Aim('offline T=32: peak memory', 10.0, 'GB'),
    Aim(PRECISION_AIM, 5e-3, ''),
    Aim(BACKEND_AIM, 1.5, 'times', at_least=True),
)


@dataclass
class Result:
    """Everything that was measured."""

    machine: dict[str, str]
    packages: dict[str, str]
    settings: dict[str, Any]
    values: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    rates: Rates | None = None
    stages: list[dict[str, Any]] = field(default_factory=list)
    backends: dict[str, dict[str, float]] = field(default_factory=dict)
    seconds: float = 0.0


class Session:
    """One run of the script: the network, the time that is left, and the result."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.device = torch.device(args.device)
        self.dtype = DTYPES[args.dtype]
        self.deadline = time.monotonic() + args.seconds
        settings = {
            name: str(getattr(args, name)) for name in ('preset', 'dtype', 'size', 'weights')
        }
        self.result = Result(describe_system(), describe_packages(), settings)
        self.model = self.build(self.dtype)

    @property
    def left_s(self) -> float:
        """Time that is left [s]."""
        return self.deadline - time.monotonic()

    def build(self, dtype: torch.dtype) -> GemDepth:
        """Build the network; the seeded weights are the same in every precision."""
        weights = self.args.weights or None
        return build_gemdepth(self.args.preset, weights, self.device, dtype)

    def case(self, mode: str, window: int, backend: str = 'eager') -> Case:
        """Name a run of this script's network and size."""
        return Case(self.args.preset, self.args.dtype, *self.args.size, mode, window, backend)

    def part(self, name: str, needs_s: float, work: Callable[[], None]) -> None:
        """Do one part if there is time for it; one that fails ends no other."""
        if self.left_s < needs_s:
            self.result.notes.append(f'{name}: left out, {self.left_s:.0f} s were left')
            return
        start = time.monotonic()
        try:
            work()
        except (GemDepthError, RuntimeError) as error:  # CUDA's own and lack of memory as well
            lines = str(error).splitlines()
            self.result.notes.append(f'{name}: {lines[0] if lines else type(error).__name__}')
        gc.collect()
        if self.device.type == 'cuda':
            torch.cuda.empty_cache()
        self.result.notes.append(f'{name}: {time.monotonic() - start:.0f} s')

    def rates(self) -> None:
        """Measure what the device reaches at best."""
        self.result.rates = measure_rates(self.device, self.dtype)

    def memory(self) -> None:
        """Peak memory of each form by itself."""
        if self.device.type != 'cuda':
            self.result.notes.append('peak memory: of a CPU, gemdepth-ros bench measures it')
            return
        for mode, window in ((CAUSAL, 32), (OFFLINE, 32), (SLIDING, 8)):
            watch = MemoryWatch(self.device)
            form = prepare(self.model, self.case(mode, window))
            for _ in range(2):
                form()
            self.result.values[f'{mode} T={window}: peak memory'] = watch.result().peak_mb / GB
            del form

    def times(self) -> None:
        """Let the three forms take turns."""
        cases = [self.case(*form) for form in ((CAUSAL, 32), (SLIDING, 8), (OFFLINE, 32))]
        names = ('time per frame', 'time per frame', 'time per new frame')
        forms = [prepare(self.model, case) for case in cases]
        for case, name, samples in zip(
            cases, names, take_turns(forms, self.args.seconds * TIMED_SHARE), strict=True
        ):
            median = statistics.median(samples.ms)
            self.result.values[f'{case.mode} T={case.window}: {name}'] = median

    def precision(self) -> None:
        """Compare a window's maps with those in float32."""
        pictures = Pictures(self.args.size)
        images = [preprocess(pictures[i], self.args.size) for i in range(COMPARED_FRAMES)]
        clip = torch.stack([torch.from_numpy(image) for image in images])[None].to(self.device)
        usual = torch.backends.cudnn.allow_tf32
        torch.backends.cudnn.allow_tf32 = False  # here alone: it would change the times to come
        try:
            with torch.inference_mode():
                half = maps_of(self.model, clip).double()
                full = maps_of(self.build(torch.float32), clip).double()
        finally:
            torch.backends.cudnn.allow_tf32 = usual
        distance = float((half - full).norm() / full.norm())
        self.result.values[PRECISION_AIM] = distance
        if not self.args.weights:
            self.result.notes.append(
                'half precision: random weights; trained ones may differ (--weights)'
            )

    def stages(self) -> None:
        """Time each part of the network in each form."""
        count = FlopCount(self.model.config, *self.args.size)
        self._causal_stages(count)
        for mode, window, flops in (
            (SLIDING, 8, count.sliding(8)),
            ('dense', 32, count.dense(32)),
        ):
            form = prepare(self.model, self.case(mode, window))
            calls = 1 if mode == 'dense' else 5
            with StageClock(self.model) as clock:
                for _ in range(calls):
                    form()
                self._add_stages(f'{mode} T={window}', clock.milliseconds(), flops, calls)

    def _causal_stages(self, count: FlopCount) -> None:
        """Frames of a new stream's first segment that seed nothing: their FLOPs are known."""
        plan = SegmentPlan.of(32)
        slots = range(plan.slots // 2, plan.new_frames)
        step = Stream(self.model, self.case(CAUSAL, 32)).step
        for _ in range(slots.start):
            step()
        with StageClock(self.model) as clock:
            for _ in slots:
                step()
            flops: Stages = {}
            for slot in slots:
                for stage, value in count.causal(slot + 1).items():
                    flops[stage] = flops.get(stage, 0.0) + value / len(slots)
            self._add_stages('causal T=32', clock.milliseconds(), flops, len(slots))

    def _add_stages(
        self, form: str, milliseconds: dict[str, float], flops: Stages, calls: int
    ) -> None:
        best = self.result.rates.tflops if self.result.rates else float('nan')
        for part, gflop in by_part(flops).items():
            ms = milliseconds[part] / calls
            tflops = gflop / ms / 1e9
            self.result.stages.append(
                {
                    'form': form,
                    'part': part,
                    'ms': ms,
                    'gflop': gflop / 1e9,
                    'tflops': tflops,
                    'share': tflops / best,
                }
            )

    def backend(self, name: str) -> None:
        """Let a backend and eager take turns in causal mode."""
        forms = [prepare(self.model, self.case(CAUSAL, 32, b)) for b in ('eager', name)]
        eager, fast = take_turns(forms, self.args.seconds * TIMED_SHARE / 2)
        ratio = statistics.median(eager.ms) / statistics.median(fast.ms)
        self.result.backends[name] = {'ms': statistics.median(fast.ms), 'over eager': ratio}
        best = self.result.values.get(BACKEND_AIM, 0.0)
        self.result.values[BACKEND_AIM] = max(best, ratio)


def main() -> None:
    """Measure everything, print the tables, write the JSON."""
    args = arguments()
    logging.getLogger('gemdepth_ros').setLevel(logging.CRITICAL)  # faults stand in the notes
    start = time.monotonic()
    session = Session(args)
    result = session.result
    parts = (session.rates, session.times, session.memory, session.precision, session.stages)
    for work, share in zip(parts, SHARES, strict=True):
        session.part(work.__name__, share * args.seconds, work)
    for name in args.backends:
        session.part(f'backend {name}', args.backend_seconds, partial(session.backend, name))
    result.machine |= describe_device(args.device)
    result.seconds = time.monotonic() - start
    show(result, Console(width=WIDTH, highlight=False))
    if args.json:
        values = asdict(result) | {'aims': aims_of(result)}
        args.json.write_text(json.dumps(values, indent=2) + '\n', encoding='utf-8')


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--device', default='cuda')
    add('--preset', default='vitl')
    add('--size', type=size, default=(280, 924), metavar='HxW', help='network input (280x924)')
    add('--dtype', default='bfloat16', choices=tuple(DTYPES))
    add('--weights', default='', metavar='FILE', help='default: seeded random numbers')
    add('--backends', nargs='*', default=['cudagraph', 'compile'], metavar='NAME')
    add('--backend-seconds', type=float, default=150.0, help='that a backend may take (150)')
    add('--seconds', type=float, default=450.0, help='for everything (450)')
    add('--json', type=Path, metavar='FILE', help='write everything here as well')
    return parser.parse_args()


def aims_of(result: Result) -> list[dict[str, Any]]:
    """Put what was measured beside the aims."""
    same = all(result.settings[name] == value for name, value in AIMED_AT.items())
    here = same and 'H200' in result.machine.get('gpu', '')
    rows = []
    for aim in AIMS:
        value = result.values.get(aim.name)
        rows.append({**asdict(aim), 'measured': value, 'verdict': aim.verdict(value, here=here)})
    return rows


def show(result: Result, console: Console) -> None:
    """Print what was measured."""
    facts = {**result.machine, **result.packages, **result.settings}
    console.print('; '.join(f'{name} {value}' for name, value in facts.items() if value))
    aims = Table('aim', 'limit', 'measured', 'verdict', title='aims for an H200, vitl, bfloat16')
    for row in aims_of(result):
        sign = '>=' if row['at_least'] else '<='
        value = row['measured']
        shown = '-' if value is None else f'{value:.3g} {row["unit"]}'
        aims.add_row(row['name'], f'{sign} {row["limit"]:g} {row["unit"]}', shown, row['verdict'])
    console.print(aims)
    if result.rates:
        console.print(
            f'matrix products {result.rates.tflops:.4g} TFLOP/s, memory {result.rates.gbps:.4g} '
            'GB/s, both measured here'
        )
    stages = Table('form', 'part', 'ms', 'GFLOP', 'TFLOP/s', 'share of the rate', title='roofline')
    for row in result.stages:
        numbers = (f'{row[name]:.4g}' for name in ('ms', 'gflop', 'tflops'))
        stages.add_row(row['form'], row['part'], *numbers, f'{row["share"]:.1%}')
    console.print(stages)
    for name, found in result.backends.items():
        console.print(f'{name}: {found["ms"]:.3g} ms, {found["over eager"]:.2f} times eager')
    for note in result.notes:
        console.print(note)
    console.print(f'{result.seconds:.0f} s in all')


if __name__ == '__main__':
    main()
