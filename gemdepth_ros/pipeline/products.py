"""Images from the network's disparity: full size, metric or relative, and a preview."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gemdepth_ros.interfaces import Float32Array, GroundingState, UInt8Array
from gemdepth_ros.pipeline.config import ProductsConfig


def at_image_size(disparity_HW: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize disparity to the image's (height, width), as the published inference does."""
    if disparity_HW.shape == size:
        return disparity_HW
    return F.interpolate(disparity_HW[None, None], size=size, mode='bilinear', align_corners=True)[
        0, 0
    ]


def metric_depth(disparity: Tensor, state: GroundingState, config: ProductsConfig) -> Tensor:
    """Depth in metres, ``Z = scale / (disparity - shift)``, with the values of REP 117 and 118.

    Beyond ``max_depth_m``, or behind infinity (disparity <= shift), depth is +Inf; nearer than
    ``min_depth_m`` it is NaN. Nothing is clipped: a clipped maximum would look like a wall.
    """
    assert state.metric
    inverse = (disparity - state.shift) / state.scale
    depth = torch.where(inverse <= 1 / config.max_depth_m, torch.inf, 1 / inverse)
    return torch.where(depth < config.min_depth_m, torch.nan, depth)


def relative_depth(disparity: Tensor) -> Tensor:
    """``1 / disparity`` in the network's own unit, as if its shift were zero; +Inf at zero."""
    return 1 / disparity


def as_array(values: Tensor) -> Float32Array:
    """Move a map to the host as float32."""
    array: Float32Array = values.float().cpu().numpy()
    return array


class PreviewColours:
    """Colour-mapped disparity; its range follows the video slowly, so that it does not flicker."""

    def __init__(self, memory: float = 0.9) -> None:
        self._memory = memory
        self._range: tuple[float, float] | None = None

    def forget(self) -> None:
        """Start a new range, after a reset."""
        self._range = None

    def __call__(self, disparity: Float32Array) -> UInt8Array:
        """Return an RGB picture, uint8 [H, W, 3]; near is bright."""
        low, high = (float(v) for v in np.percentile(disparity[::4, ::4], (1, 99)))
        if self._range is not None:
            keep = self._memory
            low = keep * self._range[0] + (1 - keep) * low
            high = keep * self._range[1] + (1 - keep) * high
        self._range = (low, high)
        span = max(high - low, 1e-6)
        grey = np.clip((disparity - low) * (255 / span), 0, 255).astype(np.uint8)
        bgr = cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)
        return np.ascontiguousarray(bgr[..., ::-1])
