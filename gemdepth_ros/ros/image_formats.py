"""Bytes of a camera image to RGB, for every encoding the node accepts. No ROS types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from gemdepth_ros.errors import ImageError
from gemdepth_ros.geometry.image_headers import check_compressed_size
from gemdepth_ros.interfaces import UInt8Array


@dataclass(frozen=True)
class Layout:
    """How the rows of an encoding lie in memory and how they become RGB.

    Attributes:
        channels: values per pixel in a row.
        to_rgb: pixels [rows, width, channels] (or [rows, width] for one channel), uint8, to RGB.
        bits: of one value, 8 or 16; 16-bit values are reduced to their upper byte.
        rows_per_2: stored rows per two image rows; 3 for planar 4:2:0.
        multiple_of: (height, width) must be multiples of this.
        at_least: smallest height and width.
    """

    channels: int
    to_rgb: Callable[[UInt8Array], UInt8Array]
    bits: int = 8
    rows_per_2: int = 2
    multiple_of: tuple[int, int] = (1, 1)
    at_least: int = 1


def _cv(code: int) -> Callable[[UInt8Array], UInt8Array]:
    def convert(pixels: UInt8Array) -> UInt8Array:
        return cv2.cvtColor(pixels, code)  # type: ignore[return-value]

    return convert


def _identity(pixels: UInt8Array) -> UInt8Array:
    return pixels


def _bayer(code: int, bits: int = 8) -> Layout:
    return Layout(1, _cv(code), bits=bits, at_least=3)  # OpenCV gives black below that


_UYVY = Layout(2, _cv(cv2.COLOR_YUV2RGB_UYVY), multiple_of=(1, 2))
_YUYV = Layout(2, _cv(cv2.COLOR_YUV2RGB_YUY2), multiple_of=(1, 2))
_MONO16 = Layout(1, _cv(cv2.COLOR_GRAY2RGB), bits=16)

LAYOUTS = {
    'rgb8': Layout(3, _identity),
    'bgr8': Layout(3, _cv(cv2.COLOR_BGR2RGB)),
    '8UC3': Layout(3, _cv(cv2.COLOR_BGR2RGB)),  # OpenCV's order, as cv_bridge reads it
    'rgba8': Layout(4, _cv(cv2.COLOR_RGBA2RGB)),
    'bgra8': Layout(4, _cv(cv2.COLOR_BGRA2RGB)),
    'mono8': Layout(1, _cv(cv2.COLOR_GRAY2RGB)),
    '8UC1': Layout(1, _cv(cv2.COLOR_GRAY2RGB)),
    'mono16': _MONO16,
    '16UC1': _MONO16,
    'bayer_rggb8': _bayer(cv2.COLOR_BayerRGGB2RGB),
    'bayer_bggr8': _bayer(cv2.COLOR_BayerBGGR2RGB),
    'bayer_gbrg8': _bayer(cv2.COLOR_BayerGBRG2RGB),
    'bayer_grbg8': _bayer(cv2.COLOR_BayerGRBG2RGB),
    'bayer_rggb16': _bayer(cv2.COLOR_BayerRGGB2RGB, 16),
    'bayer_bggr16': _bayer(cv2.COLOR_BayerBGGR2RGB, 16),
    'bayer_gbrg16': _bayer(cv2.COLOR_BayerGBRG2RGB, 16),
    'bayer_grbg16': _bayer(cv2.COLOR_BayerGRBG2RGB, 16),
    'yuv422': _UYVY,
    'uyvy': _UYVY,
    'yuv422_yuy2': _YUYV,
    'yuyv': _YUYV,
    'nv12': Layout(1, _cv(cv2.COLOR_YUV2RGB_NV12), rows_per_2=3, multiple_of=(2, 2)),
    'nv21': Layout(1, _cv(cv2.COLOR_YUV2RGB_NV21), rows_per_2=3, multiple_of=(2, 2)),
}


def decode_raw(
    data: npt.NDArray[np.uint8],
    encoding: str,
    height: int,
    width: int,
    step: int,
    big_endian: bool = False,
) -> UInt8Array:
    """Return the RGB image of raw image bytes.

    Args:
        data: uint8 [n], rows of ``step`` bytes; what follows the last row is ignored.
        encoding: one of ``LAYOUTS``.
        height: of the image [px].
        width: of the image [px].
        step: bytes from one row to the next, padding included.
        big_endian: byte order of 16-bit values.

    Returns:
        uint8 [height, width, 3]; for ``rgb8`` a view of ``data``.

    Raises:
        ImageError: unknown encoding, impossible size, or too little data.
    """
    layout = LAYOUTS.get(encoding)
    if layout is None:
        raise ImageError(
            f'unknown image encoding {encoding!r}; known: {", ".join(sorted(LAYOUTS))}'
        )
    _check_size(layout, encoding, height, width)
    row_bytes = width * layout.channels * layout.bits // 8
    rows = height * layout.rows_per_2 // 2
    if step < row_bytes:
        raise ImageError(
            f'step is {step} bytes but a row of {width} {encoding} pixels has {row_bytes}'
        )
    if data.size < rows * step:
        raise ImageError(
            f'image data has {data.size} bytes but {width}x{height} {encoding} with step {step} '
            f'needs {rows * step}'
        )
    table = data[: rows * step].reshape(rows, step)[:, :row_bytes]
    return _to_rgb(table, layout, width, big_endian)


def decode_compressed(data: npt.NDArray[np.uint8], image_format: str) -> UInt8Array:
    """Return the RGB image of a JPEG, PNG, BMP or WebP file.

    Args:
        data: uint8 [n], the file.
        image_format: as in sensor_msgs/CompressedImage; a leading ``bayer_…8`` is honoured.

    Returns:
        uint8 [H, W, 3].

    Raises:
        ImageError: no data, depth data, a damaged file, or one that claims too many pixels.
    """
    if 'compressedDepth' in image_format:
        raise ImageError(f'format {image_format!r} is a depth image; a colour image is needed')
    bayer = image_format.split(';')[0].strip()
    mosaic = LAYOUTS.get(bayer) if bayer.startswith('bayer_') else None
    # A turned picture would no longer fit its CameraInfo: do not obey the orientation tag.
    flag = cv2.IMREAD_GRAYSCALE if mosaic else cv2.IMREAD_COLOR
    flag |= cv2.IMREAD_IGNORE_ORIENTATION
    check_compressed_size(data, image_format)
    try:
        image = cv2.imdecode(data, flag) if data.size else None
    except cv2.error as error:
        raise ImageError(
            f'cannot decode compressed image of {data.size} bytes: {error.err}'
        ) from None
    if image is None:
        raise ImageError(
            f'cannot decode compressed image of {data.size} bytes (format {image_format!r})'
        )
    if mosaic is None:
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]
    _check_size(mosaic, bayer, *image.shape[:2])
    return mosaic.to_rgb(image)  # type: ignore[arg-type]


def _check_size(layout: Layout, encoding: str, height: int, width: int) -> None:
    if height < 1 or width < 1:
        raise ImageError(f'image has no pixels: {width}x{height}')
    if height < layout.at_least or width < layout.at_least:
        raise ImageError(
            f'{encoding} needs at least {layout.at_least} rows and columns, got {width}x{height}'
        )
    rows, columns = layout.multiple_of
    if height % rows or width % columns:
        raise ImageError(
            f'{encoding} needs a width divisible by {columns} and a height divisible by {rows}, '
            f'got {width}x{height}'
        )


def _to_rgb(table: UInt8Array, layout: Layout, width: int, big_endian: bool) -> UInt8Array:
    """Turn rows of bytes [rows, row_bytes] into RGB [H, W, 3]."""
    if layout.bits == 16:
        table = table[:, 0::2] if big_endian else table[:, 1::2]  # the upper bytes
    if layout.channels > 1:
        # A view where rows follow each other without padding.
        table = np.ascontiguousarray(table).reshape(table.shape[0], width, layout.channels)
    return layout.to_rgb(np.ascontiguousarray(table))
