"""Subscriptions to other sensors, and what they say about an image.

Callbacks only keep messages; the worker reads them when it has an image. What is wrong with a
sensor is kept as one line per sensor, for diagnostics.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from nav_msgs.msg import Odometry
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import Image, Imu, PointCloud2

from gemdepth_ros.errors import SensorError
from gemdepth_ros.interfaces import Float64Array
from gemdepth_ros.pipeline.base_motion import mounting_of_base
from gemdepth_ros.pipeline.config import PipelineConfig
from gemdepth_ros.pipeline.readings import (
    CameraMounting,
    LidarScan,
    OdometrySample,
    SensorReadings,
)
from gemdepth_ros.ros import sensor_messages
from gemdepth_ros.ros.camera_input import FOLLOW_PERIOD_S
from gemdepth_ros.ros.conversions import stamp_to_ns
from gemdepth_ros.ros.motion_outputs import ODOMETRY
from gemdepth_ros.ros.node_config import NodeConfig, odom_frame_in
from gemdepth_ros.ros.odometry_input import OdometryInput
from gemdepth_ros.ros.point_clouds import read_points
from gemdepth_ros.ros.qos import FollowingSubscription
from gemdepth_ros.ros.sensor_buffers import StampedBuffer
from gemdepth_ros.ros.static_frames import StaticFrames

SKY_MAX_AGE_S = 0.2  # a mask this much older or newer than the image shows another picture
IMU_MAX_AGE_S = 0.1


@dataclass(frozen=True)
class Sensor:
    """One optional input.

    Attributes:
        topic: relative, remappable.
        message_type: class of its messages.
        capacity: messages kept.
    """

    topic: str
    message_type: Any
    capacity: int


SENSORS = {
    'lidar': Sensor('lidar/points', PointCloud2, 8),
    'odometry': Sensor('odometry', Odometry, 400),
    'imu': Sensor('imu', Imu, 400),
    'sky': Sensor('sky_mask', Image, 8),
}


def wanted_sensors(node_config: NodeConfig, config: PipelineConfig) -> tuple[str, ...]:
    """Return the names of the sensors that the configuration has a use for."""
    sources = config.grounding.enabled_sources
    return tuple(
        name for name in SENSORS if name in sources or (name == 'imu' and node_config.use_imu)
    )


def needs_frames(node_config: NodeConfig, config: PipelineConfig) -> bool:
    """Return whether the node must listen to /tf_static."""
    mounted = not math.isnan(node_config.base_height_m)
    moves = node_config.tf_mode != 'none'
    return mounted or moves or bool(wanted_sensors(node_config, config))


class SensorInput:
    """What other sensors measured, by the stamp of an image.

    Attributes:
        notes: by sensor, what is wrong with it now. Replaced as a whole.
    """

    def __init__(
        self, node: Node, frames: StaticFrames, node_config: NodeConfig, config: PipelineConfig
    ) -> None:
        """Subscribe to what the configuration has a use for.

        Args:
            node: owner of the subscriptions.
            frames: the robot's static transforms.
            node_config: frames and qualities of service.
            config: sources and their limits.

        Raises:
            ConfigError: a QoS override has a value that its policy does not know.
        """
        self.notes: dict[str, str] = {}
        sensors = wanted_sensors(node_config, config)
        self._frames = frames
        self._node = node
        self._node_config = node_config
        self._limits = config.grounding
        self._mounting = config.mounting
        own_frame = odom_frame_in(node.get_namespace(), node_config)
        self._vehicle = OdometryInput(
            frames, node_config.base_frame, own_frame, config.grounding.odometry.max_age_s
        )
        self._started_s = time.monotonic()
        self._buffers: dict[str, StampedBuffer[Any]] = {
            name: StampedBuffer(SENSORS[name].capacity) for name in sensors
        }
        self._found: dict[str, str] = {}
        self._own_topic: str = node.resolve_topic_name(ODOMETRY)
        self._topics: dict[str, FollowingSubscription] = {}
        with ExitStack() as made:  # undone when a later line raises
            for name in sensors:
                self._topics[name] = self._subscribe(name)
                made.callback(self._topics[name].destroy)
            timer = node.create_timer(
                FOLLOW_PERIOD_S, self._follow, clock=Clock(clock_type=ClockType.STEADY_TIME)
            )
            made.callback(node.destroy_timer, timer)
            self._made = made.pop_all()

    def destroy(self) -> None:
        """Unsubscribe."""
        self._made.close()

    def readings(self, stamp_ns: int, frame_id: str, size: tuple[int, int]) -> SensorReadings:
        """Return what was measured for an image; called on the worker's thread.

        Args:
            stamp_ns: capture time of the image [ns].
            frame_id: the camera's optical frame.
            size: (height, width) of the image [px].
        """
        self._found = {}
        result = SensorReadings(
            lidar=self._of('lidar', lambda: self._lidar(stamp_ns, frame_id)),
            odometry=self._of('odometry', lambda: self._odometry(stamp_ns, frame_id)) or (),
            gravity_camera=self._of('imu', lambda: self._gravity(stamp_ns, frame_id)),
            mounting=self._camera_mounting(frame_id),
            sky=self._of('sky', lambda: self._sky(stamp_ns, size)),
        )
        self.notes = self._found
        return result

    # ---- one sensor each; None: it says nothing about this image

    def _of(self, name: str, read: Callable[[], Any]) -> Any:
        if name not in self._buffers:
            return None
        try:
            return read()
        except SensorError as error:
            self._say(name, str(error))
            return None

    def _say(self, name: str, problem: str) -> None:
        self._found[name] = f'{name} ({self._topics[name].topic}): {problem}'

    def _near(self, name: str, stamp_ns: int, limit_s: float) -> tuple[int, Any]:
        """Return (stamp, message) of the message nearest to an image.

        Raises:
            SensorError: there is none within the limit.
        """
        found = self._buffers[name].nearest(stamp_ns)
        if found is None:
            raise SensorError(f'no message for {time.monotonic() - self._started_s:.0f} s')
        age_s = abs(found[0] - stamp_ns) * 1e-9
        if age_s > limit_s:
            raise SensorError(
                f'the nearest message is {age_s:.2f} s away from the image (limit {limit_s} s): '
                'has it stopped, or another clock?'
            )
        return found

    def _lidar(self, stamp_ns: int, frame_id: str) -> LidarScan:
        scan_ns, message = self._near('lidar', stamp_ns, self._limits.lidar.max_age_s)
        camera_from_lidar = self._transform(frame_id, message.header.frame_id)
        return LidarScan(read_points(message), camera_from_lidar, scan_ns)

    def _odometry(self, stamp_ns: int, frame_id: str) -> tuple[OdometrySample, ...]:
        if self._topics['odometry'].topic == self._own_topic:
            raise SensorError(
                "this is the node's own motion, no measurement: remap odometry to the topic of "
                "the vehicle's"
            )
        buffer = self._buffers['odometry']
        if not buffer.arrived:
            raise SensorError(f'no message for {time.monotonic() - self._started_s:.0f} s')
        samples, problem = self._vehicle.read(buffer.take(), stamp_ns, frame_id)
        if problem:
            self._say('odometry', problem)
        return samples

    def _gravity(self, stamp_ns: int, frame_id: str) -> Float64Array:
        _, message = self._near('imu', stamp_ns, IMU_MAX_AGE_S)
        camera_from_imu = self._transform(frame_id, message.header.frame_id)
        down: Float64Array = camera_from_imu[:3, :3] @ sensor_messages.down_of_imu(message)
        return down

    def _sky(self, stamp_ns: int, size: tuple[int, int]) -> Any:
        _, message = self._near('sky', stamp_ns, SKY_MAX_AGE_S)
        sky = sensor_messages.sky_of_mask(message)
        if sky.shape != size:
            raise SensorError(
                f'the mask is {sky.shape[1]}x{sky.shape[0]} but the image {size[1]}x{size[0]}'
            )
        return sky

    # ---- transforms

    def _transform(self, target: str, source: str) -> Float64Array:
        found = self._frames.between(target, source)
        if found is None:
            raise SensorError(
                f'no static transform between {target!r} and {source!r}: publish it on /tf_static'
            )
        return found

    def _camera_mounting(self, frame_id: str) -> CameraMounting | None:
        """Where the static transform of the base puts the camera; None: as the parameters say."""
        config = self._node_config
        if math.isnan(config.base_height_m):
            return None
        base_from_camera = self._frames.between(config.base_frame, frame_id)
        if base_from_camera is None:
            self._found['mounting'] = (
                f'base_height_m is given but there is no static transform between '
                f'{config.base_frame!r} and {frame_id!r}: publish it on /tf_static'
            )
            return None
        return mounting_of_base(base_from_camera, config.base_height_m, self._mounting)

    # ---- callbacks

    def _follow(self) -> None:
        for subscription in self._topics.values():
            subscription.follow()

    def _subscribe(self, name: str) -> FollowingSubscription:
        sensor, buffer = SENSORS[name], self._buffers[name]

        def keep(message: Any, _info: dict[str, Any]) -> None:
            buffer.add(stamp_to_ns(message.header.stamp), message)

        return FollowingSubscription(
            self._node,
            sensor.message_type,
            sensor.topic,
            keep,
            self._node_config.qos,
            min(sensor.capacity, 50),
        )
