"""``causal``: every frame is computed once and sees the kept keys and values of earlier ones.

Equal to a dense forward with a frame-causal mask over the segment's frames. See ``segments`` for
how a stream goes on when the slots are used up, and ``alignment`` for how no jump is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gemdepth_ros.inference.alignment import IDENTITY, SeamAligner
from gemdepth_ros.inference.causal_segment import CausalSegment, Entry, take_poses
from gemdepth_ros.inference.encoded import (
    CameraView,
    EncodedFrame,
    EngineOutput,
    StreamGrid,
    empty,
)
from gemdepth_ros.inference.segments import SegmentPlan
from gemdepth_ros.model import GemDepth

# A deviation from the network's own scale and shift is forgotten within this many segments, or a
# constant one per seam would add up to many times itself.
MEMORY_SEGMENTS = 8


@dataclass(frozen=True, eq=False)
class Seed:
    """A key frame that enters the next segment; ``shared``: both segments answer it."""

    frame: EncodedFrame
    slot: int
    shared: bool


class AnsweredStep(Protocol):
    """Another way to take a frame that is answered, see ``engines``."""

    @property
    def active(self) -> bool:
        """Whether it is to be used."""

    def prepare(self, segment: CausalSegment) -> None:
        """Do what is to be done once for an empty segment."""

    def step(self, segment: CausalSegment, frame: EncodedFrame, slot: int) -> Tensor:
        """Put a frame into a slot of a segment and return its disparity [H, W]."""


class CausalEngine:
    """Two segments in turn: one answers, the next one is seeded while the first fills up."""

    def __init__(
        self,
        model: GemDepth,
        grid: StreamGrid,
        window: int,
        alignment_memory: int,
        fast: AnsweredStep | None = None,
        kept: torch.dtype | None = None,
    ) -> None:
        self._model, self._grid, self._fast = model, grid, fast
        self._plan = SegmentPlan.of(window)
        self._memory = min(alignment_memory, MEMORY_SEGMENTS * self._plan.new_frames)
        self._present = CausalSegment(model, grid, window, kept)
        self._next = CausalSegment(model, grid, window, kept) if self._plan.shared else None
        width = model.config.encoder.width
        held = len(self._plan.held_slots) + 1  # and a candidate for a new anchor
        self._held_HLC = empty(model, held, 2, grid.patches, width, dtype=kept)
        self._held_numbers = [-1] * held
        for segment in filter(None, (self._present, self._next)):
            if fast is not None:
                fast.prepare(segment)
        self._start_first()

    def _start_first(self) -> None:
        self._affine, self._next_affine = IDENTITY, IDENTITY
        self._aligner = SeamAligner()
        self._segment = 0
        self._transient = False

    def restart(self) -> None:
        """Forget all frames; the memory stays, and what was prepared for it."""
        for segment in filter(None, (self._present, self._next)):
            segment.clear()
        self._held_numbers = [-1] * len(self._held_numbers)
        self._start_first()

    @property
    def nbytes(self) -> int:
        """Memory held for the stream [byte]."""
        following = self._next.nbytes if self._next else 0
        return self._present.nbytes + following + self._held_HLC.nbytes

    @property
    def anchor(self) -> int | None:
        """Number of the frame in slot 0."""
        return self._present.numbers[0] if self._present.numbers else None

    def step(
        self, frame: EncodedFrame, *, keep: bool = True, refresh_anchor: bool = False
    ) -> EngineOutput:
        """Take the next frame and answer it.

        Args:
            frame: the new frame.
            keep: whether later frames may see it; else the next frame takes its slot.
            refresh_anchor: whether the next segment gets a newer anchor; asked for when it is
                seeded.
        """
        slot = len(self._present.numbers) - self._transient
        self._transient = not keep
        if slot == self._plan.slots:
            slot = 0  # without shared frames every segment starts from nothing
            self._segment += 1
        seed = self._seed(slot, frame, refresh_anchor) if keep else None
        raw, raw_of_next = self._take(frame, slot, seed)
        if keep:
            self._affine = self._affine.relaxed(self._memory)
        affine, disparity = self._affine, self._affine(raw)
        numbers = tuple(self._present.numbers)
        encodings = self._present.encodings_T9.clone()
        segment = self._segment
        if seed and raw_of_next is not None:
            disparity = self._join(seed, raw_of_next, slot, disparity)
        return EngineOutput(
            frame.number,
            disparity,
            numbers,
            encodings,
            slot,
            segment,
            affine.scale,
            affine.shift,
        )

    def _take(
        self, frame: EncodedFrame, slot: int, seed: Seed | None
    ) -> tuple[Tensor, Tensor | None]:
        """Put a frame into the present segment, and the seed into the next one.

        Returns:
            The frame's disparity as both segments see it; None where the next one does not.
        """
        if self._fast is not None and self._fast.active:
            return self._take_fast(self._fast, frame, slot, seed)
        view = CameraView.of(self._model, self._grid, frame.levels[3], first=slot == 0)
        entries = [Entry(self._present, frame.number, view, slot)]
        if seed:
            entries.append(self._entry(seed, view if seed.shared else None))
        poses = take_poses(self._model, entries)
        raw = self._present.step(frame, poses[0], slot, answer=True)
        assert raw is not None
        return raw, self._plant(seed, poses[1]) if seed else None

    def _take_fast(
        self, fast: AnsweredStep, frame: EncodedFrame, slot: int, seed: Seed | None
    ) -> tuple[Tensor, Tensor | None]:
        """``_take``, with ``fast`` for what is answered."""
        raw = fast.step(self._present, frame, slot)
        if seed is None or self._next is None:
            return raw, None
        if seed.shared:
            return raw, fast.step(self._next, seed.frame, seed.slot)
        (pose_1C,) = take_poses(self._model, [self._entry(seed, None)])
        return raw, self._plant(seed, pose_1C)

    def _entry(self, seed: Seed, view: CameraView | None) -> Entry:
        """The seed on its way into the next segment; ``view``: as the present one sees it."""
        assert self._next is not None
        if view is None or seed.slot == 0:  # as the first of its segment a frame looks different
            level4 = seed.frame.levels[3]
            view = CameraView.of(self._model, self._grid, level4, first=seed.slot == 0)
        return Entry(self._next, seed.frame.number, view, seed.slot)

    def _plant(self, seed: Seed, pose_1C: Tensor) -> Tensor | None:
        """Mix the seed into the next segment; return its disparity if both answer it."""
        assert self._next is not None
        return self._next.step(seed.frame, pose_1C, seed.slot, answer=seed.shared)

    def _hold(self, slot: int, frame: EncodedFrame) -> None:
        """Keep levels 3 and 4 of frames that will seed the next segment."""
        for place, held_slot in enumerate((*self._plan.held_slots, 1)):
            if slot == held_slot and self._held_numbers[place] != frame.number:
                self._held_HLC[place, 0], self._held_HLC[place, 1] = (
                    frame.levels[2][0],
                    frame.levels[3][0],
                )
                self._held_numbers[place] = frame.number

    def _seed(self, slot: int, frame: EncodedFrame, refresh_anchor: bool) -> Seed | None:
        """Hold what later segments need of this frame; say which frame enters the next one now."""
        self._hold(slot, frame)
        key = self._plan.seed_slot(slot)
        if key is None or self._next is None:
            return None
        place = len(self._next.numbers)
        shared = key == slot
        if not shared:
            frame = self._held_seed(place, refresh_anchor and place == 0)
        return Seed(frame, place, shared)

    def _join(self, seed: Seed, raw: Tensor, slot: int, disparity: Tensor) -> Tensor:
        """Align the next segment by a frame that both answer; return the disparity to publish."""
        self._hold(seed.slot, seed.frame)  # in short segments a key frame of the one after next
        self._next_affine = self._aligner.add(raw, disparity, self._affine)
        weight = self._blend_weight(slot)
        blended = (1 - weight) * disparity + weight * self._next_affine(raw)
        if slot == self._plan.slots - 1:
            self._pass_on()
        return blended

    def _blend_weight(self, slot: int) -> float:
        """Share of the next segment in a frame that both answer, in equal steps from 0 to 1.

        The published blend begins with 0 and ends with 1: its steps are larger, and where two
        frames are shared it is a cut.
        """
        index = slot - (self._plan.slots - self._plan.shared)
        return (index + 1) / (self._plan.shared + 1)

    def _held_seed(self, place: int, refresh_anchor: bool) -> EncodedFrame:
        """Return a held frame: the anchor (or the candidate for it), then the middle frame."""
        source = len(self._held_numbers) - 1 if refresh_anchor else place
        if refresh_anchor:
            self._held_HLC[0] = self._held_HLC[source]
            self._held_numbers[0] = self._held_numbers[source]
        if place == 1:  # the middle frame stands in slot 1 of the next segment
            self._held_HLC[-1] = self._held_HLC[1]
            self._held_numbers[-1] = self._held_numbers[1]
        level3, level4 = self._held_HLC[source, 0][None], self._held_HLC[source, 1][None]
        return EncodedFrame(self._held_numbers[source], (level3, level3, level3, level4))

    def _pass_on(self) -> None:
        """The present segment is full: the next one takes over."""
        assert self._next is not None
        self._present, self._next = self._next, self._present
        self._next.clear()
        self._affine = self._next_affine
        self._aligner = SeamAligner()
        self._segment += 1
