"""Wheels, IMU and LiDAR on motions that can be written down."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.geometry.se3 import from_parts
from gemdepth_ros.interfaces import Float64Array
from gemdepth_ros.synthetic.instruments.imu import GRAVITY_MPS2, Imu, ImuNoise
from gemdepth_ros.synthetic.instruments.lidar import LIDARS, Lidar, LidarModel
from gemdepth_ros.synthetic.instruments.wheels import WheelNoise, Wheels

RADIUS_M, RATE_RPS = 20.0, 0.4
SILENT_IMU = ImuNoise(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
SILENT_WHEELS = WheelNoise(0.0, 0.0, 20.0, 0.0, 0.0, 0.0)
BASE_FROM_IMU = from_parts(
    Rotation.from_euler('ZYX', [0.3, -0.2, 0.1]).as_matrix(), np.array([-0.4, 0.1, 0.3])
)


def circle(time_s: float) -> Float64Array:
    """Drive to the left on a circle of 20 m, 8 m/s."""
    angle = RATE_RPS * time_s
    place = RADIUS_M * np.array([math.sin(angle), 1 - math.cos(angle), 0.0])
    return from_parts(Rotation.from_euler('Z', angle).as_matrix(), place)


def standing(_time_s: float) -> Float64Array:
    return np.eye(4)


def test_an_imu_at_rest_feels_gravity_upwards() -> None:
    sample = Imu(standing, BASE_FROM_IMU, np.random.default_rng(0), SILENT_IMU).measure(1.0)
    np.testing.assert_allclose(sample.rates_rps, 0.0, atol=1e-12)
    up = BASE_FROM_IMU[:3, :3] @ sample.force_mps2
    np.testing.assert_allclose(up, (0, 0, GRAVITY_MPS2), atol=1e-9)


def test_an_imu_on_a_circle_feels_its_middle() -> None:
    imu = Imu(circle, BASE_FROM_IMU, np.random.default_rng(0), SILENT_IMU)
    for time_s in (0.0, 3.0):
        sample = imu.measure(time_s)
        np.testing.assert_allclose(
            BASE_FROM_IMU[:3, :3] @ sample.rates_rps, (0, 0, RATE_RPS), atol=1e-6
        )
        # The unit is 0.4 m behind the base and 0.1 m nearer to the middle.
        expected = RATE_RPS**2 * np.array([0.4, RADIUS_M - 0.1, 0.0])
        expected[2] = GRAVITY_MPS2
        felt = BASE_FROM_IMU[:3, :3] @ sample.force_mps2
        np.testing.assert_allclose(felt, expected, atol=1e-4)
        np.testing.assert_allclose(
            sample.odom_from_imu, circle(time_s)[:3, :3] @ BASE_FROM_IMU[:3, :3], atol=1e-12
        )


def test_the_noise_of_an_imu_is_what_it_says() -> None:
    noise = ImuNoise()
    imu = Imu(standing, np.eye(4), np.random.default_rng(1), noise)
    samples = [imu.measure(0.01 * index) for index in range(2000)]
    rates = np.array([sample.rates_rps for sample in samples])
    force = np.array([sample.force_mps2 for sample in samples])
    np.testing.assert_allclose(rates.std(axis=0), noise.rate_rps, rtol=0.1)
    np.testing.assert_allclose(force.std(axis=0), noise.force_mps2, rtol=0.1)
    assert 0 < np.abs(rates.mean(axis=0)).max() < 4 * noise.rate_bias_rps
    assert 0 < np.abs(force.mean(axis=0) - (0, 0, GRAVITY_MPS2)).max() < 4 * noise.force_bias_mps2


def drive(wheels: Wheels, seconds: float) -> list[Float64Array]:
    times = np.arange(0.0, seconds + 1e-9, 0.02)
    return [wheels.measure(float(time_s)).odom_from_base for time_s in times]


def test_wheels_without_errors_integrate_to_the_truth() -> None:
    wheels = Wheels(circle, np.random.default_rng(0), SILENT_WHEELS)
    last = drive(wheels, 20.0)[-1]
    # 160 m by chords instead of arcs.
    np.testing.assert_allclose(last, circle(20.0), atol=1e-3)
    twist = wheels.measure(20.02).twist
    np.testing.assert_allclose(
        twist, (RADIUS_M * RATE_RPS, 0, 0, 0, 0, RATE_RPS), rtol=1e-4, atol=1e-9
    )


def test_wheels_that_stand_count_nothing() -> None:
    wheels = Wheels(standing, np.random.default_rng(0))
    np.testing.assert_array_equal(drive(wheels, 5.0)[-1], np.eye(4))


def test_the_stated_variance_of_wheels_covers_their_error() -> None:
    """Squared errors over stated variances: near 1 on the average, over 60 vehicles."""
    place, heading = [], []
    for seed in range(60):
        wheels = Wheels(circle, np.random.default_rng(seed))
        for time_s in np.arange(0.0, 6.0, 0.1):
            sample = wheels.measure(float(time_s))
        true = circle(float(time_s))
        error = np.linalg.norm((sample.odom_from_base - true)[:2, 3])
        turn = Rotation.from_matrix(true[:3, :3].T @ sample.odom_from_base[:3, :3]).as_rotvec()[2]
        place.append(error / sample.position_std_m)
        heading.append(turn / sample.heading_std_rad)
    assert 0.4 < np.mean(np.square(place)) < 1.6
    assert 0.6 < np.mean(np.square(heading)) < 1.5


def test_the_scale_of_wheels_drifts_slowly() -> None:
    """The parts of the way in two halves of a long drive differ, but not from second to second."""
    noise = WheelNoise(distance=0.0, heading_rad=0.0, turn=0.0)

    def straight(time_s: float) -> Float64Array:
        return from_parts(np.eye(3), np.array([10.0 * time_s, 0, 0]))

    wheels = Wheels(straight, np.random.default_rng(3), noise)
    x = np.array([wheels.measure(float(second)).odom_from_base[0, 3] for second in range(121)])
    scale = np.diff(x) / 10.0
    assert 0.002 < scale.std() < 0.008
    assert np.abs(np.diff(scale)).mean() < 0.5 * scale.std()


@pytest.mark.parametrize('rings', LIDARS)
def test_the_lidar_measures_a_wall(rings: int) -> None:
    """A wall 12 m ahead, nothing behind."""
    lidar = Lidar(LIDARS[rings], np.random.default_rng(0))

    def wall(rays: Float64Array, far_m: float) -> Float64Array:
        with np.errstate(divide='ignore'):
            ranges = np.where(rays[:, 0] > 0, 12.0 / rays[:, 0], np.inf)
        return np.where(ranges < far_m, ranges, np.inf).astype(np.float32)

    points, ring = lidar.scan(wall)
    x, y, z = points.astype(np.float64).T
    assert points.dtype == np.float32
    assert len(ring) == len(points) > 300
    along = 12.0 / x  # the error of the range over the range
    error = (along - 1.0) * np.sqrt(x**2 + y**2 + z**2)
    assert error.std() == pytest.approx(LIDARS[rings].range_std_m, rel=0.15)
    assert abs(error.mean()) < 0.005
    rays, _ = LIDARS[rings].directions()
    reached = (rays[:, 0] > 0) & (12.0 / rays[:, 0].clip(1e-9) < LIDARS[rings].max_range_m)
    assert len(points) / reached.sum() == pytest.approx(1 - LIDARS[rings].dropout, abs=0.02)


def test_a_field_is_half_to_each_side() -> None:
    rays, rings = LidarModel(2, -1.0, 1.0, 1.0, 50.0, 0.0, field_deg=90.0).directions()
    azimuth = np.degrees(np.arctan2(rays[:, 1], rays[:, 0]))
    assert azimuth.min() == pytest.approx(-44.5)
    assert azimuth.max() == pytest.approx(44.5)
    assert rings.tolist() == [0] * 90 + [1] * 90
    with pytest.raises(ConfigError, match=r'within 0\.\.360 deg, got 0'):
        LidarModel(2, -1.0, 1.0, 1.0, 50.0, 0.0, field_deg=0.0)
