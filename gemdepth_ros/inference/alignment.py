"""Continuing one segment's disparity in the next one's: a guarded scale and shift.

Plain least squares would shrink the scale by the correlation at every seam, and a stream of weeks
would fade to a constant. The line used here treats both sides alike (reduced major axis: the
ratio of the spreads), so seams do not favour shrinking, and the accumulated scale and shift decay
slowly to those of the network itself. That alone bounds them only as well as the network's early
and late slots agree (a constant ratio per seam adds up to ``memory / segment`` of its logarithm),
so they are cut as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gemdepth_ros.interfaces import Float64Array

SAMPLE_SIDE = 64  # pixels per side of the sampling grid, at most
MIN_CORRELATION = 0.5  # below this the two segments do not show the same thing
MAX_SCALE_STEP = 4.0
TRIM_MADS = 3.0
ROUNDS = 2
MIN_SAMPLES = 16
MAX_SCALE = 8.0  # of all seams together; beyond, a small jump is the lesser evil
# Shift of all seams together, in means of the scaled disparity. A negative one is cut early: what
# it takes below zero is lost.
MIN_SHIFT, MAX_SHIFT = -0.5, 4.0
TINY = 1e-12


@dataclass(frozen=True)
class Affine:
    """``scale * disparity + shift``, scale > 0."""

    scale: float = 1.0
    shift: float = 0.0

    def __call__(self, disparity: Tensor) -> Tensor:
        """Apply to a map; what falls below zero is zero (infinitely far)."""
        if self == IDENTITY:
            return disparity
        return (disparity * self.scale + self.shift).clamp_min(0)

    def relaxed(self, frames: float) -> Affine:
        """One frame's worth of decay towards the identity, with a memory of ``frames``."""
        keep = math.exp(-1 / frames)
        return Affine(self.scale**keep, self.shift * keep)


IDENTITY = Affine()


def sample(disparity_NHW: Tensor) -> Float64Array:
    """Values of maps on a coarse grid, float64 [N, n]."""
    height, width = disparity_NHW.shape[-2:]
    rows = slice(None, None, -(-height // SAMPLE_SIDE))
    columns = slice(None, None, -(-width // SAMPLE_SIDE))
    values: Float64Array = disparity_NHW[:, rows, columns].flatten(1).double().cpu().numpy()
    return values


def fit_affine(source: Float64Array, target: Float64Array) -> Affine | None:
    """Robust line with ``scale * source + shift ~ target``; None when the data do not carry one.

    From medians to a fit of the pairs near them, and once more of the pairs near that.
    """
    line: Affine | None = _median_line(source, target)
    for _ in range(ROUNDS):
        if line is None:
            return None
        residual = np.abs(target - line.scale * source - line.shift)
        near = residual <= TRIM_MADS * 1.4826 * np.median(residual) + TINY
        line = _major_axis(source[near], target[near])
    return line


def _median_line(source: Float64Array, target: Float64Array) -> Affine | None:
    """Line through the medians with the ratio of the median spreads."""
    if len(source) < MIN_SAMPLES:
        return None
    middle_source, middle_target = float(np.median(source)), float(np.median(target))
    spread_source = float(np.median(np.abs(source - middle_source)))
    spread_target = float(np.median(np.abs(target - middle_target)))
    if not (spread_source > 0 and spread_target > 0):  # more than half of one side is one value
        return _major_axis(source, target)
    scale = spread_target / spread_source
    return Affine(scale, middle_target - scale * middle_source)


def _major_axis(source: Float64Array, target: Float64Array) -> Affine | None:
    if len(source) < MIN_SAMPLES:
        return None
    spread_source, spread_target = float(source.std()), float(target.std())
    floor = 1e-6 * max(float(np.abs(source).max()), float(np.abs(target).max()), TINY)
    if min(spread_source, spread_target) <= floor:
        return None
    centred = (source - source.mean()) * (target - target.mean())
    if float(centred.mean()) < MIN_CORRELATION * spread_source * spread_target:
        return None
    scale = spread_target / spread_source
    return Affine(scale, float(target.mean() - scale * source.mean()))


def bounded(line: Affine, source: Float64Array, target: Float64Array) -> Affine:
    """Cut a line to what may be published; a cut scale goes through the means."""
    scale = min(max(line.scale, 1 / MAX_SCALE), MAX_SCALE)
    level = scale * float(source.mean())
    shift = line.shift if scale == line.scale else float(target.mean()) - level
    return Affine(scale, min(max(shift, MIN_SHIFT * level), MAX_SHIFT * level))


class SeamAligner:
    """Fits the next segment to the present one over the frames that both answer."""

    def __init__(self) -> None:
        self._source: list[Float64Array] = []
        self._target: list[Float64Array] = []

    def add(self, next_raw_HW: Tensor, present_HW: Tensor, present: Affine) -> Affine:
        """Take one shared frame; return the next segment's affine by all of them so far.

        Args:
            next_raw_HW: the next segment's disparity as the network gives it.
            present_HW: the present segment's, aligned.
            present: the present segment's affine, used as it is when no fit can be trusted.
        """
        both = sample(torch.stack([next_raw_HW, present_HW]))  # one wait for the device
        self._source.append(both[0])
        self._target.append(both[1])
        source, target = np.concatenate(self._source), np.concatenate(self._target)
        fitted = fit_affine(source, target)
        if fitted is None:
            return present
        step = fitted.scale / present.scale
        trusted = 1 / MAX_SCALE_STEP < step < MAX_SCALE_STEP
        return bounded(fitted, source, target) if trusted else present
