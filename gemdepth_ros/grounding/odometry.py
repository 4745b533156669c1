"""Metres per unit of the predicted translations, from wheel odometry or a speed."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from gemdepth_ros.geometry import se3
from gemdepth_ros.grounding.config import OdometryConfig
from gemdepth_ros.grounding.inputs import GroundingInput, OdometrySample
from gemdepth_ros.grounding.reading import Reading
from gemdepth_ros.grounding.track import Measurement
from gemdepth_ros.interfaces import Float64Array

HISTORY = 400  # samples; at 200 Hz this is two seconds
STILL_MPS = 0.02
STILL_RADPS = 0.01
STILL_TURN_RAD = math.radians(0.5)  # of the predicted poses, where odometry knows no turning
STILL_S = 1.0
LONGEST_EXTRAPOLATION_S = 0.2  # beyond the newest speed
# Later than this after the newest sample nobody knows whether the vehicle still stands.
STILL_MAX_AGE_S = 0.5
# A speed is silent after this many of its intervals, within limits; slower ones are not added up.
PAUSE, MIN_PAUSE_S, MAX_PAUSE_S = 3.0, 0.25, 1.5
RECENT_S = 1.0  # of samples that tell a speed
MIN_RECENT = 3  # of them make a statement that lasts


@dataclass(frozen=True, eq=False)
class _Anchor:
    """First frame of a baseline."""

    stamp_ns: int
    session: Float64Array
    position_std: float
    position: Float64Array | None  # of the camera in the odometry's frame [m]
    path_m: float


class OdometryBaselines:
    """Compares baselines of the odometry with predicted ones; each motion is used once."""

    def __init__(self, config: OdometryConfig) -> None:
        self._config = config
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        self._samples: list[OdometrySample] = []
        self._path: list[tuple[int, float]] = []  # stamp, path length so far [m]
        self._anchor: _Anchor | None = None
        self._session_path = 0.0
        self._last_session: Float64Array | None = None
        self._recent: deque[tuple[int, Float64Array]] = deque()  # stamp, predicted rotation
        self._before_ns = self._now_ns = 0

    @property
    def speed_mps(self) -> float:
        """Newest known speed [m/s]; NaN when nobody has said one lately."""
        recent = self._recent_samples()
        stated = abs(recent[-1].speed_mps) if recent else math.nan
        return stated if math.isfinite(stated) else _speeds_of_poses(recent)[0]

    @property
    def turn_radps(self) -> float:
        """Newest known speed of turning [rad/s]; NaN when nobody has said one lately."""
        recent = self._recent_samples()
        stated = abs(recent[-1].turn_radps) if recent else math.nan
        return stated if math.isfinite(stated) else _speeds_of_poses(recent)[1]

    @property
    def still(self) -> bool:
        """Whether odometry says that the vehicle stood from the frame before to this one.

        It neither moves nor turns. What came after the image does not count: the last step before
        a stop is motion, although the vehicle stands when the step is looked at.
        """
        if not math.isfinite(self.speed_mps):
            return False  # nobody has said one lately
        while_between = self._samples_between()
        speed, turn = _speeds_of_poses(while_between)
        speeds = [abs(s.speed_mps) for s in while_between if math.isfinite(s.speed_mps)]
        turns = [abs(s.turn_radps) for s in while_between if math.isfinite(s.turn_radps)]
        fastest, most = max(speeds, default=speed), max(turns, default=turn)
        if not fastest < STILL_MPS:
            return False
        return most < STILL_RADPS if math.isfinite(most) else self._predicted_turn < STILL_TURN_RAD

    def _samples_between(self) -> list[OdometrySample]:
        """Samples from the frame before to this one, and the last before them; two at least."""
        known = [s for s in self._samples if s.stamp_ns <= self._now_ns]
        inside = sum(s.stamp_ns > self._before_ns for s in known)
        found = known[-max(inside + 1, 2) :]
        return found if len(found) > 1 else self._samples[:2]

    @property
    def moving(self) -> bool:
        """Whether odometry says that it moves or turns, all of the time: noise rests now and then.

        False when it does not know.
        """
        recent = self._recent_samples()
        speed, turn = _speeds_of_poses(recent)
        speeds = [abs(s.speed_mps) for s in recent if math.isfinite(s.speed_mps)]
        turns = [abs(s.turn_radps) for s in recent if math.isfinite(s.turn_radps)]
        slowest, least = min(speeds, default=speed), min(turns, default=turn)
        return len(recent) >= MIN_RECENT and (slowest > STILL_MPS or least > STILL_RADPS)

    @property
    def _predicted_turn(self) -> float:
        """How far the predicted poses have turned within ``STILL_S`` [rad]; infinite: unknown."""
        if len(self._recent) < 2:
            return math.inf
        newest = self._recent[-1][1]
        return max(se3.angle(rotation, newest) for _, rotation in self._recent)

    def _recent_samples(self) -> list[OdometrySample]:
        """Those that tell what the vehicle does now, two at least; none when they are old."""
        if not self._samples:
            return []
        newest = self._samples[-1].stamp_ns
        if (self._now_ns - newest) * 1e-9 > STILL_MAX_AGE_S:
            return []
        recent = [s for s in self._samples if (newest - s.stamp_ns) * 1e-9 <= RECENT_S]
        return recent if len(recent) > 1 else self._samples[-2:]

    def read(self, frame: GroundingInput) -> Reading:
        """Take one frame's samples; measure log g when the baseline is long enough."""
        message = self._take(frame)
        self._before_ns, self._now_ns = self._now_ns, frame.stamp_ns
        session = frame.session_from_camera
        if session is None:
            return Reading(message=message)
        self._remember_turn(frame.stamp_ns, session[:3, :3], lost=frame.lost)
        if frame.lost or self._last_session is None:
            self._anchor, self._session_path = None, 0.0
        else:
            step = session[:3, 3] - self._last_session[:3, 3]
            self._session_path += float(np.linalg.norm(step))
        self._last_session = session
        now = self._here(frame)
        if now is None:
            return Reading(message=message)
        if self._anchor is None:
            self._restart(now)
            return Reading(message=message)
        return self._compare(self._anchor, now, message)

    def _remember_turn(self, stamp_ns: int, rotation: Float64Array, *, lost: bool) -> None:
        recent = self._recent
        if lost or (recent and stamp_ns <= recent[-1][0]):
            recent.clear()
        recent.append((stamp_ns, rotation))
        while (stamp_ns - recent[0][0]) * 1e-9 > STILL_S:
            recent.popleft()

    def _compare(self, anchor: _Anchor, now: _Anchor, message: str) -> Reading:
        config = self._config
        metric, predicted = self._baselines(anchor, now)
        elapsed = (now.stamp_ns - anchor.stamp_ns) * 1e-9
        if not metric >= config.min_baseline_m:
            if elapsed > config.max_baseline_s:
                self._restart(now)
            return Reading(message=message)
        self._restart(now)
        if predicted <= 0:
            return Reading(
                message=f'odometry: moved {metric:.2f} m while the images show no motion'
            )
        walked = math.sqrt(max(now.position_std**2 - anchor.position_std**2, 0.0)) / predicted
        variance = config.baseline_std**2 + min(walked, 1.0) ** 2
        return Reading(
            Measurement.of_covariance(
                np.array([math.log(metric / predicted)]),
                np.array([[variance]]),
                np.array([[config.relative_std**2]]),
            ),
            message,
        )

    def _baselines(self, anchor: _Anchor, now: _Anchor) -> tuple[float, float]:
        """Metres and session units between two frames: chords of poses, or paths of speeds."""
        if anchor.position is not None and now.position is not None:
            return (
                float(np.linalg.norm(now.position - anchor.position)),
                float(np.linalg.norm(now.session[:3, 3] - anchor.session[:3, 3])),
            )
        return now.path_m - anchor.path_m, self._session_path

    def _restart(self, now: _Anchor) -> None:
        self._anchor, self._session_path = now, 0.0

    def _take(self, frame: GroundingInput) -> str:
        """Keep sane samples; return a line about the others."""
        message = ''
        for given in frame.odometry:
            sample = given.mounted(frame.mounting)
            if self._samples and not sample.same_place(self._samples[-1]):
                # The way from the one place to the other is no motion.
                self._samples.clear()
                self._path.clear()
                self._anchor = None
            problem = self._problem(sample, frame.stamp_ns)
            if problem:
                message = f'odometry: {problem}'
                continue
            if math.isfinite(sample.speed_mps):
                self._walk(sample)
            self._samples.append(sample)
        del self._samples[:-HISTORY]
        del self._path[:-HISTORY]
        return message

    def _walk(self, sample: OdometrySample) -> None:
        """Add a speed to the path; over a pause nobody knows how fast the vehicle was."""
        elapsed = (sample.stamp_ns - self._path[-1][0]) * 1e-9 if self._path else 0.0
        usual = MAX_PAUSE_S
        if len(self._path) > 1:
            usual = PAUSE * (self._path[-1][0] - self._path[-2][0]) * 1e-9
        if elapsed > min(max(usual, MIN_PAUSE_S), MAX_PAUSE_S):
            self._path.clear()
            self._anchor = None
        length = self._path[-1][1] + abs(sample.speed_mps) * elapsed if self._path else 0.0
        self._path.append((sample.stamp_ns, length))

    def _problem(self, sample: OdometrySample, frame_ns: int) -> str:
        config = self._config
        if sample.stamp_ns <= 0:
            return f'a sample has the stamp {sample.stamp_ns}: its driver sets none'
        away = abs(sample.stamp_ns - frame_ns) * 1e-9
        if away > config.max_age_s:
            return (
                f'a sample is {away:.1f} s away from the image (limit {config.max_age_s} s): '
                'check the clocks'
            )
        last = self._samples[-1] if self._samples else None
        if last is not None and sample.stamp_ns <= last.stamp_ns:
            return f'a sample of {sample.stamp_ns} ns comes after one of {last.stamp_ns} ns'
        pose = sample.odom_from_base
        if pose is None and not math.isfinite(sample.speed_mps):
            return 'a sample has neither a pose nor a finite speed'
        if pose is not None and not np.isfinite(pose).all():
            return 'a sample has a pose that is not finite'
        speed = abs(sample.speed_mps) if math.isfinite(sample.speed_mps) else 0.0
        if pose is not None and last is not None and last.odom_from_base is not None:
            speed = max(speed, _distance(last, sample) / _seconds(last, sample))
        if speed > config.max_speed_mps:
            if pose is not None:
                # Its frame may have been reset: compare with the next, and measure nothing across.
                self._samples.clear()
                self._path.clear()
                self._anchor = None
            return f'{speed:.0f} m/s is absurd (limit {config.max_speed_mps:.0f} m/s)'
        return ''

    def _here(self, frame: GroundingInput) -> _Anchor | None:
        """Odometry at the frame's time."""
        session = frame.session_from_camera
        assert session is not None
        position = self._position_at(frame.stamp_ns)
        path = self._path_at(frame.stamp_ns)
        if position is None and math.isnan(path):
            return None
        return _Anchor(frame.stamp_ns, session, frame.position_std, position, path)

    def _position_at(self, stamp_ns: int) -> Float64Array | None:
        """Position of the camera in the odometry's frame, between or just beside two samples."""
        posed = [s for s in self._samples if s.odom_from_base is not None]
        if len(posed) < 2:
            return None
        later = next((i for i, s in enumerate(posed) if s.stamp_ns >= stamp_ns), len(posed) - 1)
        after, before = posed[max(later, 1)], posed[max(later, 1) - 1]
        part = (stamp_ns - before.stamp_ns) / (after.stamp_ns - before.stamp_ns)
        if not -1.0 <= part <= 2.0:
            return None
        return (1 - part) * _position(before) + part * _position(after)

    def _path_at(self, stamp_ns: int) -> float:
        if len(self._path) < 2:
            return math.nan
        # Relative to the frame: floats cannot hold nanoseconds since the epoch.
        seconds = np.array([(stamp - stamp_ns) * 1e-9 for stamp, _ in self._path])
        lengths = np.array([length for _, length in self._path])
        # Before the first sample, and long after the newest, nobody knows.
        if seconds[0] > 0 or seconds[-1] < -LONGEST_EXTRAPOLATION_S:
            return math.nan
        value = float(np.interp(0.0, seconds, lengths))
        if seconds[-1] < 0:  # the newest sample is older than the frame: its speed goes on
            value -= self._samples_speed() * float(seconds[-1])
        return value

    def _samples_speed(self) -> float:
        (first, start), (last, end) = self._path[-2], self._path[-1]
        return (end - start) / max((last - first) * 1e-9, 1e-9)


def _speeds_of_poses(samples: list[OdometrySample]) -> tuple[float, float]:
    """Speeds of the camera [m/s] and of turning [rad/s], first to last pose; NaN without two."""
    posed = [sample for sample in samples if sample.odom_from_base is not None]
    if len(posed) < 2:
        return math.nan, math.nan
    elapsed = max(_seconds(posed[0], posed[-1]), 1e-9)
    turned = se3.angle(_rotation(posed[0]), _rotation(posed[-1]))
    return _distance(posed[0], posed[-1]) / elapsed, turned / elapsed


def _rotation(sample: OdometrySample) -> Float64Array:
    assert sample.odom_from_base is not None
    return sample.odom_from_base[:3, :3]


def _position(sample: OdometrySample) -> Float64Array:
    """Where the camera is in the odometry's frame, float64 [3]."""
    return sample.odom_from_camera[:3, 3]


def _distance(first: OdometrySample, second: OdometrySample) -> float:
    return float(np.linalg.norm(_position(second) - _position(first)))


def _seconds(first: OdometrySample, second: OdometrySample) -> float:
    return (second.stamp_ns - first.stamp_ns) * 1e-9
