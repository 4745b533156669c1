"""A stream for a board or card of so much memory: mode, window and input size by the formula.

The order is one of quality, not of speed: a larger image first, then the causal mode (each frame
once) with a long segment, then a shorter one, then the sliding window, which keeps a tenth of
the causal mode's memory and pays for it with arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.inference.config import StreamingConfig, StreamMode
from gemdepth_ros.inference.memory_need import MemoryNeed, stream_need
from gemdepth_ros.inference.preprocessing import network_size
from gemdepth_ros.model import ModelConfig

GB = 1e9
LIBRARIES = 1.5 * GB  # torch's libraries and the CUDA context
REST_SHARE, REST_LEAST = 0.25, 2.5 * GB  # system, camera and the rest of the robot
INPUT_SIZES = (518, 392, 266, 196)
CHOICES: tuple[tuple[StreamMode, int], ...] = (
    ('causal', 32),
    ('causal', 16),
    ('causal', 8),
    ('sliding', 8),
    ('sliding', 4),
)


@dataclass(frozen=True)
class MemoryChoice:
    """A stream that fits, and why it was taken.

    Attributes:
        streaming: the stream's settings.
        need: what it needs by the formula.
        reason: one line for the log.
    """

    streaming: StreamingConfig
    need: MemoryNeed
    reason: str


def network_share(budget_bytes: float) -> float:
    """What a network may take of a board's memory, the rest left to the rest [byte]."""
    return budget_bytes - LIBRARIES - max(REST_SHARE * budget_bytes, REST_LEAST)


def choose_stream(
    model: ModelConfig,
    dtype: torch.dtype,
    frame_size: tuple[int, int],
    budget_gb: float,
    limits: StreamingConfig | None = None,
) -> MemoryChoice:
    """Return the best stream that fits.

    Args:
        model: the network.
        dtype: its precision.
        frame_size: (height, width) of the images.
        budget_gb: memory of the board or card [GB].
        limits: other settings of the stream, and the largest input size; None: the defaults.

    Raises:
        ConfigError: not even the smallest stream fits.
    """
    limits = limits or StreamingConfig()
    share = network_share(budget_gb * GB)
    chosen, need = limits, MemoryNeed(0, 0, 0)
    for chosen in _candidates(limits):
        size = network_size(*frame_size, chosen.input_size)
        need = stream_need(model, chosen, size, dtype)
        if need.total <= share:
            return MemoryChoice(chosen, need, _reason(chosen, size, need, share, budget_gb))
    raise ConfigError(
        f'memory_budget_gb {budget_gb:g} leaves {max(share, 0) / GB:.1f} GB for the network, the '
        f'smallest stream needs {need}: use network.dtype float16 or a smaller network'
    )


def _candidates(limits: StreamingConfig) -> Iterator[StreamingConfig]:
    """Streams from the best to the smallest, none with a larger input than allowed."""
    sizes = sorted({min(size, limits.input_size) for size in INPUT_SIZES}, reverse=True)
    for input_size in sizes:
        for mode, window in CHOICES:
            if limits.backend != 'eager' and mode != 'causal':
                continue
            oldest = max(limits.anchor_max_age, window * limits.stride)
            yield replace(
                limits,
                mode=mode,
                window=window,
                input_size=input_size,
                anchor_max_age=oldest,
                lookahead=0,
            )


def _reason(
    chosen: StreamingConfig,
    size: tuple[int, int],
    need: MemoryNeed,
    share: float,
    budget_gb: float,
) -> str:
    return (
        f'{budget_gb:g} GB leave {share / GB:.1f} GB for the network: {chosen.mode}, window '
        f'{chosen.window}, input_size {chosen.input_size} ({size[1]}x{size[0]}) needs {need}'
    )
