"""A network of one patch whose features are the frame's brightness: windows become visible."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from gemdepth_ros.interfaces import UInt8Array
from gemdepth_ros.model import GemDepthOutput

SIDE = 14
# disparity [T, H, W] and pose translation [T, 3] of (window number, frame numbers)
Answer = Callable[[int, list[int]], tuple[Tensor, Tensor]]


def numbered_frames(count: int, height: int = SIDE, width: int = SIDE) -> UInt8Array:
    """Video whose frame k is filled with k modulo 256."""
    video = np.empty((count, height, width, 3), np.uint8)
    video[:] = (np.arange(count) % 256)[:, None, None, None]
    return video


def flat_answer(window: int, frames: list[int]) -> tuple[Tensor, Tensor]:
    """Disparity of one; the position says (window, frame, slot)."""
    slots = torch.arange(len(frames))
    number = torch.full_like(slots, window)
    return torch.ones(len(frames), SIDE, SIDE), torch.stack(
        [number, torch.tensor(frames), slots], dim=1
    ).float()


class FakeNetwork:
    """Stands for ``GemDepth`` before a ``WindowedPredictor``; counts the levels that live."""

    device = torch.device('cpu')

    def __init__(self, answer: Answer = flat_answer) -> None:
        self.windows: list[list[int]] = []
        self.encoded = 0
        self.live_frames: list[int] = []
        self._answer = answer
        self._held: list[tuple[StorageWeakRef, int]] = []

    def encode(self, images_F3HW: Tensor) -> list[Tensor]:
        """Levels [F, 1, 1] that say which frame they are."""
        frames = len(images_F3HW)
        numbers = torch.arange(self.encoded, self.encoded + frames, dtype=torch.float32)
        self.encoded += frames
        self._check_order(images_F3HW, numbers)
        levels = numbers[:, None, None].clone()
        self._held.append((StorageWeakRef(levels.untyped_storage()), frames))
        return [levels] * 4

    def _check_order(self, images_F3HW: Tensor, numbers: Tensor) -> None:
        """Frames come once each and in order: brightness is the number modulo 256."""
        red = images_F3HW[:, 0].mean(dim=(1, 2)) * 0.229 + 0.485
        assert torch.allclose(red * 255, numbers % 256, atol=0.01)

    def decode(
        self, levels: list[Tensor], clips: int, rows: int, columns: int, **_: object
    ) -> GemDepthOutput:
        """Answer for one window."""
        self._held = [(ref, frames) for ref, frames in self._held if not ref.expired()]
        self.live_frames.append(sum(frames for _, frames in self._held))
        frames = [int(number) for number in levels[0].flatten()]
        disparity, translation = self._answer(len(self.windows), frames)
        self.windows.append(frames)
        poses = torch.eye(4).repeat(len(frames), 1, 1)
        poses[:, :3, 3] = translation
        intrinsics = torch.tensor([[100.0, 0, 7], [0, 50, 7], [0, 0, 1]])
        return GemDepthOutput(
            disparity[None],
            torch.zeros(1, len(frames), 9),
            poses[None],
            intrinsics.repeat(1, len(frames), 1, 1),
        )
