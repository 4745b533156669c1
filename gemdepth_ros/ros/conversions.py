"""ROS messages to and from the package's values; nowhere else are messages read or filled.

``data`` of an image or a cloud is an ``array.array``: it is filled through its buffer
(``frombytes``) and read without a copy (``numpy.frombuffer``); assigning a list or an ndarray
costs a hundred times as much.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header

from gemdepth_ros.interfaces import (
    Float32Array,
    Float64Array,
    OrganizedCloud,
    PinholeIntrinsics,
    UInt8Array,
    WindowPoses,
)
from gemdepth_ros.msg import RelativePoses
from gemdepth_ros.ros.bridge import bridged_rgb
from gemdepth_ros.ros.image_formats import LAYOUTS, decode_compressed, decode_raw

DepthEncoding = Literal['32FC1', '16UC1']
FIELDS_OF_CLOUD: tuple[str, ...] = ('x', 'y', 'z', 'rgb')
FIELDS_OF_NORMAL = ('normal_x', 'normal_y', 'normal_z')
LARGEST_MM = 65535  # of 16UC1
_BIG_ENDIAN_HERE = sys.byteorder == 'big'


def stamp_to_ns(stamp: Any) -> int:
    """Return a builtin_interfaces/Time in nanoseconds."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def ns_to_stamp(stamp_ns: int) -> Any:
    """Return nanoseconds as a builtin_interfaces/Time."""
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return Time(sec=seconds, nanosec=nanoseconds)


def header(stamp_ns: int, frame_id: str) -> Any:
    """Return a std_msgs/Header."""
    return Header(stamp=ns_to_stamp(stamp_ns), frame_id=frame_id)


def image_to_rgb(message: Any) -> UInt8Array:
    """Return the pixels of a sensor_msgs/Image or CompressedImage as RGB.

    Returns:
        uint8 [H, W, 3]; for an ``rgb8`` image without a copy.

    Raises:
        ImageError: the image cannot be decoded.
    """
    data = np.frombuffer(message.data, np.uint8)
    if hasattr(message, 'format'):
        return decode_compressed(data, message.format)
    if message.encoding not in LAYOUTS:
        bridged = bridged_rgb(message)
        if bridged is not None:
            return bridged
    return decode_raw(
        data,
        message.encoding,
        message.height,
        message.width,
        message.step,
        bool(message.is_bigendian),
    )


def image_message(
    pixels: npt.NDArray[np.generic], encoding: str, stamp_ns: int, frame_id: str
) -> Any:
    """Return a sensor_msgs/Image without row padding.

    Args:
        pixels: [H, W] or [H, W, channels] of the encoding's type.
        encoding: as in sensor_msgs/Image.
        stamp_ns: capture time [ns].
        frame_id: the camera's optical frame.
    """
    pixels = np.ascontiguousarray(pixels)
    message = Image(header=header(stamp_ns, frame_id), encoding=encoding)
    message.height, message.width = pixels.shape[:2]
    message.step = pixels.strides[0]
    message.is_bigendian = int(_BIG_ENDIAN_HERE)
    message.data.frombytes(pixels.data.cast('B'))
    return message


def depth_message(
    depth_m: Float32Array, encoding: DepthEncoding, stamp_ns: int, frame_id: str
) -> Any:
    """Return a depth image (REP 118).

    Args:
        depth_m: float32 [H, W]; NaN unknown, +Inf beyond range.
        encoding: ``32FC1`` keeps the values; ``16UC1`` is millimetres, 0 for both of the above,
            65.535 m at most.
        stamp_ns: capture time [ns].
        frame_id: the camera's optical frame.
    """
    if encoding == '32FC1':
        return image_message(depth_m.astype(np.float32, copy=False), encoding, stamp_ns, frame_id)
    known = np.where(np.isfinite(depth_m), depth_m, 0.0)
    millimetres = np.clip(np.rint(known * 1000.0), 0, LARGEST_MM).astype(np.uint16)
    return image_message(millimetres, encoding, stamp_ns, frame_id)


