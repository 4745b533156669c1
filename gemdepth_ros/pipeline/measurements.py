"""Counts, latency and rate of a stream; safe to read from other threads."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FrameCounts:
    """Where the frames are. ``received = processed + dropped + rejected + failed + pending``.

    Attributes:
        received: arrived, or known to be lost on the way.
        processed: an output was published.
        dropped: passed over for a newer one, or lost on the way.
        lost: the part of ``dropped`` that was lost before it arrived.
        rejected: could not be decoded.
        failed: the output was withheld.
    """

    received: int = 0
    processed: int = 0
    dropped: int = 0
    lost: int = 0
    rejected: int = 0
    failed: int = 0

    @property
    def pending(self) -> int:
        """Frames that wait or are in work."""
        return self.received - self.processed - self.dropped - self.rejected - self.failed


@dataclass(frozen=True)
class DeviceMemory:
    """Memory of the device that the network runs on [bytes].

    Attributes:
        used: by tensors of this process.
        peak: the most of that so far.
        free: on the device, for whatever process.
        total: of the device.
    """

    used: int
    peak: int
    free: int
    total: int


class FrameCounter:
    """Count the frames of a stream; each one is counted in exactly one way out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = FrameCounts()

    def arrived(self, lost_before: int = 0) -> None:
        """Count one frame that arrived and ``lost_before`` ones that did not."""
        self._add(received=1 + lost_before, dropped=lost_before, lost=lost_before)

    def dropped(self, count: int = 1) -> None:
        """Count arrived frames that nobody will look at."""
        self._add(dropped=count)

    def processed(self) -> None:
        """Count a frame whose output was published."""
        self._add(processed=1)

    def rejected(self) -> None:
        """Count a frame that could not be decoded."""
        self._add(rejected=1)

    def failed(self) -> None:
        """Count a frame whose output was withheld."""
        self._add(failed=1)

    def snapshot(self) -> FrameCounts:
        """Return the counts of one moment."""
        return self._counts  # replaced as a whole, never changed in place

    def _add(self, **increments: int) -> None:
        with self._lock:
            values = {name: getattr(self._counts, name) + n for name, n in increments.items()}
            self._counts = FrameCounts(**{**vars(self._counts), **values})


class LatencyWindow:
    """Latencies of the last ``capacity`` frames [ms]."""

    def __init__(self, capacity: int = 200) -> None:
        self._values: deque[float] = deque(maxlen=capacity)
        self._lock = threading.Lock()

    def add(self, latency_ms: float) -> None:
        """Add the latency of the newest frame."""
        with self._lock:
            self._values.append(latency_ms)

    def summary(self) -> LatencySummary:
        """Return the newest latency and the percentiles; NaN when there is none."""
        with self._lock:
            values = tuple(self._values)
        if not values:
            return LatencySummary()
        p50, p99 = np.percentile(values, (50, 99))
        return LatencySummary(values[-1], float(p50), float(p99))


@dataclass(frozen=True)
class LatencySummary:
    """Latency of the newest frame and percentiles of the last ones [ms]."""

    newest_ms: float = math.nan
    p50_ms: float = math.nan
    p99_ms: float = math.nan


class RateMeter:
    """Rate of events over the last ``capacity`` of them."""

    def __init__(self, capacity: int = 50) -> None:
        self._times_s: deque[float] = deque(maxlen=capacity)
        self._lock = threading.Lock()

    def add(self, time_s: float) -> None:
        """Note an event at ``time_s`` on a steady clock."""
        with self._lock:
            self._times_s.append(time_s)

    @property
    def last_s(self) -> float | None:
        """Time of the newest event, or None."""
        with self._lock:
            return self._times_s[-1] if self._times_s else None

    def rate_hz(self, now_s: float) -> float:
        """Return events per second; it falls towards 0 once they stop coming."""
        with self._lock:
            times = tuple(self._times_s)
        if len(times) < 2:
            return 0.0
        span = max(times[-1], now_s - (times[-1] - times[0]) / (len(times) - 1)) - times[0]
        return (len(times) - 1) / span if span > 0 else 0.0
