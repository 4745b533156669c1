"""The sky: a gradient with clouds, and what surfaces mirror of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gemdepth_ros.synthetic.texture import Noise

if TYPE_CHECKING:
    from gemdepth_ros.synthetic.appearance import Light


def sky_colour(light: Light, rays: torch.Tensor, noise: Noise) -> torch.Tensor:
    """Return the colour of the sky in directions, float32 [3, M] from float32 [3, M]."""
    length = torch.sqrt((rays * rays).sum(dim=0))
    up = (rays[2] / length).clamp_min(0.0)
    colour = gradient(light, up)
    # Clouds lie on a plane high above; near the horizon they run together.
    flat = 1.0 / (up + 0.06)
    u = rays[0] / length * flat * 4.0 + light.cloud_seed
    v = rays[1] / length * flat * 4.0
    fine = torch.full_like(u, 0.02) * flat
    density = noise.sample(u, v, fine, -5.0) + 0.5 * noise.sample(v * 0.4, u * 0.4, fine, -5.0)
    cover = ((density - 1.15 + 0.8 * light.clouds) * 4.0).clamp(0.0, 1.0)
    cover = cover * (up * 12.0).clamp(0.0, 1.0)
    white = torch.tensor([0.95, 0.95, 0.97], device=rays.device)[:, None]
    shade = 0.75 + 0.5 * (density - 0.75)
    return colour + cover * (white * shade - colour)


def gradient(light: Light, up: torch.Tensor) -> torch.Tensor:
    """Return the clear sky's colour, float32 [3, M], where ``up`` is the sine of elevation."""
    part = 1.0 - torch.exp(-3.0 * up)
    horizon = torch.tensor(light.horizon, device=up.device)[:, None]
    zenith = torch.tensor(light.zenith, device=up.device)[:, None]
    return horizon + part * (zenith - horizon)
