"""Camera images as JPEG, as ``image_transport`` sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
from rosbags.typesys.stores.ros2_jazzy import sensor_msgs__msg__CompressedImage as CompressedImage

from gemdepth_ros.bags.stamps import header_message
from gemdepth_ros.errors import ImageError

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import UInt8Array

QUALITY = 95


def jpeg_message(image_rgb: UInt8Array, stamp_ns: int, frame_id: str) -> CompressedImage:
    """Return a sensor_msgs/CompressedImage of RGB uint8 [H, W, 3].

    Raises:
        ImageError: the image is larger than a JPEG can be.
    """
    bgr = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)
    good, encoded = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not good:
        raise ImageError(f'cannot write an image of {list(image_rgb.shape)} as JPEG')
    return CompressedImage(
        header=header_message(stamp_ns, frame_id),
        format='rgb8; jpeg compressed bgr8',
        data=encoded.reshape(-1),
    )
