"""DINOv2 image encoder (as in Depth Anything V2): four levels of patch tokens per frame.

Shape suffixes: F frames, L patches, C channels, P = 1 + L tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gemdepth_ros.model.config import PATCH_SIZE, EncoderConfig
from gemdepth_ros.model.layers.block import Block

TABLE_SIDE = 37  # patches per side of the learned position table
# The checkpoints were trained with this offset in the interpolation's scale factor, which moves
# the sampling grid: interpolating to a *size* instead changes depth by a fifth.
SCALE_OFFSET = 0.1


class PatchEmbed(nn.Module):
    """Cut the image into 14x14 patches and project each to a token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH_SIZE, stride=PATCH_SIZE)

    def forward(self, images_F3HW: Tensor) -> Tensor:
        """Return tokens [F, L, C], rows first."""
        return self.proj(images_F3HW).flatten(2).transpose(1, 2)


class Dinov2(nn.Module):
    """Vision transformer; each frame is encoded by itself."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.width
        self.levels = config.levels
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + TABLE_SIDE**2, width) * 0.02)
        self.patch_embed = PatchEmbed(width)
        self.blocks = nn.ModuleList(
            Block(width, config.heads, eps=1e-6, layer_scale=1.0) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def position_table(self, rows: int, columns: int) -> Tensor:
        """Learned positions for a grid of patches, [1, L, C], in the weights' precision."""
        table = self.pos_embed[:, 1:]
        if (rows, columns) == (TABLE_SIDE, TABLE_SIDE):
            return table
        grid = table.float().unflatten(1, (TABLE_SIDE, TABLE_SIDE)).permute(0, 3, 1, 2)
        factor = ((rows + SCALE_OFFSET) / TABLE_SIDE, (columns + SCALE_OFFSET) / TABLE_SIDE)
        grid = F.interpolate(grid, scale_factor=factor, mode='bicubic', align_corners=False)
        assert grid.shape[-2:] == (rows, columns)
        return grid.flatten(2).transpose(1, 2).to(table.dtype)

    def forward(self, images_F3HW: Tensor, positions_1LC: Tensor | None = None) -> list[Tensor]:
        """Encode frames whose sides are multiples of 14.

        Args:
            images_F3HW: normalised frames.
            positions_1LC: what ``position_table`` gave for this size, if it was kept.

        Returns:
            Four normalised levels, each [F, L, C].
        """
        rows, columns = (side // PATCH_SIZE for side in images_F3HW.shape[-2:])
        if positions_1LC is None:
            positions_1LC = self.position_table(rows, columns)
        patches_FLC = self.patch_embed(images_F3HW) + positions_1LC
        cls = (self.cls_token + self.pos_embed[:, :1]).expand(len(patches_FLC), -1, -1)
        tokens_FPC = torch.cat([cls, patches_FLC], dim=1).to(self.norm.weight.dtype)
        taken = []
        for index, block in enumerate(self.blocks):
            tokens_FPC = block(tokens_FPC)
            if index in self.levels:
                taken.append(self.norm(tokens_FPC)[:, 1:].to(cls.dtype))
        return taken
