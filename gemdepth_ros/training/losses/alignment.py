"""One scale and shift per clip between predicted disparity and truth.

Source: Ranftl et al., "Towards Robust Monocular Depth Estimation" (MiDaS, TPAMI 2022), section 5;
there per image, here per clip (Chen et al., "Video Depth Anything", CVPR 2025, section 3.3): the
scale must not change from frame to frame. With d the prediction and d* the truth, over all pixels
of the clip:

* ``median``: t(d) = median(d), s(d) = mean |d - t(d)|; both are normalised, (d - t(d)) / s(d).
* ``least_squares``: (s, t) = argmin sum (s d + t - n*)^2, n* the normalised truth; closed form:
  s = cov(d, n*) / var(d), t = mean(n*) - s mean(d).
"""

from __future__ import annotations

import torch
from torch import Tensor

from gemdepth_ros.training.config import Alignment

SMALLEST_SPREAD = 1e-3
"""Of disparity in a clip; below it a division by the spread is noise."""


def normalised(maps_BTHW: Tensor) -> Tensor:
    """Return the maps with median 0 and mean absolute value 1, over each clip."""
    flat_BN = maps_BTHW.flatten(1)
    shift_B1 = flat_BN.median(dim=1, keepdim=True).values
    spread_B1 = (flat_BN - shift_B1).abs().mean(dim=1, keepdim=True)
    scaled = (flat_BN - shift_B1) / spread_B1.clamp_min(SMALLEST_SPREAD)
    return scaled.view_as(maps_BTHW)


def least_squares(maps_BTHW: Tensor, target_BTHW: Tensor) -> Tensor:
    """Return ``s * maps + t`` of each clip, nearest to the target in the mean square."""
    d_BN, n_BN = maps_BTHW.flatten(1), target_BTHW.flatten(1)
    d_BN = d_BN - d_BN.mean(dim=1, keepdim=True)
    mean_B1 = n_BN.mean(dim=1, keepdim=True)
    variance_B1 = (d_BN * d_BN).mean(dim=1, keepdim=True).clamp_min(SMALLEST_SPREAD**2)
    scale_B1 = (d_BN * (n_BN - mean_B1)).mean(dim=1, keepdim=True) / variance_B1
    return (scale_B1 * d_BN + mean_B1).view_as(maps_BTHW)


def aligned_pair(
    predicted_BTHW: Tensor, truth_BTHW: Tensor, alignment: Alignment
) -> tuple[Tensor, Tensor]:
    """Return prediction and truth in one unit, in which the truth's mean spread is 1.

    Args:
        predicted_BTHW: disparity of the network.
        truth_BTHW: true inverse depth, in any unit whose spread is well above 1e-3.
        alignment: 'median' or 'least_squares', see above; 'none' changes nothing.
    """
    if alignment == 'none':
        return predicted_BTHW, truth_BTHW
    with torch.no_grad():
        target = normalised(truth_BTHW)
    if alignment == 'median':
        return normalised(predicted_BTHW), target
    return least_squares(predicted_BTHW, target), target
