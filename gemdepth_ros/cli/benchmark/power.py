"""Joules from a counter that is read, or from a power sensor that is watched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Meter(Protocol):
    """Says how many joules have been used since some moment in the past."""

    @property
    def source(self) -> str:
        """What is measured, for the table."""

    def joules(self) -> float:
        """Return the count [J]; differences have a meaning."""

    def close(self) -> None:
        """Stop measuring."""


@dataclass(frozen=True)
class CounterMeter:
    """A counter of energy that only has to be read.

    Attributes:
        source: what it counts.
        read: returns the count so far [J].
    """

    source: str
    read: Callable[[], float]

    def joules(self) -> float:
        """Return the count [J]."""
        return self.read()

    def close(self) -> None:
        """Nothing runs."""


class WrappingCounter:
    """Goes on counting where a counter of the kernel starts again at zero.

    Args:
        read: the raw count.
        period: count at which it starts again; one reading per period is needed.
    """

    def __init__(self, read: Callable[[], int], period: int) -> None:
        self._read, self._period = read, period
        self._last, self._sum = read(), 0

    def total(self) -> int:
        """Return what was counted since the beginning."""
        now = self._read()
        self._sum += (now - self._last) % self._period
        self._last = now
        return self._sum


class SampledMeter:
    """Adds up the power that a sensor shows, by the trapezoidal rule, in a thread of its own.

    Args:
        source: what is measured.
        watts: reads the sensor [W].
        period_s: time between two readings [s].
    """

    def __init__(self, source: str, watts: Callable[[], float], period_s: float) -> None:
        self.source = source
        self._watts, self._period_s = watts, period_s
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._time, self._power, self._sum = time.monotonic(), watts(), 0.0
        self._thread = threading.Thread(target=self._watch, name='power', daemon=True)
        self._thread.start()

    def joules(self) -> float:
        """Read the sensor once more and return the sum [J]."""
        with self._lock:
            power, now = self._watts(), time.monotonic()
            self._sum += (now - self._time) * (power + self._power) / 2
            self._time, self._power = now, power
            return self._sum

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._period_s):
            self.joules()
