"""Frames of a video, an image folder or a bag, rectified where the bag says how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gemdepth_ros.bags.images import read_rgb
from gemdepth_ros.bags.reader import BagReader, TopicSummary
from gemdepth_ros.bags.stamps import header_stamp_ns
from gemdepth_ros.errors import BagError, ConfigError
from gemdepth_ros.interfaces import PinholeIntrinsics, VideoFrame
from gemdepth_ros.media import FrameSource, open_source
from gemdepth_ros.ros.calibration import Rectifier

BAG_SUFFIXES = ('.mcap', '.db3', '.bag')
IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
INFO_TYPE = 'sensor_msgs/msg/CameraInfo'


@dataclass(frozen=True, eq=False)
class RecordedFrames:
    """A recording that can be read once, frame by frame.

    Attributes:
        frames: its images, in order.
        count: how many there should be, or None when unknown.
        description: what is read.
    """

    frames: Iterable[VideoFrame]
    count: int | None
    description: str


def open_recording(
    path: Path,
    rate_hz: float | None,
    topic: str,
    intrinsics: tuple[float, float, float, float] | None,
    note: Callable[[str], None],
) -> RecordedFrames:
    """Open a video, an image folder or a bag.

    Args:
        path: of the recording.
        rate_hz: frames per second of a video or a folder; None: its own, or 10.
        topic: image topic of a bag; empty: the only one.
        intrinsics: fx, fy, cx, cy of the images, or None: those of the bag, or unknown.
        note: told, once each, why intrinsics of a bag cannot be used.

    Raises:
        GemDepthError: nothing that can be read is there.
    """
    if path.suffix in BAG_SUFFIXES or (path / 'metadata.yaml').is_file():
        return _of_bag(path, topic, intrinsics, note)
    source = open_source(path, rate_hz)
    return RecordedFrames(_of_media(source, intrinsics), source.stated_frames, f'images of {path}')


def _of_media(
    source: FrameSource, intrinsics: tuple[float, float, float, float] | None
) -> Iterator[VideoFrame]:
    for frame in source:
        height, width = frame.image_rgb.shape[:2]
        camera = PinholeIntrinsics(width, height, *intrinsics) if intrinsics else None
        yield VideoFrame(frame.image_rgb, frame.stamp_ns, camera=camera)


def _of_bag(
    path: Path,
    topic: str,
    intrinsics: tuple[float, float, float, float] | None,
    note: Callable[[str], None],
) -> RecordedFrames:
    with BagReader(path) as reader:
        topics = reader.topics
    image = _image_topic(path, topics, topic)
    info = _info_topic(image.name)
    if info not in topics or topics[info].message_type != INFO_TYPE:
        info = ''
        if intrinsics is None:
            note(
                f'no camera_info beside {image.name}: the field of view is a guess of the network'
            )
    frames = _bag_frames(path, image.name, info, intrinsics, note)
    return RecordedFrames(frames, image.message_count, f'{image.name} of {path}')


def _image_topic(path: Path, topics: Mapping[str, TopicSummary], wanted: str) -> TopicSummary:
    """Return the image topic; without a wish there must be only one that is not depth."""
    images = {name: found for name, found in topics.items() if found.message_type in IMAGE_TYPES}
    if wanted in images:
        return images[wanted]
    if wanted:
        raise BagError(f'no image topic {wanted} in {path}; it has: {", ".join(images) or "none"}')
    pictures = [found for name, found in images.items() if 'depth' not in name.lower()]
    if len(pictures) == 1:
        return pictures[0]
    if not pictures:
        raise BagError(f'no image topic in {path}; its topics are {", ".join(topics) or "none"}')
    names = ', '.join(found.name for found in pictures)
    raise ConfigError(f'{path} has several image topics: choose with --topic: {names}')


def _info_topic(image_topic: str) -> str:
    """``camera_info`` beside the image, as image_transport has it."""
    base = image_topic.removesuffix('/compressed')
    return f'{base.rpartition("/")[0]}/camera_info'


def _bag_frames(
    path: Path,
    image_topic: str,
    info_topic: str,
    intrinsics: tuple[float, float, float, float] | None,
    note: Callable[[str], None],
) -> Iterator[VideoFrame]:
    rectifier = Rectifier('auto', image_topic)
    told: set[str] = set()
    with BagReader(path) as reader:
        info = _first(reader, info_topic) if info_topic else None
        wanted = [image_topic, info_topic] if info_topic else [image_topic]
        for item in reader.messages(wanted):
            if item.topic == info_topic:
                info = _modern(item.message)
                continue
            image_rgb = read_rgb(item.message)
            camera, valid = None, None
            if intrinsics is not None:
                height, width = image_rgb.shape[:2]
                camera = PinholeIntrinsics(width, height, *intrinsics)
            elif info is not None:
                rectified = rectifier.apply(image_rgb, info)
                image_rgb, camera = rectified.image_rgb, rectified.camera
                valid = rectified.valid
                if rectified.note and rectified.note not in told:
                    told.add(rectified.note)
                    note(f'{rectified.note}: the field of view is a guess of the network')
            header = item.message.header
            stamp_ns = header_stamp_ns(item.message)
            yield VideoFrame(image_rgb, stamp_ns, header.frame_id, camera, valid=valid)


def _first(reader: BagReader, topic: str) -> Any | None:
    """The first message of a topic: an image may lie in the bag before its CameraInfo."""
    for item in reader.messages([topic]):
        return _modern(item.message)
    return None


def _modern(info: Any) -> Any:
    """A CameraInfo of ROS 1 (capital letters) with the names of ROS 2."""
    if hasattr(info, 'k'):
        return info
    names = ('height', 'width', 'distortion_model', 'binning_x', 'binning_y', 'roi')
    matrices = {name.lower(): getattr(info, name) for name in 'DKRP'}
    return SimpleNamespace(**{name: getattr(info, name) for name in names}, **matrices)
