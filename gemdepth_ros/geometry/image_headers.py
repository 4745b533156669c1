"""Size of a compressed image, read from its first bytes: before memory is given to it."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gemdepth_ros.errors import ImageError

LARGEST_PIXELS = 64 * 1024 * 1024  # of one image; decoded RGB takes 192 MiB
LARGEST_SIDE = 16384
PNG, JPEG, BMP, RIFF = b'\x89PNG\r\n\x1a\n', b'\xff\xd8', b'BM', b'RIFF'
# Markers of JPEG without a segment behind them, and those that begin a frame (SOFn).
BARE = {0x01, *range(0xD0, 0xD9)}
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def check_compressed_size(data: npt.NDArray[np.uint8], image_format: str) -> None:
    """Refuse a file that claims more pixels than any camera has, or does not say how many.

    A file of a few kilobytes may claim gigabytes of pixels.

    Args:
        data: uint8 [n], the file.
        image_format: as in sensor_msgs/CompressedImage, for the message.

    Raises:
        ImageError: no JPEG, PNG, BMP or WebP, a damaged header, or too many pixels.
    """
    head = data[:32].tobytes()
    reader = next((read for magic, read in _READERS.items() if head.startswith(magic)), None)
    if reader is None:
        raise ImageError(
            f'cannot decode compressed image of {data.size} bytes (format {image_format!r}): no '
            'JPEG, PNG, BMP or WebP'
        )
    try:
        width, height = reader(data)
    except (struct.error, IndexError):
        raise ImageError(
            f'cannot decode compressed image of {data.size} bytes (format {image_format!r}): it '
            'ends before what its header states'
        ) from None
    if max(width, height) > LARGEST_SIDE or width * height > LARGEST_PIXELS:
        raise ImageError(
            f'compressed image of {data.size} bytes claims {width}x{height} pixels; at most '
            f'{LARGEST_SIDE} a side and {LARGEST_PIXELS} together are taken'
        )


def _png(data: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Also walk over the chunks: OpenCV takes memory for what a chunk claims to have."""
    width, height = struct.unpack('>II', data[16:24].tobytes())
    place = len(PNG)
    while place + 12 <= data.size:  # length, name, content, checksum
        (length,) = struct.unpack('>I', data[place : place + 4].tobytes())
        place += 12 + length
        if place > data.size:
            raise IndexError(place)
    return width, height


def _bmp(data: npt.NDArray[np.uint8]) -> tuple[int, int]:
    width, height = struct.unpack('<ii', data[18:26].tobytes())
    return abs(width), abs(height)  # a negative height is an image from top to bottom


def _webp(data: npt.NDArray[np.uint8]) -> tuple[int, int]:
    head = data[:30].tobytes()
    kind = head[12:16]
    if kind == b'VP8X':
        fields = [int.from_bytes(head[i : i + 3], 'little') + 1 for i in (24, 27)]
        return fields[0], fields[1]
    if kind == b'VP8L':
        bits = struct.unpack('<I', head[21:25])[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack('<HH', head[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _jpeg(data: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Walk over the segments to the first frame header."""
    place = 2
    while True:
        while int(data[place]) == 0xFF:
            place += 1
        marker = int(data[place])
        place += 1
        if marker in FRAMES:
            height, width = struct.unpack('>HH', data[place + 3 : place + 7].tobytes())
            return width, height
        if marker not in BARE:
            (length,) = struct.unpack('>H', data[place : place + 2].tobytes())
            place += max(length, 2)
        if int(data[place]) != 0xFF:
            raise IndexError(place)  # no marker where one must be: damaged


_READERS: dict[bytes, Callable[[npt.NDArray[np.uint8]], tuple[int, int]]] = {
    PNG: _png,
    JPEG: _jpeg,
    BMP: _bmp,
    RIFF: _webp,
}
