"""Metres from a scale and a shift that the user gives."""

from __future__ import annotations

import math

from gemdepth_ros.interfaces import GroundingState


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
