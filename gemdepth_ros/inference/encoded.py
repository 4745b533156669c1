"""One frame after the parts of the network that depend on nothing but the frame."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gemdepth_ros.model import GemDepth
from gemdepth_ros.model.gemdepth import grid_size
from gemdepth_ros.model.geometry_embedding import SPECIAL_TOKENS
from gemdepth_ros.model.layers.rope import RopeTables


@dataclass(frozen=True, eq=False)
class StreamGrid:
    """What one input size fixes: the patch grid and its position tables."""

    rows: int
    columns: int
    geometry_rope: RopeTables
    spatial_rope: RopeTables
    encoder_positions_1LC: Tensor

    @classmethod
    def of(cls, model: GemDepth, size: tuple[int, int]) -> StreamGrid:
        """Tables for a network input of ``size`` (height, width)."""
        rows, columns = grid_size(*size)
        return cls(
            rows,
            columns,
            model.geometry.rope(rows, columns, model.device),
            model.astt.rope(rows, columns, model.device),
            model.encoder.position_table(rows, columns),
        )

    @property
    def nbytes(self) -> int:
        """Memory of the tables [byte]."""
        tables = [*self.geometry_rope, *self.spatial_rope]
        positions = self.encoder_positions_1LC
        if positions.untyped_storage().nbytes() == positions.nbytes:  # else a part of the weights
            tables.append(positions)
        return sum(table.nbytes for table in tables)

    @property
    def patches(self) -> int:
        """Patches of a frame, L."""
        return self.rows * self.columns

    @property
    def tokens(self) -> int:
        """Tokens of a frame in GEM, P."""
        return self.patches + SPECIAL_TOKENS


@dataclass(frozen=True, eq=False)
class CameraView:
    """A frame in GEM: its camera token after the frame block, and its global keys and values."""

    camera_1C: Tensor
    k_1NPH: Tensor
    v_1NPH: Tensor

    @classmethod
    def of(
        cls, model: GemDepth, grid: StreamGrid, patches_1LC: Tensor, *, first: bool
    ) -> CameraView:
        """Run the frame block on one frame's last level."""
        tokens_1PC = model.geometry.frame_tokens(patches_1LC, first, grid.geometry_rope)
        k_1NPH, v_1NPH = model.geometry.global_key_value(tokens_1PC, grid.geometry_rope)
        return cls(tokens_1PC[:, 0], k_1NPH, v_1NPH)


@dataclass(frozen=True, eq=False)
class EncodedFrame:
    """Encoder levels of one frame, each [1, L, C], and its number in the stream."""

    number: int
    levels: tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class EngineOutput:
    """What an engine says about one frame.

    Attributes:
        number: the frame that is answered.
        disparity_HW: float32 at the network's size.
        numbers: frames of the window or segment behind it, in slot order.
        encodings_T9: their pose encodings, float32.
        index: place of the answered frame in ``numbers``.
        segment: number of the segment (0 in sliding mode).
        scale: factor that was applied to the network's disparity to continue the stream.
        shift: offset that was added after it.
    """

    number: int
    disparity_HW: Tensor
    numbers: tuple[int, ...]
    encodings_T9: Tensor
    index: int
    segment: int = 0
    scale: float = 1.0
    shift: float = 0.0


def empty(model: GemDepth, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
    """A zeroed buffer on the model's device, in its precision unless said otherwise."""
    return torch.zeros(shape, device=model.device, dtype=dtype or model.dtype)
