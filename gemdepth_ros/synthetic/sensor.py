"""From linear light to the pixels of a camera, with its faults."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from gemdepth_ros.synthetic.config import WorldConfig


@dataclass(frozen=True)
class Sensor:
    """What a camera does to the light, drawn once per drive.

    Attributes:
        gain: factor on each colour.
        drift: largest part by which the brightness changes.
        drift_hz: how often it does.
        noise: standard deviation, of full scale.
        blur_px: standard deviation of the lens' blur at 322 px of width [px].
        seed: of the noise.
    """

    gain: tuple[float, float, float]
    drift: float
    drift_hz: float
    noise: float
    blur_px: float
    seed: int

    def develop(self, light: torch.Tensor, index: int, time_s: float) -> torch.Tensor:
        """Return uint8 [H, W, 3] from linear light, float32 [3, H, W]."""
        gain = torch.tensor(self.gain, device=light.device)[:, None, None]
        drift = self.drift * math.sin(2 * math.pi * self.drift_hz * time_s + self.seed % 7)
        value = _blurred(light, self.blur_px * light.shape[2] / 322.0)
        value = value * (gain * math.exp(drift))
        # A shoulder instead of a hard end to the whites, then the usual gamma.
        value = torch.where(value < 0.6, value, 0.6 + 0.4 * torch.tanh((value - 0.6) / 0.4))
        value = value.clamp_min(0.0) ** (1 / 2.2)
        if self.noise > 0:
            generator = torch.Generator(light.device).manual_seed(self.seed * 1_000_003 + index)
            grain = torch.randn(value.shape, generator=generator, device=light.device)
            value = value + self.noise * grain
        pixels = (value.clamp(0.0, 1.0) * 255.0 + 0.5).to(torch.uint8)
        return pixels.permute(1, 2, 0)


def make_sensor(random: np.random.Generator, config: WorldConfig) -> Sensor:
    """Draw a camera's faults."""
    gain = random.uniform(*config.exposure) * random.uniform(1 - config.tint, 1 + config.tint, 3)
    return Sensor(
        (float(gain[0]), float(gain[1]), float(gain[2])),
        random.uniform(*config.exposure_drift),
        random.uniform(0.05, 0.5),
        random.uniform(*config.noise),
        random.uniform(*config.blur_px),
        int(random.integers(1 << 30)),
    )


def _blurred(image: torch.Tensor, sigma: float) -> torch.Tensor:
    if sigma < 0.15:
        return image
    reach = max(1, math.ceil(2.0 * sigma))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps /= taps.sum()
    for axis in (1, 2):
        pads = (0, 0, reach, reach) if axis == 1 else (reach, reach, 0, 0)
        padded = functional.pad(image, pads, mode='replicate')
        size = image.shape[axis]
        image = sum(
            float(tap) * padded.narrow(axis, shift, size) for shift, tap in enumerate(taps)
        )  # type: ignore[assignment]
    return image
