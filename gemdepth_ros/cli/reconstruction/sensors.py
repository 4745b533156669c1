"""LiDAR and odometry of a bag, gathered for each image as the pipeline takes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from gemdepth_ros.bags.clouds import read_cloud
from gemdepth_ros.bags.messages import read_transform
from gemdepth_ros.bags.reader import BagMessage, BagReader, TopicSummary
from gemdepth_ros.bags.stamps import header_stamp_ns
from gemdepth_ros.errors import BagError
from gemdepth_ros.geometry.transform_tree import TransformTree
from gemdepth_ros.interfaces import Float64Array
from gemdepth_ros.pipeline.readings import (
    LidarScan,
    OdometrySample,
    SensorReadings,
)

CLOUD_TYPE, ODOMETRY_TYPE = 'sensor_msgs/msg/PointCloud2', 'nav_msgs/msg/Odometry'
STATIC_TRANSFORMS = '/tf_static'
NOT_WANTED = 'none'
KEPT_SCANS, KEPT_SAMPLES = 4, 400

_Scan = tuple[int, str, npt.NDArray[Any]]  # stamp, frame, points
_Pose = tuple[int, str, Float64Array]  # stamp, frame that moves, its pose in the odometry's frame


@dataclass(frozen=True)
class SensorTopics:
    """Topics of a bag that measure metres; empty: none.

    Attributes:
        lidar: PointCloud2.
        odometry: nav_msgs/Odometry.
    """

    lidar: str = ''
    odometry: str = ''

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names that are not empty."""
        return tuple(name for name in (self.lidar, self.odometry) if name)


NO_SENSORS = SensorTopics()


def choose_topics(
    topics: Mapping[str, TopicSummary], lidar: str, odometry: str, note: Callable[[str], None]
) -> SensorTopics:
    """Return the topics that the user names, or the only one of a kind.

    Args:
        topics: of the bag.
        lidar: a topic, ``none``, or empty: the only PointCloud2 that this package did not make
            and that is not called ground truth beside others.
        odometry: likewise for nav_msgs/Odometry.
        note: told when there are several.

    Raises:
        BagError: the bag has no such topic.
    """
    return SensorTopics(
        _chosen(topics, lidar, CLOUD_TYPE, '--lidar', note),
        _chosen(topics, odometry, ODOMETRY_TYPE, '--odometry', note),
    )


def _chosen(
    topics: Mapping[str, TopicSummary],
    wish: str,
    message_type: str,
    option: str,
    note: Callable[[str], None],
) -> str:
    if wish == NOT_WANTED:
        return ''
    found = [name for name, topic in topics.items() if topic.message_type == message_type]
    if wish:
        if wish not in found:
            known = ', '.join(found) or 'none'
            raise BagError(f'no topic {wish} of type {message_type}; the bag has: {known}')
        return wish
    measured = [name for name in found if '/depth_node/' not in name and 'gemdepth' not in name]
    # Where a bag holds truth beside measurements, the truth is for comparison.
    measured = [name for name in measured if not is_truth(name)] or measured
    if len(measured) > 1:
        note(f'several {message_type}, none is used: choose with {option}: {", ".join(measured)}')
        return ''
    return measured[0] if measured else ''


def is_truth(topic: str) -> bool:
    """Return whether a topic's name says that it is what others are compared with."""
    return 'ground_truth' in topic


def static_transforms(reader: BagReader, note: Callable[[str], None]) -> TransformTree:
    """Return all transforms of /tf_static that can be used; ``note`` is told of the others."""
    tree = TransformTree()
    if STATIC_TRANSFORMS not in reader.topics:
        return tree
    for item in reader.messages([STATIC_TRANSFORMS]):
        for transform in item.message.transforms:
            parent, child = transform.header.frame_id, transform.child_frame_id
            try:
                tree.add(parent, child, read_transform(transform.transform))
            except BagError as error:
                note(f'{STATIC_TRANSFORMS} {parent} -> {child} is left out: {error}')
    return tree


class SensorFeed:
    """Collects messages and hands them out image by image.

    Args:
        topics: which messages are whose.
        transforms: between the frames of sensors and camera.
        note: told once of each thing that is wrong.
    """

    def __init__(
        self, topics: SensorTopics, transforms: TransformTree, note: Callable[[str], None]
    ) -> None:
        self._topics = topics
        self._transforms = transforms
        self._note = note
        self._told: set[str] = set()
        self._scans: deque[_Scan] = deque(maxlen=KEPT_SCANS)
        self._poses: deque[_Pose] = deque(maxlen=KEPT_SAMPLES)

    def add(self, item: BagMessage) -> None:
        """Take a message of one of the topics."""
        stamp_ns = header_stamp_ns(item.message)
        if item.topic == self._topics.lidar:
            try:
                points = read_cloud(item.message).reshape(-1)
            except BagError as error:
                self._leave_out(item.topic, error)
                return
            self._scans.append((stamp_ns, item.message.header.frame_id, points))
        elif item.topic == self._topics.odometry:
            try:
                pose = read_transform(item.message.pose.pose)
            except BagError as error:
                self._leave_out(item.topic, error)
                return
            self._poses.append((stamp_ns, item.message.child_frame_id, pose))

    def readings(self, stamp_ns: int, next_ns: int, camera_frame: str) -> SensorReadings:
        """Return what belongs to the image of ``stamp_ns``; each message is used once.

        Args:
            stamp_ns: of the image.
            next_ns: of the next one; what is nearer to it waits.
            camera_frame: name of the camera's optical frame.
        """
        odometry = tuple(
            OdometrySample(at, pose, base_from_camera=self._place(base, camera_frame))
            for at, base, pose in self._poses
        )
        self._poses.clear()
        return SensorReadings(
            lidar=self._nearest(stamp_ns, next_ns, camera_frame), odometry=odometry
        )

    def _nearest(self, stamp_ns: int, next_ns: int, camera_frame: str) -> LidarScan | None:
        own: list[_Scan] = []
        later: deque[_Scan] = deque(maxlen=KEPT_SCANS)
        for scan in self._scans:
            nearer_next = abs(scan[0] - stamp_ns) > abs(scan[0] - next_ns)
            (later if nearer_next else own).append(scan)
        self._scans = later
        if not own:
            return None
        scan_ns, frame, points = min(own, key=lambda scan: abs(scan[0] - stamp_ns))
        transform = self._transforms.find(camera_frame, frame)
        if transform is None:
            self._say(
                f'{self._topics.lidar}: {STATIC_TRANSFORMS} has no way from {frame!r} to '
                f'{camera_frame!r}: the LiDAR is not used'
            )
            return None
        return LidarScan(points, transform, scan_ns)

    def _place(self, base_frame: str, camera_frame: str) -> Float64Array | None:
        """Where the camera sits on what the odometry moves, float64 [4, 4]; None: unknown."""
        transform = self._transforms.find(base_frame, camera_frame)
        if transform is None:
            self._say(
                f'{self._topics.odometry}: {STATIC_TRANSFORMS} has no way from '
                f'{camera_frame!r} to {base_frame!r} (its child_frame_id): the camera is taken '
                'to be there'
            )
        return transform

    def _leave_out(self, topic: str, error: BagError) -> None:
        """Tell of a topic's first damaged message; each has numbers of its own in its text."""
        about = f'{topic}: messages that cannot be read are left out'
        if about not in self._told:
            self._told.add(about)
            self._note(f'{about}; the first: {error}')

    def _say(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._note(text)
