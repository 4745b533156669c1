"""A small Video Depth Anything and its frames, for tests of streams without poses."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gemdepth_ros.inference import StreamingConfig, StreamSession
from gemdepth_ros.interfaces import VideoFrame
from gemdepth_ros.model import VdaConfig, VideoDepthAnything, build_network
from gemdepth_ros.model.config import EncoderConfig

INPUT_SIZE = 42  # an odd number of patches: the coarsest map is rounded up
FRAME_NS = 33_000_000


def vda_config(*, metric: bool = False) -> VdaConfig:
    encoder = EncoderConfig(width=64, depth=4, heads=2, levels=(0, 1, 2, 3))
    return VdaConfig(encoder, features=64, out_channels=(16, 32, 64, 64), metric=metric)


def tiny_vda(*, metric: bool = False) -> VideoDepthAnything:
    model = build_network(vda_config(metric=metric))
    assert isinstance(model, VideoDepthAnything)
    return model


def video(frames: int) -> list[VideoFrame]:
    """Noise that drifts: every frame differs from all others."""
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 256, (56, 56 + 3 * frames, 3), np.uint8)
    images = [np.ascontiguousarray(wide[:, 3 * i : 3 * i + 56]) for i in range(frames)]
    return [VideoFrame(image, stamp_ns=(i + 1) * FRAME_NS) for i, image in enumerate(images)]


def settings(mode: str, window: int = 32, **others: int) -> StreamingConfig:
    return StreamingConfig(mode, window, INPUT_SIZE, **others)  # type: ignore[arg-type]


def run(model: VideoDepthAnything, config: StreamingConfig, frames: int) -> list[Tensor]:
    """Disparity of every frame of the video."""
    session = StreamSession(model, config)
    outputs = [session.step(frame) for frame in video(frames)]
    return [output.disparity_HW for output in outputs if output is not None]


def furthest(first: list[Tensor], second: list[Tensor]) -> float:
    """Largest difference of two lists of maps."""
    return max(float(torch.abs(a - b).max()) for a, b in zip(first, second, strict=True))
