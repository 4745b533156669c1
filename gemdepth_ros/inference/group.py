"""Several cameras over one model: the encoder sees their frames together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gemdepth_ros.errors import ConfigError, InferenceError
from gemdepth_ros.inference.config import StreamingConfig
from gemdepth_ros.inference.engines.pool import EnginePool
from gemdepth_ros.inference.streaming import StreamOutput, StreamSession
from gemdepth_ros.interfaces import VideoFrame
from gemdepth_ros.model import DepthNetwork


class StreamGroup:
    """One session per camera; frames that arrive together are encoded in one batch.

    Args:
        model: the shared network.
        cameras: number of cameras.
        config: settings of every session.
    """

    def __init__(
        self, model: DepthNetwork, cameras: int, config: StreamingConfig | None = None
    ) -> None:
        if cameras < 1:
            raise ConfigError(f'a group needs at least one camera, got {cameras}')
        self._model = model
        engines = EnginePool(model)
        self.sessions = [StreamSession(model, config, engines) for _ in range(cameras)]

    def step(self, frames: Sequence[VideoFrame | None]) -> list[StreamOutput | None]:
        """Take the next frame of every camera that has one, and answer in the same order.

        When one camera's frame raises, the others have taken theirs and go on.

        Args:
            frames: one entry per camera; None where nothing arrived.

        Raises:
            ConfigError: the number of entries is not the number of cameras.
            InferenceError: a camera's output was not finite; its session has been reset.
            ImageError: a camera's image does not fit the network.
        """
        if len(frames) != len(self.sessions):
            raise ConfigError(f'{len(self.sessions)} cameras but {len(frames)} frames')
        present = [index for index, frame in enumerate(frames) if frame is not None]
        work = [(self.sessions[index], frames[index]) for index in present]
        answers = step_together(self._model, work)  # type: ignore[arg-type]
        outputs: list[StreamOutput | None] = [None] * len(frames)
        failures = []
        for index, answer in zip(present, answers, strict=True):
            if isinstance(answer, InferenceError):
                failures.append(f'camera {index}: {answer}')
            elif isinstance(answer, Exception):
                raise answer
            else:
                outputs[index] = answer
        if failures:
            raise InferenceError('; '.join(failures))
        return outputs


@torch.inference_mode()
def step_together(
    model: DepthNetwork, work: Sequence[tuple[StreamSession, VideoFrame]]
) -> list[StreamOutput | Exception | None]:
    """Take one frame of each of several streams; frames of equal size are encoded in one batch.

    Args:
        model: the network of all the sessions.
        work: sessions, each once, and the next frame of each.

    Returns:
        For each the answer, None while it looks ahead, or what its own frame raised, before
        the encoder or after it: one camera's fault is not another's.

    Raises:
        Exception: the encoder failed, for all of them.
    """
    answers: list[StreamOutput | Exception | None] = [None] * len(work)
    images: dict[int, Tensor] = {}
    for index, (session, frame) in enumerate(work):
        try:
            images[index] = session.prepare(frame)
        except Exception as error:  # noqa: BLE001 -- returned as this camera's answer
            answers[index] = error
    levels = _levels(model, [work[index][0] for index in images], list(images.values()))
    for index, of_frame in zip(images, levels, strict=True):
        session, frame = work[index]
        try:
            answers[index] = session.finish(frame, of_frame)
        except Exception as error:  # noqa: BLE001 -- returned as this camera's answer
            answers[index] = error
    return answers


def _levels(
    model: DepthNetwork, sessions: Sequence[StreamSession], images: Sequence[Tensor]
) -> list[list[Tensor]]:
    """Encode each session's image; one alone goes by its session, which may have a backend."""
    if len(images) == 1:
        return [[level[0] for level in sessions[0].encode(images[0])]]
    return _encode(model, images)


def _encode(model: DepthNetwork, images: Sequence[Tensor]) -> list[list[Tensor]]:
    """Encode images of equal size together; return each one's four levels [L, C]."""
    by_size: dict[torch.Size, list[int]] = {}
    for index, image in enumerate(images):
        by_size.setdefault(image.shape, []).append(index)
    encoded: dict[int, list[Tensor]] = {}
    for indices in by_size.values():
        batch = model.encode(torch.stack([images[index] for index in indices]))
        for place, index in enumerate(indices):
            encoded[index] = [level[place] for level in batch]
    return [encoded[index] for index in range(len(images))]
