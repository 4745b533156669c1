"""Which engine answers a stream: by the network's family and the mode."""

from __future__ import annotations

from typing import Protocol

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.inference.caches import kept_dtype
from gemdepth_ros.inference.causal import AnsweredStep, CausalEngine
from gemdepth_ros.inference.config import StreamingConfig
from gemdepth_ros.inference.encoded import EncodedFrame, EngineOutput, PatchGrid, StreamGrid
from gemdepth_ros.inference.sliding import SlidingEngine
from gemdepth_ros.inference.vda import VdaSlidingEngine, VdaStreamEngine
from gemdepth_ros.model import DepthNetwork, VideoDepthAnything


class Engine(Protocol):
    """What a mode does with encoded frames."""

    @property
    def nbytes(self) -> int:
        """Memory held for the stream [byte]."""

    @property
    def anchor(self) -> int | None:
        """Number of the frame in slot 0."""

    def step(
        self, frame: EncodedFrame, *, keep: bool = True, refresh_anchor: bool = False
    ) -> EngineOutput | None:
        """Take the next frame and answer one."""


def check_mode(model: DepthNetwork, config: StreamingConfig) -> None:
    """Refuse a mode that the network does not have.

    Raises:
        ConfigError: ``published_stream`` for another network than Video Depth Anything, or a
            backend or a cache precision for that one.
    """
    if config.mode == 'published_stream' and not isinstance(model, VideoDepthAnything):
        raise ConfigError(
            'streaming.mode published_stream is that of Video Depth Anything; this network is '
            'GemDepth: use sliding or causal'
        )
    if config.backend != 'eager' and isinstance(model, VideoDepthAnything):
        raise ConfigError(
            f'streaming.backend {config.backend} is for GemDepth, this network is Video Depth '
            'Anything: use eager'
        )
    if config.cache_precision != 'auto' and isinstance(model, VideoDepthAnything):
        raise ConfigError(
            f'streaming.cache_precision {config.cache_precision} is for GemDepth, this network is '
            "Video Depth Anything, whose caches have the network's precision: use auto"
        )


def grid_of(model: DepthNetwork, size: tuple[int, int]) -> PatchGrid:
    """Return the position tables of a network for an input of ``size`` (height, width)."""
    if isinstance(model, VideoDepthAnything):
        return PatchGrid.of_encoder(model, size)
    return StreamGrid.of(model, size)


def make_engine(
    model: DepthNetwork,
    grid: PatchGrid,
    config: StreamingConfig,
    fast: AnsweredStep | None = None,
) -> Engine:
    """Return an engine for a stream.

    Args:
        model: the network.
        grid: what ``grid_of`` gave for it.
        config: mode and sizes.
        fast: in causal mode, what takes the answered frames; None: eager.
    """
    if isinstance(model, VideoDepthAnything):
        if config.mode == 'sliding':
            return VdaSlidingEngine(model, grid, config.window, config.lookahead)
        published = config.mode == 'published_stream'
        memory = config.alignment_memory
        return VdaStreamEngine(model, grid, config.window, memory, published=published)
    assert isinstance(grid, StreamGrid)
    kept = kept_dtype(config.cache_precision, model.dtype)
    if config.mode == 'causal':
        return CausalEngine(model, grid, config.window, config.alignment_memory, fast, kept)
    return SlidingEngine(model, grid, config.window, config.lookahead, kept)
