"""Which frames a node of a given latency would see: the same ones every time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar('T')


@dataclass(frozen=True)
class Survivor(Generic[T]):
    """A frame that is processed.

    Attributes:
        frame: it.
        dropped: the frames passed over since the one before, oldest first.
    """

    frame: T
    dropped: tuple[T, ...] = ()


def simulate_latency(
    frames: Iterable[T], latency_ns: int, stamp_ns: Callable[[T], int]
) -> Iterator[Survivor[T]]:
    """Drop frames as the node's queue of one does when each frame takes ``latency_ns``.

    A frame that comes while another is in work waits; a newer one takes its place. When the work
    is done the waiting frame is taken. Stamps count as arrival times.

    Args:
        frames: all frames.
        latency_ns: 0 drops nothing [ns].
        stamp_ns: returns a frame's capture time [ns].
    """
    if latency_ns <= 0:
        yield from map(Survivor, frames)
        return
    free_ns: int | None = None
    waiting: T | None = None
    dropped: list[T] = []
    last_ns = 0
    for frame in frames:
        now_ns = stamp_ns(frame)
        if free_ns is not None and now_ns < last_ns:
            free_ns = now_ns  # time ran backwards: the recording starts again
        last_ns = now_ns
        if waiting is not None and free_ns is not None and free_ns <= now_ns:
            yield Survivor(waiting, tuple(dropped))
            waiting, dropped, free_ns = None, [], free_ns + latency_ns
        if free_ns is None or (waiting is None and free_ns <= now_ns):
            yield Survivor(frame, tuple(dropped))
            dropped, free_ns = [], now_ns + latency_ns
            continue
        if waiting is not None:
            dropped.append(waiting)
        waiting = frame
    if waiting is not None:
        yield Survivor(waiting, tuple(dropped))
