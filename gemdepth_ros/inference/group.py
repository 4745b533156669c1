"""Several cameras over one model: the encoder sees their frames together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gemdepth_ros.errors import ConfigError, InferenceError
from gemdepth_ros.inference.config import StreamingConfig
from gemdepth_ros.inference.streaming import StreamOutput, StreamSession
from gemdepth_ros.interfaces import VideoFrame
from gemdepth_ros.model import GemDepth


class StreamGroup:
    """One session per camera; frames that arrive together are encoded in one batch.

    Args:
        model: the shared network.
        cameras: number of cameras.
        config: settings of every session.
    """

    def __init__(
        self, model: GemDepth, cameras: int, config: StreamingConfig | None = None
    ) -> None:
        if cameras < 1:
            raise ConfigError(f'a group needs at least one camera, got {cameras}')
        self._model = model
        self.sessions = [StreamSession(model, config) for _ in range(cameras)]

    def step(self, frames: Sequence[VideoFrame | None]) -> list[StreamOutput | None]:
        """Take the next frame of every camera that has one, and answer in the same order.

        Args:
            frames: one entry per camera; None where nothing arrived.

        Raises:
            ConfigError: the number of entries is not the number of cameras.
            InferenceError: a camera's output was not finite; its session has been reset. The
                other cameras have taken their frames and go on.
        """
        if len(frames) != len(self.sessions):
            raise ConfigError(f'{len(self.sessions)} cameras but {len(frames)} frames')
        images = {
            index: self.sessions[index].prepare(frame)
            for index, frame in enumerate(frames)
            if frame is not None
        }
        levels = self._encode(images)
        outputs: list[StreamOutput | None] = [None] * len(frames)
        failures = []
        for index, frame in enumerate(frames):
            if frame is None:
                continue
            try:
                outputs[index] = self.sessions[index].finish(frame, levels[index])
            except InferenceError as error:
                failures.append(f'camera {index}: {error}')
        if failures:
            raise InferenceError('; '.join(failures))
        return outputs

    @torch.inference_mode()
    def _encode(self, images: dict[int, Tensor]) -> dict[int, list[Tensor]]:
        """Encode images of equal size together; return each camera's four levels [L, C]."""
        by_size: dict[torch.Size, list[int]] = {}
        for index, image in images.items():
            by_size.setdefault(image.shape, []).append(index)
        encoded = {}
        for indices in by_size.values():
            batch = self._model.encode(torch.stack([images[index] for index in indices]))
            for place, index in enumerate(indices):
                encoded[index] = [level[place] for level in batch]
        return encoded
