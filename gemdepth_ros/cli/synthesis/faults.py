"""Faults of a camera, drawn from a seed before the drive: the same ones whatever else changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from gemdepth_ros.cli.synthesis.options import CameraFaults
    from gemdepth_ros.interfaces import Float64Array, UInt8Array

_DARKEST, _BRIGHTEST, _LEAST_JUMP = 0.4, 2.2, 1.4


class FaultPlan:
    """What happens to each frame of a drive.

    Args:
        faults: what shall happen.
        frames: number of frames.
        random: draws when.

    Attributes:
        dropped: bool [N], frames that are missing.
        stamp_error_ns: int64 [N].
        gain: float64 [N], factor on the brightness; jumps and stays.
    """

    def __init__(self, faults: CameraFaults, frames: int, random: np.random.Generator) -> None:
        self.dropped: npt.NDArray[np.bool_] = np.zeros(frames, np.bool_)
        # As many as asked for: a short drive has its share, too.
        count = min(round(faults.drop_share * frames), frames - 1)
        self.dropped[1 + random.permutation(frames - 1)[:count]] = True
        largest_ns = faults.stamp_jitter_ms * 1e6
        self.stamp_error_ns = np.round(random.uniform(-largest_ns, largest_ns, frames)).astype(
            np.int64
        )
        self.gain = _gains(random, frames, faults.exposure_jumps)

    def exposed(self, image_rgb: UInt8Array, index: int) -> UInt8Array:
        """Return an image as the camera's exposure shows it, uint8 [H, W, 3]."""
        gain = self.gain[index]
        if gain == 1.0:
            return image_rgb
        bright: Float64Array = np.clip(np.round(image_rgb * gain), 0, 255)
        return bright.astype(np.uint8)


def _gains(random: np.random.Generator, frames: int, jumps: int) -> Float64Array:
    gain = np.ones(frames)
    if frames < 2:
        return gain
    for first in np.sort(1 + random.permutation(frames - 1)[:jumps]):
        before, value = gain[first], 1.0
        while max(value / before, before / value) < _LEAST_JUMP:
            value = float(np.exp(random.uniform(np.log(_DARKEST), np.log(_BRIGHTEST))))
        gain[first:] = value
    return gain
