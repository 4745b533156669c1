"""Truth inside a bag: depth images, LiDAR clouds, odometry, masks; each a stream of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from gemdepth_ros.bags.clouds import read_lidar
from gemdepth_ros.bags.images import read_compressed_pixels, read_depth_m, read_pixels
from gemdepth_ros.bags.messages import read_transform
from gemdepth_ros.bags.reader import BagReader, TopicSummary
from gemdepth_ros.bags.recording import project_to_depth
from gemdepth_ros.bags.stamps import header_stamp_ns
from gemdepth_ros.cli.evaluation.association import NearestStamped
from gemdepth_ros.cli.evaluation.source import Findings
from gemdepth_ros.errors import BagError, ConfigError
from gemdepth_ros.geometry.transform_tree import TransformTree
from gemdepth_ros.interfaces import Float32Array, Float64Array, VideoFrame

IMAGE, CLOUD = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/PointCloud2'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
ODOMETRY, POSE = 'nav_msgs/msg/Odometry', 'geometry_msgs/msg/PoseStamped'
_DEPTH_KINDS, _POSE_KINDS = (IMAGE, CLOUD), (ODOMETRY, POSE)


@dataclass(frozen=True)
class TruthTopics:
    """Topics of a bag that hold truth; empty: none.

    Attributes:
        depth: Image (depth) or PointCloud2.
        poses: Odometry or PoseStamped.
        masks: Image or CompressedImage.
    """

    depth: str = ''
    poses: str = ''
    masks: str = ''


def choose_truth_topics(
    topics: Mapping[str, TopicSummary],
    named: tuple[str, ...],
    masks: str,
    *,
    automatic: bool,
    foreign: Collection[str] = (),
) -> TruthTopics:
    """Return the topics that the user names, or the likeliest ones.

    Automatic: a depth image whose name says ground truth, else the only depth image, else the
    only cloud; and the only Odometry, or the one that says ground truth.

    Args:
        topics: of the bag.
        named: what the user names of depth and poses.
        masks: what the user names of masks; empty: nothing.
        automatic: nothing is named, the likeliest are taken.
        foreign: depth images that belong to another camera: taken only when they are named.

    Raises:
        GemDepthError: a named topic is missing or of no kind that can be truth, or several
            topics could be meant.
    """
    for name in (*named, *((masks,) if masks else ())):
        if name not in topics:
            raise BagError(f'the bag has no topic {name}; it has {", ".join(topics) or "none"}')
    kinds = {name: topics[name].message_type for name in named}
    depth = [name for name, kind in kinds.items() if kind in _DEPTH_KINDS]
    poses = [name for name, kind in kinds.items() if kind in _POSE_KINDS]
    other = [name for name in named if name not in depth + poses]
    if other:
        raise ConfigError(f'{other[0]} is {kinds[other[0]]}: no depth, cloud or pose')
    if automatic:
        depth = [_automatic_depth(topics, foreign)]
        poses = [_likeliest(topics, (ODOMETRY,))]
    return TruthTopics(depth[0] if depth else '', poses[0] if poses else '', masks)


def depth_images(topics: Mapping[str, TopicSummary]) -> tuple[str, ...]:
    """Return the topics that may be taken for true depth images without being named."""
    return tuple(name for name in _measured(topics, (IMAGE,)) if 'depth' in name.lower())


def _automatic_depth(topics: Mapping[str, TopicSummary], foreign: Collection[str]) -> str:
    images = {name: topics[name] for name in depth_images(topics) if name not in foreign}
    return _likeliest(images, (IMAGE,)) or _likeliest(topics, (CLOUD,))


def _likeliest(topics: Mapping[str, TopicSummary], kinds: tuple[str, ...]) -> str:
    """Return the only topic of a kind, the only one named ground truth, or nothing."""
    found = _measured(topics, kinds)
    best = [name for name in found if 'ground_truth' in name or '/gt' in name] or found
    if len(best) > 1:
        raise ConfigError(f'several topics could be the truth: --ground-truth {" or ".join(best)}')
    return best[0] if best else ''


def _measured(topics: Mapping[str, TopicSummary], kinds: tuple[str, ...]) -> list[str]:
    return [
        name
        for name, topic in topics.items()
        # Topics of this package's node are what is judged, not what judges.
        if topic.message_type in kinds and '/depth_node/' not in name and 'gemdepth' not in name
    ]


class BagTruth:
    """Looks up what is true at each image; images must be asked for in order.

    Args:
        path: of the bag.
        topics: what is used.
        summaries: of the bag's topics.
        transforms: static ones.
        tolerance_ns: largest difference of stamps [ns].
        findings: told of what is wrong.
    """

    def __init__(
        self,
        path: Path,
        topics: TruthTopics,
        summaries: Mapping[str, TopicSummary],
        transforms: TransformTree,
        tolerance_ns: int,
        findings: Findings,
    ) -> None:
        self._path, self._topics, self._transforms = path, topics, transforms
        self._findings, self._note = findings, findings.note
        self._is_cloud = bool(topics.depth) and summaries[topics.depth].message_type == CLOUD
        self._streams = {
            name: NearestStamped(self._messages(name), tolerance_ns)
            for name in (topics.depth, topics.poses, topics.masks)
            if name
        }

    def depth(self, frame: VideoFrame) -> Float32Array | None:
        """Return true depth, float32 [h, w] [m], NaN unknown."""
        message = self._find(self._topics.depth, frame)
        if message is None:
            return None
        found = self._tried(self._topics.depth, lambda: self._depth_of(message, frame))
        return cast('Float32Array | None', found)

    def pose(self, frame: VideoFrame) -> Float64Array | None:
        """Return the true pose of the camera, float64 [4, 4]."""
        message = self._find(self._topics.poses, frame)
        if message is None:
            return None
        pose = message.pose
        pose = pose.pose if hasattr(pose, 'pose') else pose
        body = getattr(message, 'child_frame_id', '') or frame.frame_id
        body_from_camera = self._transforms.find(body, frame.frame_id)
        if body_from_camera is None and body.lstrip('/') != frame.frame_id.lstrip('/'):
            self._note(
                f'{self._topics.poses}: /tf_static has no way from {frame.frame_id!r} to '
                f'{body!r}: its poses cannot be compared with the camera'
            )
            return None
        found = self._tried(self._topics.poses, lambda: read_transform(pose))
        world_from_body = cast('Float64Array | None', found)
        if world_from_body is None or body_from_camera is None:
            return world_from_body
        return world_from_body @ body_from_camera

    def mask(self, frame: VideoFrame) -> npt.NDArray[np.bool_] | None:
        """Return the pixels of moving objects, bool [H, W]."""
        message = self._find(self._topics.masks, frame)
        if message is None:
            return None
        found = self._tried(self._topics.masks, lambda: _mask_of(message))
        return cast('npt.NDArray[np.bool_] | None', found)

    def _depth_of(self, message: Any, frame: VideoFrame) -> Float32Array | None:
        if not self._is_cloud:
            return read_depth_m(message)
        if frame.camera is None:
            self._note(f'{self._topics.depth}: a cloud needs intrinsics of the camera to be truth')
            return None
        sensor = message.header.frame_id
        camera_from_lidar = self._transforms.find(frame.frame_id, sensor)
        if camera_from_lidar is None:
            self._note(
                f'{self._topics.depth}: /tf_static has no way from {sensor!r} to '
                f'{frame.frame_id!r}: the cloud cannot be truth'
            )
            return None
        return project_to_depth(read_lidar(message), camera_from_lidar, frame.camera)

    def _find(self, topic: str, frame: VideoFrame) -> Any | None:
        return self._streams[topic].find(frame.stamp_ns) if topic else None

    def _tried(self, topic: str, work: Callable[[], Any]) -> Any | None:
        """One damaged message costs its frame, not the evaluation."""
        return self._findings.tried(f'{topic}: messages that cannot be read', work)

    def _messages(self, topic: str) -> Iterator[tuple[int, Any]]:
        try:
            with BagReader(self._path) as reader:
                for item in reader.messages([topic]):
                    yield header_stamp_ns(item.message), item.message
        except BagError as error:
            self._note(f'{topic}: ends early: {error}')


def _mask_of(message: Any) -> npt.NDArray[np.bool_]:
    pixels = (
        read_compressed_pixels(message) if hasattr(message, 'format') else read_pixels(message)
    )
    flat = pixels if pixels.ndim == 2 else pixels.max(axis=2)
    return np.asarray(flat > 0)
