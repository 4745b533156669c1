"""The loaded network: one for a camera, or one for several whose frames it encodes together."""

from __future__ import annotations

import logging
import threading
import weakref
from pathlib import Path
from typing import Any, Protocol

import torch

from gemdepth_ros.hub import CATALOGUE, digest_of, locate
from gemdepth_ros.inference.config import StreamingConfig
from gemdepth_ros.inference.device import choose_placement
from gemdepth_ros.inference.engines.pool import EnginePool
from gemdepth_ros.inference.group import step_together
from gemdepth_ros.inference.streaming import StreamOutput, StreamSession
from gemdepth_ros.interfaces import VideoFrame
from gemdepth_ros.model import VideoDepthAnything, build_network
from gemdepth_ros.pipeline.config import NetworkConfig

UNTRAINED = 'seeded (untrained)'
DIGEST_DIGITS = 12

logger = logging.getLogger(__name__)


class Network(Protocol):
    """What a pipeline needs of a network."""

    model: Any
    trained: bool
    weights_description: str

    def session(self, config: StreamingConfig) -> Any:
        """Return the state of a new stream."""

    def step(self, session: Any, frame: VideoFrame) -> StreamOutput | None:
        """Take the next frame of a stream."""


class LoadedNetwork:
    """A network on its device; one thread may use it.

    Attributes:
        model: the network.
        trained: False: the weights are random.
        weights_description: name of the weights and the first digits of their digest.

    Raises:
        WeightsError: the weights are missing or do not fit.
        ConfigError: the device or a value is impossible.
    """

    def __init__(self, config: NetworkConfig) -> None:
        if config.threads:
            torch.set_num_threads(config.threads)
        placement = choose_placement(config.device, config.dtype)
        weights = locate(config.weights) if config.weights else None
        self.trained = weights is not None
        digest = digest_of(weights)
        self.weights_description = _description(weights, digest)
        logger.info(
            'network %s on %s in %s (%s), weights: %s',
            config.preset,
            placement.device,
            str(placement.dtype).removeprefix('torch.'),
            placement.reason,
            self.weights_description,
        )
        entry = CATALOGUE.get(config.weights)
        if entry is not None and entry.bundled:
            logger.warning(
                'weights %s: a small demonstration model, trained on a synthetic world: its '
                'depth and motion are rough, best with an input_size of 182 on wide '
                'images (98 to 140 on 4:3); for the published network run '
                "'gemdepth-ros weights get gemdepth-vitl'",
                entry.name,
            )
        self.model = build_network(config.preset, weights, placement.device, placement.dtype)
        if isinstance(self.model, VideoDepthAnything):
            logger.info(
                'Video Depth Anything predicts no poses: motion comes from odometry '
                '(grounding.odometry.enabled, poses, the mounting of the camera) or stays off, '
                'and parallax and the odometry as a source of metres say nothing'
            )
        self._engines = EnginePool(self.model, digest)

    def session(self, config: StreamingConfig) -> StreamSession:
        """Return the state of a new stream."""
        return StreamSession(self.model, config, self._engines)

    def step(self, session: StreamSession, frame: VideoFrame) -> StreamOutput | None:
        """Take the next frame of a stream; raises what ``StreamSession.step`` does."""
        return session.step(frame)


class _Request:
    """A frame that waits for the network, and its answer."""

    def __init__(self, session: StreamSession, frame: VideoFrame) -> None:
        self.work = session, frame
        self.answer: StreamOutput | Exception | None = None
        self.done = False


class SharedNetwork(LoadedNetwork):
    """A network for several cameras, each with a thread of its own.

    There is no further thread: who finds the device free takes along all frames that wait for
    it, and works on them as one batch. Each frame's answer, or error, goes to its own thread.

    Args:
        config: of the network.
        wait_s: how long a batch waits for the cameras that have no frame in it yet [s]; cameras
            that are triggered together then share one batch.
    """

    def __init__(self, config: NetworkConfig, wait_s: float = 0.005) -> None:
        super().__init__(config)
        self.batches: dict[int, int] = {}  # how often how many frames were worked on together
        self._wait_s = wait_s
        self._changed = threading.Condition()
        self._busy = False  # somebody works on a batch, or gathers one
        self._waiting: list[_Request] = []
        self._sessions: weakref.WeakSet[StreamSession] = weakref.WeakSet()

    def session(self, config: StreamingConfig) -> StreamSession:
        """Return the state of a new stream."""
        made = super().session(config)
        self._sessions.add(made)
        return made

    def step(self, session: StreamSession, frame: VideoFrame) -> StreamOutput | None:
        """Take the next frame of a stream; raises what ``StreamSession.step`` does."""
        request = _Request(session, frame)
        with self._changed:
            self._waiting.append(request)
            self._changed.notify_all()
            self._changed.wait_for(lambda: request.done or not self._busy)
            batch = None if request.done else self._next_batch()
        if batch is not None:
            self._work_on(batch)
        if isinstance(request.answer, Exception):
            raise request.answer
        return request.answer

    def _next_batch(self) -> list[_Request]:
        """Take what waits, under the lock, and keep the device until it is done."""
        self._busy = True
        self._changed.wait_for(lambda: len(self._waiting) >= len(self._sessions), self._wait_s)
        batch, self._waiting = self._waiting, []
        self.batches[len(batch)] = self.batches.get(len(batch), 0) + 1
        return batch

    def _work_on(self, batch: list[_Request]) -> None:
        answers: list[StreamOutput | Exception | None]
        try:
            answers = step_together(self.model, [request.work for request in batch])
        except Exception as error:  # noqa: BLE001 -- handed to each camera, on its own thread
            answers = [error] * len(batch)
        with self._changed:
            for request, answer in zip(batch, answers, strict=True):
                request.answer, request.done = answer, True
            self._busy = False
            self._changed.notify_all()


class NetworkPool:
    """Networks by their configuration; each is freed with the last pipeline that uses it."""

    def __init__(self, wait_s: float = 0.005) -> None:
        self._wait_s = wait_s
        self._networks: weakref.WeakValueDictionary[NetworkConfig, SharedNetwork] = (
            weakref.WeakValueDictionary()
        )

    def get(self, config: NetworkConfig) -> SharedNetwork:
        """Return the network of a configuration, loaded at most once."""
        network = self._networks.get(config)
        if network is None:
            network = self._networks[config] = SharedNetwork(config, self._wait_s)
        return network


def _description(weights: Path | None, digest: str) -> str:
    """Name of the weights and the first digits of their digest, for status and reports."""
    if weights is None:
        return UNTRAINED
    return f'{weights.name} sha256:{digest[:DIGEST_DIGITS]}'
