"""Which way is down in the camera's frame: mounting, gravity and direction of motion together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gemdepth_ros.grounding.config import GroundPlaneConfig
from gemdepth_ros.grounding.inputs import GroundingInput, tilt_of
from gemdepth_ros.interfaces import Float64Array

# Direction of motion: noise of one step's direction, time between steps that count, and what
# never averages out (a body that squats while it drives).
STEP_DIRECTION_STD_RAD = math.radians(0.7)
SYSTEMATIC_STD_RAD = math.radians(0.15)
MEMORY_STEPS = 100
MIN_STEPS = 10
MIN_RELATIVE_STEP = 0.3  # of the longest recent step: slow motion has no direction
MAX_SIDE_SLOPE = 0.25  # turning or sliding: the axis is not in the plane of motion
CONTRADICTION = 3.0


@dataclass(frozen=True)
class Evidence:
    """One opinion on an angle.

    Attributes:
        name: who says it.
        angle: [rad].
        std: standard deviation [rad].
    """

    name: str
    angle: float
    std: float


@dataclass(frozen=True)
class Tilt:
    """The camera against the ground.

    Attributes:
        pitch: what mounting and gravity say of this frame; > 0 looks down [rad].
        correction: what the direction of motion adds to it [rad].
        pitch_std: [rad].
        roll: > 0 right side low [rad].
        roll_std: [rad].
        message: a contradiction between sources, or empty.
    """

    pitch: float
    correction: float
    pitch_std: float
    roll: float
    roll_std: float
    message: str = ''


class MotionPitch:
    """Pitch against the plane of motion, from the direction of the predicted steps."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        self._angles: list[float] = []
        self._previous: Float64Array | None = None
        self._longest = 0.0

    def add(self, session_from_camera: Float64Array | None, *, lost: bool) -> None:
        """Take the next pose; None or a break starts a new step."""
        previous, self._previous = self._previous, session_from_camera
        if session_from_camera is None or previous is None or lost:
            return
        moved = session_from_camera[:3, 3] - previous[:3, 3]
        length = float(np.linalg.norm(moved))
        self._longest = max(0.99 * self._longest, length)
        if length < MIN_RELATIVE_STEP * self._longest or length <= 0:
            return
        # Over the step's chord the mean of both orientations counts.
        mean = 0.5 * (session_from_camera[:3, :3] + previous[:3, :3])
        x, y, z = mean.T @ moved / length
        if z > 0 and abs(x) < MAX_SIDE_SLOPE * z:
            # The axis looks down by as much as the motion seems to go up (y is down).
            self._angles.append(math.atan2(-y, math.hypot(x, z)))
            del self._angles[:-MEMORY_STEPS]

    @property
    def angles(self) -> Float64Array:
        """Pitch of each remembered step [rad]."""
        return np.array(self._angles)

    @property
    def evidence(self) -> Evidence | None:
        """Median direction and its standard deviation, once there are enough steps."""
        count = len(self._angles)
        if count < MIN_STEPS:
            return None
        angles = np.array(self._angles)
        middle = float(np.median(angles))
        spread = 1.4826 * float(np.median(np.abs(angles - middle)))
        # Steps share their errors (windows overlap): a quarter of them count.
        noise = max(spread, 0.1 * STEP_DIRECTION_STD_RAD) * math.sqrt(1.57 / (count / 4))
        return Evidence('direction of motion', middle, math.hypot(noise, SYSTEMATIC_STD_RAD))


def known_tilt(frame: GroundingInput, motion: Evidence | None, config: GroundPlaneConfig) -> Tilt:
    """All that is known about pitch and roll of this frame."""
    pitches, rolls = [], []
    mounting = frame.mounting
    if mounting is not None:
        if math.isfinite(mounting.pitch_rad):
            pitches.append(Evidence('mounting', mounting.pitch_rad, mounting.pitch_std_rad))
        if math.isfinite(mounting.roll_rad):
            rolls.append(Evidence('mounting', mounting.roll_rad, mounting.roll_std_rad))
    gravity = frame.gravity_camera
    if gravity is not None and np.isfinite(gravity).all() and np.linalg.norm(gravity) > 0:
        pitch, roll = tilt_of(gravity)
        pitches.append(Evidence('gravity', pitch, frame.gravity_std_rad))
        rolls.append(Evidence('gravity', roll, frame.gravity_std_rad))
    base = _combine('pitch', pitches, config.unknown_pitch_std_deg)[0]
    if motion is not None and config.motion_pitch:
        pitches.append(motion)
    pitch, pitch_std, pitch_message = _combine('pitch', pitches, config.unknown_pitch_std_deg)
    if len(pitches) == 1:
        pitch_std = math.hypot(pitch_std, math.radians(config.unchecked_pitch_std_deg))
    roll, roll_std, roll_message = _combine('roll', rolls, config.unknown_roll_std_deg)
    road = math.radians(config.road_std_deg)
    return Tilt(
        base,
        pitch - base,
        math.hypot(pitch_std, road),
        roll,
        math.hypot(roll_std, road),
        pitch_message or roll_message,
    )


def _combine(
    name: str, evidence: list[Evidence], unknown_std_deg: float
) -> tuple[float, float, str]:
    """Weighted mean; where two contradict each other the standard deviation covers both."""
    if not evidence:
        return 0.0, math.radians(unknown_std_deg), ''
    angles = np.array([entry.angle for entry in evidence])
    stds = np.maximum([entry.std for entry in evidence], 1e-6)
    weights = stds**-2 / (stds**-2).sum()
    mean = float(weights @ angles)
    std = float((stds**-2).sum() ** -0.5)
    farthest = int(np.argmax(np.abs(angles - mean) / stds))
    others = np.delete(np.arange(len(angles)), farthest)
    if not len(others):
        return mean, std, ''
    rest = float(np.average(angles[others], weights=weights[others]))
    rest_std = float((stds[others] ** -2).sum() ** -0.5)
    gap = float(angles[farthest] - rest)
    if abs(gap) <= CONTRADICTION * math.hypot(float(stds[farthest]), rest_std):
        return mean, std, ''
    names = ' and '.join(evidence[i].name for i in others)
    message = (
        f'ground_plane: {name} of {evidence[farthest].name} '
        f'({math.degrees(angles[farthest]):.1f} deg) and {names} ({math.degrees(rest):.1f} deg) '
        'contradict each other'
    )
    return mean, math.hypot(std, abs(gap)), message
