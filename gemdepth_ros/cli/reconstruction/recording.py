"""Frames of a video, an image folder or a bag, rectified where the bag says how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gemdepth_ros.bags.reader import BagReader, TopicSummary
from gemdepth_ros.cli.reconstruction.bag_frames import BagFrames
from gemdepth_ros.cli.reconstruction.sensors import (
    NO_SENSORS,
    NOT_WANTED,
    SensorTopics,
    choose_topics,
    is_truth,
)
from gemdepth_ros.errors import BagError, ConfigError
from gemdepth_ros.interfaces import PinholeIntrinsics, VideoFrame
from gemdepth_ros.media import FrameSource, open_source
from gemdepth_ros.pipeline.readings import NOTHING_MEASURED, SensorReadings

BAG_SUFFIXES = ('.mcap', '.db3', '.bag')
IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
INFO_TYPE = 'sensor_msgs/msg/CameraInfo'


@dataclass(frozen=True)
class SourceOptions:
    """What the user says about a recording.

    Attributes:
        rate_hz: frames per second of a video or a folder; None: its own, or 10.
        topic: image topic of a bag; empty: the only one.
        intrinsics: fx, fy, cx, cy of the images, or None: those of the bag, or unknown.
        lidar: PointCloud2 topic of a bag; empty: the only one; ``none``: not wanted.
        odometry: Odometry topic of a bag, likewise.
    """

    rate_hz: float | None = None
    topic: str = ''
    intrinsics: tuple[float, float, float, float] | None = None
    lidar: str = ''
    odometry: str = ''


@dataclass(frozen=True, eq=False)
class RecordedFrames:
    """A recording that can be read once, frame by frame.

    Attributes:
        frames: its images in order, each with what was measured since the one before.
        count: how many there should be, or None when unknown.
        description: what is read.
        sensors: where the readings come from.
    """

    frames: Iterable[tuple[VideoFrame, SensorReadings]]
    count: int | None
    description: str
    sensors: SensorTopics = NO_SENSORS


def open_recording(
    path: Path, options: SourceOptions, note: Callable[[str], None]
) -> RecordedFrames:
    """Open a video, an image folder or a bag.

    Args:
        path: of the recording.
        options: see there.
        note: told, once each, what of a bag cannot be used and why.

    Raises:
        GemDepthError: nothing that can be read is there.
    """
    if path.suffix in BAG_SUFFIXES or (path / 'metadata.yaml').is_file():
        return _of_bag(path, options, note)
    named = [topic for topic in (options.lidar, options.odometry) if topic not in ('', NOT_WANTED)]
    if named:
        raise ConfigError(f'{path} is no bag: it has no topic {" or ".join(named)}')
    source = open_source(path, options.rate_hz)
    frames = _of_media(source, options.intrinsics)
    return RecordedFrames(frames, source.stated_frames, f'images of {path}')


def _of_media(
    source: FrameSource, intrinsics: tuple[float, float, float, float] | None
) -> Iterator[tuple[VideoFrame, SensorReadings]]:
    for frame in source:
        height, width = frame.image_rgb.shape[:2]
        camera = PinholeIntrinsics(width, height, *intrinsics) if intrinsics else None
        yield VideoFrame(frame.image_rgb, frame.stamp_ns, camera=camera), NOTHING_MEASURED


def _of_bag(path: Path, options: SourceOptions, note: Callable[[str], None]) -> RecordedFrames:
    with BagReader(path) as reader:
        topics = reader.topics
    image, info = image_and_info(path, topics, options)
    if not info and options.intrinsics is None:
        note(f'no camera_info beside {image.name}: the field of view is a guess of the network')
    sensors = choose_topics(topics, options.lidar, options.odometry, note)
    frames = BagFrames(path, image.name, info, options.intrinsics, sensors, note)
    return RecordedFrames(frames, image.message_count, f'{image.name} of {path}', sensors)


def image_and_info(
    path: Path, topics: Mapping[str, TopicSummary], options: SourceOptions
) -> tuple[TopicSummary, str]:
    """Return the image topic of a bag and the name of its CameraInfo; empty: there is none.

    Raises:
        GemDepthError: the topic is missing, or several could be meant.
    """
    image = _image_topic(path, topics, options.topic)
    info = _info_topic(image.name)
    known = info in topics and topics[info].message_type == INFO_TYPE
    return image, info if known else ''


def _image_topic(path: Path, topics: Mapping[str, TopicSummary], wanted: str) -> TopicSummary:
    """Return the image topic; without a wish the only one that is neither depth nor truth."""
    images = {name: found for name, found in topics.items() if found.message_type in IMAGE_TYPES}
    if wanted in images:
        return images[wanted]
    if wanted:
        raise BagError(f'no image topic {wanted} in {path}; it has: {", ".join(images) or "none"}')
    pictures = [
        found
        for name, found in images.items()
        if 'depth' not in name.lower() and not is_truth(name)
    ]
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
