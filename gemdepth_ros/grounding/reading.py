"""What a source answers for one frame: a measurement, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gemdepth_ros.grounding.track import Measurement
from gemdepth_ros.interfaces import Float64Array


@dataclass(frozen=True, eq=False)
class Reading:
    """A measurement, or None, and a line for the user when something is wrong.

    Attributes:
        measurement: None when the frame says nothing.
        message: one line, or empty when nothing is wrong.
        fault: unit vector [2] of the way in which the calibration seems to be wrong; when that
            repeats, so is all that the source said before. Empty: nothing seems to be.
    """

    measurement: Measurement | None = None
    message: str = ''
    fault: Float64Array = field(default_factory=lambda: np.zeros(0))


def affine_measurement(
    scale: float, shift: float, noise: Float64Array, systematic: Float64Array
) -> Measurement:
    """Measurement of (1 / s, t / s) from s and t with their covariances [2, 2]."""
    to_linear = np.array([[-1.0 / scale**2, 0.0], [-shift / scale**2, 1.0 / scale]])
    mean = np.array([1.0 / scale, shift / scale])
    return Measurement.of_covariance(
        mean, to_linear @ noise @ to_linear.T, to_linear @ systematic @ to_linear.T
    )
