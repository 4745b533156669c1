"""The camera's and the vehicle's trajectory in metres, without jumps, with a covariance.

The stream's chain of windows gives poses up to one scale. Here each of its steps is taken over in
metres with the factor known at that moment; what was published never moves. Standing still gives
standing still: steps within a dead band, over a whole hold time, are noise and are left out.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.geometry import se3
from gemdepth_ros.interfaces import EgoMotion, Float64Array, GroundingState, WindowPoses
from gemdepth_ros.ranges import ABOVE_ZERO, Ranges

UNKNOWN_VARIANCE = 9999.0  # what consumers of odometry take for "do not use"
RELATIVE_DEAD_BAND = 0.02  # of the longest motion in a hold time, while metres are unknown
LONGEST_DECAY = 0.999
MIN_LOST_SPEED_MPS = 1.0
MIN_STEPS_TO_HOLD = 3


@dataclass(frozen=True)
class PoseChainConfig:
    """Standing still, and when a factor is good enough.

    Attributes:
        dead_band_m: motion within this over ``hold_s`` is noise [m]; so slower than about
            ``2 * dead_band_m / hold_s`` (4 cm/s) is standing, unless odometry knows better.
        dead_band_deg: turning within this over ``hold_s`` is noise [deg].
        hold_s: see above [s].
        max_factor_std: relative standard deviation of the translation factor up to which the
            motion is called metric.
    """

    RANGES: ClassVar[Ranges] = {
        'dead_band_m': (ABOVE_ZERO, None),
        'dead_band_deg': (ABOVE_ZERO, None),
        'hold_s': (ABOVE_ZERO, None),
        'max_factor_std': (ABOVE_ZERO, None),
    }

    dead_band_m: float = 0.02
    dead_band_deg: float = 0.3
    hold_s: float = 1.0
    max_factor_std: float = 0.2

    def __post_init__(self) -> None:
        for name in ('dead_band_m', 'dead_band_deg', 'hold_s', 'max_factor_std'):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f'{name} must be > 0, got {value}')


@dataclass(frozen=True, eq=False)
class ChainedPose:
    """What the stream says about one frame.

    Attributes:
        stamp_ns: capture time [ns].
        session_from_camera: float64 [4, 4].
        position_std: accumulated standard deviation of the position [session units].
        rotation_std: accumulated standard deviation of the rotation [rad].
        lost: the stream's chain was broken at this frame.
        still: somebody else (odometry, the images) knows that the camera stands.
        moving: somebody else (odometry) knows that it moves or turns, however slowly.
        window: poses behind this frame, handed on.
    """

    stamp_ns: int
    session_from_camera: Float64Array
    position_std: float
    rotation_std: float
    lost: bool = False
    still: bool = False
    window: WindowPoses | None = None
    moving: bool = False


class PoseChain:
    """Integrates the steps of one session. ``reset`` starts a new one at the identity."""

    def __init__(self, config: PoseChainConfig | None = None) -> None:
        self.config = config or PoseChainConfig()
        self.reset()

    def reset(self) -> None:
        """Start anew at the identity."""
        self._previous: ChainedPose | None = None
        self._odom_from_camera: Float64Array = np.eye(4)
        self._covariance: Float64Array = np.zeros((6, 6))
        self._scale_error: Float64Array = np.zeros(3)
        self._factor = math.nan
        self._recent: deque[ChainedPose] = deque()
        self._longest = 0.0
        self._speed = 0.0
        self._step_covariance: Float64Array | None = None
        self.standing = False

    def update(self, pose: ChainedPose, grounding: GroundingState) -> EgoMotion:
        """Take the next frame.

        Coordinates are session units until the translation factor is first known; then the path
        so far is put into metres, once. If the factor is lost later the last one is used on, and
        ``metric`` is False.
        """
        without = math.isnan(self._factor)
        factor_std = self._take_factor(grounding)
        rescaled = without and math.isfinite(self._factor)
        factor = self._factor if math.isfinite(self._factor) else 1.0
        previous, self._previous = self._previous, pose
        self._step_covariance = None
        if previous is not None and pose.lost:
            self._break(previous, pose)
        elif previous is not None:
            near = self._in_dead_band(pose, factor)
            self.standing = pose.still or (near and not pose.moving)
            if self.standing:
                self._step_covariance = self._standing_covariance()
            else:
                self._step(previous, pose, factor, factor_std)
        metric = factor_std <= self.config.max_factor_std
        covariance = np.eye(6) * UNKNOWN_VARIANCE
        if metric and not pose.lost:
            covariance = self._covariance.copy()
            covariance[:3, :3] += np.outer(self._scale_error, self._scale_error)
        return EgoMotion(
            self._odom_from_camera.copy(),
            covariance,
            metric,
            pose.lost,
            pose.window,
            self._step_covariance if metric else None,
            rescaled,
        )

    def _take_factor(self, grounding: GroundingState) -> float:
        """Use the newest factor from now on; return its relative standard deviation."""
        factor = grounding.translation_factor
        if not math.isfinite(factor):
            return math.inf
        std = grounding.translation_factor_std / factor
        # A factor on the user's word has no standard deviation: it is taken as exact.
        std = 0.0 if math.isnan(std) else std
        if std > self.config.max_factor_std:
            return std
        if math.isnan(self._factor):
            self._odom_from_camera[:3, 3] *= factor
            self._covariance[:3, :] *= factor
            self._covariance[:, :3] *= factor
            self._scale_error = std * self._odom_from_camera[:3, 3]
        self._factor = factor
        return std

    def _in_dead_band(self, pose: ChainedPose, factor: float) -> bool:
        """Whether this pose is near the mean of the hold time, which noise hardly moves."""
        config = self.config
        recent = self._recent
        recent.append(pose)
        while (pose.stamp_ns - recent[0].stamp_ns) * 1e-9 > config.hold_s:
            recent.popleft()
        others = np.stack([entry.session_from_camera for entry in recent])
        here = pose.session_from_camera
        moved = float(np.linalg.norm(others[:, :3, 3].mean(axis=0) - here[:3, 3]))
        self._longest = max(LONGEST_DECAY * self._longest, moved)
        cosine = (np.einsum('nij,ij->n', others[:, :3, :3], here[:3, :3]) - 1.0) / 2.0
        turned = math.degrees(math.acos(float(np.clip(cosine.min(), -1.0, 1.0))))
        band = config.dead_band_m / factor
        if math.isnan(self._factor):
            band = RELATIVE_DEAD_BAND * self._longest
        elapsed = (pose.stamp_ns - recent[0].stamp_ns) * 1e-9
        settled = len(recent) >= MIN_STEPS_TO_HOLD and elapsed > 0.5 * config.hold_s
        return settled and moved < band and turned < config.dead_band_deg

    def _step(
        self, previous: ChainedPose, pose: ChainedPose, factor: float, factor_std: float
    ) -> None:
        step = se3.inverse(previous.session_from_camera) @ pose.session_from_camera
        step[:3, 3] *= factor
        moved = self._odom_from_camera[:3, :3] @ step[:3, 3]
        self._odom_from_camera = self._odom_from_camera @ step
        self._odom_from_camera[:3, :3] = se3.orthonormal(self._odom_from_camera[:3, :3])
        carried = np.eye(6)
        carried[:3, 3:] = -_skew(moved)  # a wrong heading moves everything after it
        position = factor**2 * max(pose.position_std**2 - previous.position_std**2, 0.0)
        rotation = max(pose.rotation_std**2 - previous.rotation_std**2, 0.0)
        noise = np.diag([position] * 3 + [rotation] * 3)
        self._covariance = carried @ self._covariance @ carried.T + noise
        # One factor's error is the same for all steps: it adds up along the path.
        self._scale_error = self._scale_error + moved * min(factor_std, 1.0)
        of_scale = step[:3, 3] * min(factor_std, 1.0)
        self._step_covariance = noise.copy()
        self._step_covariance[:3, :3] += np.outer(of_scale, of_scale)
        elapsed = max((pose.stamp_ns - previous.stamp_ns) * 1e-9, 1e-9)
        self._speed = float(np.linalg.norm(moved)) / elapsed

    def _standing_covariance(self) -> Float64Array:
        """What "it stands" may hide: motion within the dead band."""
        turn = math.radians(self.config.dead_band_deg)
        return np.diag([self.config.dead_band_m**2] * 3 + [turn**2] * 3)

    def _break(self, previous: ChainedPose, pose: ChainedPose) -> None:
        """Nobody knows what happened in between: stay, and doubt as far as one may have come."""
        elapsed = max((pose.stamp_ns - previous.stamp_ns) * 1e-9, 0.0)
        reach = max(self._speed, MIN_LOST_SPEED_MPS) * elapsed
        turn = min(0.5 * elapsed, math.pi)
        self._covariance += np.diag([reach**2] * 3 + [turn**2] * 3)
        self._recent.clear()


def base_motion(
    odom_from_camera: Float64Array, covariance: Float64Array, base_from_camera: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Motion of the vehicle's base from that of its camera.

    Args:
        odom_from_camera: float64 [4, 4], optical axes, the identity at the start.
        covariance: float64 [6, 6], position and rotation, in the axes of that odom frame.
        base_from_camera: static transform [4, 4].

    Returns:
        odom_from_base [4, 4] with the base's axes, the identity at the start, and its covariance.
    """
    camera_from_base = se3.inverse(base_from_camera)
    odom_from_base = base_from_camera @ odom_from_camera @ camera_from_base
    if covariance[0, 0] >= UNKNOWN_VARIANCE:
        return odom_from_base, covariance.copy()
    axes = base_from_camera[:3, :3]
    lever = odom_from_camera[:3, :3] @ camera_from_base[:3, 3]
    jacobian = np.zeros((6, 6))
    jacobian[:3, :3] = jacobian[3:, 3:] = axes
    jacobian[:3, 3:] = -axes @ _skew(lever)
    return odom_from_base, jacobian @ covariance @ jacobian.T


def _skew(vector: Float64Array) -> Float64Array:
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
