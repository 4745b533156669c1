"""A short sequence in memory, scored in one call: for validation in training, and for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from gemdepth_ros.evaluation.metrics.alignment import (
    SMALLEST,
    ScaleShift,
    ScaleShiftFit,
    fit_scale_shift,
    median_ratio,
)
from gemdepth_ros.evaluation.metrics.depth import DepthErrors, depth_errors, mean_errors
from gemdepth_ros.interfaces import Float64Array

Alignment = Literal['sequence', 'frame', 'median', 'none']


@dataclass(frozen=True)
class SequenceScore:
    """Errors of one sequence.

    Attributes:
        mean: over frames, each of the same weight.
        frames: of each frame, NaN where it has no truth.
        alignment: scale and shift of each frame (one and the same under ``sequence``).
    """

    mean: DepthErrors
    frames: tuple[DepthErrors, ...]
    alignment: tuple[ScaleShift, ...]


def score_sequence(
    disparities: Sequence[npt.NDArray[np.floating]],
    truths_m: Sequence[npt.NDArray[np.floating]],
    max_depth_m: float = 80.0,
    alignment: Alignment = 'sequence',
) -> SequenceScore:
    """Score predicted disparities against true depths.

    Args:
        disparities: T maps [h, w]; resized (bilinear) to the truth where sizes differ.
        truths_m: T maps [H, W] [m]; NaN, Inf and <= 0 are unknown.
        max_depth_m: truth at or beyond it does not count, predictions are cut there [m].
        alignment: ``sequence``: one scale and shift of disparity (the "vda" protocol);
            ``frame``: one for each frame; ``median``: medians of depth are made equal, frame by
            frame; ``none``: the maps are inverse metres already.
    """
    pairs = [_valid_pixels(p, g, max_depth_m) for p, g in zip(disparities, truths_m, strict=True)]
    whole = ScaleShiftFit()
    for p, g in pairs:
        whole.add(p, g)
    shared = whole.solve()
    used = tuple(_fit(p, g, alignment, shared) for p, g in pairs)
    frames = tuple(
        depth_errors(fit.depth(p, max_depth_m), g) for fit, (p, g) in zip(used, pairs, strict=True)
    )
    return SequenceScore(mean_errors(frames), frames, used)


def resize_to(disparity: npt.NDArray[np.floating], height: int, width: int) -> Float64Array:
    """Return a map [h, w] resized to [height, width] as the published scripts do (OpenCV)."""
    if disparity.shape == (height, width):
        return disparity.astype(np.float64)
    resized = cv2.resize(disparity, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.float64)


def _valid_pixels(
    disparity: npt.NDArray[np.floating], truth_m: npt.NDArray[np.floating], max_depth_m: float
) -> tuple[Float64Array, Float64Array]:
    with np.errstate(invalid='ignore'):
        known = (truth_m > SMALLEST) & (truth_m < max_depth_m)
    return resize_to(disparity, *truth_m.shape)[known], truth_m[known].astype(np.float64)


def _fit(p: Float64Array, g: Float64Array, alignment: Alignment, shared: ScaleShift) -> ScaleShift:
    if alignment == 'sequence':
        return shared
    if alignment == 'frame':
        return fit_scale_shift(p, g)
    if alignment == 'median' and p.size:
        return ScaleShift(1.0 / median_ratio(1.0 / np.maximum(p, SMALLEST), g), 0.0)
    return ScaleShift(1.0, 0.0)