def camera_info_message(camera: PinholeIntrinsics, stamp_ns: int, frame_id: str) -> Any:
    """Return the CameraInfo of a rectified image: K and P, no distortion."""
    message = CameraInfo(header=header(stamp_ns, frame_id), distortion_model='plumb_bob')
    message.height, message.width = camera.height, camera.width
    fx, fy, cx, cy = camera.fx, camera.fy, camera.cx, camera.cy
    message.d = [0.0] * 5
    message.k = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
    message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    message.p = [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return message


def cloud_message(cloud: OrganizedCloud, stamp_ns: int, frame_id: str) -> Any:
    """Return an organised PointCloud2: x, y, z and packed rgb, 16 bytes per point.

    A cloud with normals has normal_x, normal_y and normal_z behind them, 28 bytes per point.
    """
    points, (height, width) = np.ascontiguousarray(cloud.points), cloud.points.shape[:2]
    fields = FIELDS_OF_CLOUD
    if cloud.normals is not None:
        fields += FIELDS_OF_NORMAL
        points = np.concatenate([points, cloud.normals], axis=2)
    message = _empty_cloud(fields, (height, width), stamp_ns, frame_id)
    message.is_dense = False
    message.data.frombytes(points.data.cast('B'))
    return message


def points_message(xyz: Float32Array, stamp_ns: int, frame_id: str) -> Any:
    """Return an unordered PointCloud2 of x, y, z, 12 bytes per point.

    Args:
        xyz: float32 [N, 3], all finite; N may be 0.
        stamp_ns: capture time [ns].
        frame_id: frame of the points.
    """
    message = _empty_cloud(('x', 'y', 'z'), (1, len(xyz)), stamp_ns, frame_id)
    message.is_dense = True
    if len(xyz):  # the bytes of an empty array cannot be viewed
        message.data.frombytes(np.ascontiguousarray(xyz, np.float32).data.cast('B'))
    return message


def _empty_cloud(
    names: tuple[str, ...], size: tuple[int, int], stamp_ns: int, frame_id: str
) -> Any:
    """A PointCloud2 of ``size`` (height, width) with float32 fields and no data."""
    message = PointCloud2(header=header(stamp_ns, frame_id), height=size[0], width=size[1])
    message.fields = list(_fields(names))
    message.point_step = 4 * len(names)
    message.row_step = message.point_step * size[1]
    message.is_bigendian = _BIG_ENDIAN_HERE
    return message


@functools.lru_cache(maxsize=8)
def _fields(names: tuple[str, ...]) -> tuple[Any, ...]:
    """Fields of float32, shared by all messages that have them: they must not be changed."""
    return tuple(
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate(names)
    )


def fill_vector(vector: Any, xyz: npt.NDArray[np.floating[Any]]) -> None:
    """Write three numbers into a Point or a Vector3."""
    vector.x, vector.y, vector.z = map(float, xyz)


def fill_rotation(quaternion: Any, rotation: Float64Array) -> None:
    """Write a rotation matrix float64 [3, 3] into a Quaternion."""
    fill_rotations([quaternion], rotation[None])


def fill_rotations(quaternions: Sequence[Any], rotations: Float64Array) -> None:
    """Write rotation matrices float64 [N, 3, 3] into N > 0 Quaternions; one call for all."""
    rows = Rotation.from_matrix(rotations).as_quat().tolist()
    for quaternion, (x, y, z, w) in zip(quaternions, rows, strict=True):
        quaternion.x, quaternion.y, quaternion.z, quaternion.w = x, y, z, w


def window_message(
    window: WindowPoses, frame_id: str, scale: float, scale_std: float, metric: bool
) -> Any:
    """Return the window's relative poses.

    Args:
        window: poses of the frames in the reference (first) one.
        frame_id: the camera's optical frame.
        scale: metres per unit of the translations; NaN when unknown.
        scale_std: its standard deviation; NaN when unknown.
        metric: whether ``scale`` may be trusted.
    """
    message = RelativePoses(header=header(window.stamps_ns[0], frame_id))
    message.stamps = [ns_to_stamp(stamp_ns) for stamp_ns in window.stamps_ns]
    message.poses = [Pose() for _ in window.stamps_ns]
    for pose, transform in zip(message.poses, window.reference_from_camera, strict=True):
        fill_vector(pose.position, transform[:3, 3])
    turns = [pose.orientation for pose in message.poses]
    fill_rotations(turns, window.reference_from_camera[:, :3, :3])
    message.scale, message.scale_std, message.metric = scale, scale_std, metric
    return message
