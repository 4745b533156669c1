"""An anchor for the shift: pixels known to be sky have inverse depth zero."""

from __future__ import annotations

import numpy as np

from gemdepth_ros.grounding.config import SkyConfig
from gemdepth_ros.grounding.inputs import BoolArray
from gemdepth_ros.grounding.reading import Reading
from gemdepth_ros.grounding.scene import Scene
from gemdepth_ros.grounding.track import Measurement

MAX_CLAMPED = 0.5
INDEPENDENT_CELLS = 50.0  # neighbouring cells of sky share their errors


def read_sky(sky: BoolArray, scene: Scene, config: SkyConfig) -> Reading:
    """Shift t (disparity at infinity) with its variance."""
    values = scene.values[sky & scene.known].astype(np.float64)
    if len(values) < config.min_cells:
        return Reading()  # no sky in view is no fault
    smallest = float(scene.values[scene.known].min())
    # A network's output is never negative: where it is cut off, sky says only "at most".
    clamped = float((values <= smallest).mean())
    if clamped > MAX_CLAMPED:
        return Reading(
            message=f'sky: {clamped:.0%} of its disparity is cut off at {smallest:.3g}: '
            'it only bounds the shift'
        )
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - middle)))
    noise = spread**2 * 1.57 / max(len(values) / INDEPENDENT_CELLS, 1.0)
    floor = config.relative_std * scene.spread
    return Reading(
        Measurement.of_covariance(
            np.array([middle]), np.array([[noise + 1e-12]]), np.array([[floor**2]])
        )
    )
