"""The images of a bag, rectified, each with the readings of the sensors beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gemdepth_ros.bags.images import read_rgb
from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.bags.stamps import header_stamp_ns
from gemdepth_ros.cli.reconstruction.sensors import SensorFeed, SensorTopics, static_transforms
from gemdepth_ros.errors import ImageError
from gemdepth_ros.interfaces import PinholeIntrinsics, VideoFrame
from gemdepth_ros.pipeline.readings import NOTHING_MEASURED, SensorReadings
from gemdepth_ros.ros.calibration import Rectifier

FOREVER_NS = 1 << 62


class BagFrames:
    """Iterates over the images of one topic.

    An image waits for the next one, because a scan of the same moment may lie behind it.

    Args:
        path: of the bag.
        image_topic: Image or CompressedImage.
        info_topic: its CameraInfo, or empty.
        intrinsics: fx, fy, cx, cy of the images, which win over the CameraInfo, or None.
        sensors: topics of LiDAR and odometry.
        note: told once each of what cannot be used.
        on_bad_image: told of each image that cannot be decoded, and it is left out; None: the
            first one is an error.
    """

    def __init__(
        self,
        path: Path,
        image_topic: str,
        info_topic: str,
        intrinsics: tuple[float, float, float, float] | None,
        sensors: SensorTopics,
        note: Callable[[str], None],
        on_bad_image: Callable[[ImageError], None] | None = None,
    ) -> None:
        self._path = path
        self._image_topic, self._info_topic = image_topic, info_topic
        self._intrinsics = intrinsics
        self._sensors = sensors
        self._note = note
        self._on_bad_image = on_bad_image
        self._told: set[str] = set()
        self._rectifier = Rectifier('auto', image_topic)

    def __iter__(self) -> Iterator[tuple[VideoFrame, SensorReadings]]:
        """Read the bag from its beginning."""
        for _, frame, readings in self.numbered():
            yield frame, readings

    def numbered(self) -> Iterator[tuple[int, VideoFrame, SensorReadings]]:
        """Read the bag likewise, each image with the number of its message.

        Messages are counted from 0, those that cannot be decoded as well: files beside the bag
        go by this number.
        """
        with BagReader(self._path) as reader:
            if not self._sensors.wanted:
                for number, frame in self._images(reader, None):
                    yield number, frame, NOTHING_MEASURED
                return
            transforms = static_transforms(reader, self._say)
            feed = SensorFeed(self._sensors, transforms, self._note)
            waiting: tuple[int, VideoFrame] | None = None
            for number, frame in self._images(reader, feed):
                if waiting is not None:
                    yield *waiting, _readings(feed, waiting[1], frame.stamp_ns)
                waiting = number, frame
            if waiting is not None:
                yield *waiting, _readings(feed, waiting[1], FOREVER_NS)

    def _images(
        self, reader: BagReader, feed: SensorFeed | None
    ) -> Iterator[tuple[int, VideoFrame]]:
        """Yield the images with their numbers; what the sensors measured goes to the feed."""
        info = _first(reader, self._info_topic) if self._info_topic else None
        wanted = [self._image_topic, *self._sensors.wanted]
        wanted += [self._info_topic] if self._info_topic else []
        number = -1
        for item in reader.messages(wanted):
            if item.topic == self._info_topic:
                info = _modern(item.message)
            elif item.topic == self._image_topic:
                number += 1
                frame = self._decoded(item.message, info)
                if frame is not None:
                    yield number, frame
            elif feed is not None:
                feed.add(item)

    def _decoded(self, message: Any, info: Any | None) -> VideoFrame | None:
        try:
            return self._frame(message, info)
        except ImageError as error:
            if self._on_bad_image is None:
                raise
            self._on_bad_image(error)
            return None

    def _frame(self, message: Any, info: Any | None) -> VideoFrame:
        image_rgb = read_rgb(message)
        camera, valid = None, None
        if self._intrinsics is not None:
            height, width = image_rgb.shape[:2]
            camera = PinholeIntrinsics(width, height, *self._intrinsics)
        elif info is not None:
            rectified = self._rectifier.apply(image_rgb, info)
            image_rgb, camera = rectified.image_rgb, rectified.camera
            valid = rectified.valid
            if rectified.note:
                self._say(f'{rectified.note}: the field of view is a guess of the network')
        stamp_ns = header_stamp_ns(message)
        return VideoFrame(image_rgb, stamp_ns, message.header.frame_id, camera, valid=valid)

    def _say(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._note(text)


def _readings(feed: SensorFeed, frame: VideoFrame, next_ns: int) -> SensorReadings:
    return feed.readings(frame.stamp_ns, next_ns, frame.frame_id)


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
