"""Surfaces in a map of inverse depth: flying pixels at their edges, and their normals.

Inverse depth w is used throughout, because a plane is linear in it: for ``n . p = D``,
``w = (n . ray) / D`` with ray = (x, y, 1). So its slope in the image tells how near the plane
passes to the camera, and its differences are exact on planes at any distance.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor

from gemdepth_ros.interfaces import PinholeIntrinsics
from gemdepth_ros.pipeline.products_config import EdgeFilter


def flying_pixels(inverse_depth: Tensor, camera: PinholeIntrinsics, config: EdgeFilter) -> Tensor:
    """Return where depth is a mixture of a near and a far surface, bool [H, W].

    Args:
        inverse_depth: [H, W] [1/m]; 0 (or less) for infinitely far, NaN for unknown, which is
            never near an edge.
        camera: intrinsics of the map.
        config: what an edge is.
    """
    largest, smallest = _window_extremes(inverse_depth, config.window)
    # Behind infinity is far, however far behind.
    change = largest - smallest.clamp_(min=0)
    focal = min(camera.fx, camera.fy)
    grazing = (config.window - 1) / (focal * config.plane_distance_m)  # a slope, as a change
    return change.sub_(largest.mul_(config.jump).clamp_(min=grazing)) > 0


def normals(
    inverse_depth: Tensor,
    camera: PinholeIntrinsics,
    config: EdgeFilter | None = None,
    step: int = 2,
) -> Tensor:
    """Return unit normals in the optical frame, pointing to the camera, float32 [H, W, 3].

    NaN where inverse depth is not positive or unknown, there or among the neighbours that were
    used, and at edges.

    Args:
        inverse_depth: [H, W] [1/m]; relative depth without its unknown shift would bend planes.
        camera: intrinsics of the map.
        config: what an edge is; None: differences are taken across edges, too.
        step: distance of the neighbours on either side [px]; larger is smoother.
    """
    w = inverse_depth.float()
    w = torch.where(w > 0, w, torch.nan)
    # On a plane w = a x + b y + c with (a, b, c) = n / D.
    a = camera.fx * _slope(w, 1, step)
    b = camera.fy * _slope(w, 0, step)
    x = (_positions(w, 1) - camera.cx) / camera.fx
    y = (_positions(w, 0) - camera.cy)[:, None] / camera.fy
    c = w - a * x - b * y
    # n . ray = w D > 0 points away, so the sign is turned.
    factor = -torch.rsqrt(a.square() + b.square() + c.square())
    if config is not None:
        edges = flying_pixels(w, camera, config).to(torch.uint8)
        factor.masked_fill_(_window_maximum(edges, 2 * step + 1).bool(), torch.nan)
    return torch.stack([a * factor, b * factor, c * factor], dim=-1)


def normal_image(normal: Tensor) -> Tensor:
    """Return normals [H, W, 3] as colours, uint8 [H, W, 3] (rgb8).

    ``red = 127.5 (1 + x)``, ``green = 127.5 (1 - y)``, ``blue = 127.5 (1 - z)``, rounded: a
    surface that faces right is red, one that faces up (a road) is green, one that faces the
    camera is blue. Unknown is black, which is no normal's colour.
    """
    signs = normal.new_tensor([1.0, -1.0, -1.0])
    colours = torch.nan_to_num(normal * (signs * 127.5) + 127.5, nan=0.0)
    return colours.round_().clamp_(0, 255).to(torch.uint8)


def _window_extremes(values: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Largest and smallest known value in the square window around each pixel; new tensors.

    On the host OpenCV finds them, in a quarter of the time. Its comparison with NaN gives now
    the one, now the other value, so unknown ones are replaced; the sum tells whether there are
    any, in a twentieth of the time of a look at each.
    """
    low = high = values
    on_host = values.device.type == 'cpu' and values.dtype == torch.float32
    if not on_host or not math.isfinite(float(values.sum())):
        low = torch.nan_to_num(values, nan=-torch.inf)
        high = torch.nan_to_num(values, nan=torch.inf)
    if not on_host:
        return _window_maximum(low, window), -_window_maximum(-high, window)
    kernel = np.ones((window, window), np.uint8)
    largest = cv2.dilate(low.numpy(), kernel)
    smallest = cv2.erode(high.numpy(), kernel)
    return torch.from_numpy(largest), torch.from_numpy(smallest)


def _window_maximum(values: Tensor, window: int) -> Tensor:
    """Largest value in the square window around each pixel; rows first, then columns."""
    reach = window // 2
    for dim in (0, 1):
        size = values.shape[dim]
        result = values.clone()
        for shift in range(1, min(reach, size - 1) + 1):
            shared = size - shift
            later, earlier = result.narrow(dim, shift, shared), result.narrow(dim, 0, shared)
            torch.maximum(later, values.narrow(dim, 0, shared), out=later)
            torch.maximum(earlier, values.narrow(dim, shift, shared), out=earlier)
        values = result
    return values


def _slope(w: Tensor, dim: int, step: int) -> Tensor:
    """Change per pixel along a dimension; one-sided at the borders."""
    size = w.shape[dim]
    place = torch.arange(size, device=w.device)
    after = (place + step).clamp_(max=size - 1)
    before = (place - step).clamp_(min=0)
    shape = (-1, 1) if dim == 0 else (1, -1)
    distance = (after - before).clamp_(min=1).reshape(shape)
    change: Tensor = w.index_select(dim, after) - w.index_select(dim, before)
    return change / distance


def _positions(w: Tensor, dim: int) -> Tensor:
    return torch.arange(w.shape[dim], device=w.device, dtype=w.dtype)
