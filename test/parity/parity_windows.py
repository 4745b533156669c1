"""The stitching case: windows of a network that says which frame it was shown in which slot."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from parity_reference import Arrays, golden_weights, load_arrays
from parity_rows import Row, relative_l2
from torch import Tensor

from gemdepth_ros.inference import WindowedPredictor, WindowedResult
from gemdepth_ros.model import GemDepthOutput

SIDE = 14  # one patch


class SpyNetwork:
    """Stands for the network: records its frames, answers with the reference's fake depth.

    Every frame is one patch whose only "feature" is the frame's brightness. The pose's x says the
    window, its y the slot; the focal length is 100 + window.
    """

    device = torch.device('cpu')

    def __init__(self) -> None:
        self.frames_seen: list[list[float]] = []

    def encode(self, images_F3HW: Tensor) -> list[Tensor]:
        brightness_FLC = images_F3HW.mean(dim=(1, 2, 3))[:, None, None]
        return [brightness_FLC] * 4

    def decode(
        self, levels: list[Tensor], clips: int, rows: int, columns: int, **_: object
    ) -> GemDepthOutput:
        window = len(self.frames_seen)
        self.frames_seen.append(levels[0].flatten().tolist())
        slots = range(len(levels[0]))
        depth = torch.stack([_fake_depth(window, slot) for slot in slots])
        poses = torch.eye(4).repeat(len(slots), 1, 1)
        poses[:, 0, 3] = window
        poses[:, 1, 3] = torch.arange(len(slots))
        intrinsics = torch.eye(3).repeat(len(slots), 1, 1)
        intrinsics[:, 0, 0] = 100.0 + window
        encoding = torch.zeros(len(slots), 9)
        return GemDepthOutput(depth[None], encoding[None], poses[None], intrinsics[None])


def _fake_depth(window: int, slot: int) -> Tensor:
    noise = golden_weights.unit_noise(f'stitch.{window}.{slot}', SIDE * SIDE)
    depth = 1.5 + 0.3 * window + 0.6 * noise.reshape(SIDE, SIDE)
    return torch.from_numpy(depth.astype(np.float32))


def run_windows(frames: int) -> tuple[list[list[int]], WindowedResult]:
    """Frame numbers that the network saw per window, and the stitched result."""
    video = np.empty((frames, SIDE, SIDE, 3), np.uint8)
    video[:] = np.arange(frames)[:, None, None, None]
    spy = SpyNetwork()
    result = WindowedPredictor(spy).predict(video, input_size=SIDE)  # type: ignore[arg-type]
    # Brightness rises with the frame number; the video's own values turn it back.
    levels = spy_levels(frames)
    seen = [[int(np.argmin(np.abs(levels - b))) for b in window] for window in spy.frames_seen]
    return seen, result


def spy_levels(frames: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Mean of the normalised frame that is all ``k``, for k below ``frames``."""
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    values = np.arange(frames)[:, None] / 255
    levels: np.ndarray[tuple[int], np.dtype[np.float64]] = ((values - mean) / std).mean(axis=1)
    return levels


def window_rows(case: str) -> Iterator[Row]:
    """Frames per window, stitched depth, source of every pose, for videos of many lengths."""
    reference = load_arrays('stitching.npz')
    for frames in reference['lengths'].tolist():
        seen, result = run_windows(frames)
        yield from _length_rows(case, frames, seen, result, reference)


def _length_rows(
    case: str, frames: int, seen: list[list[int]], result: WindowedResult, reference: Arrays
) -> Iterator[Row]:
    poses = result.camera_from_world
    yield Row(case, f'frames_{frames}', relative_l2(seen, reference[f'frames_{frames}']))
    depth = result.disparity_THW
    yield Row(case, f'depth_{frames}', relative_l2(depth, reference[f'depth_{frames}']))
    source = poses[:, :2, 3]
    yield Row(case, f'source_{frames}', relative_l2(source, reference[f'source_{frames}']))
    focal = result.intrinsics[:, 0, 0]
    yield Row(case, f'focal_{frames}', relative_l2(focal, reference[f'focal_{frames}']))
