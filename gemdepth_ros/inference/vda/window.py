"""Which earlier frames a frame of a stream sees: a first one, an old one and the newest ones.

The published window has 32 frames: frame 0, the one 41 frames back, the last 29 and the new one.
41 is the age at which the last frame of an offline window sees its second key frame; shorter
windows follow the same rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar('T')
SHORT_WINDOW = 8  # below this there is no room for a second anchor


@dataclass(frozen=True)
class VdaWindow:
    """Frames behind the newest one.

    Attributes:
        length: frames of a full window, the newest one included.
        anchors: how many of them are not recent: the pinned frame, and the old one.
        delay: age of the second anchor [frames]; of the oldest recent frame where there is none.
    """

    length: int
    anchors: int
    delay: int

    @classmethod
    def of(cls, length: int) -> VdaWindow:
        """Return the window of 1..32 frames."""
        anchors = 2 if length >= SHORT_WINDOW else min(length - 1, 1)
        ring = length - anchors
        overlap = 2 + length // 4
        delay = max(2 * (length - overlap) - 3, ring) if anchors == 2 else ring - 1
        return cls(length, anchors, delay)

    @property
    def recent(self) -> int:
        """Frames just before the newest one."""
        return self.length - self.anchors - 1

    @property
    def kept(self) -> int:
        """Past frames of which something must be kept."""
        return self.delay + 1 if self.anchors else 0

    @property
    def waiting(self) -> int:
        """Frames that are kept but seen by none: too old for the recent, too young an anchor."""
        return self.delay - self.recent - 1 if self.anchors == 2 else 0


class Past(Generic[T]):
    """What is kept of past frames, oldest first, in the order of the published code."""

    def __init__(self, window: VdaWindow) -> None:
        self._window = window
        self.entries: list[T] = []

    def start(self, first: T) -> None:
        """Let copies of the first frame stand for all that came before it."""
        self.entries = [first] * min(self._window.length, self._window.kept)

    def add(self, entry: T) -> None:
        """Add the newest frame; the oldest one but the first leaves when it is its turn."""
        self.entries.append(entry)
        if len(self.entries) > self._window.kept:
            del self.entries[min(1, self._window.anchors)]

    def pin_oldest(self) -> None:
        """Put the oldest unpinned frame into the place of the first."""
        self.entries[0] = self.entries[1]

    def seen(self) -> list[T]:
        """Entries of the frames that the next one sees, in the order of their positions."""
        recent = self.entries[len(self.entries) - self._window.recent :]
        return self.entries[: self._window.anchors] + recent
