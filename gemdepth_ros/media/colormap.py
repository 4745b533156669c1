"""Disparity as colours, with a range that does not flicker."""

from __future__ import annotations

import cv2
import numpy as np

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.interfaces import Float32Array, UInt8Array


class SteadyRange:
    """A colour range that follows a stream of disparity maps slowly.

    Each frame has its 2nd and 98th percentile; the range is their running mean,
    ``r += (p - r) / horizon``, which starts at the first frame's. One odd frame moves the range by
    1 / horizon of its oddness, so colours drift with the scene but do not flicker.

    Args:
        horizon: frames over which the range follows.
        percentiles: lower and upper percentile of a frame.
    """

    def __init__(
        self, horizon: float = 30.0, percentiles: tuple[float, float] = (2.0, 98.0)
    ) -> None:
        if not horizon >= 1:
            raise ConfigError(f'the horizon of a colour range must be >= 1 frame, got {horizon}')
        self._horizon = horizon
        self._percentiles = percentiles
        self._range: tuple[float, float] | None = None

    def update(self, disparity: Float32Array) -> tuple[float, float]:
        """Follow one more frame.

        Args:
            disparity: float32 [H, W]; values that are not finite are left out.

        Returns:
            Lower and upper end of the colours, in units of disparity.
        """
        sample = disparity[::4, ::4]  # a sixteenth of the pixels fixes a percentile well enough
        sample = sample[np.isfinite(sample)]
        if sample.size:
            low, high = (float(value) for value in np.percentile(sample, self._percentiles))
            if self._range is None:
                self._range = (low, high)
            old_low, old_high = self._range
            self._range = (
                old_low + (low - old_low) / self._horizon,
                old_high + (high - old_high) / self._horizon,
            )
        return self._range or (0.0, 1.0)


def colour_map(
    disparity: Float32Array,
    low: float,
    high: float,
    colours: int = cv2.COLORMAP_INFERNO,
) -> UInt8Array:
    """Return disparity as colours, bright is near.

    Args:
        disparity: float32 [H, W], larger is nearer.
        low: disparity of the darkest colour.
        high: disparity of the brightest colour.
        colours: one of OpenCV's ``COLORMAP_`` values.

    Returns:
        RGB, uint8 [H, W, 3]; black where disparity is not finite.
    """
    known = np.isfinite(disparity)
    span = high - low if high > low else 1.0
    share = (np.where(known, disparity, low) - low) / span
    levels = (255 * np.clip(share, 0, 1)).astype(np.uint8)
    rgb = cv2.cvtColor(cv2.applyColorMap(levels, colours), cv2.COLOR_BGR2RGB)
    rgb[~known] = 0
    return rgb.astype(np.uint8, copy=False)
