"""What belongs to a frame: the message whose stamp is nearest, within a tolerance."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar('T')
CAPACITY = 4096  # items near one stamp; more is a topic of another kind


class NearestStamped(Generic[T]):
    """Walk along a stream of stamped items beside the frames; few of them in memory.

    Args:
        items: (stamp [ns], item), stamps ascending but for small disorder.
        tolerance_ns: largest difference that still belongs together [ns].
    """

    def __init__(self, items: Iterator[tuple[int, T]], tolerance_ns: int) -> None:
        self._items = items
        self._tolerance_ns = tolerance_ns
        self._near: deque[tuple[int, T]] = deque(maxlen=CAPACITY)
        self._ended = False

    def find(self, stamp_ns: int) -> T | None:
        """Return the nearest item, or None; stamps must be asked for in ascending order."""
        while not self._ended and (not self._near or self._near[-1][0] < self._end(stamp_ns)):
            self._pull(stamp_ns)
        while self._near and self._near[0][0] < stamp_ns - self._tolerance_ns:
            self._near.popleft()
        if not self._near:
            return None
        nearest_ns, item = min(self._near, key=lambda entry: abs(entry[0] - stamp_ns))
        return item if abs(nearest_ns - stamp_ns) <= self._tolerance_ns else None

    def _end(self, stamp_ns: int) -> int:
        return stamp_ns + self._tolerance_ns + 1

    def _pull(self, stamp_ns: int) -> None:
        entry = next(self._items, None)
        if entry is None:
            self._ended = True
        elif entry[0] >= stamp_ns - self._tolerance_ns:
            self._near.append(entry)
