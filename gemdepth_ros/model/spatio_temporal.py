"""ASTT: the alternating spatio-temporal transformer over the encoder's last level.

Shape suffixes: B clips, T frames, L patches, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gemdepth_ros.model.config import MAX_FRAMES
from gemdepth_ros.model.layers.block import Block
from gemdepth_ros.model.layers.causality import frame_causal_mask
from gemdepth_ros.model.layers.key_value import KeyValueStore
from gemdepth_ros.model.layers.modules import Modules
from gemdepth_ros.model.layers.rope import RopeTables, rope_tables
from gemdepth_ros.model.layers.sinusoid import concatenated_sinusoid

PAIRS = 2


class SpatioTemporal(nn.Module):
    """Twice: attention over all tokens of the clip, then over time at each patch."""

    index_table: Tensor

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.head_width = width // heads
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.spatial_blocks: Modules[Block] = Modules(
            Block(width, heads, eps=1e-6) for _ in range(PAIRS)
        )
        self.time_blocks: Modules[Block] = Modules(
            Block(width, 4 * heads, eps=1e-6) for _ in range(PAIRS)
        )
        self.register_buffer(
            'index_table', concatenated_sinusoid(MAX_FRAMES, width), persistent=False
        )

    def rope(self, rows: int, columns: int, device: torch.device) -> RopeTables:
        """Position tables of one frame's patches."""
        return rope_tables(rows, columns, self.head_width, special=0, device=device)

    def embed(self, patches_BTLC: Tensor, pose_BTC: Tensor, slots_T: Tensor) -> Tensor:
        """Add the pose features, normalise, add the slot's index embedding: [B, T, L, C].

        Args:
            patches_BTLC: the encoder's last level.
            pose_BTC: sum of the three pose features.
            slots_T: slot number of each frame, int64.
        """
        tokens = self.norm((patches_BTLC + pose_BTC[:, :, None]).to(self.norm.weight.dtype))
        return tokens + self.index_table[slots_T][:, None].to(tokens.dtype)

    def step(
        self,
        tokens_1LC: Tensor,
        slot: int,
        rope: RopeTables,
        spatial_stores: Sequence[KeyValueStore],
        time_stores: Sequence[KeyValueStore],
    ) -> Tensor:
        """Mix one frame's embedded tokens with the earlier frames in the stores; [1, L, C]."""
        for spatial, time, spatial_store, time_store in zip(
            self.spatial_blocks, self.time_blocks, spatial_stores, time_stores, strict=True
        ):
            tokens_1LC = spatial.step(tokens_1LC, slot, spatial_store, rope)
            tokens_1LC = time.step(tokens_1LC.transpose(0, 1), slot, time_store).transpose(0, 1)
        return tokens_1LC

    def forward(
        self, tokens_BTLC: Tensor, rows: int, columns: int, *, frame_causal: bool = False
    ) -> Tensor:
        """Mix the embedded tokens over space and time; return the new last level."""
        clips, frames, patches = tokens_BTLC.shape[:3]
        device = tokens_BTLC.device
        rope = self.rope(rows, columns, device).repeated(frames)
        spatial_mask = frame_causal_mask(frames, patches, device) if frame_causal else None
        time_mask = frame_causal_mask(frames, 1, device) if frame_causal else None
        for spatial, time in zip(self.spatial_blocks, self.time_blocks, strict=True):
            mixed = spatial(tokens_BTLC.flatten(1, 2), rope, spatial_mask)
            by_patch = mixed.unflatten(1, (frames, patches)).transpose(1, 2).flatten(0, 1)
            by_patch = time(by_patch, mask=time_mask)
            tokens_BTLC = by_patch.unflatten(0, (clips, patches)).transpose(1, 2)
        return tokens_BTLC
