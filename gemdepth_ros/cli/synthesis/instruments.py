"""Messages of the other instruments, each with a random generator of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gemdepth_ros.bags.clouds import rings_message
from gemdepth_ros.bags.from_recording import BASE_FRAME, ODOMETRY_TOPIC
from gemdepth_ros.bags.messages import imu_message, odometry_message
from gemdepth_ros.bags.recording import pose_samples
from gemdepth_ros.bags.writer import TimedMessage
from gemdepth_ros.cli.synthesis import rig
from gemdepth_ros.geometry.se3 import inverse
from gemdepth_ros.synthetic.instruments.imu import Imu
from gemdepth_ros.synthetic.instruments.lidar import LIDARS, Lidar
from gemdepth_ros.synthetic.instruments.wheels import Wheels

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import Float64Array
    from gemdepth_ros.synthetic import SyntheticDrive

IMU_HZ, WHEELS_HZ = 100.0, 50.0
_UNKNOWN = 1e6
_TWIST_STD = (0.05, 0.05, 0.02)
"""Of a speed ahead and to the side [m/s] and of a turn rate [rad/s]."""

ODOMETRY = 'nav_msgs/msg/Odometry'
Messages = Iterator[TimedMessage]


class Truth:
    """Where the vehicle is, as a function of time, and as a topic.

    Args:
        drive: the drive.
    """

    def __init__(self, drive: SyntheticDrive) -> None:
        self._drive = drive
        self._map_from_world = inverse(drive.world_from_base(0))

    def topics(self) -> dict[str, str]:
        """Return message types by topic."""
        return {ODOMETRY_TOPIC: ODOMETRY}

    def pose_at(self, time_s: float) -> Float64Array:
        """Return map_from_base, float64 [4, 4]; ``map`` is level at the start, z up."""
        pose = self._map_from_world @ self._drive.world_from_base(
            time_s * self._drive.frame_rate_hz
        )
        return np.asarray(pose)

    def messages(self, start_s: float, _end_s: float) -> Messages:
        """Yield the pose at ``start_s``, with the mean velocity until the next frame."""
        end_s = start_s + 1.0 / self._drive.frame_rate_hz
        stamps = [_stamp(self._drive, time_s) for time_s in (start_s, end_s)]
        poses = np.stack([self.pose_at(start_s), self.pose_at(end_s)])
        twist = pose_samples(stamps, poses, np.eye(4))[0].twist
        message = odometry_message(poses[0], twist, stamps[0], rig.TRUTH_FRAME, BASE_FRAME)
        yield TimedMessage(ODOMETRY_TOPIC, stamps[0], message)


class WheelTopic:
    """Wheel odometry at `WHEELS_HZ`."""

    def __init__(self, drive: SyntheticDrive, truth: Truth, random: np.random.Generator) -> None:
        self._drive, self._wheels = drive, Wheels(truth.pose_at, random)

    def topics(self) -> dict[str, str]:
        """Return message types by topic."""
        return {rig.WHEELS_TOPIC: ODOMETRY}

    def messages(self, start_s: float, end_s: float) -> Messages:
        """Yield what is measured from ``start_s`` to before ``end_s``."""
        for time_s in _ticks(start_s, end_s, WHEELS_HZ):
            sample, stamp_ns = self._wheels.measure(time_s), _stamp(self._drive, time_s)
            place, turn = sample.position_std_m**2, sample.heading_std_rad**2
            speed, aside, rate = (std**2 for std in _TWIST_STD)
            message = odometry_message(
                sample.odom_from_base,
                sample.twist,
                stamp_ns,
                rig.WHEELS_FRAME,
                BASE_FRAME,
                (place, place, _UNKNOWN, _UNKNOWN, _UNKNOWN, turn),
                (speed, aside, _UNKNOWN, _UNKNOWN, _UNKNOWN, rate),
            )
            yield TimedMessage(rig.WHEELS_TOPIC, stamp_ns, message)


class ImuTopic:
    """An IMU at `IMU_HZ`."""

    def __init__(
        self,
        drive: SyntheticDrive,
        truth: Truth,
        random: np.random.Generator,
        *,
        orientation: bool,
    ) -> None:
        self._drive, self._orientation = drive, orientation
        self._imu = Imu(truth.pose_at, rig.BASE_FROM_IMU, random)
        self._topic = rig.IMU_TOPIC if orientation else rig.RAW_IMU_TOPIC

    def topics(self) -> dict[str, str]:
        """Return message types by topic."""
        return {self._topic: 'sensor_msgs/msg/Imu'}

    def messages(self, start_s: float, end_s: float) -> Messages:
        """Yield what is measured from ``start_s`` to before ``end_s``."""
        noise = self._imu.noise
        variances = (noise.rate_rps**2, noise.force_mps2**2, noise.tilt_rad**2)
        for time_s in _ticks(start_s, end_s, IMU_HZ):
            sample, stamp_ns = self._imu.measure(time_s), _stamp(self._drive, time_s)
            turned = sample.odom_from_imu if self._orientation else None
            message = imu_message(
                sample.rates_rps, sample.force_mps2, turned, variances, stamp_ns, rig.IMU_FRAME
            )
            yield TimedMessage(self._topic, stamp_ns, message)


class LidarTopic:
    """A LiDAR that scans at each camera frame."""

    def __init__(
        self,
        drive: SyntheticDrive,
        rings: int,
        of: tuple[int, ...],
        field_deg: float,
        random: np.random.Generator,
    ) -> None:
        self._drive = drive
        self._topic, self._frame = rig.lidar_topic(rings, of), rig.lidar_frame(rings, of)
        self._base_from_lidar = rig.base_from_lidar(rings, drive.camera_height_m)
        self._lidar = Lidar(dataclasses.replace(LIDARS[rings], field_deg=field_deg), random)

    def topics(self) -> dict[str, str]:
        """Return message types by topic."""
        return {self._topic: 'sensor_msgs/msg/PointCloud2'}

    def messages(self, start_s: float, _end_s: float) -> Messages:
        """Yield the scan at ``start_s``."""
        index = start_s * self._drive.frame_rate_hz
        world_from_lidar = self._drive.world_from_base(index) @ self._base_from_lidar
        points, rings = self._lidar.scan(
            lambda rays, far_m: self._drive.ranges_m(world_from_lidar, rays, start_s, far_m)
        )
        stamp_ns = _stamp(self._drive, start_s)
        message = rings_message(points, rings, stamp_ns, self._frame)
        yield TimedMessage(self._topic, stamp_ns, message)


Instrument = Truth | WheelTopic | ImuTopic | LidarTopic


def _ticks(start_s: float, end_s: float, rate_hz: float) -> Iterator[float]:
    """Yield the times of a clock of ``rate_hz`` from ``start_s`` to before ``end_s``."""
    # A tick that rounding puts just before a frame belongs to it, and to no other.
    first, last = (round(time_s * rate_hz, 6) for time_s in (start_s, end_s))
    yield from (tick / rate_hz for tick in range(int(np.ceil(first)), int(np.ceil(last))))


def _stamp(drive: SyntheticDrive, time_s: float) -> int:
    return drive.stamp_ns(time_s * drive.frame_rate_hz)
