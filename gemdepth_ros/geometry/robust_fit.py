"""Robust linear regression whose covariance does not trust its own residuals to be independent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gemdepth_ros.geometry.linear import inverted, solved
from gemdepth_ros.interfaces import Float64Array

IntArray = npt.NDArray[np.int64]

TUKEY = 4.685  # 95 % efficient for Gaussian residuals; beyond it a residual counts nothing
MAD_TO_STD = 1.4826
HYPOTHESES = 64  # 5 parameters and 30 % outliers: one clean draw with probability 0.9999
SCORED_ROWS = 400  # enough to rank hypotheses by their median residual
ITERATIONS = 12
CONVERGED = 1e-3  # largest change of a whitened residual, in sigmas


@dataclass(frozen=True, eq=False)
class LinearFit:
    """Parameters x of ``design @ x = target``.

    Attributes:
        x: float64 [p].
        covariance: float64 [p, p], from residuals and prior.
        prior_covariance: the part of ``covariance`` that comes from the prior's uncertainty; more
            data of the same kind does not make it smaller.
        sigma: robust standard deviation of a whitened residual.
        inliers: bool [n], rows with weight.
    """

    x: Float64Array
    covariance: Float64Array
    prior_covariance: Float64Array
    sigma: float
    inliers: npt.NDArray[np.bool_]

    @property
    def inlier_share(self) -> float:
        """Part of the rows that fit."""
        return float(self.inliers.mean())


def robust_linear_fit(
    design: Float64Array,
    target: Float64Array,
    *,
    std: Float64Array | None = None,
    clusters: IntArray | None = None,
    prior_std: Float64Array | None = None,
    floor: float = 0.0,
) -> LinearFit | None:
    """Fit by Tukey's M-estimator from a least-median start.

    The covariance is the cluster-robust sandwich: residuals may be correlated within a cluster (a
    tile of the image) in any way. The draws of the start are seeded: the same rows give the same
    answer.

    Args:
        design: float64 [n, p].
        target: float64 [n].
        std: relative standard deviation of each row [n]; any common factor is estimated.
        clusters: number of each row's cluster [n].
        prior_std: standard deviations [p] of parameters that are known to be near zero; +Inf for
            free ones. Free columns must come first.
        floor: smallest ``sigma``; residuals below it are as good as none.

    Returns:
        The fit, or None when the rows do not determine it.
    """
    count, columns = design.shape
    scale = np.ones(count) if std is None else std
    rows, values = design / scale[:, None], target / scale
    precision = np.zeros(columns) if prior_std is None else prior_std**-2.0
    free = int(np.count_nonzero(precision == 0))
    if count < 2 * columns:
        return None
    start = _least_median(rows[:, :free], values)
    if start is None:
        return None
    x = np.concatenate([start, np.zeros(columns - free)])
    solved = _iterate(rows, values, x, precision, floor)
    if solved is None:
        return None
    x, sigma = solved
    residual = values - rows @ x
    normalised = residual / (TUKEY * sigma)
    inliers = np.abs(normalised) < 1.0
    covariances = _sandwich(rows, residual, normalised, sigma, precision, clusters)
    if covariances is None:
        return None
    return LinearFit(x, covariances[0], covariances[1], sigma, inliers)


def _least_median(rows: Float64Array, values: Float64Array) -> Float64Array | None:
    """Return the best of many minimal solutions: the one with the least median residual."""
    count, columns = rows.shape
    random = np.random.default_rng(count)
    draws = random.integers(0, count, (HYPOTHESES, columns))
    systems = rows[draws]
    usable = np.abs(np.linalg.det(systems)) > 1e-12 * np.abs(systems).max(axis=(1, 2)) ** columns
    if not usable.any():
        return None
    solutions = np.linalg.solve(systems[usable], values[draws[usable]][..., None])[..., 0]
    scored = slice(None) if count <= SCORED_ROWS else random.integers(0, count, SCORED_ROWS)
    misfit = np.abs(values[scored] - solutions @ rows[scored].T)
    middle = misfit.shape[1] // 2
    misfit.partition(middle, axis=1)
    best: Float64Array = solutions[np.argmin(misfit[:, middle])]
    return best


def _iterate(
    rows: Float64Array,
    values: Float64Array,
    x: Float64Array,
    precision: Float64Array,
    floor: float,
) -> tuple[Float64Array, float] | None:
    """Reweight until nothing moves; return parameters and sigma."""
    residual = values - rows @ x
    sigma = _sigma(residual, floor)
    for _ in range(ITERATIONS):
        weight = np.maximum(1.0 - (residual / (TUKEY * sigma)) ** 2, 0.0) ** 2
        weighted = rows * weight[:, None]
        normal = weighted.T @ rows / sigma**2 + np.diag(precision)
        try:
            update: Float64Array = solved(normal, weighted.T @ values / sigma**2)
        except np.linalg.LinAlgError:
            return None
        before, residual = residual, values - rows @ update
        x, sigma = update, _sigma(residual, floor)
        if np.abs(residual - before).max() < CONVERGED * sigma:
            break
    return x, sigma


def _sigma(residual: Float64Array, floor: float) -> float:
    size = np.abs(residual)
    middle = len(size) // 2
    size.partition(middle)
    return max(MAD_TO_STD * float(size[middle]), floor, 1e-12)


def _sandwich(
    rows: Float64Array,
    residual: Float64Array,
    normalised: Float64Array,
    sigma: float,
    precision: Float64Array,
    clusters: IntArray | None,
) -> tuple[Float64Array, Float64Array] | None:
    """Return the covariance and its part from the prior."""
    inside = np.abs(normalised) < 1.0
    square = np.where(inside, normalised**2, 1.0)
    slope = np.where(inside, (1.0 - square) * (1.0 - 5.0 * square), 0.0)
    score = (residual * (1.0 - square) ** 2 / sigma**2)[:, None] * rows
    # The mean slope, not each row's: a row near the rejection point has a negative one.
    mean_slope = max(float(slope[inside].mean()), 0.3)
    normal = mean_slope * (rows[inside].T @ rows[inside]) / sigma**2 + np.diag(precision)
    try:
        bread = inverted(normal)
    except np.linalg.LinAlgError:
        return None
    groups = _grouped(score[inside], None if clusters is None else clusters[inside])
    correction = len(groups) / max(len(groups) - rows.shape[1], 1)
    meat = correction * groups.T @ groups
    from_prior = bread @ np.diag(precision) @ bread
    return bread @ meat @ bread + from_prior, from_prior


def _grouped(score: Float64Array, clusters: IntArray | None) -> Float64Array:
    """Sum scores by cluster; of too few clusters, assume that all in one say the same."""
    if clusters is None:
        return score
    _, number = np.unique(clusters, return_inverse=True)
    groups = int(number.max()) + 1
    if groups < 2 * score.shape[1] + 2:
        return score * float(np.sqrt(len(score) / groups))
    return np.stack(
        [np.bincount(number, score[:, k], minlength=groups) for k in range(score.shape[1])],
        axis=1,
    )
