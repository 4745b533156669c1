"""sensor_msgs/Image and CompressedImage to numpy and back.

Reading honours row padding (``step``) and ``is_bigendian``, which convenience libraries ignore.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import cv2
import numpy as np
import numpy.typing as npt
from rosbags.typesys.stores.ros2_jazzy import sensor_msgs__msg__Image as Image

from gemdepth_ros.bags.stamps import header_message
from gemdepth_ros.errors import ImageError
from gemdepth_ros.geometry.image_headers import check_compressed_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gemdepth_ros.interfaces import Float32Array, UInt8Array

PixelArray = npt.NDArray[Any]


class PixelFormat(NamedTuple):
    """How one pixel of an encoding lies in memory."""

    dtype: np.dtype[Any]
    channels: int


def _format(dtype: npt.DTypeLike, channels: int) -> PixelFormat:
    return PixelFormat(np.dtype(dtype), channels)


_BAYER_PATTERNS: Mapping[str, int] = {
    'rggb': cv2.COLOR_BayerRGGB2RGB,
    'bggr': cv2.COLOR_BayerBGGR2RGB,
    'gbrg': cv2.COLOR_BayerGBRG2RGB,
    'grbg': cv2.COLOR_BayerGRBG2RGB,
}

ENCODINGS: Mapping[str, PixelFormat] = {
    'rgb8': _format(np.uint8, 3),
    'bgr8': _format(np.uint8, 3),
    'rgba8': _format(np.uint8, 4),
    'bgra8': _format(np.uint8, 4),
    'mono8': _format(np.uint8, 1),
    '8UC1': _format(np.uint8, 1),
    '8UC3': _format(np.uint8, 3),
    'mono16': _format(np.uint16, 1),
    '16UC1': _format(np.uint16, 1),
    '32FC1': _format(np.float32, 1),
    **{f'bayer_{pattern}8': _format(np.uint8, 1) for pattern in _BAYER_PATTERNS},
    **{f'bayer_{pattern}16': _format(np.uint16, 1) for pattern in _BAYER_PATTERNS},
}


def image_message(pixels: PixelArray, encoding: str, stamp_ns: int, frame_id: str) -> Image:
    """Return a sensor_msgs/Image without row padding.

    Args:
        pixels: [H, W] or [H, W, C] in the element type and channels of ``encoding``.
        encoding: a key of `ENCODINGS`.
        stamp_ns: capture time [ns].
        frame_id: the camera's optical frame.

    Raises:
        ImageError: ``pixels`` does not fit the encoding.
    """
    pixel_format = _pixel_format(encoding)
    expected_shape = () if pixel_format.channels == 1 else (pixel_format.channels,)
    if (
        pixels.dtype != pixel_format.dtype
        or pixels.ndim < 2
        or pixels.shape[2:] != expected_shape
        or pixels.size == 0
    ):
        raise ImageError(
            f'{encoding} needs {pixel_format.dtype} [H, W{", C" if expected_shape else ""}] with '
            f'{pixel_format.channels} channel(s), got {pixels.dtype} {list(pixels.shape)}'
        )
    height, width = pixels.shape[:2]
    return Image(
        header=header_message(stamp_ns, frame_id),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(sys.byteorder == 'big'),
        step=width * pixel_format.channels * pixel_format.dtype.itemsize,
        data=np.ascontiguousarray(pixels).reshape(-1).view(np.uint8),
    )


def decode_pixels(
    data: Any, height: int, width: int, encoding: str, step: int, *, is_bigendian: bool
) -> PixelArray:
    """Return the pixels of raw image data as they are stored, [H, W] or [H, W, C].

    Args:
        data: any buffer of at least ``height * step`` bytes.
        height: rows.
        width: columns.
        encoding: a key of `ENCODINGS`.
        step: bytes from one row to the next.
        is_bigendian: whether elements of more than one byte are big-endian.

    Returns:
        Native byte order. A view of ``data`` (perhaps read-only) where no copy is needed.

    Raises:
        ImageError: unknown encoding, zero size, or too little data.
    """
    pixel_format = _pixel_format(encoding)
    row_bytes = width * pixel_format.channels * pixel_format.dtype.itemsize
    if height < 1 or width < 1:
        raise ImageError(f'image size must be positive, got {width}x{height}')
    if step < row_bytes:
        raise ImageError(
            f'image step {step} is less than the {row_bytes} bytes of {width} {encoding} pixels'
        )
    buffer = np.frombuffer(data, np.uint8)
    if buffer.size < height * step:
        raise ImageError(
            f'image data has {buffer.size} bytes but {height} rows of step {step} need '
            f'{height * step}'
        )
    rows = np.ascontiguousarray(buffer[: height * step].reshape(height, step)[:, :row_bytes])
    stored = rows.view(pixel_format.dtype.newbyteorder('>' if is_bigendian else '<'))
    shape = (height, width) if pixel_format.channels == 1 else (height, width, -1)
    return stored.astype(pixel_format.dtype, copy=False).reshape(shape)


def read_pixels(message: Any) -> PixelArray:
    """Return the pixels of a sensor_msgs/Image as they are stored, see `decode_pixels`."""
    return decode_pixels(
        message.data,
        message.height,
        message.width,
        message.encoding,
        message.step,
        is_bigendian=bool(message.is_bigendian),
    )


def read_rgb(message: Any) -> UInt8Array:
    """Return an Image or CompressedImage as RGB uint8 [H, W, 3].

    16-bit intensities keep their upper eight bits.

    Raises:
        ImageError: the image is damaged, or holds no intensities (32FC1, 16UC1).
    """
    if hasattr(message, 'format'):
        return pixels_to_rgb(read_compressed_pixels(message), 'compressed')
    return pixels_to_rgb(read_pixels(message), message.encoding)


def read_depth_m(message: Any) -> Float32Array:
    """Return a depth Image (REP 118) as float32 metres [H, W], NaN where unknown.

    Raises:
        ImageError: the encoding is neither 32FC1 (metres) nor 16UC1/mono16 (millimetres).
    """
    if message.encoding == '32FC1':
        return cast('Float32Array', read_pixels(message))
    if message.encoding not in ('16UC1', 'mono16'):
        raise ImageError(f'a depth image is 32FC1 or 16UC1, got {message.encoding!r}')
    millimetres = read_pixels(message)
    depth_m = millimetres.astype(np.float32) / np.float32(1000)
    depth_m[millimetres == 0] = np.nan
    return cast('Float32Array', depth_m)


def read_compressed_pixels(message: Any) -> PixelArray:
    """Return the pixels of a CompressedImage: RGB [H, W, 3] or grey [H, W], depth kept.

    Raises:
        ImageError: no image can be decoded from the data.
    """
    if 'compressedDepth' in message.format:
        raise ImageError(
            'compressedDepth images are not supported; republish them raw with image_transport'
        )
    encoded = np.frombuffer(message.data, np.uint8)
    check_compressed_size(encoded, message.format)
    try:
        pixels = cv2.imdecode(encoded, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error:  # a header that contradicts itself
        pixels = None
    if pixels is None:
        raise ImageError(
            f'cannot decode {encoded.size} bytes of compressed image (format {message.format!r})'
        )
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if pixels.ndim == 3 else pixels


def pixels_to_rgb(pixels: PixelArray, encoding: str) -> UInt8Array:
    """Return stored pixels as RGB uint8 [H, W, 3]; 'compressed' is RGB or grey already."""
    if encoding in ('32FC1', '16UC1'):
        raise ImageError(f'{encoding} holds depth, not intensities; it cannot be shown as RGB')
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if encoding.startswith('bayer_'):
        code = _BAYER_PATTERNS[encoding.removeprefix('bayer_').rstrip('0123456789')]
        return cast('UInt8Array', cv2.cvtColor(pixels, code))
    if pixels.ndim == 2:
        return cast('UInt8Array', np.repeat(pixels[:, :, np.newaxis], 3, axis=2))
    # 8UC3 is what OpenCV programs publish, and OpenCV's order is BGR.
    if encoding in ('bgr8', 'bgra8', '8UC3'):
        return cast('UInt8Array', np.ascontiguousarray(pixels[:, :, 2::-1]))
    return cast('UInt8Array', np.ascontiguousarray(pixels[:, :, :3]))


def _pixel_format(encoding: str) -> PixelFormat:
    try:
        return ENCODINGS[encoding]
    except KeyError:
        raise ImageError(
            f'unknown image encoding {encoding!r}; known are {", ".join(ENCODINGS)}'
        ) from None
