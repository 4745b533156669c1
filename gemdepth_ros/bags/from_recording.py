"""Writing a recording as a bag. Ground truth is a topic, never /tf: no frame gets two parents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemdepth_ros.bags.clouds import lidar_message
from gemdepth_ros.bags.images import image_message
from gemdepth_ros.bags.messages import (
    camera_info_message,
    odometry_message,
    tf_message,
    transform_message,
)
from gemdepth_ros.bags.qos import LATCHED
from gemdepth_ros.bags.writer import BagWriter, Storage, TimedMessage, in_time_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gemdepth_ros.bags.recording import Recording, Rig

IMAGE_TOPIC = '/camera/image_rect'
CAMERA_INFO_TOPIC = '/camera/camera_info'
LIDAR_TOPIC = '/lidar/points'
ODOMETRY_TOPIC = '/ground_truth/odometry'
DEPTH_TOPIC = '/camera/depth_ground_truth'
DEPTH_CAMERA_INFO_TOPIC = '/camera/depth_ground_truth/camera_info'
TF_STATIC_TOPIC = '/tf_static'

CAMERA_FRAME = 'camera_optical_frame'
LIDAR_FRAME = 'velodyne'
BASE_FRAME = 'base_link'
ODOM_FRAME = 'odom'


def write_recording(
    recording: Recording,
    target: Path,
    storage: Storage = Storage.MCAP,
    *,
    compress: bool = False,
    overwrite: bool = False,
    on_frame: Callable[[], None] | None = None,
) -> int:
    """Write a recording as a bag, frame by frame.

    Headers carry capture times, and messages are recorded at them.

    Args:
        recording: what to write.
        target: folder of the bag.
        storage: its storage.
        compress: compress it by zstd.
        overwrite: replace a bag at ``target``.
        on_frame: called after each frame.

    Returns:
        The number of messages.

    Raises:
        BagError: a file of the recording is damaged or the bag cannot be written.
    """
    count = 0
    with BagWriter(target, storage, compress=compress, overwrite=overwrite) as writer:
        _announce_topics(writer, recording)
        for topic, stamp_ns, message in in_time_order(_message_groups(recording, on_frame)):
            writer.write(topic, message, stamp_ns)
            count += 1
    return count


def _announce_topics(writer: BagWriter, recording: Recording) -> None:
    writer.add_topic(TF_STATIC_TOPIC, 'tf2_msgs/msg/TFMessage', LATCHED)
    writer.add_topic(IMAGE_TOPIC, 'sensor_msgs/msg/Image')
    writer.add_topic(CAMERA_INFO_TOPIC, 'sensor_msgs/msg/CameraInfo')
    if recording.has_lidar:
        writer.add_topic(LIDAR_TOPIC, 'sensor_msgs/msg/PointCloud2')
    if recording.has_depth:
        writer.add_topic(DEPTH_TOPIC, 'sensor_msgs/msg/Image')
        writer.add_topic(DEPTH_CAMERA_INFO_TOPIC, 'sensor_msgs/msg/CameraInfo')
    if recording.poses:
        writer.add_topic(ODOMETRY_TOPIC, 'nav_msgs/msg/Odometry')


def _message_groups(
    recording: Recording, on_frame: Callable[[], None] | None
) -> Iterator[list[TimedMessage]]:
    """Yield the messages of each frame; the first group begins with the static transforms."""
    for index in range(recording.frame_count):
        group = _frame_messages(recording, index)
        if index == 0:
            start_ns = min(message.stamp_ns for message in group)
            group.insert(0, _static_transforms(recording.rig, start_ns))
        yield group
        if on_frame is not None:
            on_frame()


def _frame_messages(recording: Recording, index: int) -> list[TimedMessage]:
    frame = recording.load(index)
    stamp_ns = frame.stamp_ns
    camera_info = camera_info_message(recording.rig.camera, stamp_ns, CAMERA_FRAME)
    encoding = 'rgb8' if frame.image.ndim == 3 else 'mono8'
    image = image_message(frame.image, encoding, stamp_ns, CAMERA_FRAME)
    # camera_info first: a subscriber that pairs them has it when the image comes.
    messages = [
        TimedMessage(CAMERA_INFO_TOPIC, stamp_ns, camera_info),
        TimedMessage(IMAGE_TOPIC, stamp_ns, image),
    ]
    if recording.has_lidar and frame.points_xyzi is not None:
        cloud = lidar_message(frame.points_xyzi, frame.points_stamp_ns, LIDAR_FRAME)
        messages.append(TimedMessage(LIDAR_TOPIC, frame.points_stamp_ns, cloud))
    if recording.has_depth and frame.depth_m is not None:
        depth = image_message(frame.depth_m, '32FC1', stamp_ns, CAMERA_FRAME)
        messages.append(TimedMessage(DEPTH_CAMERA_INFO_TOPIC, stamp_ns, camera_info))
        messages.append(TimedMessage(DEPTH_TOPIC, stamp_ns, depth))
    if recording.poses:
        pose = recording.poses[index]
        odometry = odometry_message(
            pose.odom_from_base, pose.twist, pose.stamp_ns, ODOM_FRAME, BASE_FRAME
        )
        messages.append(TimedMessage(ODOMETRY_TOPIC, pose.stamp_ns, odometry))
    return messages


def _static_transforms(rig: Rig, stamp_ns: int) -> TimedMessage:
    transforms = [transform_message(rig.base_from_camera, stamp_ns, BASE_FRAME, CAMERA_FRAME)]
    if rig.base_from_lidar is not None:
        transforms.append(
            transform_message(rig.base_from_lidar, stamp_ns, BASE_FRAME, LIDAR_FRAME)
        )
    return TimedMessage(TF_STATIC_TOPIC, stamp_ns, tf_message(transforms))
