"""A small Gaussian state over time, in information form, for what one source measures."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.stats import chi2

from gemdepth_ros.geometry.linear import inverted, solved
from gemdepth_ros.grounding.config import FilterConfig
from gemdepth_ros.interfaces import Float64Array

DOUBTFUL_REFUSALS = 3  # in a row: no longer single outliers, so the state may be what is wrong


@dataclass(frozen=True, eq=False)
class Measurement:
    """What a source read from one frame.

    Attributes:
        mean: float64 [n].
        information: float64 [n, n], of the noise; may have rank below n.
        systematic: float64 [n, n] covariance of errors that are the same in every frame (mounting,
            calibration): they add to the result and never average out.
        offset: float64 [n], what is known today of such errors; the newest one is added to the
            state's mean, whenever it was measured. Empty: none.
    """

    mean: Float64Array
    information: Float64Array
    systematic: Float64Array
    offset: Float64Array = field(default_factory=lambda: np.zeros(0))

    @property
    def finite(self) -> bool:
        """Whether all of it is numbers: a single NaN would never leave a filter again."""
        parts = (self.mean, self.information, self.systematic, self.offset)
        return all(bool(np.isfinite(part).all()) for part in parts)

    @classmethod
    def of_covariance(
        cls, mean: Float64Array, noise: Float64Array, systematic: Float64Array | None = None
    ) -> Measurement:
        """Measurement with a full covariance of its noise."""
        information: Float64Array = inverted(noise)
        return cls(mean, information, np.zeros_like(noise) if systematic is None else systematic)


class GaussianTrack:
    """Estimate of a few numbers that drift slowly.

    Args:
        config: gate, time correlation, restart.
        loose_std: float64 [n], standard deviations far beyond anything possible; the start.
    """

    def __init__(self, config: FilterConfig, loose_std: Float64Array) -> None:
        self._config = config
        self._loose = np.diag(loose_std**-2.0)
        self._gates = [chi2.ppf(config.gate_probability, n + 1) for n in range(len(loose_std))]
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        self.mean: Float64Array = np.zeros(len(self._loose))
        self.information: Float64Array = self._loose.copy()
        self.systematic: Float64Array = np.zeros_like(self._loose)
        self._offset: Float64Array = np.zeros(len(self._loose))
        self.accepted_ns: int | None = None
        self._counted_ns: int | None = None
        self._refused_since_ns: int | None = None
        self._refusals = 0
        self._gap: Float64Array = np.zeros(len(self._loose))

    @property
    def value(self) -> Float64Array:
        """Mean with the newest offset."""
        return self.mean + self._offset

    @property
    def covariance(self) -> Float64Array:
        """Noise and systematic errors together, and the gap to what is refused again and again."""
        covariance: Float64Array = inverted(self.information) + self.systematic
        if self._refusals >= DOUBTFUL_REFUSALS:
            covariance = covariance + np.outer(self._gap, self._gap)
        return covariance

    def age_s(self, now_ns: int) -> float:
        """Time since the last accepted measurement [s]; infinite when there was none."""
        return np.inf if self.accepted_ns is None else (now_ns - self.accepted_ns) * 1e-9

    def drift(self, covariance: Float64Array) -> None:
        """Let the state walk: add a covariance [n, n], which may have any rank."""
        if self.accepted_ns is None:
            return
        # (P + Q)^-1 without inverting an information matrix that may be nearly singular.
        inflated = np.eye(len(self.mean)) + self.information @ covariance
        information: Float64Array = solved(inflated, self.information)
        self.information = information

    def update(self, measurement: Measurement, now_ns: int) -> bool:
        """Take a measurement in; return False when it was refused as an outlier."""
        if self.accepted_ns is not None and self._is_outlier(measurement):
            since = self._refused_since_ns
            self._refused_since_ns = since = now_ns if since is None else min(since, now_ns)
            if (now_ns - since) * 1e-9 < self._config.restart_after_s:
                self._refusals += 1
                self._gap = measurement.mean - self.mean
                return False
            self.forget()  # it has disagreed with its past for long: the past is wrong
        share = self._new_share(now_ns)
        information = self.information + share * measurement.information
        weight = share * inverted(information) @ measurement.information
        mean: Float64Array = self.mean + weight @ (measurement.mean - self.mean)
        self.systematic = _blended(self.systematic, measurement.systematic, weight)
        self.mean = mean
        self.information = information
        if len(measurement.offset):
            self._offset = measurement.offset
        self.accepted_ns = self._counted_ns = now_ns
        self._refused_since_ns = None
        self._refusals = 0
        return True

    def _new_share(self, now_ns: int) -> float:
        """Part of a measurement that earlier ones have not said already."""
        if self._counted_ns is None or self._config.correlation_s == 0:
            return 1.0
        elapsed = (now_ns - self._counted_ns) * 1e-9
        # Time that goes back must not take away what is known.
        return min(max(elapsed / self._config.correlation_s, 0.0), 1.0)

    def _is_outlier(self, measurement: Measurement) -> bool:
        noise = inverted(measurement.information + self._loose)
        spread = noise + inverted(self.information)
        innovation = measurement.mean - self.mean
        distance = float(innovation @ inverted(spread) @ innovation)
        return distance > self._gates[len(innovation) - 1]


def _blended(old: Float64Array, new: Float64Array, weight: Float64Array) -> Float64Array:
    """Systematic covariance of a mean that goes ``weight`` of the way to a measurement.

    The mean is an average over frames, and so are its systematic errors. Those of the state and of
    the measurement have the same causes: they are taken as fully correlated, so that equal ones
    stay what they are. Along a direction that the measurement says nothing of they stay as well.

    Args:
        old: of the state, float64 [n, n].
        new: of the measurement, float64 [n, n].
        weight: gain of the mean, float64 [n, n].
    """
    kept = np.eye(len(old)) - weight
    root: Float64Array = kept @ _root(old) + weight @ _root(new)
    blended: Float64Array = root @ root.T
    return blended


def _root(covariance: Float64Array) -> Float64Array:
    """Symmetric square root of a covariance of any rank."""
    values, vectors = np.linalg.eigh(covariance)
    root: Float64Array = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    return root
