"""When a causal stream passes from one segment to the next, and which frames go along.

A segment has as many slots as the network's temporal tables allow it (``window``). While its last
slots are filled, the next segment is seeded with key frames, one per new frame, so that it is
ready when this one is full and no frame waits. For 32 slots these are the published key frames:
the anchor (slot 0), a middle frame (slot 12) and the last eight.
"""

from __future__ import annotations

from dataclasses import dataclass

SHORT_WINDOW = 8  # below this there is no room for a middle frame


@dataclass(frozen=True)
class SegmentPlan:
    """Slots of a segment and which of them seed the next one.

    Attributes:
        slots: frames of a segment.
        key_slots: slots whose frames become the first slots of the next segment.
        shared: how many of them, the last ones, are seeded as they arrive; both segments answer
            these frames, which is what they are aligned by.
    """

    slots: int
    key_slots: tuple[int, ...]
    shared: int

    @classmethod
    def of(cls, window: int) -> SegmentPlan:
        """Return the plan for segments of 1..32 frames."""
        shared = max(window // 4, 1)
        tail = tuple(range(window - shared, window))
        if window >= SHORT_WINDOW:
            keys: tuple[int, ...] = (0, window * 3 // 8, *tail)
        elif window >= 4:
            keys = (0, *tail)
        elif window >= 2:
            keys = tail
        else:
            return cls(window, (), 0)  # every frame stands alone
        return cls(window, keys, shared)

    @property
    def new_frames(self) -> int:
        """Frames that a segment adds to those it was seeded with."""
        return self.slots - len(self.key_slots)

    @property
    def held_slots(self) -> tuple[int, ...]:
        """Slots whose frames must be held until they seed the next segment."""
        return self.key_slots[: -self.shared] if self.shared else ()

    def seed_slot(self, slot: int) -> int | None:
        """Return the slot whose frame seeds the next segment while ``slot`` is filled."""
        index = slot - (self.slots - len(self.key_slots))
        return self.key_slots[index] if index >= 0 and self.key_slots else None
