"""sensor_msgs/PointCloud2 to numpy and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rosbags.typesys.stores.ros2_jazzy import sensor_msgs__msg__PointCloud2 as PointCloud2
from rosbags.typesys.stores.ros2_jazzy import sensor_msgs__msg__PointField as PointField

from gemdepth_ros.bags.stamps import header_message
from gemdepth_ros.errors import BagError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gemdepth_ros.interfaces import Float32Array

# The constants of sensor_msgs/PointField.
_DATATYPES: Mapping[int, str] = {
    1: 'i1',
    2: 'u1',
    3: 'i2',
    4: 'u2',
    5: 'i4',
    6: 'u4',
    7: 'f4',
    8: 'f8',
}
_FLOAT32, _UINT16 = 7, 4
_LIDAR_FIELDS = ('x', 'y', 'z', 'intensity')


def lidar_message(points_xyzi: Float32Array, stamp_ns: int, frame_id: str) -> PointCloud2:
    """Return an unordered PointCloud2 with the fields x y z intensity.

    Args:
        points_xyzi: float32 [N, 4]: metres in the sensor's frame, and intensity.
        stamp_ns: time of the scan [ns].
        frame_id: the sensor's frame.
    """
    if points_xyzi.ndim != 2 or points_xyzi.shape[1] != 4:
        raise BagError(f'LiDAR points must be [N, 4], got {list(points_xyzi.shape)}')
    count = len(points_xyzi)
    packed = np.ascontiguousarray(points_xyzi, dtype='<f4')
    return PointCloud2(
        header=header_message(stamp_ns, frame_id),
        height=1,
        width=count,
        fields=[
            PointField(name=name, offset=4 * index, datatype=_FLOAT32, count=1)
            for index, name in enumerate(_LIDAR_FIELDS)
        ],
        is_bigendian=False,
        point_step=16,
        row_step=16 * count,
        data=packed.reshape(-1).view(np.uint8),
        is_dense=True,
    )


def rings_message(
    points_xyz: Float32Array, rings: npt.NDArray[np.uint16], stamp_ns: int, frame_id: str
) -> PointCloud2:
    """Return an unordered PointCloud2 with the fields x y z ring.

    Args:
        points_xyz: float32 [N, 3]: metres in the sensor's frame.
        rings: uint16 [N], 0 is the lowest.
        stamp_ns: time of the scan [ns].
        frame_id: the sensor's frame.
    """
    if points_xyz.shape != (len(rings), 3):
        raise BagError(f'{len(rings)} rings need points [N, 3], got {list(points_xyz.shape)}')
    # x, y, z, and the ring in the lower half of a fourth word.
    packed = np.zeros((len(rings), 16), np.uint8)
    packed[:, :12] = np.ascontiguousarray(points_xyz, '<f4').view(np.uint8).reshape(-1, 12)
    packed[:, 12:14] = np.ascontiguousarray(rings, '<u2').view(np.uint8).reshape(-1, 2)
    fields = [
        PointField(name=name, offset=4 * index, datatype=_FLOAT32, count=1)
        for index, name in enumerate('xyz')
    ]
    fields.append(PointField(name='ring', offset=12, datatype=_UINT16, count=1))
    return PointCloud2(
        header=header_message(stamp_ns, frame_id),
        height=1,
        width=len(rings),
        fields=fields,
        is_bigendian=False,
        point_step=16,
        row_step=16 * len(rings),
        data=packed.reshape(-1),
        is_dense=True,
    )


def read_cloud(message: Any) -> npt.NDArray[Any]:
    """Return a PointCloud2 as a structured array [height, width] with the message's field names.

    Point and row padding and byte order are honoured. A view of the message's data where rows
    are not padded.

    Raises:
        BagError: the layout contradicts itself or there is too little data.
    """
    _check_fields(message)
    order = '>' if message.is_bigendian else '<'
    try:
        dtype = np.dtype(
            {
                'names': [field.name for field in message.fields],
                'formats': [_field_format(field, order) for field in message.fields],
                'offsets': [field.offset for field in message.fields],
                'itemsize': message.point_step,
            }
        )
    except (ValueError, KeyError) as error:
        raise BagError(
            f'point cloud layout is impossible ({error}); point_step is {message.point_step}'
        ) from error
    height, width, row_step = message.height, message.width, message.row_step
    buffer = np.frombuffer(message.data, np.uint8)
    row_bytes = width * message.point_step
    if row_step < row_bytes or buffer.size < height * row_step:
        raise BagError(
            f'point cloud of {height} x {width} points of {message.point_step} bytes does not fit '
            f'row_step {row_step} and {buffer.size} bytes of data'
        )
    rows = buffer[: height * row_step].reshape(height, row_step)[:, :row_bytes]
    return np.ascontiguousarray(rows).reshape(-1).view(dtype).reshape(height, width)


def read_lidar(message: Any) -> Float32Array:
    """Return the finite points of a PointCloud2 as float32 [N, 4]: x y z intensity.

    Intensity is 0 where the cloud has none.
    """
    cloud = read_cloud(message).reshape(-1)
    names = cloud.dtype.names or ()
    missing = [name for name in _LIDAR_FIELDS[:3] if name not in names]
    if missing:
        raise BagError(f'point cloud has no field {missing[0]!r}; its fields are {list(names)}')
    lists = [name for name in _LIDAR_FIELDS if name in names and cloud[name].ndim > 1]
    if lists:
        raise BagError(f'point cloud field {lists[0]!r} has several values per point')
    points = np.zeros((cloud.size, 4), np.float32)
    # A float64 beyond float32 becomes infinite and a signalling NaN a quiet one: no points.
    with np.errstate(over='ignore', invalid='ignore'):
        for column, name in enumerate(_LIDAR_FIELDS):
            if name in names:
                points[:, column] = cloud[name]
    return points[np.isfinite(points[:, :3]).all(axis=1)]


def _check_fields(message: Any) -> None:
    """Refuse fields that lie outside a point; numpy lets offsets near 2^31 pass, and crashes."""
    if message.point_step < 1:
        raise BagError(f'point cloud has a point_step of {message.point_step} bytes')
    for field in message.fields:
        size = int(_DATATYPES.get(field.datatype, 'u1')[1]) * max(field.count, 1)
        if field.offset + size > message.point_step:
            raise BagError(
                f'point cloud layout is impossible: field {field.name!r} of {size} bytes at '
                f'offset {field.offset}; point_step is {message.point_step}'
            )


def _field_format(field: Any, order: str) -> Any:
    element = f'{order}{_DATATYPES[field.datatype]}'
    return element if field.count <= 1 else (element, (int(field.count),))
