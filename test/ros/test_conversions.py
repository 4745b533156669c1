"""Messages and values: round trips, stamps, sizes, and the rules of REP 104 and 118."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from scipy.spatial.transform import Rotation  # noqa: E402
from sensor_msgs.msg import CompressedImage, PointCloud2  # noqa: E402

from gemdepth_ros.errors import ImageError  # noqa: E402
from gemdepth_ros.geometry.point_cloud import coloured_points  # noqa: E402
from gemdepth_ros.interfaces import OrganizedCloud, PinholeIntrinsics, WindowPoses  # noqa: E402
from gemdepth_ros.ros import conversions  # noqa: E402

STAMP_NS = 1_317_384_506_042_123_456
depths = npst.arrays(
    np.float32,
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    elements=st.floats(0, 200, width=32) | st.sampled_from([np.nan, np.inf]),
)


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_are_exact_to_the_nanosecond(stamp_ns):
    assert conversions.stamp_to_ns(conversions.ns_to_stamp(stamp_ns)) == stamp_ns


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_image_round_trip_and_layout(height, width, seed):
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    message = conversions.image_message(rgb, 'rgb8', STAMP_NS, 'cam')
    assert (message.height, message.width, message.step) == (height, width, 3 * width)
    assert len(message.data) == message.step * height
    assert message.header.frame_id == 'cam'
    assert conversions.stamp_to_ns(message.header.stamp) == STAMP_NS
    np.testing.assert_array_equal(conversions.image_to_rgb(message), rgb)


def test_image_survives_the_wire_with_padding():
    message = conversions.image_message(np.zeros((2, 2, 3), np.uint8), 'bgr8', 0, 'cam')
    rows = np.arange(2 * 8, dtype=np.uint8).reshape(2, 8)
    message.step, message.data = 8, rows.tobytes()
    message = deserialize_message(serialize_message(message), type(message))
    rgb = conversions.image_to_rgb(message)
    np.testing.assert_array_equal(rgb, rows[:, :6].reshape(2, 2, 3)[..., ::-1])


def test_views_that_are_not_contiguous_are_packed():
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)[:, ::2]
    message = conversions.image_message(pixels, 'rgb8', 0, 'cam')
    np.testing.assert_array_equal(conversions.image_to_rgb(message), pixels)


def test_compressed_images_are_recognised():
    _, data = cv2.imencode('.png', np.full((4, 6, 3), (10, 20, 30), np.uint8))
    message = CompressedImage(format='png', data=data.tobytes())
    assert conversions.image_to_rgb(message)[0, 0].tolist() == [30, 20, 10]
    with pytest.raises(ImageError):
        conversions.image_to_rgb(CompressedImage(format='png'))


@given(depths)
def test_metres_keep_every_value(depth_m):
    message = conversions.depth_message(depth_m, '32FC1', STAMP_NS, 'cam')
    assert message.encoding == '32FC1'
    assert bool(message.is_bigendian) == (sys.byteorder == 'big')
    stored = np.frombuffer(message.data, np.float32).reshape(depth_m.shape)
    np.testing.assert_array_equal(stored, depth_m)


@given(depths)
def test_millimetres_use_zero_for_unknown_and_beyond_and_saturate(depth_m):
    message = conversions.depth_message(depth_m, '16UC1', STAMP_NS, 'cam')
    stored = np.frombuffer(message.data, np.uint16).reshape(depth_m.shape)
    finite = np.isfinite(depth_m)
    assert (stored[~finite] == 0).all()
    wanted = np.minimum(depth_m[finite].astype(float) * 1000, 65535)
    assert np.abs(stored[finite] - wanted).max(initial=0) <= 0.51


def test_camera_info_is_that_of_a_rectified_image():
    camera = PinholeIntrinsics(1242, 375, 721.5, 722.5, 609.5, 172.8)
    message = conversions.camera_info_message(camera, STAMP_NS, 'cam')
    assert (message.width, message.height) == (1242, 375)
    assert message.k.tolist() == [721.5, 0, 609.5, 0, 722.5, 172.8, 0, 0, 1]
    assert message.p.tolist() == [721.5, 0, 609.5, 0, 0, 722.5, 172.8, 0, 0, 0, 1, 0]
    assert list(message.d) == [0] * 5
    assert message.r.tolist() == np.eye(3).ravel().tolist()
    assert conversions.stamp_to_ns(message.header.stamp) == STAMP_NS


def read_cloud(message: PointCloud2):
    """Read a cloud as its fields say, not as it was written."""
    assert [f.name for f in message.fields] == ['x', 'y', 'z', 'rgb']
    assert {(f.datatype, f.count) for f in message.fields} == {(7, 1)}  # FLOAT32
    dtype = np.dtype(
        {
            'names': [f.name for f in message.fields],
            'formats': ['<f4', '<f4', '<f4', '<u4'],
            'offsets': [f.offset for f in message.fields],
            'itemsize': message.point_step,
        }
    )
    points = np.frombuffer(message.data, dtype).reshape(message.height, message.width)
    return np.stack([points['x'], points['y'], points['z']], axis=-1), points['rgb']


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_cloud_is_organised_with_packed_colours_and_nan_holes(height, width, seed):
    random = np.random.default_rng(seed)
    xyz = random.normal(size=(height, width, 3)).astype(np.float32)
    xyz[random.random((height, width)) < 0.3] = np.nan
    rgb = random.integers(0, 256, (height, width, 3), np.uint8)
    message = conversions.cloud_message(
        OrganizedCloud(coloured_points(xyz, rgb), True), STAMP_NS, 'cam'
    )
    assert (message.height, message.width) == (height, width)
    assert message.row_step == message.point_step * width
    assert len(message.data) == message.row_step * height
    assert message.is_dense is False
    points, packed = read_cloud(message)
    np.testing.assert_array_equal(points, xyz)
    colours = np.stack([(packed >> shift) & 255 for shift in (16, 8, 0)], axis=-1)
    np.testing.assert_array_equal(colours, rgb)
    assert (packed >> 24 == 0).all()


def test_cloud_from_views_of_another_layout():
    xyz = np.arange(36.0).reshape(3, 3, 4)[..., :3]  # float64, not contiguous
    rgb = np.arange(36, dtype=np.uint8).reshape(3, 3, 4)[..., 1:]
    points, packed = read_cloud(
        conversions.cloud_message(OrganizedCloud(coloured_points(xyz, rgb), True), 0, 'cam')
    )
    np.testing.assert_array_equal(points, xyz)
    assert (packed[0, 0] >> 16, packed[0, 0] & 255) == (1, 3)


def test_window_poses():
    rotation = Rotation.from_euler('xyz', [0.1, -0.2, 0.3]).as_matrix()
    poses = np.stack([np.eye(4), np.eye(4)])
    poses[1, :3, :3], poses[1, :3, 3] = rotation, [1, 2, 3]
    window = WindowPoses((5, STAMP_NS), poses, np.eye(4), 1.0)
    message = conversions.window_message(window, 'cam', 0.5, 0.1, True)
    assert conversions.stamp_to_ns(message.header.stamp) == 5
    assert [conversions.stamp_to_ns(s) for s in message.stamps] == [5, STAMP_NS]
    last = message.poses[1]
    assert (last.position.x, last.position.y, last.position.z) == (1, 2, 3)
    q = last.orientation
    np.testing.assert_allclose(
        Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix(), rotation, atol=1e-12
    )
    assert message.poses[0].orientation.w == 1
    assert (message.scale, message.metric) == (0.5, True)


@given(st.integers(0, 9))
def test_points_without_colour_or_order(count):
    xyz = np.random.default_rng(count).normal(size=(count, 3)).astype(np.float32)
    message = conversions.points_message(xyz, STAMP_NS, 'cam')
    message = deserialize_message(serialize_message(message), PointCloud2)
    assert [field.name for field in message.fields] == ['x', 'y', 'z']
    assert [field.offset for field in message.fields] == [0, 4, 8]
    assert (message.height, message.width, message.point_step) == (1, count, 12)
    assert message.row_step == 12 * count
    assert message.is_dense
    assert conversions.stamp_to_ns(message.header.stamp) == STAMP_NS
    np.testing.assert_array_equal(np.frombuffer(message.data, np.float32).reshape(-1, 3), xyz)
