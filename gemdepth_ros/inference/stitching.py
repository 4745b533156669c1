"""Windows of the published offline inference: which frames they hold and how they are joined.

With alignment ``published`` the joining is that to the last rounding, weaknesses included
(float32 sums, no check of the sign): it is the reference that other modes are compared with.
``checked`` is the same fit in float64, which refuses what makes no sense.
"""

from __future__ import annotations

import numpy as np

from gemdepth_ros.inference.config import WindowAlignment, WindowConfig
from gemdepth_ros.interfaces import Float32Array

Fit = tuple[float, float]

UNCHANGED: Fit = (1.0, 0.0)
# Maps whose spread is a smaller part of their mean are flat: float32 knows them to 1e-7 of it,
# so the scale would be known to a thousandth at best.
SMALLEST_SPREAD = 1e-4
ANCHOR_SLOTS = 2  # slots 0 and 1 of a later window carry old frames for the fit alone


def next_window(previous: list[int], config: WindowConfig) -> list[int]:
    """Frames of the window after ``previous``, without a limit at the end of the video."""
    first_new = previous[-1] + 1
    return [previous[slot] for slot in config.key_slots] + list(
        range(first_new, first_new + config.step)
    )


def fit_scale_shift(source: Float32Array, target: Float32Array) -> Fit:
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
        return UNCHANGED
    return float((a11 * b0 - a01 * b1) / det), float((a00 * b1 - a01 * b0) / det)


def fit_checked(source: Float32Array, target: Float32Array) -> Fit | None:
    """Least-squares (scale, shift) in float64; None where the maps carry none with scale > 0.

    Maps [N, H, W] of equal shape.
    """
    mean_source, mean_target = source.mean(dtype=np.float64), target.mean(dtype=np.float64)
    from_mean = source.astype(np.float64) - mean_source
    variance = float(np.mean(from_mean * from_mean))
    if not variance > (SMALLEST_SPREAD * abs(mean_source)) ** 2:
        return None
    scale = float(np.mean(from_mean * (target - mean_target))) / variance
    shift = float(mean_target - scale * mean_source)
    return (scale, shift) if scale > 0 and np.isfinite(scale) else None


class Stitcher:
    """Joins windows of disparity into one sequence, holding one window's overlap at most.

    Args:
        config: lengths.
        alignment: of the windows; ``auto`` stands for ``published`` here.

    Attributes:
        last_fit: scale and shift of the newest window.
        refused: whether that window's own fit was refused.
    """

    def __init__(self, config: WindowConfig, alignment: WindowAlignment = 'auto') -> None:
        self._config = config
        self._alignment = alignment
        self._references: Float32Array | None = None  # [2, H, W]
        self._pending: Float32Array | None = None  # last frames, not blended yet
        self.last_fit = UNCHANGED
        self.refused = False

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
        scale, shift = self.last_fit = self._fit(window[:ANCHOR_SLOTS], self._references)
        aligned = window[ANCHOR_SLOTS:] * np.float32(scale) + np.float32(shift)
        aligned = np.maximum(aligned, np.float32(0))
        blend = self._config.blend
        weight = np.linspace(0, 1, blend, dtype=np.float32)[:, None, None]
        aligned[:blend] = (1 - weight) * self._pending + weight * aligned[:blend]
        return aligned

    def _fit(self, source: Float32Array, target: Float32Array) -> Fit:
        if self._alignment == 'none':
            return UNCHANGED
        if self._alignment != 'checked':
            return fit_scale_shift(source, target)
        fit = fit_checked(source, target)
        self.refused = fit is None
        return fit or self.last_fit

    def finish(self) -> Float32Array:
        """Return the frames that were still waiting for a next window."""
        assert self._pending is not None
        return self._pending
