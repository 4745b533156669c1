"""``causal``: every frame is computed once and sees the kept keys and values of earlier ones.

Equal to a dense forward with a frame-causal mask over the segment's frames. See ``segments`` for
how a stream goes on when the slots are used up, and ``alignment`` for how no jump is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gemdepth_ros.inference.alignment import IDENTITY, SeamAligner
from gemdepth_ros.inference.caches import SlotCache
from gemdepth_ros.inference.encoded import (
    CameraView,
    EncodedFrame,
    EngineOutput,
    StreamGrid,
    empty,
)
from gemdepth_ros.inference.segments import SegmentPlan
from gemdepth_ros.model import GemDepth
from gemdepth_ros.model.camera_head import POSE_WIDTH, ROUNDS, activate
from gemdepth_ros.model.temporal_attention import ATTENTIONS
from gemdepth_ros.model.temporal_attention import HEADS as MOTION_HEADS

# A deviation from the network's own scale and shift is forgotten within this many segments, or a
# constant one per seam would add up to many times itself.
MEMORY_SEGMENTS = 8


@dataclass(frozen=True, eq=False)
class Entry:
    """A frame on its way into a slot of a segment, the last slot or the one after it."""

    segment: CausalSegment
    number: int
    view: CameraView
    slot: int


class CausalSegment:
    """The kept keys and values of one segment, and the step that adds a frame to it.

    Args:
        model: the network.
        grid: what its input size fixes.
        slots: frames that the segment can hold.
        kept: precision of the keys and values, but for the camera head's; None: the network's.
    """

    def __init__(
        self, model: GemDepth, grid: StreamGrid, slots: int, kept: torch.dtype | None = None
    ) -> None:
        self._model, self._grid = model, grid
        config, head = model.config, model.camera_head
        width, patches = config.encoder.width, grid.patches

        def cache(batch: int, heads: int, tokens: int, channels: int) -> SlotCache:
            shape = (batch, heads, tokens, channels // heads)
            return SlotCache(shape, slots, model.device, model.dtype, kept)

        self._global = cache(1, config.heads // 2, grid.tokens, width)
        pose_dtype = head.embed_pose.weight.dtype
        pose_shape = (1, config.camera_head_heads, 1, 2 * width // config.camera_head_heads)
        self.camera_stores = [
            [SlotCache(pose_shape, slots, model.device, pose_dtype) for _ in head.trunk]
            for _ in range(ROUNDS)
        ]
        astt = model.astt
        self._spatial = [cache(1, config.heads, patches, width) for _ in astt.spatial_blocks]
        self._time = [cache(patches, 4 * config.heads, 1, width) for _ in astt.time_blocks]
        locations = (patches, -(-grid.rows // 2) * -(-grid.columns // 2), patches, 4 * patches)
        channels = (*config.out_channels[2:], config.features, config.features)
        self._motion = [
            [cache(n, MOTION_HEADS, 1, c) for _ in range(ATTENTIONS)]
            for n, c in zip(locations, channels, strict=True)
        ]
        self._encodings_1T9 = empty(model, 1, slots, POSE_WIDTH, dtype=pose_dtype)
        self.numbers: list[int] = []

    @property
    def stores(self) -> list[SlotCache]:
        """All keys and values, in the order of ``static_step.store_names``."""
        camera = (store for row in self.camera_stores for store in row)
        mixing = (s for pair in zip(self._spatial, self._time, strict=True) for s in pair)
        return [self._global, *camera, *mixing, *(s for row in self._motion for s in row)]

    @property
    def nbytes(self) -> int:
        """Memory held [byte]."""
        return self._encodings_1T9.nbytes + sum(store.nbytes for store in self.stores)

    @property
    def all_encodings_1T9(self) -> Tensor:
        """Pose encodings of all slots, those without a frame as well."""
        return self._encodings_1T9

    @property
    def encodings_T9(self) -> Tensor:
        """Pose encodings of the segment's frames."""
        return self._encodings_1T9[0, : len(self.numbers)]

    def clear(self) -> None:
        """Make the segment empty; its memory stays."""
        self.numbers.clear()

    def step(
        self, frame: EncodedFrame, pose_1C: Tensor, slot: int, *, answer: bool
    ) -> Tensor | None:
        """Mix a frame into the segment after ``take_poses`` has put it into ``slot``.

        Args:
            frame: the frame; levels 1 and 2 are read only when it is answered.
            pose_1C: its pose feature.
            slot: slot number.
            answer: whether the disparity is wanted, or only what later frames need.

        Returns:
            Disparity [H, W] as the network gives it, or None.
        """
        model, grid = self._model, self._grid
        slots_1 = torch.full((1,), slot, device=model.device)  # nothing to wait for
        tokens_1LC = model.astt.embed(frame.levels[3][None], pose_1C[None], slots_1)[0]
        mixed_1LC = model.astt.step(tokens_1LC, slot, grid.spatial_rope, self._spatial, self._time)

        def mix(index: int, maps: Tensor) -> Tensor:
            return model.head.motion_modules[index].step(maps, slot, self._motion[index])

        map3 = model.head.level_map(2, frame.levels[2], grid.rows, grid.columns)
        map4 = model.head.level_map(3, mixed_1LC, grid.rows, grid.columns)
        path3 = model.head.coarse(map3, map4, grid.rows, grid.columns, mix)
        if not answer:
            return None
        level1, level2 = frame.levels[:2]
        return model.head.fine(level1, level2, path3, grid.rows, grid.columns)[0]

    def place(self, number: int, slot: int) -> None:
        """Say that a frame stands in ``slot``, and none after it."""
        del self.numbers[slot:]
        self.numbers.append(number)

    def camera_feature(self, entry: Entry) -> Tensor:
        """Put a frame into its slot in GEM; return its camera feature [1, 2 C]."""
        self.place(entry.number, entry.slot)
        view = entry.view
        keys, values = self._global.extend(entry.slot, view.k_1NPH, view.v_1NPH)
        feature_1D = self._model.geometry.camera_features(view.camera_1C, keys, values)
        return feature_1D.to(self._encodings_1T9.dtype)

    def take_encoding(self, slot: int, encoding_19: Tensor) -> Tensor:
        """Keep a frame's pose encoding; return its pose feature [1, C]."""
        self._encodings_1T9[:, slot] = encoding_19
        seen = self._encodings_1T9[:, : slot + 1]
        return self._model.inject_pose(seen, frame_causal=True, newest_only=True)[0]


def take_poses(model: GemDepth, entries: Sequence[Entry]) -> list[Tensor]:
    """Put one frame into each of several segments as far as its pose; return the pose features.

    Frames that enter two segments at one moment pass the camera head together: its weights,
    which a single token has to wait for, are read once.
    """
    features_S1D = torch.stack([entry.segment.camera_feature(entry) for entry in entries])
    slots = [entry.slot for entry in entries]
    stores = [entry.segment.camera_stores for entry in entries]
    encodings_S19 = activate(model.camera_head.step(features_S1D, slots, stores))
    return [
        entry.segment.take_encoding(entry.slot, encoding_19)
        for entry, encoding_19 in zip(entries, encodings_S19, strict=True)
    ]


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
