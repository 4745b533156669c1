"""Windows of the published offline inference: which frames they hold and how they are joined.

The joining is the published one to the last rounding, weaknesses included (float32 sums, no
check of the sign): it is the reference that other modes are compared with.
"""

from __future__ import annotations

import numpy as np

from gemdepth_ros.inference.config import WindowConfig
from gemdepth_ros.interfaces import Float32Array

ANCHOR_SLOTS = 2  # slots 0 and 1 of a later window carry old frames for the fit alone


def next_window(previous: list[int], config: WindowConfig) -> list[int]:
    """Frames of the window after ``previous``, without a limit at the end of the video."""
    first_new = previous[-1] + 1
    return [previous[slot] for slot in config.key_slots] + list(
        range(first_new, first_new + config.step)
    )


def fit_scale_shift(source: Float32Array, target: Float32Array) -> tuple[float, float]:
    """Least-squares (scale, shift) with ``scale * source + shift ~ target``, in float32 sums.

    A singular fit gives (1, 0). Maps [N, H, W] of equal shape.
    """
    a00 = np.sum(source * source)
    a01 = np.sum(source)
    a11 = np.sum(np.ones_like(source))
    b0 = np.sum(source * target)
    b1 = np.sum(target)
    det = a00 * a11 - a01 * a01
    if det == 0:
        return 1.0, 0.0
    return float((a11 * b0 - a01 * b1) / det), float((a00 * b1 - a01 * b0) / det)


class Stitcher:
    """Joins windows of disparity into one sequence, holding one window's overlap at most."""

    def __init__(self, config: WindowConfig) -> None:
        self._config = config
        self._references: Float32Array | None = None  # [2, H, W]
        self._pending: Float32Array | None = None  # last frames, not blended yet
        self.last_fit = (1.0, 0.0)

    def add(self, window: Float32Array) -> Float32Array:
        """Take the next window's raw maps [length, H, W]; return the frames that are final.

        The first call returns frames 0 .. length - blend - 1, later ones ``step`` frames each.
        """
        config = self._config
        if self._references is None:
            joined = window
            first = window[0]
        else:
            joined = self._join(window)
            first = self._references[0]
        middle = config.key_slots[1]
        # Slot numbers count from the window's own start; a later window lost its two anchors.
        offset = len(window) - len(joined)
        self._references = np.stack([first, joined[middle - offset]])
        self._pending = joined[-config.blend :]
        return joined[: -config.blend]

    def _join(self, window: Float32Array) -> Float32Array:
        """Align a window to the sequence and blend its overlap: slots 2 and on."""
        assert self._references is not None
        assert self._pending is not None
        scale, shift = fit_scale_shift(window[:ANCHOR_SLOTS], self._references)
        self.last_fit = (scale, shift)
        aligned = window[ANCHOR_SLOTS:] * np.float32(scale) + np.float32(shift)
        aligned = np.maximum(aligned, np.float32(0))
        blend = self._config.blend
        weight = np.linspace(0, 1, blend, dtype=np.float32)[:, None, None]
        aligned[:blend] = (1 - weight) * self._pending + weight * aligned[:blend]
        return aligned

    def finish(self) -> Float32Array:
        """Return the frames that were still waiting for a next window."""
        assert self._pending is not None
        return self._pending
