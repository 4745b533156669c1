"""One segment of a causal stream: what is kept of its frames, and the step that adds a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gemdepth_ros.inference.caches import SlotCache
from gemdepth_ros.inference.encoded import CameraView, EncodedFrame, StreamGrid, empty
from gemdepth_ros.model import GemDepth
from gemdepth_ros.model.camera_head import POSE_WIDTH, ROUNDS, activate
from gemdepth_ros.model.temporal_attention import ATTENTIONS
from gemdepth_ros.model.temporal_attention import HEADS as MOTION_HEADS


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
