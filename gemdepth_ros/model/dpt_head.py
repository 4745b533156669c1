"""Temporal DPT head: four levels of tokens to one map of affine-invariant disparity per frame.

The *coarse* part (levels 3 and 4) mixes frames and is small; the *fine* part (levels 1 and 2,
output) works on each frame alone and holds nine tenths of the arithmetic and memory, so it can
run for some frames only, or in chunks.

Shape suffixes: F = B * T frames, L patches, C channels, H and W rows and columns of a map.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gemdepth_ros.model.config import PATCH_SIZE
from gemdepth_ros.model.layers import parts
from gemdepth_ros.model.layers.modules import Modules
from gemdepth_ros.model.layers.precision import full_precision
from gemdepth_ros.model.temporal_attention import MotionModule

MixFrames = Callable[[int, Tensor], Tensor]


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear resize with aligned corners, as everywhere in this head."""
    return F.interpolate(maps, size=size, mode='bilinear', align_corners=True)


class ResidualConvUnit(nn.Module):
    """``x + conv2(relu(conv1(relu(x))))``."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Refine a map [F, C, H, W]."""
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class Fusion(nn.Module):
    """Add a refined skip map, refine, resize, and mix channels."""

    def __init__(self, features: int, *, has_skip: bool) -> None:
        super().__init__()
        self.skip_unit = ResidualConvUnit(features) if has_skip else None
        self.unit = ResidualConvUnit(features)
        self.out_conv = nn.Conv2d(features, features, 1)

    def forward(self, x: Tensor, skip: Tensor | None, size: tuple[int, int]) -> Tensor:
        """Return the fused map at ``size``."""
        if self.skip_unit is not None:
            assert skip is not None
            x = x + self.skip_unit(skip)
        return self.out_conv(resize(self.unit(x), size))


class DptHead(nn.Module):
    """Depth head with motion modules at four places of its coarse part."""

    def __init__(self, width: int, features: int, out_channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        c1, c2, c3, c4 = out_channels
        self.projects: Modules[nn.Conv2d] = Modules(nn.Conv2d(width, c, 1) for c in out_channels)
        self.resizes = nn.ModuleList(
            [
                nn.ConvTranspose2d(c1, c1, 4, stride=4),
                nn.ConvTranspose2d(c2, c2, 2, stride=2),
                nn.Identity(),
                nn.Conv2d(c4, c4, 3, stride=2, padding=1),
            ]
        )
        self.reduce = nn.ModuleList(
            nn.Conv2d(c, features, 3, padding=1, bias=False) for c in out_channels
        )
        self.fusions = nn.ModuleList(Fusion(features, has_skip=k < 3) for k in range(4))
        self.motion_modules: Modules[MotionModule] = Modules(
            MotionModule(c) for c in (c3, c4, features, features)
        )
        self.output_conv1 = nn.Conv2d(features, features // 2, 3, padding=1)
        self.output_conv2 = nn.Conv2d(features // 2, 32, 3, padding=1)
        self.output_conv3 = nn.Conv2d(32, 1, 1)

    def level_map(self, level: int, tokens_FLC: Tensor, rows: int, columns: int) -> Tensor:
        """Project level ``level`` (0-based) to its map; level 1 is 4x the patch grid."""
        project = self.projects[level]  # a 1x1 convolution: on tokens it is a matrix product
        tokens_FLC = tokens_FLC.to(project.weight.dtype)
        projected = F.linear(tokens_FLC, project.weight.flatten(1), project.bias)
        # Channels stay last in memory, which is also what the convolutions below like best.
        return self.resizes[level](projected.transpose(1, 2).unflatten(2, (rows, columns)))

    def coarse(
        self, map3: Tensor, map4: Tensor, rows: int, columns: int, mix: MixFrames
    ) -> Tensor:
        """Mix frames over levels 3 and 4: maps [F, features, 2 * rows, 2 * columns].

        Args:
            map3: level 3 from ``level_map``.
            map4: level 4 (from ASTT) from ``level_map``.
            rows: patch rows.
            columns: patch columns.
            mix: applies motion module ``index`` to maps; a stream does this with what it kept of
                earlier frames, and may return fewer frames from the last one.
        """
        map3 = self.reduce[2](mix(0, map3))
        map4 = self.reduce[3](mix(1, map4))
        path4 = mix(2, self.fusions[3](map4, None, (rows, columns)))
        return mix(3, self.fusions[2](path4, map3, (2 * rows, 2 * columns)))

    def fine(
        self, level1_FLC: Tensor, level2_FLC: Tensor, path3: Tensor, rows: int, columns: int
    ) -> Tensor:
        """Add levels 1 and 2 and produce disparity [F, 14 * rows, 14 * columns], float32."""
        map1 = self.reduce[0](self.level_map(0, level1_FLC, rows, columns))
        map2 = self.reduce[1](self.level_map(1, level2_FLC, rows, columns))
        path2 = self.fusions[1](path3, map2, (4 * rows, 4 * columns))
        path1 = self.fusions[0](path2, map1, (8 * rows, 8 * columns))
        return self.output(path1, rows, columns)

    def output(self, path1: Tensor, rows: int, columns: int) -> Tensor:
        """Last convolutions, always in float32: half precision overflows here."""
        half = resize(self.output_conv1(path1), (PATCH_SIZE * rows, PATCH_SIZE * columns))
        hidden = F.relu(self.output_conv2(half.to(self.output_conv2.weight.dtype)))
        with full_precision(hidden.device):
            return F.relu(self.output_conv3(hidden.to(self.output_conv3.weight.dtype))).squeeze(1)

    def frames_at_once(self, rows: int, columns: int) -> int:
        """Frames whose largest maps together are as large as parts may be, at least one."""
        pixels = rows * columns * PATCH_SIZE**2
        return max(parts.VALUES_AT_ONCE // (pixels * self.output_conv2.in_channels), 1)

    def forward(
        self,
        levels: list[Tensor],
        rows: int,
        columns: int,
        frames: int,
        *,
        frame_causal: bool = False,
        chunk: int | None = None,
    ) -> Tensor:
        """Disparity of all frames, [F, 14 * rows, 14 * columns].

        Args:
            levels: four levels of tokens, each [F, L, C]; the last one comes from ASTT.
            rows: patch rows.
            columns: patch columns.
            frames: frames per clip.
            frame_causal: whether a frame sees itself and earlier frames only.
            chunk: frames of the fine part that are in memory at once; None: as many as their
                largest maps do not matter beside the weights, at least one.
        """

        def mix(index: int, maps: Tensor) -> Tensor:
            return self.motion_modules[index](maps, frames, frame_causal=frame_causal)

        map3 = self.level_map(2, levels[2], rows, columns)
        map4 = self.level_map(3, levels[3], rows, columns)
        path3 = self.coarse(map3, map4, rows, columns, mix)
        del map3, map4
        chunk = chunk or self.frames_at_once(rows, columns)
        frames_of = zip(
            levels[0].split(chunk), levels[1].split(chunk), path3.split(chunk), strict=True
        )
        return torch.cat([self.fine(l1, l2, p3, rows, columns) for l1, l2, p3 in frames_of])
