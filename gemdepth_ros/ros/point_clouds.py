"""Points of a sensor_msgs/PointCloud2, whatever its fields, padding and byte order."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import PointCloud2

from gemdepth_ros.errors import SensorError
from gemdepth_ros.ros.distribution import installed

FORMATS = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 8: 'f8'}
COORDINATES = ('x', 'y', 'z')
LIBRARY = 'sensor_msgs_py.point_cloud2'
LARGEST_STEP = 65536  # bytes of a point; numpy's own offsets wrap at 2^31


def read_points(message: Any) -> npt.NDArray[np.void]:
    """Return the coordinates of a cloud without a copy.

    Fields may lie anywhere in a point, be float32 or float64, in either byte order; points and
    rows may be padded; the cloud may be organised. sensor_msgs_py makes the view where it is
    installed, unless the cloud is one that it cannot read.

    Args:
        message: sensor_msgs/PointCloud2.

    Returns:
        structured [height, width] with fields x, y and z [m]; NaN where the sensor saw nothing.

    Raises:
        SensorError: a coordinate is missing or no float, or there is too little data.
    """
    layout = point_layout(message)
    height, width = int(message.height), int(message.width)
    data = np.frombuffer(message.data, np.uint8)
    # An unordered cloud needs no row_step, and some drivers leave it 0.
    row_step = int(message.row_step) if height > 1 else width * layout.itemsize
    needed = row_step * max(height - 1, 0) + width * layout.itemsize
    if height > 1 and row_step < width * layout.itemsize:
        raise SensorError(
            f'the cloud says row_step {row_step} but {width} points of {layout.itemsize} bytes '
            f'need {width * layout.itemsize}'
        )
    if data.size < needed:
        raise SensorError(
            f'the cloud has {data.size} bytes but {width}x{height} points of {layout.itemsize} '
            f'bytes need {needed}'
        )
    if not height * width:
        return np.empty((height, width), layout)
    library = installed(LIBRARY)
    if library is not None and row_step == width * layout.itemsize and _is_plain(message):
        points: npt.NDArray[np.void] = library.read_points(message, COORDINATES)
        return points.reshape(height, width)
    strides = (row_step, layout.itemsize)
    return np.ndarray((height, width), layout, buffer=data.data, strides=strides)


def _is_plain(message: Any) -> bool:
    """Return whether sensor_msgs_py can read the points of a cloud whose rows have no padding.

    It swaps the bytes of another byte order in the message itself, so that a second look at the
    message gives other numbers, and stops at fields that are no trouble to x, y and z: with a
    count of 0, a name that is taken, or an end beyond the point.
    """
    swapped = bool(message.is_bigendian) != (sys.byteorder == 'big')
    if swapped or not isinstance(message, PointCloud2):
        return False
    names = set()
    for field in message.fields:
        kind = FORMATS.get(field.datatype)
        if kind is None or field.count != 1 or field.offset + int(kind[1]) > message.point_step:
            return False
        names.add(field.name)
    return '' not in names and len(names) == len(message.fields)


def point_layout(message: Any) -> np.dtype[np.void]:
    """Return where x, y and z lie in a point of a cloud.

    Raises:
        SensorError: one of them is missing, is no float, or lies outside the point, or
            the point is absurdly large.
    """
    fields = {field.name: field for field in message.fields}
    missing = [name for name in COORDINATES if name not in fields]
    if missing:
        known = ', '.join(sorted(fields)) or 'none'
        raise SensorError(f'the cloud has no field {", ".join(missing)}; its fields: {known}')
    if message.point_step > LARGEST_STEP:
        raise SensorError(f'the cloud says point_step {message.point_step}, which no sensor has')
    order = '>' if message.is_bigendian else '<'
    formats, offsets = [], []
    for name in COORDINATES:
        kind = FORMATS.get(int(fields[name].datatype), '')
        if not kind.startswith('f'):
            raise SensorError(
                f'field {name} of the cloud has datatype {fields[name].datatype}; FLOAT32 (7) or '
                'FLOAT64 (8) is needed'
            )
        end = int(fields[name].offset) + int(kind[1])
        if end > message.point_step:
            raise SensorError(
                f'field {name} of the cloud ends at byte {end} but point_step is '
                f'{message.point_step}'
            )
        formats.append(order + kind)
        offsets.append(int(fields[name].offset))
    return np.dtype(
        {
            'names': list(COORDINATES),
            'formats': formats,
            'offsets': offsets,
            'itemsize': int(message.point_step),
        }
    )
