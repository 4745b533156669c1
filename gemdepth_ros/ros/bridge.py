"""cv_bridge, where the ROS distribution has it: for the encodings that are not read here."""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np
from sensor_msgs.msg import Image

from gemdepth_ros.errors import ImageError
from gemdepth_ros.interfaces import UInt8Array
from gemdepth_ros.ros.distribution import installed


@functools.lru_cache(maxsize=1)
def installed_bridge() -> Any | None:
    """Return a CvBridge, or None where there is none that can be loaded."""
    library = installed('cv_bridge')
    return None if library is None else library.CvBridge()


def bridged_rgb(message: Any) -> UInt8Array | None:
    """Return a sensor_msgs/Image as RGB by cv_bridge, uint8 [H, W, 3]; None without cv_bridge.

    Raises:
        ImageError: it has too little data, or is no colour or grey image.
    """
    bridge = installed_bridge()
    if bridge is None:
        return None
    height, width, step = int(message.height), int(message.width), int(message.step)
    # It trusts these numbers, in C++.
    if height < 1 or width < 1 or step < width or len(message.data) < height * step:
        raise ImageError(
            f'image data has {len(message.data)} bytes but {width}x{height} {message.encoding} '
            f'with step {step} needs at least {height * max(step, width)}'
        )
    try:
        image = np.asarray(bridge.imgmsg_to_cv2(_compact(bridge, message), 'rgb8'))
    except Exception as error:  # its own error is a class of a module that may be missing
        text = ' '.join(str(error).split()) or type(error).__name__
        raise ImageError(f'cv_bridge cannot read encoding {message.encoding!r}: {text}') from error
    if image.shape != (height, width, 3) or image.dtype != np.uint8:
        raise ImageError(
            f'cv_bridge made {image.dtype} {list(image.shape)} of a {width}x{height} image in '
            f'encoding {message.encoding!r}'
        )
    return np.ascontiguousarray(image)


def _compact(bridge: Any, message: Any) -> Any:
    """Return the image without row padding and in this machine's byte order.

    cv_bridge divides ``step`` by the size of a pixel and takes what is left for the next row's
    beginning; and it cannot swap bytes with numpy 2.
    """
    name, channels = bridge.encoding_to_dtype_with_channels(message.encoding)
    kind = np.dtype(name).newbyteorder('>' if message.is_bigendian else '<')
    row = message.width * channels * kind.itemsize
    whole = message.step % (channels * kind.itemsize) == 0
    if (kind.isnative and whole) or message.step < row:  # too short a row is refused afterwards
        return message
    data = np.frombuffer(message.data, np.uint8)[: message.height * message.step]
    rows = np.ascontiguousarray(data.reshape(message.height, message.step)[:, :row])
    native = rows.view(kind).astype(kind.newbyteorder('='))
    made = Image(height=message.height, width=message.width, encoding=message.encoding, step=row)
    made.is_bigendian = int(sys.byteorder == 'big')
    made.data.frombytes(native.data.cast('B'))
    return made
