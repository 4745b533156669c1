"""The sum of all losses of a batch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gemdepth_ros.model.gemdepth import GemDepthOutput
from gemdepth_ros.training.batches import Batch
from gemdepth_ros.training.config import LossConfig
from gemdepth_ros.training.losses.alignment import aligned_pair
from gemdepth_ros.training.losses.depth import (
    far_weight,
    gradient_loss,
    spatial_loss,
    temporal_loss,
)
from gemdepth_ros.training.losses.pose import pose_loss

SMALLEST_MEAN = 1e-4
"""Of the inverse depth of a first frame [1/m]: it may show nothing but sky."""


class Losses(NamedTuple):
    """The sum and its parts, unweighted; scalars."""

    total: Tensor
    spatial: Tensor
    gradient: Tensor
    direct: Tensor
    temporal: Tensor
    pose: Tensor


def total_loss(output: GemDepthOutput, batch: Batch, losses: LossConfig) -> Losses:
    """Return the losses of a batch.

    ``direct`` is the spatial loss without any alignment: prediction against inverse depth in units
    of the first frame's mean. It keeps the shift at zero and gives a stream one scale to hold.
    """
    assert output.pose_rounds is not None
    predicted = output.disparity_BTHW.float()
    with torch.no_grad():
        first_B111 = batch.disparity_BTHW[:, :1].mean(dim=(1, 2, 3), keepdim=True)
        truth = batch.disparity_BTHW / first_B111.clamp_min(SMALLEST_MEAN)
        weight = far_weight(truth, losses.far)
    p, n = aligned_pair(predicted, truth, losses.alignment)
    parts = {
        'spatial': spatial_loss(p - n, weight),
        'gradient': gradient_loss(p - n, losses.gradient_scales),
        'direct': spatial_loss(predicted - truth, weight),
        'temporal': temporal_loss(p, n, losses.static_change),
        'pose': pose_loss(output.pose_rounds.permute(2, 0, 1, 3), batch.pose_BT9, losses),
    }
    total = sum(
        (getattr(losses, name) * part for name, part in parts.items()), predicted.new_zeros(())
    )
    return Losses(total, **parts)
