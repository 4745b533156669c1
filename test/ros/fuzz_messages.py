"""Random sensor messages: plausible ones, ones that contradict themselves, and rubbish.

Everything comes from one ``random.Random``: hypothesis may steer it (and shrink what fails), or a
seed may, which is a hundred times as fast.
"""

from __future__ import annotations

import array
import ctypes
import math
import mmap
from random import Random
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField

from gemdepth_ros.ros.image_formats import LAYOUTS

KNOWN = sorted(LAYOUTS)
OTHER = ['', '32FC1', '64FC1', '8UC4', 'bayer_rggb', 'bayer_rggb12', 'RGB8', 'rgb8 ', 'h264', '\0']
MODELS = ['plumb_bob', 'rational_polynomial', 'equidistant', 'fisheye', '', 'thin_prism', 'Plumb']
LARGE = [2**16, 2**31 - 1, 2**31, 2**32 - 1]
ODD_NUMBERS = [0.0, -0.0, 1e-300, -1.0, 1e300, -1e300, math.inf, -math.inf, math.nan]
FORMATS = ['jpeg', 'png', 'rgb8; jpeg compressed bgr8', 'bayer_rggb8; png compressed', 'tiff']
FORMATS += ['', 'bayer_', 'bayer_grbg16; png', '16UC1; compressedDepth png', 'bmp', ';', 'webp']
GUARD = mmap.PAGESIZE
LARGEST = 1 << 18


class GuardedBytes:
    """A buffer that ends at a page nobody may touch: a read past its end kills the process."""

    def __init__(self) -> None:
        self._pages = mmap.mmap(-1, LARGEST + GUARD)
        first = ctypes.addressof(ctypes.c_char.from_buffer(self._pages))
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        if protect(first + LARGEST, GUARD, 0):
            raise OSError(ctypes.get_errno(), 'mprotect')
        self._view = memoryview(self._pages)

    def holding(self, message: Any) -> SimpleNamespace:
        """Return the message's fields, its data at the end of the buffer."""
        data = memoryview(message.data).cast('B')
        place = self._view[LARGEST - len(data) : LARGEST]
        place[:] = data
        fields = {name: getattr(message, name) for name in message.get_fields_and_field_types()}
        return SimpleNamespace(**{**fields, 'data': place})


