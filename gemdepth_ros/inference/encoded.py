"""One frame after the parts of the network that depend on nothing but the frame."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gemdepth_ros.model import DepthNetwork, GemDepth
from gemdepth_ros.model.gemdepth import grid_size
from gemdepth_ros.model.geometry_embedding import SPECIAL_TOKENS
from gemdepth_ros.model.layers.rope import RopeTables


@dataclass(frozen=True, eq=False)
class PatchGrid:
    """What one input size fixes: the patch grid and the encoder's positions on it."""

    rows: int
    columns: int
    encoder_positions_1LC: Tensor

    @classmethod
    def of_encoder(cls, model: DepthNetwork, size: tuple[int, int]) -> PatchGrid:
        """Tables for a network input of ``size`` (height, width)."""
        rows, columns = grid_size(*size)
        return PatchGrid(rows, columns, model.encoder.position_table(rows, columns))

    @property
    def nbytes(self) -> int:
        """Memory of the tables [byte]."""
        positions = self.encoder_positions_1LC
        # A square of the learned size is a part of the weights.
        return positions.nbytes if _owns_memory(positions) else 0

    @property
    def patches(self) -> int:
        """Patches of a frame, L."""
        return self.rows * self.columns

    @property
    def motion_locations(self) -> tuple[int, int, int, int]:
        """Locations of the maps that the four motion modules mix."""
        quarter = -(-self.rows // 2) * -(-self.columns // 2)
        return self.patches, quarter, self.patches, 4 * self.patches


def _owns_memory(tensor: Tensor) -> bool:
    return tensor.untyped_storage().nbytes() == tensor.nbytes


@dataclass(frozen=True, eq=False)
class StreamGrid(PatchGrid):
    """What one input size fixes for GemDepth: position tables of GEM and ASTT as well."""

    geometry_rope: RopeTables
    spatial_rope: RopeTables

    @classmethod
    def of(cls, model: GemDepth, size: tuple[int, int]) -> StreamGrid:
        """Tables for a network input of ``size`` (height, width)."""
        rows, columns = grid_size(*size)
        return cls(
            rows,
            columns,
            model.encoder.position_table(rows, columns),
            model.geometry.rope(rows, columns, model.device),
            model.astt.rope(rows, columns, model.device),
        )

    @property
    def nbytes(self) -> int:
        """Memory of the tables [byte]."""
        ropes = sum(table.nbytes for table in (*self.geometry_rope, *self.spatial_rope))
        return ropes + super().nbytes

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
        encodings_T9: their pose encodings, float32; None when the network predicts no poses.
        index: place of the answered frame in ``numbers``.
        segment: number of the segment (0 in sliding mode).
        scale: factor that was applied to the network's disparity to continue the stream.
        shift: offset that was added after it.
    """

    number: int
    disparity_HW: Tensor
    numbers: tuple[int, ...]
    encodings_T9: Tensor | None
    index: int
    segment: int = 0
    scale: float = 1.0
    shift: float = 0.0


def empty(model: DepthNetwork, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
    """A zeroed buffer on the model's device, in its precision unless said otherwise."""
    return torch.zeros(shape, device=model.device, dtype=dtype or model.dtype)


def to_device(host: Tensor, device: torch.device) -> Tensor:
    """Copy a small tensor to a device without waiting for what the device has still to do."""
    if device.type != 'cuda':
        return host.to(device)
    return host.pin_memory().to(device, non_blocking=True)
