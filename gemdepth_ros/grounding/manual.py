"""Metres from a scale and a shift that the user gives."""

from __future__ import annotations

import math

import numpy as np

from gemdepth_ros.grounding.config import ManualConfig
from gemdepth_ros.grounding.reading import affine_measurement
from gemdepth_ros.grounding.track import Measurement
from gemdepth_ros.interfaces import GroundingState

LEAST_SHIFT_STD = 1e-5  # of inverse depth [1/m]: 0.02 % at 20 m; exactly 0 would be no covariance


def manual_state(scale: float, shift: float, translation_factor: float) -> GroundingState:
    """State in which ``Z = scale / (disparity - shift)`` is taken on the user's word.

    Standard deviations are NaN: nothing was measured, so none can be stated.

    Args:
        scale: s > 0 [m * disparity].
        shift: t [disparity].
        translation_factor: metres per session unit of the motion; NaN when unknown.
    """
    assert scale > 0
    assert math.isfinite(shift)
    return GroundingState(
        metric=True,
        scale=scale,
        shift=shift,
        translation_factor=translation_factor,
        sources=('manual',),
    )


def manual_measurement(config: ManualConfig) -> Measurement:
    """The user's scale and shift with the standard deviations that the user states."""
    noise = np.diag(
        [
            (config.scale_std_relative * config.scale) ** 2,
            max(config.shift_std, LEAST_SHIFT_STD * config.scale) ** 2,
        ]
    )
    return affine_measurement(config.scale, config.shift, noise, np.zeros((2, 2)))
