"""How the camera and everything else moves along the road."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

from gemdepth_ros.synthetic.road import START_M

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float64Array
    from gemdepth_ros.synthetic.config import WorldConfig
    from gemdepth_ros.synthetic.road import Road

_STEP_S = 0.02
_LOOK_AHEAD_S = 4.0
_BUMP_M = 1.2
_LATERAL_MPS2 = 3.0
"""Sideways acceleration at which a driver slows down for a bend."""


class EgoMotion:
    """The car that carries the camera: smooth in its lane, slower in bends.

    Args:
        random: draws the manoeuvre.
        config: its ranges.
        road: what it follows.
        lane: lateral place of the lane [m].
        duration_s: of the drive.
    """

    def __init__(
        self,
        random: np.random.Generator,
        config: WorldConfig,
        road: Road,
        lane: float,
        duration_s: float,
    ) -> None:
        self.cruise_mps = random.uniform(*config.speed_mps)
        manoeuvre = str(random.choice(config.manoeuvres))
        time = np.arange(0.0, duration_s + 2 * _LOOK_AHEAD_S, _STEP_S)
        wanted = _wanted_speed(random, manoeuvre, self.cruise_mps, duration_s, time)
        along = np.concatenate([[0.0], np.cumsum(_slowed(road, wanted) * _STEP_S)[:-1]])
        self._along = CubicSpline(time, along)
        self._speed = self._along.derivative()
        weave = random.uniform(*config.weave_m), random.uniform(0.05, 0.09)
        self._x, self._y = _smooth_path(road, lane, weave, float(along[-1]))
        self._nod = math.radians(random.uniform(*config.nod_deg)) * np.array([1.0, 0.5])
        self._dip = min(0.004, float(self._nod[0]))  # rad per m/s^2
        self._heave_m = random.uniform(*config.heave_m)
        self._beat = random.uniform((4.0, 2.0, 6.0), (7.0, 5.0, 11.0))
        self._bump_m = random.uniform(*config.bump_m)
        self._bumps = np.cumsum(random.uniform(3.0, 60.0, 1 + int(along[-1] / 10.0)))

    def _bump(self, along: float) -> tuple[float, float]:
        """Return how far single bumps lift the car [m], and by how much it climbs [rad]."""
        off = (along - self._bumps) / _BUMP_M
        lift = self._bump_m * np.exp(-off * off)
        return float(lift.sum()), float((-2.0 * off / _BUMP_M * lift).sum())

    def along(self, time_s: Float64Array | float) -> Float64Array:
        """Return the distance driven [m]."""
        return np.asarray(self._along(time_s))

    def pose(self, time_s: float) -> Float64Array:
        """Return x, y, z [m], heading, downward pitch and roll [rad], float64 [6]."""
        s = float(self._along(time_s))
        heading = math.atan2(float(self._y(s, 1)), float(self._x(s, 1)))
        # Springs move with the speed; braking dips the nose.
        swing = min(float(self._speed(time_s)) / 4.0, 1.0) * np.sin(self._beat * time_s)
        pitch, roll = self._nod * swing[:2]
        pitch -= self._dip * (float(self._speed(time_s, 1)) - float(self._speed(0.0, 1)))
        bump, slope = self._bump(s)
        heave, pitch = self._heave_m * swing[2] + bump, pitch - slope
        return np.array([float(self._x(s)), float(self._y(s)), heave, heading, pitch, roll])


def _wanted_speed(
    random: np.random.Generator,
    manoeuvre: str,
    cruise: float,
    duration: float,
    time: Float64Array,
) -> Float64Array:
    rate = random.uniform(1.0, 3.5)
    if manoeuvre == 'stand':
        return np.zeros_like(time)
    if manoeuvre == 'start':
        return np.clip((time - random.uniform(-0.3, 0.5) * duration) * rate, 0.0, cruise)
    if manoeuvre == 'brake':
        stop = random.uniform(0.2, 1.2) * duration
        return np.clip((stop - time) * rate, 0.0, cruise)
    return cruise * (1.0 + 0.09 * np.sin(0.9 * time + random.uniform(0.0, 6.0)))


def _slowed(road: Road, wanted: Float64Array) -> Float64Array:
    """Return the speed with which the bends can be taken, float64 like ``wanted``."""
    places = np.arange(0.0, wanted.sum() * _STEP_S + 20.0)
    bend = np.abs(road.curvature(places + 4.0))
    limit = gaussian_filter1d(np.sqrt(_LATERAL_MPS2 / np.maximum(bend, 1e-4)).clip(max=40.0), 4.0)
    speed, along = np.empty_like(wanted), 0.0
    for index, value in enumerate(wanted):
        speed[index] = min(value, limit[int(along)])
        along += speed[index] * _STEP_S
    return np.asarray(gaussian_filter1d(speed, 0.15 / _STEP_S, mode='nearest'))


def _smooth_path(
    road: Road, lane: float, weave: tuple[float, float], length: float
) -> tuple[CubicSpline, CubicSpline]:
    """Return x and y over the distance, with the corners of the curvature rounded off."""
    s = np.arange(START_M / 2, length + 60.0, 0.5)
    x, y, _ = road.at(s, lane + weave[0] * np.sin(weave[1] * s))
    x, y = (gaussian_filter1d(v, 5.0, mode='nearest') for v in (x, y))
    # By its own length, so that the speed on it is the wanted one.
    length_on_path = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    length_on_path -= np.interp(0.0, s, length_on_path)
    return CubicSpline(length_on_path, x), CubicSpline(length_on_path, y)


@dataclass(frozen=True)
class Actor:
    """What moves along the road.

    Attributes:
        along: place at time 0 [m].
        left: lateral place at time 0 [m].
        along_mps: speed along the road, negative against its direction [m/s].
        left_mps: speed across it [m/s].
        ahead_s: for those who drive as the camera will after so many seconds; else -1.
    """

    along: float
    left: float
    along_mps: float = 0.0
    left_mps: float = 0.0
    ahead_s: float = -1.0


class Carrier(Protocol):
    """What carries the camera."""

    def along(self, time_s: Float64Array | float) -> Float64Array:
        """Return the distance driven [m]."""
        ...

    def pose(self, time_s: float) -> Float64Array:
        """Return x, y, z [m], heading, downward pitch and roll [rad], float64 [6]."""
        ...


class Actors:
    """All actors and their poses; the first row is the scene, which stands."""

    def __init__(self, road: Road, ego: Carrier) -> None:
        self._road, self._ego = road, ego
        self._rows: list[Actor] = [Actor(0.0, 0.0)]

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, actor: Actor) -> int:
        """Add one and return its number."""
        self._rows.append(actor)
        return len(self._rows) - 1

    def poses(self, time_s: float) -> Float64Array:
        """Return x, y, heading of all, float64 [A, 3]; row 0 is zero."""
        table = np.array(
            [(a.along, a.left, a.along_mps, a.left_mps, a.ahead_s) for a in self._rows]
        )
        along = table[:, 0] + table[:, 2] * time_s
        ahead = table[:, 4]
        follows = ahead >= 0
        shifted = self._ego.along(time_s + ahead[follows]) - self._ego.along(ahead[follows])
        along[follows] += shifted
        x, y, heading = self._road.at(along, table[:, 1] + table[:, 3] * time_s)
        poses = np.stack([x, y, heading + np.arctan2(table[:, 3], table[:, 2])], axis=1)
        poses[follows, 2] = heading[follows]
        poses[0] = 0.0
        return poses
