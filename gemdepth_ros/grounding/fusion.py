"""One estimate of (1/s, t/s, log g) from what the sources know, and what to do when they disagree.

Sources measure different things: the affine itself; the affine in session units (times g); g; the
shift alone. The unknowns are found by a few Gauss-Newton steps. Each source is then compared with
the others: where they contradict each other the estimate's covariance must cover every opinion
that may be the right one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy.stats import chi2

from gemdepth_ros.geometry.linear import inverted
from gemdepth_ros.interfaces import Float64Array

STEPS = 6
CONVERGED = 1e-3  # of the standard deviations
GATE_PROBABILITY = 0.99
GATES = tuple(float(chi2.ppf(GATE_PROBABILITY, n)) for n in (1, 2))
TYPICAL_INVERSE_DEPTH = 0.05  # 1 / 20 m
LOOSE_INVERSE_DEPTH = 10.0  # 1/m: beyond anything a camera sees
LOOSE_LOG_FACTOR = 10.0

Kind = Literal['affine', 'session_affine', 'log_factor', 'shift']


@dataclass(frozen=True, eq=False)
class Opinion:
    """What one source knows.

    Attributes:
        name: of the source.
        kind: ``affine``: (u, v); ``session_affine``: (u, v) * g; ``log_factor``: log g;
            ``shift``: v / u.
        mean: float64 [1 or 2].
        covariance: float64 [n, n].
    """

    name: str
    kind: Kind
    mean: Float64Array
    covariance: Float64Array

    @cached_property
    def information(self) -> Float64Array:
        """Inverse of the covariance; an opinion is asked for it many times."""
        return inverted(self.covariance)


@dataclass(frozen=True, eq=False)
class Estimate:
    """The fused state.

    Attributes:
        x: float64 [3], (u, v, log g) = (1 / s, t / s, log g).
        covariance: float64 [3, 3].
        sources: names of the sources behind it.
        message: a contradiction, or empty.
    """

    x: Float64Array
    covariance: Float64Array
    sources: tuple[str, ...]
    message: str = ''

    def inverse_depth_std(self, inverse_depth: float) -> float:
        """Standard deviation of 1/Z [1/m] where 1/Z has this value."""
        u, v = self.x[:2]
        row = np.array([(inverse_depth + v) / u, -1.0])
        return math.sqrt(max(float(row @ self.covariance[:2, :2] @ row), 0.0))

    @property
    def depth_std_at_20m(self) -> float:
        """Relative standard deviation of depth at 20 m."""
        if self.x[0] <= 0:
            return math.inf
        return self.inverse_depth_std(TYPICAL_INVERSE_DEPTH) / TYPICAL_INVERSE_DEPTH


def fuse(opinions: list[Opinion], disparity_spread: float) -> Estimate | None:
    """Fuse what is known; None when nothing bears on the affine.

    Args:
        opinions: one per source, independent of each other.
        disparity_spread: range of disparity in the image, for the loose start.
    """
    whole = _solve(opinions, disparity_spread)
    if whole is None or len(opinions) < 2:
        return whole
    distances = _distances(opinions, disparity_spread)
    contradicted = [i for i, part in distances.items() if part >= 1.0]
    if contradicted:
        return _settle(opinions, contradicted, whole, disparity_spread)
    return _tension(opinions, distances, whole, disparity_spread)


def _tension(
    opinions: list[Opinion], distances: dict[int, float], whole: Estimate, spread: float
) -> Estimate:
    """Short of a contradiction the estimate still owes a part of the gap between its sources."""
    covariance = whole.covariance.copy()
    for index, part in distances.items():
        other = _without(opinions, index, spread) if part > 0.0 else None
        if other is not None:
            gap = _bounded(other.x - whole.x, other)
            covariance += part * np.outer(gap, gap)
    return Estimate(whole.x, covariance, whole.sources, whole.message)


def _settle(
    opinions: list[Opinion], contradicted: list[int], whole: Estimate, spread: float
) -> Estimate:
    """Leave out the one source whose absence makes the others agree, or cover all of them."""
    names = ', '.join(opinions[i].name for i in contradicted)
    without = {i: _without(opinions, i, spread) for i in contradicted}
    healed = {
        i: estimate
        for i, estimate in without.items()
        if estimate is not None
        and not _contradicted([o for k, o in enumerate(opinions) if k != i], spread)
    }
    if len(healed) == 1:
        ((outsider, estimate),) = healed.items()
        message = f'grounding: {opinions[outsider].name} contradicts the others and is left out'
        return Estimate(estimate.x, estimate.covariance, estimate.sources, message)
    candidates = list(healed.values()) or [e for e in without.values() if e is not None]
    best = min(candidates, key=lambda e: e.depth_std_at_20m, default=whole)
    covariance = best.covariance.copy()
    for other in candidates:
        gap = _bounded(other.x - best.x, other)
        covariance += np.outer(gap, gap)
    return Estimate(best.x, covariance, whole.sources, f'grounding: {names} contradict each other')


def _bounded(gap: Float64Array, other: Estimate) -> Float64Array:
    """Gap to another opinion; where that one knows nothing it has none to cover."""
    loose = np.sqrt(np.diag(other.covariance)) > 0.3 * np.array(
        [np.inf, LOOSE_INVERSE_DEPTH, LOOSE_LOG_FACTOR]
    )
    return np.where(loose, 0.0, gap)


def _contradicted(opinions: list[Opinion], spread: float) -> list[int]:
    """Numbers of the opinions that the others together speak against."""
    return [i for i, part in _distances(opinions, spread).items() if part >= 1.0]


def _distances(opinions: list[Opinion], spread: float) -> dict[int, float]:
    """Distance of each opinion from all others: 0 as expected or less, 1 at the gate."""
    found = {}
    for index, opinion in enumerate(opinions):
        others = _without(opinions, index, spread)
        if others is None:
            continue
        value, jacobian = _predict(opinion.kind, others.x)
        innovation = opinion.mean - value
        expected = jacobian @ others.covariance @ jacobian.T + opinion.covariance
        distance = float(innovation @ inverted(expected) @ innovation)
        usual = len(innovation)
        found[index] = max((distance - usual) / (GATES[usual - 1] - usual), 0.0)
    return found


def _without(opinions: list[Opinion], index: int, spread: float) -> Estimate | None:
    return _solve([o for k, o in enumerate(opinions) if k != index], spread)


def _solve(opinions: list[Opinion], spread: float) -> Estimate | None:
    """Gauss-Newton over all opinions and a prior that says nearly nothing."""
    x = _start(opinions)
    if x is None:
        return None
    size = np.array(
        [LOOSE_INVERSE_DEPTH / max(spread, 1e-12), LOOSE_INVERSE_DEPTH, LOOSE_LOG_FACTOR]
    )
    size[1] *= max(1.0, abs(x[1] / x[0]) / max(spread, 1e-12))
    covariance = np.diag(size**2)
    for _ in range(STEPS):
        information = np.diag(size**-2)
        gradient = np.array([0.0, 0.0, -x[2] / size[2] ** 2])
        for opinion in opinions:
            value, jacobian = _predict(opinion.kind, x)
            weighted = jacobian.T @ opinion.information
            information += weighted @ jacobian
            gradient += weighted @ (opinion.mean - value)
        covariance = inverted(information)
        step = covariance @ gradient
        x = x + step
        if x[0] <= 0:
            return None
        if (np.abs(step) < CONVERGED * np.sqrt(np.diag(covariance))).all():
            break
    names = tuple(opinion.name for opinion in opinions)
    return Estimate(x, covariance, names)


def _start(opinions: list[Opinion]) -> Float64Array | None:
    """A first guess, from whatever measures the affine."""
    by_kind: dict[str, Opinion] = {}
    for opinion in opinions:
        known = by_kind.get(opinion.kind)
        if known is None or opinion.covariance[0, 0] < known.covariance[0, 0]:
            by_kind[opinion.kind] = opinion
    factor = by_kind.get('log_factor')
    affine, session = by_kind.get('affine'), by_kind.get('session_affine')
    log_factor = float(factor.mean[0]) if factor else 0.0
    if affine is not None and affine.mean[0] > 0:
        if factor is None and session is not None and session.mean[0] > 0:
            log_factor = math.log(session.mean[0] / affine.mean[0])
        return np.array([*affine.mean, log_factor])
    if session is not None and session.mean[0] > 0:
        return np.array([*(session.mean * math.exp(-log_factor)), log_factor])
    return None


def _predict(kind: Kind, x: Float64Array) -> tuple[Float64Array, Float64Array]:
    """What a kind of source should measure, and its derivative by x."""
    u, v, log_factor = x
    if kind == 'affine':
        return x[:2], np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    if kind == 'session_affine':
        factor = math.exp(log_factor)
        value = factor * x[:2]
        return value, np.array([[factor, 0.0, value[0]], [0.0, factor, value[1]]])
    if kind == 'log_factor':
        return x[2:], np.array([[0.0, 0.0, 1.0]])
    return np.array([v / u]), np.array([[-v / u**2, 1.0 / u, 0.0]])
