"""What running a network needs of memory, as a formula: weights, what is kept, what is in work.

Symbols: L patches of a frame, C width, f features of the head, T frames, e bytes per value.
The last part is an estimate: libraries choose their kernels and what these need beside. On a CPU
``benchmarks/bench_memory_need.py`` prints it beside what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gemdepth_ros.inference.config import StreamingConfig
from gemdepth_ros.inference.memory import FLOAT32, stream_bytes
from gemdepth_ros.model import ModelConfig
from gemdepth_ros.model.config import PATCH_SIZE
from gemdepth_ros.model.gemdepth import grid_size
from gemdepth_ros.model.layers import parts
from gemdepth_ros.model.network import empty_network

MB = 1e6
ENCODED_AT_ONCE = 4  # frames, offline (``windowed.ENCODE_CHUNK``)
LEVELS = 4
# Tensors as large as the tokens that live at once in a block's attention: queries, keys and values
# twice (split and turned by the rotary embedding), the rotation's own, the result.
ATTENTION_TENSORS = 8
# Residual stream, its sum with what is added, the norm of it; in float32.
RESIDUAL_TENSORS = 3
FINEST_MAPS = 3  # at 8 h x 8 w: before and after the 1x1 convolution, and one that is in work
LAST_MAPS = 2  # of f / 2 channels at the full size: resized, and converted or packed for use
OUTPUT_CHANNELS = 32


@dataclass(frozen=True)
class MemoryNeed:
    """Memory of one way of running a network [byte].

    Attributes:
        weights: parameters in the precision that each has.
        kept: what outlives a frame: caches of a stream; levels and maps of offline windows.
        in_work: the most that lives while a frame or a window is computed.
    """

    weights: int
    kept: int
    in_work: int

    @property
    def total(self) -> int:
        """Sum of the parts."""
        return self.weights + self.kept + self.in_work

    def __str__(self) -> str:
        return (
            f'{self.total / MB:.0f} MB (weights {self.weights / MB:.0f}, kept '
            f'{self.kept / MB:.0f}, in work {self.in_work / MB:.0f})'
        )


def weights_bytes(model: ModelConfig, dtype: torch.dtype) -> int:
    """Memory of a network's parameters [byte]; nothing is allocated to know it."""
    with torch.device('meta'):
        network = empty_network(model).set_dtype(dtype)
    return sum(p.numel() * p.element_size() for p in network.parameters())


def stream_need(
    model: ModelConfig, streaming: StreamingConfig, size: tuple[int, int], dtype: torch.dtype
) -> MemoryNeed:
    """Need of a stream whose network input has ``size`` (height, width)."""
    frames = 1 if streaming.mode == 'causal' else streaming.window
    return MemoryNeed(
        weights_bytes(model, dtype),
        stream_bytes(model, streaming, *size, dtype),
        max(
            _blocks(model, size, 1, dtype.itemsize),
            _blocks(model, size, frames, dtype.itemsize) + _motion(model, size, frames, dtype),
            _fine(model, size, 1, dtype.itemsize),
        ),
    )


def offline_need(
    model: ModelConfig,
    window: int,
    size: tuple[int, int],
    frame_size: tuple[int, int],
    dtype: torch.dtype,
) -> MemoryNeed:
    """Need of offline windows, results not counted.

    Args:
        model: the network.
        window: frames of a window.
        size: (height, width) of the network's input.
        frame_size: (height, width) of the images, to which maps are resized.
        dtype: precision of the network.
    """
    rows, columns = grid_size(*size)
    levels = LEVELS * window * rows * columns * model.encoder.width * dtype.itemsize
    images = 3 * window * frame_size[0] * frame_size[1]
    # Raw maps of this window at the frame's size, the stitched ones, and those before.
    maps = 3 * window * frame_size[0] * frame_size[1] * FLOAT32
    pixels = rows * columns * PATCH_SIZE**2
    together = max(parts.VALUES_AT_ONCE // (pixels * model.features // 2), 1)
    e = dtype.itemsize
    return MemoryNeed(
        weights_bytes(model, dtype),
        2 * levels + images + maps,  # by frame, and stacked for the network
        max(
            _blocks(model, size, ENCODED_AT_ONCE, e),
            _blocks(model, size, window, e) + _motion(model, size, window, dtype),
            _fine(model, size, min(together, window), e) + _paths(model, size, window, e),
        ),
    )


def _blocks(model: ModelConfig, size: tuple[int, int], frames: int, e: int) -> int:
    """A transformer block on the tokens of ``frames`` frames."""
    rows, columns = grid_size(*size)
    tokens = frames * rows * columns * model.encoder.width
    hidden = min(4 * tokens, parts.VALUES_AT_ONCE)
    inside = max(ATTENTION_TENSORS * tokens * e, 2 * hidden * e)
    return RESIDUAL_TENSORS * tokens * FLOAT32 + inside


def _motion(model: ModelConfig, size: tuple[int, int], frames: int, dtype: torch.dtype) -> int:
    """Inside of the widest motion module, beside the tokens that the blocks' count stands for."""
    rows, columns = grid_size(*size)
    locations = max(rows * columns * model.out_channels[2], 4 * rows * columns * model.features)
    return min(16 * frames * locations, parts.VALUES_AT_ONCE) * dtype.itemsize


def _paths(model: ModelConfig, size: tuple[int, int], frames: int, e: int) -> int:
    """The coarse part's result for all frames, with what it was made of."""
    rows, columns = grid_size(*size)
    return 2 * 4 * rows * columns * model.features * frames * e


def _fine(model: ModelConfig, size: tuple[int, int], frames: int, e: int) -> int:
    """Full-resolution part of the head."""
    rows, columns = grid_size(*size)
    pixels = rows * columns * PATCH_SIZE**2
    finest = FINEST_MAPS * 64 * rows * columns * model.features * e
    last = LAST_MAPS * pixels * (model.features // 2) * max(e, FLOAT32)
    return frames * (finest + last + 2 * pixels * OUTPUT_CHANNELS * FLOAT32)
