"""Losses of the depth maps, on prediction and truth in one unit; means over a whole batch.

With r = prediction - truth:

* spatial (MiDaS, section 5, equation 5): L = mean |r|, here with pixel weights w of mean 1;
* gradient matching (MiDaS, equation 11): L = sum over k = 0..K-1 of mean (|dx r_k| + |dy r_k|),
  r_k being every 2^k-th pixel of r;
* temporal gradient matching ("Video Depth Anything", equation 3):
  L = mean over neighbouring frames and pixels with |n_{i+1} - n_i| < c of
  |(p_{i+1} - p_i) - (n_{i+1} - n_i)|, p prediction, n truth. The paper compares the sizes of the
  changes; we compare the changes, which are not the same where depth goes the wrong way.
"""

from __future__ import annotations

import torch
from torch import Tensor


def far_weight(truth_BTHW: Tensor, softness: float) -> Tensor:
    """Return pixel weights 1 / (softness + n), of mean 1 over each clip; 1 where softness is 0.

    Relative depth error is |r| / n: without a weight, disparity at 80 m counts for nothing.

    Args:
        truth_BTHW: inverse depth in units of the clip's mean.
        softness: where the weight stops to grow.
    """
    if softness == 0:
        return torch.ones_like(truth_BTHW)
    weight = 1.0 / (softness + truth_BTHW)
    return weight / weight.mean(dim=(1, 2, 3), keepdim=True)


def spatial_loss(residual_BTHW: Tensor, weight_BTHW: Tensor) -> Tensor:
    """Weighted mean of absolute residuals."""
    return (weight_BTHW * residual_BTHW.abs()).mean()


def gradient_loss(residual_BTHW: Tensor, scales: int) -> Tensor:
    """Multi-scale gradient matching."""
    total = residual_BTHW.new_zeros(())
    for scale in range(scales):
        step = 2**scale
        r = residual_BTHW[..., ::step, ::step]
        if min(r.shape[-2:]) < 2:
            break
        total = total + r.diff(dim=-1).abs().mean() + r.diff(dim=-2).abs().mean()
    return total


def temporal_loss(predicted_BTHW: Tensor, truth_BTHW: Tensor, largest_change: float) -> Tensor:
    """Temporal gradient matching; 0 for clips of one frame."""
    if predicted_BTHW.shape[1] < 2:
        return predicted_BTHW.new_zeros(())
    change = truth_BTHW.diff(dim=1)
    static = (change.abs() < largest_change).to(change.dtype)
    error = (predicted_BTHW.diff(dim=1) - change).abs() * static
    return error.sum() / static.sum().clamp_min(1.0)
