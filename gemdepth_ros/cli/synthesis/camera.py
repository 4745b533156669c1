"""Messages of the camera, and the truth about its images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gemdepth_ros.bags.from_recording import (
    CAMERA_FRAME,
    CAMERA_INFO_TOPIC,
    DEPTH_CAMERA_INFO_TOPIC,
    DEPTH_TOPIC,
    IMAGE_TOPIC,
)
from gemdepth_ros.bags.images import image_message
from gemdepth_ros.bags.jpeg import jpeg_message
from gemdepth_ros.bags.messages import camera_info_message
from gemdepth_ros.bags.writer import TimedMessage
from gemdepth_ros.cli.synthesis.rig import COMPRESSED_TOPIC, MOVING_TOPIC, SKY_TOPIC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gemdepth_ros.cli.synthesis.faults import FaultPlan
    from gemdepth_ros.cli.synthesis.options import SynthesisOptions
    from gemdepth_ros.synthetic import SyntheticDrive, SyntheticFrame

IMAGE, INFO = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CameraInfo'


class Camera:
    """The camera of a drive.

    Args:
        drive: what it sees.
        options: what is wanted.
        plan: its faults.
    """

    def __init__(self, drive: SyntheticDrive, options: SynthesisOptions, plan: FaultPlan) -> None:
        self._drive, self._options, self._plan = drive, options, plan

    def topics(self) -> dict[str, str]:
        """Return message types by topic."""
        image = (
            {COMPRESSED_TOPIC: 'sensor_msgs/msg/CompressedImage'}
            if self._options.compressed
            else {IMAGE_TOPIC: IMAGE}
        )
        topics = {**image, CAMERA_INFO_TOPIC: INFO}
        if self._options.depth:
            topics.update({DEPTH_TOPIC: IMAGE, DEPTH_CAMERA_INFO_TOPIC: INFO})
        if self._options.masks:
            topics.update({SKY_TOPIC: IMAGE, MOVING_TOPIC: IMAGE})
        return topics

    def messages(self, index: int) -> Iterator[TimedMessage]:
        """Yield the messages of a frame; none where the camera dropped it.

        The truth about an image carries the image's stamp, also where that is wrong: it belongs
        to that image.
        """
        if self._plan.dropped[index]:
            return
        frame = self._drive.render(index)
        stamp_ns = frame.stamp_ns + int(self._plan.stamp_error_ns[index])
        info = camera_info_message(frame.camera, stamp_ns, CAMERA_FRAME)
        # camera_info first: a subscriber that pairs them has it when the image comes.
        yield TimedMessage(CAMERA_INFO_TOPIC, stamp_ns, info)
        yield self._image(frame, index, stamp_ns)
        if self._options.depth:
            depth = image_message(frame.depth_m, '32FC1', stamp_ns, CAMERA_FRAME)
            yield TimedMessage(DEPTH_CAMERA_INFO_TOPIC, stamp_ns, info)
            yield TimedMessage(DEPTH_TOPIC, stamp_ns, depth)
        if self._options.masks:
            masks = {SKY_TOPIC: np.isinf(frame.depth_m), MOVING_TOPIC: frame.moving}
            for topic, mask in masks.items():
                pixels = mask.astype(np.uint8) * np.uint8(255)
                message = image_message(pixels, 'mono8', stamp_ns, CAMERA_FRAME)
                yield TimedMessage(topic, stamp_ns, message)

    def _image(self, frame: SyntheticFrame, index: int, stamp_ns: int) -> TimedMessage:
        image = self._plan.exposed(frame.image_rgb, index)
        if self._options.compressed:
            jpeg = jpeg_message(image, stamp_ns, CAMERA_FRAME)
            return TimedMessage(COMPRESSED_TOPIC, stamp_ns, jpeg)
        raw = image_message(image, 'rgb8', stamp_ns, CAMERA_FRAME)
        return TimedMessage(IMAGE_TOPIC, stamp_ns, raw)
