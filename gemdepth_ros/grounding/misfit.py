"""What a fit of scale and shift leaves wrong at single depths, where points can tell.

A network's disparity may be far from an affine of 1/Z: too near for the road and too far for the
cars behind it. Noise averages out over many points and this does not, and a robust fit drops the
few far points that contradict the many near ones. So the median residual of each band of depth is
looked at, outliers and all, and what is more than chance near the distance for which depth is
judged goes into the covariance.
"""

from __future__ import annotations

import math

import numpy as np

from gemdepth_ros.geometry.robust_fit import MAD_TO_STD, IntArray
from gemdepth_ros.interfaces import Float64Array

JUDGED = 1.0 / 20.0  # inverse depth for which `depth_std_at_20m` is stated [1/m]
BANDS_PER_OCTAVE = 2
OCTAVES = 3  # to both sides of it
REACH_OCTAVES = 1.0  # a misfit so far away counts e^(-1/2)
MIN_POINTS, MIN_TILES = 8, 3  # fewer lie on one thing, or on the edge of one
MEDIAN_STD = 1.2533  # of a median, in standard deviations of a mean
CHANCE = 3.0  # sigmas of the median that need no explanation


def misfit_covariance(
    inverse_depth: Float64Array, residual: Float64Array, tiles: IntArray
) -> Float64Array:
    """Return the covariance of scale and shift from misfit near 20 m, float64 [2, 2].

    Args:
        inverse_depth: of all points, also of those that the fit left out [N].
        residual: of their disparity [N].
        tiles: of the image in which they lie; the points of one share their errors [N].
    """
    octaves = np.log2(inverse_depth / JUDGED)
    band = np.floor(BANDS_PER_OCTAVE * octaves + 0.5).astype(np.int64)
    reach = BANDS_PER_OCTAVE * OCTAVES
    worst = 0.0
    for number in range(-reach, reach + 1):
        inside = band == number
        if np.count_nonzero(inside) < MIN_POINTS or len(np.unique(tiles[inside])) < MIN_TILES:
            continue
        misfit = _beyond_chance(residual[inside], tiles[inside])
        away = number / (BANDS_PER_OCTAVE * REACH_OCTAVES)
        relative = misfit / float(np.median(inverse_depth[inside]))
        worst = max(worst, relative * math.exp(-0.5 * away**2))
    # Half of it as an error of the scale, half as one of the shift, at that distance.
    return np.diag([0.5 * worst**2, 0.5 * (worst * JUDGED) ** 2])


def _beyond_chance(residual: Float64Array, tiles: IntArray) -> float:
    """Return how far the median residual is from zero, without what noise explains."""
    middle = float(np.median(residual))
    spread = MAD_TO_STD * float(np.median(np.abs(residual - middle)))
    std = MEDIAN_STD * spread / math.sqrt(len(np.unique(tiles)))
    return math.sqrt(max(middle**2 - (CHANCE * std) ** 2, 0.0))
