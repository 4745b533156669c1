"""One training step's forward pass as a module, so that data-parallel training can wrap it."""

from __future__ import annotations

import torch
from torch import nn

from gemdepth_ros.model.config import PATCH_SIZE
from gemdepth_ros.model.gemdepth import GemDepth
from gemdepth_ros.training.batches import Batch
from gemdepth_ros.training.config import LossConfig
from gemdepth_ros.training.losses import Losses, total_loss


class TrainedNetwork(nn.Module):
    """GemDepth and its losses."""

    def __init__(self, model: GemDepth, losses: LossConfig, in_bfloat16: bool) -> None:
        super().__init__()
        self.model = model
        self.losses = losses
        self.in_bfloat16 = in_bfloat16

    def forward(self, batch: Batch) -> Losses:
        """Return the losses of a batch."""
        images = batch.images_BTCHW
        clips, frames = images.shape[:2]
        rows, columns = (side // PATCH_SIZE for side in images.shape[-2:])
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            levels = self.model.encode(images.flatten(0, 1))
            output = self.model.decode(
                levels,
                clips,
                rows,
                columns,
                frame_causal=batch.causal,
                camera_only=True,
                neutral_BT=batch.withheld_BT,
                chunk=clips * frames,
            )
        return total_loss(output, batch, self.losses)
