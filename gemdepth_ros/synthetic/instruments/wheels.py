"""Wheel odometry: a path in the plane, with a scale that is a little wrong and drifts slowly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float64Array
    from gemdepth_ros.synthetic.instruments.imu import PoseAt


@dataclass(frozen=True)
class WheelNoise:
    """Errors of wheel odometry.

    Attributes:
        scale: standard deviation of the constant scale error (wheel diameter), as a part.
        drift: standard deviation of the part of it that comes and goes (load, temperature).
        drift_s: time after which that part is forgotten [s].
        distance: standard deviation of a distance of 1 m; grows with its root [m].
        heading_rad: standard deviation of the heading after 1 m of way; grows with its root [rad].
        turn: standard deviation of the constant error of turns, as a part.
    """

    scale: float = 0.01
    drift: float = 0.004
    drift_s: float = 20.0
    distance: float = 0.005
    heading_rad: float = 0.001
    turn: float = 0.01


@dataclass(frozen=True, eq=False)
class WheelSample:
    """One measurement.

    Attributes:
        odom_from_base: float64 [4, 4], in the plane.
        twist: float64 [6] in the base: linear [m/s], angular [rad/s].
        position_std_m: standard deviation of the position [m].
        heading_std_rad: standard deviation of the heading [rad].
    """

    odom_from_base: Float64Array
    twist: Float64Array
    position_std_m: float
    heading_std_rad: float


class Wheels:
    """Wheel odometry that begins at the origin; ask for samples in the order of time.

    Args:
        pose_at: the true motion.
        random: draws its errors.
        noise: their sizes.
    """

    def __init__(
        self, pose_at: PoseAt, random: np.random.Generator, noise: WheelNoise | None = None
    ) -> None:
        self.noise = WheelNoise() if noise is None else noise
        self._pose_at, self._random = pose_at, random
        self._scale = 1.0 + random.normal(0.0, self.noise.scale)
        self._drift = random.normal(0.0, self.noise.drift)
        self._turn = 1.0 + random.normal(0.0, self.noise.turn)
        self._time_s = 0.0
        self._true = _in_plane(pose_at(0.0))
        self._own = np.array([0.0, 0.0, 0.0])
        self._way_m = self._turned_rad = 0.0

    def measure(self, time_s: float) -> WheelSample:
        """Return what it says at a time since the start [s], >= the time asked before."""
        interval_s = time_s - self._time_s
        true = _in_plane(self._pose_at(time_s))
        step, turn = self._measured_step(true, interval_s)
        self._own = _moved(self._own, step, turn)
        self._true, self._time_s = true, time_s
        twist = np.zeros(6)
        if interval_s > 0:
            twist[:2], twist[5] = step / interval_s, turn / interval_s
        return WheelSample(_matrix(self._own), twist, *self._std())

    def _measured_step(self, true: Float64Array, interval_s: float) -> tuple[Float64Array, float]:
        """Return way [m] and turn [rad] since the last sample, as the wheels count them."""
        noise, normal = self.noise, self._random.normal
        turn = float(_wrapped(true[2] - self._true[2]))
        middle = self._true[2] + turn / 2
        dx, dy = true[:2] - self._true[:2]
        cos, sin = math.cos(middle), math.sin(middle)
        step = np.array([cos * dx + sin * dy, cos * dy - sin * dx])
        way = float(np.hypot(dx, dy))
        kept = math.exp(-interval_s / noise.drift_s)
        self._drift = kept * self._drift + normal(0.0, noise.drift * math.sqrt(1 - kept**2))
        self._way_m += way
        self._turned_rad += abs(turn)
        jitter = normal(0.0, 1.0, 2) * math.sqrt(way)
        # A wheel that does not turn counts nothing: all errors are parts of the way.
        factor = self._scale + self._drift + (noise.distance * jitter[0] / way if way > 0 else 0.0)
        return step * factor, turn * self._turn + noise.heading_rad * float(jitter[1])

    def _std(self) -> tuple[float, float]:
        """Return standard deviations of position [m] and heading [rad] so far."""
        noise, way = self.noise, self._way_m
        heading = math.hypot(noise.heading_rad * math.sqrt(way), noise.turn * self._turned_rad)
        along = math.hypot(noise.scale, noise.drift) * way
        # An error of the heading grows over the way and acts on half of it on the average.
        across = heading * way / math.sqrt(3.0)
        return math.hypot(along, across, noise.distance * math.sqrt(way)), heading


def _in_plane(pose: Float64Array) -> Float64Array:
    """Return x, y [m] and heading [rad], float64 [3]."""
    return np.array([pose[0, 3], pose[1, 3], math.atan2(pose[1, 0], pose[0, 0])])


def _moved(pose: Float64Array, step: Float64Array, turn: float) -> Float64Array:
    """Return a pose after a step along the arc whose middle has half of the turn."""
    middle = pose[2] + turn / 2
    cos, sin = math.cos(middle), math.sin(middle)
    way = (cos * step[0] - sin * step[1], sin * step[0] + cos * step[1])
    return np.array([pose[0] + way[0], pose[1] + way[1], _wrapped(pose[2] + turn)])


def _wrapped(angle: float) -> float:
    return math.remainder(angle, 2 * math.pi)


def _matrix(pose: Float64Array) -> Float64Array:
    cos, sin = math.cos(pose[2]), math.sin(pose[2])
    matrix = np.eye(4)
    matrix[:2, :2] = [[cos, -sin], [sin, cos]]
    matrix[:2, 3] = pose[:2]
    return matrix
