"""Hand the newest item from one thread to another; count what was passed over."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

from gemdepth_ros.errors import ConfigError

T = TypeVar('T')


class LatestQueue(Generic[T]):
    """Keep the newest ``capacity`` items; count what was dropped.

    One lock guards every change, so an item is either handed out or counted, never both and
    never neither.
    """

    def __init__(self, capacity: int = 1) -> None:
        if capacity < 1:
            raise ConfigError(f'queue capacity must be >= 1, got {capacity}')
        self._items: deque[T] = deque(maxlen=capacity)
        self._changed = threading.Condition()
        self._dropped = 0
        self._closed = False

    def __len__(self) -> int:
        with self._changed:
            return len(self._items)

    def put(self, item: T, lost_before: int = 0) -> int:
        """Add ``item``, evicting the oldest one when full. Never blocks.

        Args:
            item: what to hand over.
            lost_before: items known to be lost between the previous one and this one, before
                they reached the queue; ``get`` reports them together with the evicted ones.

        Returns:
            The number of items this call dropped: the evicted one, or ``item`` itself when the
            queue is closed.
        """
        with self._changed:
            if self._closed:
                return 1
            evicted = len(self._items) == self._items.maxlen
            self._dropped += lost_before + evicted
            self._items.append(item)
            self._changed.notify()
            return int(evicted)

    def get(self, timeout_s: float) -> tuple[T, int] | None:
        """Return (item, drops since the last get), or None on time-out or close."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout_s)
            if not self._items or self._closed:
                return None
            dropped, self._dropped = self._dropped, 0
            return self._items.popleft(), dropped

    def close(self) -> int:
        """Wake the consumer, refuse further items; return how many were thrown away."""
        with self._changed:
            self._closed = True
            discarded = len(self._items)
            self._items.clear()
            self._changed.notify_all()
            return discarded
