"""The error of a sequence over time, split by how fast it changes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt

from gemdepth_ros.evaluation.result import ErrorBands

BANDS = 10


def error_bands(metric: str, errors: npt.ArrayLike) -> ErrorBands:
    """Split an error per frame into its mean (F0) and ten geometric bands of frequency.

    One-sided frequency indices k = 1..K, K = floor(T / 2), edges (K + 1)^(j / 10); a band holds
    the k with edge_j-1 <= k < edge_j, and its value is the mean over time of the absolute value of
    the error restricted to it (inverse DFT). Low bands are drift, high bands are flicker.

    Args:
        metric: name of the error.
        errors: [T], finite; frames without a value are left out by the caller.
    """
    series = np.asarray(errors, np.float64)
    if not series.size:
        return ErrorBands(metric, (), math.nan, ())
    highest = series.size // 2
    edges = [(highest + 1) ** (j / BANDS) for j in range(BANDS + 1)]
    spectrum = np.fft.rfft(series)
    k = np.arange(len(spectrum))
    values = []
    for low, high in itertools.pairwise(edges):
        # 1e-9: powers that are whole numbers must not lose their own frequency to rounding.
        inside = (k >= 1) & (k >= low - 1e-9) & (k < high - 1e-9)
        part = np.fft.irfft(np.where(inside, spectrum, 0), series.size)
        values.append(float(np.abs(part).mean()) if inside.any() else math.nan)
    return ErrorBands(metric, tuple(edges), float(series.mean()), tuple(values))
