"""Images from the network's disparity: full size, metric or relative, and a preview."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from gemdepth_ros.interfaces import Float32Array, GroundingState, UInt8Array
from gemdepth_ros.pipeline.config import ProductsConfig
from gemdepth_ros.pipeline.products_config import DepthNoise


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
    return depth_within(inverse_depth(disparity, state), config)


def depth_within(inverse: Tensor, config: ProductsConfig) -> Tensor:
    """``metric_depth`` of inverse depth [1/m]; a new tensor."""
    # In place as far as it goes: half of the time is the memory of the intermediate results.
    depth = F.threshold(inverse, 1 / config.max_depth_m, 0.0).reciprocal_()
    too_near = float(np.nextafter(np.float32(config.min_depth_m), np.float32(-1)))
    return F.threshold(depth, too_near, math.nan, inplace=True)


def inverse_depth(disparity: Tensor, state: GroundingState) -> Tensor:
    """Inverse depth in 1/m, ``(disparity - shift) / scale``; not limited: <= 0 beyond infinity."""
    assert state.metric
    return (disparity - state.shift).div_(state.scale)


def depth_std(
    disparity: Tensor, depth: Tensor, scale: float, covariance: npt.ArrayLike, noise: DepthNoise
) -> Tensor:
    """Return the standard deviation of depth per pixel [m], [H, W]; NaN where depth is not finite.

    With 1/Z = u d - v the variance of inverse depth is the sum of what is unknown about u and v,
    ``J C J^T`` with J = (d, -1), and of the network's own errors (``DepthNoise``), the largest of
    which is the map's slope at edges. Then ``std(Z) = Z^2 std(1/Z)``, to first order. The part
    of u and v is common to all pixels: it does not shrink when pixels are averaged.

    Args:
        disparity: [H, W].
        depth: [H, W] of that disparity [m], after all filters.
        scale: s of the state [m * disparity].
        covariance: of (u, v) = (1 / scale, shift / scale), [2, 2], or larger (the upper left part
            is used), or its rows one after the other as in ``GroundingState``; NaN when unknown,
            which makes all NaN.
        noise: assumed errors of the network.
    """
    matrix = np.asarray(covariance, np.float64)
    side = math.isqrt(matrix.size)
    (uu, uv), (_, vv) = matrix.reshape(side, side)[:2, :2].tolist()
    # Complete the square: u and v are correlated, and the plain sum would cancel in float32.
    surest = 0.0 if uu == 0 else uv / uu
    variance = (disparity - surest).square_().mul_(uu)
    variance += float(np.maximum(vv - uv * surest, 0.0)) + noise.floor_per_m**2
    variance += (noise.relative / depth).square_()
    if noise.edge_px:
        rows, columns = torch.gradient(disparity)
        variance += (rows.square_() + columns.square_()).mul_((noise.edge_px / scale) ** 2)
    std = variance.sqrt_() * depth.square()
    return torch.where(torch.isfinite(depth), std, torch.nan)


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
