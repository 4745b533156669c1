"""How far another form of the network is from eager, over several frames of a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gemdepth_ros.inference.causal_segment import CausalSegment, Entry, take_poses
from gemdepth_ros.inference.encoded import CameraView, EncodedFrame, StreamGrid
from gemdepth_ros.model import GemDepth

TINY = 1e-12


def relative_distance(actual: Tensor, expected: Tensor) -> float:
    """Relative L2 distance; NaN when either is not finite."""
    actual, expected = actual.double(), expected.double()
    return float((actual - expected).norm() / expected.norm().clamp_min(TINY))


def largest(distances: Sequence[float]) -> float:
    """Return the largest distance, NaN if one is."""
    return float(torch.tensor(distances, dtype=torch.float64).max())  # max() of torch keeps NaN


def eager_step(
    model: GemDepth, grid: StreamGrid, segment: CausalSegment, frame: EncodedFrame, slot: int
) -> Tensor:
    """Take a frame into a slot as the causal stream does; return its disparity [H, W]."""
    view = CameraView.of(model, grid, frame.levels[3], first=slot == 0)
    (pose_1C,) = take_poses(model, [Entry(segment, frame.number, view, slot)])
    disparity = segment.step(frame, pose_1C, slot, answer=True)
    assert disparity is not None
    return disparity


@dataclass(frozen=True, eq=False)
class SlotContents:
    """What a step leaves in a slot: pose encoding, keys and values; copies."""

    encoding_9: Tensor
    stores: tuple[Tensor, ...]

    @classmethod
    def of(cls, segment: CausalSegment, slot: int) -> SlotContents:
        """Copy a slot of a segment."""
        encodings_1T9 = segment.all_encodings_1T9
        slots = encodings_1T9.shape[1]
        kept = (tensor for store in segment.stores for tensor in store.tensors)
        parts = (tensor.unflatten(2, (slots, -1))[:, :, slot].clone() for tensor in kept)
        return cls(encodings_1T9[0, slot].clone(), tuple(parts))

    def distances(self, expected: SlotContents) -> dict[str, float]:
        """Relative distances of the pose encoding, and of the keys and values farthest off."""
        pairs = zip(self.stores, expected.stores, strict=True)
        return {
            'pose': relative_distance(self.encoding_9, expected.encoding_9),
            'caches': largest([relative_distance(mine, theirs) for mine, theirs in pairs]),
        }


def worst(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the largest distance of every output over several frames."""
    return {name: largest([row[name] for row in rows]) for name in rows[0]} if rows else {}
