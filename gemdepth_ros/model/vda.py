"""Video Depth Anything: GemDepth's encoder and depth head, without poses between them.

Shape suffixes: B clips, T frames, H and W image sides (multiples of 14), L patches, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gemdepth_ros.model.dinov2 import Dinov2
from gemdepth_ros.model.dpt_head import DptHead
from gemdepth_ros.model.gemdepth import check_frames, grid_size
from gemdepth_ros.model.layers.precision import set_precision
from gemdepth_ros.model.vda_config import VdaConfig

# Where a metric network's depth becomes inverse depth; nearer, and the zero of its last ReLU,
# counts as this. Depth images call it unknown (``products.min_depth_m`` is larger).
NEAREST_M = 0.05


@dataclass(frozen=True, eq=False)
class VdaOutput:
    """What the network says about a clip.

    Attributes:
        maps_BTHW: float32 [B, T, H, W], >= 0: affine-invariant inverse depth (larger is nearer),
            or depth [m] where ``VdaConfig.metric`` (larger is farther).
    """

    maps_BTHW: Tensor


class VideoDepthAnything(nn.Module):
    """DINOv2 encoder and temporal depth head; only the head mixes frames."""

    def __init__(self, config: VdaConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Dinov2(config.encoder)
        self.head = DptHead(config.encoder.width, config.features, config.out_channels)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the bulk of the network."""
        return self.encoder.cls_token.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.encoder.cls_token.device

    def set_dtype(self, dtype: torch.dtype) -> VideoDepthAnything:
        """Set the precision; the last convolutions stay in float32 (float16 overflows there).

        So does the encoder's residual stream, see ``set_precision``.
        """
        full = (self.encoder.norm, self.head.output_conv2, self.head.output_conv3)
        set_precision(self, dtype, full)
        return self

    def encode(self, images_FCHW: Tensor, positions_1LC: Tensor | None = None) -> list[Tensor]:
        """Encode frames, each by itself: four levels, each [F, L, C].

        Args:
            images_FCHW: normalised frames.
            positions_1LC: the encoder's ``position_table`` of this size, if it was kept.
        """
        return self.encoder(images_FCHW.to(self.dtype), positions_1LC)

    def forward(self, images_BTCHW: Tensor, *, chunk: int | None = None) -> VdaOutput:
        """Run on clips of 1..32 normalised RGB frames, [B, T, 3, H, W].

        Args:
            images_BTCHW: ImageNet-normalised frames; sides are multiples of 14.
            chunk: frames that pass the head's full-resolution part at once; see ``DptHead``.
        """
        clips, _ = images_BTCHW.shape[:2]
        rows, columns = grid_size(*images_BTCHW.shape[-2:])
        levels_FLC = self.encode(images_BTCHW.flatten(0, 1))
        return self.decode(levels_FLC, clips, rows, columns, chunk=chunk)

    def decode(
        self,
        levels_FLC: list[Tensor],
        clips: int,
        rows: int,
        columns: int,
        *,
        chunk: int | None = None,
    ) -> VdaOutput:
        """Run all that follows the encoder, on ``clips`` clips of equal length.

        Args:
            levels_FLC: what ``encode`` gives for all frames, clip after clip.
            clips: number of clips B.
            rows: patch rows.
            columns: patch columns.
            chunk: frames that pass the head's full-resolution part at once; see ``DptHead``.
        """
        frames = len(levels_FLC[3]) // clips
        check_frames(frames)
        maps_FHW = self.head(levels_FLC, rows, columns, frames, chunk=chunk)
        return VdaOutput(maps_FHW.unflatten(0, (clips, frames)))
