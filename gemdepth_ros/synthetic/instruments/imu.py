"""An inertial measurement unit: turn rates and specific force, from the true motion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float64Array

GRAVITY_MPS2 = 9.80665
_STEP_S = 0.005
"""Half the span of the central differences: short against every motion of a vehicle."""

PoseAt = Callable[[float], 'Float64Array']
"""Time since the start [s] to ``odom_from_base``, float64 [4, 4]; z of ``odom`` points up."""


@dataclass(frozen=True)
class ImuNoise:
    """Standard deviations of a mid-range MEMS unit.

    Attributes:
        rate_rps: of one turn rate [rad/s].
        rate_bias_rps: of the constant error of the turn rates [rad/s].
        force_mps2: of one specific force [m/s^2].
        force_bias_mps2: of the constant error of the specific forces [m/s^2].
        tilt_rad: of roll and pitch of one orientation [rad].
        heading_rad: of its heading, which has no reference: constant [rad].
    """

    rate_rps: float = 0.002
    rate_bias_rps: float = 0.0005
    force_mps2: float = 0.02
    force_bias_mps2: float = 0.02
    tilt_rad: float = 0.003
    heading_rad: float = 0.05


@dataclass(frozen=True, eq=False)
class ImuSample:
    """One measurement, in the axes of the unit.

    Attributes:
        rates_rps: float64 [3], turn rates [rad/s].
        force_mps2: float64 [3], specific force [m/s^2]: at rest and level, +9.81 upwards.
        odom_from_imu: float64 [3, 3], orientation with errors.
    """

    rates_rps: Float64Array
    force_mps2: Float64Array
    odom_from_imu: Float64Array


class Imu:
    """An IMU on a vehicle; ask for samples in the order of time.

    Args:
        pose_at: the true motion.
        base_from_imu: float64 [4, 4].
        random: draws its errors.
        noise: their sizes.
    """

    def __init__(
        self,
        pose_at: PoseAt,
        base_from_imu: Float64Array,
        random: np.random.Generator,
        noise: ImuNoise | None = None,
    ) -> None:
        self.noise = ImuNoise() if noise is None else noise
        self._pose_at, self._base_from_imu, self._random = pose_at, base_from_imu, random
        self._rate_bias = random.normal(0.0, self.noise.rate_bias_rps, 3)
        self._force_bias = random.normal(0.0, self.noise.force_bias_mps2, 3)
        self._heading = random.normal(0.0, self.noise.heading_rad)

    def measure(self, time_s: float) -> ImuSample:
        """Return what it measures at a time since the start [s]."""
        before, now, after = (
            self._pose_at(time_s + step) @ self._base_from_imu for step in (-_STEP_S, 0.0, _STEP_S)
        )
        turned = Rotation.from_matrix(before[:3, :3].T @ after[:3, :3]).as_rotvec()
        acceleration = (after[:3, 3] - 2.0 * now[:3, 3] + before[:3, 3]) / _STEP_S**2
        acceleration[2] += GRAVITY_MPS2
        noise, normal = self.noise, self._random.normal
        tilt = normal(0.0, noise.tilt_rad, 2)
        error = Rotation.from_euler('ZYX', [self._heading, *tilt]).as_matrix()
        return ImuSample(
            turned / (2.0 * _STEP_S) + self._rate_bias + normal(0.0, noise.rate_rps, 3),
            now[:3, :3].T @ acceleration + self._force_bias + normal(0.0, noise.force_mps2, 3),
            error @ now[:3, :3],
        )
