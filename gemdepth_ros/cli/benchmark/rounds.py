"""Fair rounds: the runs take turns, so that a slow moment of the machine hits all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gemdepth_ros.cli.benchmark.power import Meter

ROUNDS = 5  # that the time is cut into
MS = 1e3


class Run(Protocol):
    """Something that processes ``frames`` frames per call."""

    @property
    def frames(self) -> int:
        """New frames per call."""

    def __call__(self) -> None:
        """Process them; all results have arrived when it returns."""


@dataclass
class Samples:
    """Times of one run.

    Attributes:
        ms: time per frame of each call [ms].
        frames: new frames in all calls.
        joules: energy of all calls [J]; None without a meter.
    """

    ms: list[float] = field(default_factory=list)
    frames: int = 0
    joules: float | None = None


def take_turns(
    runs: Sequence[Run],
    seconds: float,
    meter: Meter | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Samples]:
    """Let the runs take turns for about ``seconds``; every run gets at least one call.

    Each round gives every run the same slice of time and begins with another run. No round is
    begun that would, as long as the one before it, end after the time.
    """
    results = [Samples() for _ in runs]
    slice_s = seconds / (len(runs) * ROUNDS) if runs else 0.0
    start = round_start = clock()
    last = 0.0
    number = 0
    while runs and (number == 0 or clock() - start + last <= seconds):
        round_start = clock()
        for offset in range(len(runs)):
            index = (number + offset) % len(runs)
            _slice(runs[index], results[index], slice_s, meter, clock)
        last = clock() - round_start
        number += 1
    return results


def _slice(
    run: Run, samples: Samples, slice_s: float, meter: Meter | None, clock: Callable[[], float]
) -> None:
    before = meter.joules() if meter else 0.0
    begin = clock()
    while True:
        start = clock()
        run()
        end = clock()
        samples.ms.append((end - start) * MS / run.frames)
        samples.frames += run.frames
        if end - begin >= slice_s:
            break
    if meter:
        samples.joules = (samples.joules or 0.0) + meter.joules() - before
