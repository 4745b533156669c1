"""Bounded buffers of other sensors' messages, searched by the stamp of an image. No ROS types."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar('T')
LOOP_S = 1.0  # a stamp this much older than the newest one is a new start, not a late message


class StampedBuffer(Generic[T]):
    """The newest ``capacity`` values with their stamps, in order of their stamps.

    A stamp that goes back by more than ``LOOP_S`` begins anew (a bag loops, a clock is set); one
    that goes back by less is a late message, and is dropped and counted.
    """

    def __init__(self, capacity: int) -> None:
        self.late = 0
        self.arrived = 0
        self._newest_ns: int | None = None  # also of values that have been taken
        self._values: deque[tuple[int, T]] = deque(maxlen=capacity)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._values)

    def add(self, stamp_ns: int, value: T) -> None:
        """Keep a value."""
        with self._lock:
            self.arrived += 1
            newest = self._newest_ns
            if newest is not None and stamp_ns <= newest:
                if newest - stamp_ns <= LOOP_S * 1e9:
                    self.late += 1
                    return
                self._values.clear()
            self._newest_ns = stamp_ns
            self._values.append((stamp_ns, value))

    def nearest(self, stamp_ns: int) -> tuple[int, T] | None:
        """Return (stamp, value) of the value nearest to a stamp, or None."""
        with self._lock:
            return min(self._values, key=lambda entry: abs(entry[0] - stamp_ns), default=None)

    def take(self) -> list[tuple[int, T]]:
        """Return everything, oldest first, and forget it."""
        with self._lock:
            values = list(self._values)
            self._values.clear()
            return values
