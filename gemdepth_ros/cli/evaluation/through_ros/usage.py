"""What a process costs, by the kernel's own books (Linux /proc)."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import Self

PERIOD_S = 0.25
MAX_SAMPLES = 20_000  # over an hour


@dataclass(frozen=True)
class Usage:
    """What a process cost while it was watched.

    Attributes:
        mean_percent: CPU time per second; 100 is one core.
        max_percent: in the busiest quarter of a second.
        overall_percent: of all cores of the machine, by all processes, mean.
        overall_max_percent: largest.
        peak_mib: largest resident memory of the process since its start [MiB].
    """

    mean_percent: float
    max_percent: float
    overall_percent: float
    overall_max_percent: float
    peak_mib: float


class UsageWatch:
    """Context manager that watches a process; NaN where there is no /proc."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._samples: list[tuple[float, float, float, float]] = []
        self._peak_kib = float('nan')
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name='usage', daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def begin(self) -> None:
        """Forget the CPU time until now; the peak of memory stays."""
        self._samples = self._samples[-1:]

    @property
    def usage(self) -> Usage:
        """What was seen so far."""
        if len(self._samples) < 2:
            return Usage(*(float('nan'),) * 4, self._peak_kib / 1024)
        rows = np.array(self._samples)
        steps = np.diff(rows, axis=0)
        whole = rows[-1] - rows[0]
        percent = 100 * steps[:, 1] / steps[:, 0]
        overall = 100 * steps[:, 2] / np.maximum(steps[:, 3], 1e-9)
        return Usage(
            float(100 * whole[1] / whole[0]),
            float(percent.max()),
            float(100 * whole[2] / max(whole[3], 1e-9)),
            float(overall.max()),
            self._peak_kib / 1024,
        )

    def _watch(self) -> None:
        while True:
            try:
                self._sample()
            except (OSError, ValueError, IndexError):
                return  # the process has ended, or this is no Linux
            if self._stopping.wait(PERIOD_S):
                return

    def _sample(self) -> None:
        tick = os.sysconf('SC_CLK_TCK')
        # The name in brackets may hold spaces.
        words = Path(f'/proc/{self._pid}/stat').read_text().rpartition(')')[2].split()
        own_s = (int(words[11]) + int(words[12])) / tick
        times = [int(word) for word in Path('/proc/stat').read_text().split('\n')[0].split()[1:9]]
        idle = times[3] + times[4]
        total = sum(times)
        for line in Path(f'/proc/{self._pid}/status').read_text().splitlines():
            if line.startswith('VmHWM:'):
                self._peak_kib = float(line.split()[1])
        if len(self._samples) < MAX_SAMPLES:
            self._samples.append((time.monotonic(), own_s, (total - idle) / tick, total / tick))