def image(rng: Random) -> Any:
    """Return a sensor_msgs/Image; about half of them can be decoded."""
    encoding = rng.choice(KNOWN) if rng.random() < 0.9 else rng.choice(OTHER)
    layout = LAYOUTS.get(encoding, LAYOUTS['rgb8'])
    height, width = (rng.randint(0, 20) for _ in range(2))
    if rng.random() < 0.7:
        height, width = height - height % 2, width - width % 2
    step = width * layout.channels * layout.bits // 8
    size = (step := step + rng.choice([0, 0, 0, 1, 7, 64])) * height * layout.rows_per_2 // 2
    message = Image(encoding=encoding, is_bigendian=rng.choice([0, 0, 1, 255]))
    message.height, message.width, message.step = height, width, step
    if rng.random() < 0.4:
        wrong = rng.choice(['height', 'width', 'step'])
        setattr(message, wrong, rng.choice([*LARGE, 0, 1, getattr(message, wrong) + 1]))
    if rng.random() < 0.25:
        size = rng.choice([0, 1, max(size - 1, 0), size // 2, size + 1, 2 * size])
    message.data = array.array('B', rng.randbytes(size))
    return message


def camera_info(rng: Random, height: int, width: int) -> Any:
    """Return a sensor_msgs/CameraInfo, mostly of an image of this size."""
    message = CameraInfo(distortion_model=rng.choice(MODELS[:3] if rng.random() < 0.8 else MODELS))
    message.height, message.width = height, width
    focal, lens = rng.uniform(1.0, 60.0), rng.choice([0, 4, 5, 8, 12, 14, 3, 1])
    k = [focal, 0.0, width / 2, 0.0, focal * rng.uniform(0.8, 1.2), height / 2, 0.0, 0.0, 1.0]
    p = [k[0], 0.0, k[2], 0.0, 0.0, k[4], k[5], 0.0, 0.0, 0.0, 1.0, 0.0]
    r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    d = [rng.gauss(0, 0.2) for _ in range(lens)]
    for numbers in (k, p, r, d):
        if numbers and rng.random() < 0.2:
            for _ in range(rng.randint(1, 3)):
                numbers[rng.randrange(len(numbers))] = rng.choice(ODD_NUMBERS)
    message.k, message.p, message.r, message.d = k, p, r, d
    if rng.random() < 0.2:
        message.binning_x, message.binning_y = (rng.choice([0, 1, 2, *LARGE]) for _ in range(2))
    if rng.random() < 0.3:
        roi = message.roi
        roi.x_offset, roi.y_offset = (rng.choice([0, 1, 5, *LARGE]) for _ in range(2))
        roi.height = rng.choice([height, 0, 1, *LARGE])
        roi.width = rng.choice([width, 0, 1, *LARGE])
    if rng.random() < 0.1:
        message.height, message.width = (rng.choice([0, 1, *LARGE]) for _ in range(2))
    return message


def cloud(rng: Random) -> Any:
    """Return a sensor_msgs/PointCloud2."""
    names = ['x', 'y', 'z', 'intensity', 'rgb', 'ring', 'x', '']
    count = rng.choice([3, 3, 4, 4, 5, 0, 8])
    message = PointCloud2(is_bigendian=rng.random() < 0.3, is_dense=rng.random() < 0.5)
    offset = 0
    for name in names[:count]:
        datatype = rng.choice([7, 7, 7, 7, 8, 2, 5, 0, 9, 255]) if rng.random() < 0.3 else 7
        field = PointField(name=name, offset=offset, datatype=datatype, count=1)
        if rng.random() < 0.1:
            field.count = rng.choice([0, 2, 1000, *LARGE])
        if rng.random() < 0.1:
            field.offset = rng.choice([0, 1, 3, *LARGE])
        message.fields.append(field)
        offset += 4
    message.height, message.width = rng.choice([1, 1, 3, 0]), rng.randint(0, 40)
    message.point_step = offset + rng.choice([0, 0, 4, 1])
    message.row_step = message.point_step * message.width + rng.choice([0, 0, 0, 5])
    size = message.row_step * message.height
    if rng.random() < 0.3:
        wrong = rng.choice(['height', 'width', 'point_step', 'row_step'])
        setattr(message, wrong, rng.choice([*LARGE, 0, 1, getattr(message, wrong) + 1]))
    if rng.random() < 0.2:
        size = rng.choice([0, 1, max(size - 1, 0), size // 2, size + 1])
    message.data = array.array('B', rng.randbytes(size))
    return message


def _files() -> list[bytes]:
    """Small pictures in every format that OpenCV writes here."""
    values = np.random.default_rng(0)
    colour, grey = values.integers(0, 256, (12, 18, 3), np.uint8), values.integers(0, 256, (8, 8))
    pictures = (colour, grey.astype(np.uint8), (grey * 257).astype(np.uint16))
    files = []
    for kind in ('.jpg', '.png', '.bmp', '.tiff', '.webp', '.ppm', '.pgm', '.jp2'):
        for picture in pictures:
            try:
                written, data = cv2.imencode(kind, picture)
            except cv2.error:  # this format has no 16 bits, or this OpenCV not the format
                continue
            if written:
                files.append(data.tobytes())
    return files


FILES = _files()


def compressed(rng: Random) -> Any:
    """Return a sensor_msgs/CompressedImage: whole, cut, altered, or rubbish."""
    data = bytearray(rng.choice(FILES))
    damage = rng.random()
    if damage < 0.3:
        del data[rng.randrange(len(data)) :]
    elif damage < 0.7:
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    elif damage < 0.8:
        data = bytearray(rng.randbytes(rng.randint(0, 200)))
    elif damage < 0.85:
        place = rng.randrange(len(data))
        data[place:place] = rng.choice(FILES)[: rng.randint(1, 100)]
    return CompressedImage(format=rng.choice(FORMATS), data=array.array('B', bytes(data)))
