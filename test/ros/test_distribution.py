"""Libraries of the ROS distribution: used where they serve, and the oracle where our code does."""

from __future__ import annotations

import math
import sys
from types import ModuleType

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from geometry_msgs.msg import Point, Quaternion  # noqa: E402
from sensor_msgs.msg import PointCloud2, PointField  # noqa: E402

from gemdepth_ros.geometry.point_cloud import coloured_points  # noqa: E402
from gemdepth_ros.interfaces import OrganizedCloud  # noqa: E402
from gemdepth_ros.ros import conversions, point_clouds, rotations  # noqa: E402
from gemdepth_ros.ros.distribution import installed  # noqa: E402
from gemdepth_ros.ros.static_frames import matrix_of  # noqa: E402

RANDOM = np.random.default_rng(3)
XYZ = RANDOM.normal(size=(12, 3)).astype(np.float32)


def both_ways(module):
    """Run a test with a library, and as if it were not there."""
    pairs = [(module, True), (module, False)]
    mark = pytest.mark.parametrize('library', pairs, ids=['library', 'own'], indirect=True)
    return lambda test: mark(pytest.mark.usefixtures('library')(test))


def stand_in(monkeypatch, name, **contents):
    """Install a module of a library that may not be there."""
    module = ModuleType(name)
    for key, value in contents.items():
        setattr(module, key, value)
    parent = name.partition('.')[0]
    monkeypatch.setitem(sys.modules, parent, sys.modules.get(parent) or ModuleType(parent))
    monkeypatch.setitem(sys.modules, name, module)
    installed.cache_clear()


@pytest.fixture(autouse=True)
def forgotten():
    """The library that one test installs is not the next one's."""
    yield
    installed.cache_clear()


# ---- what is loaded


def test_a_library_is_loaded_once(monkeypatch):
    stand_in(monkeypatch, 'some_library.part')
    found = installed('some_library.part')
    assert found is sys.modules['some_library.part']
    monkeypatch.setitem(sys.modules, 'some_library.part', None)
    assert installed('some_library.part') is found


def test_a_library_that_does_not_load_is_none(monkeypatch, tmp_path):
    (tmp_path / 'made_for_numpy_1.py').write_text('import numpy\nnumpy.no_such_name\n')
    monkeypatch.syspath_prepend(tmp_path)
    assert installed('made_for_numpy_1') is None
    assert installed('nowhere_at_all.part') is None


# ---- clouds


def cloud(**changes):
    """An organised cloud of XYZ, 4 by 3, with two more fields."""
    message = conversions.points_message(XYZ, 0, 'lidar')
    message.fields = [
        *message.fields,
        PointField(name='ring', offset=12, datatype=PointField.UINT16, count=1),
        PointField(name='time', offset=16, datatype=PointField.FLOAT64, count=1),
    ]
    message.height, message.width, message.point_step, message.row_step = 3, 4, 24, 96
    table = np.zeros((12, 24), np.uint8)
    table[:, :12] = XYZ.view(np.uint8)
    del message.data[:]
    message.data.frombytes(table.tobytes())
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def with_field(**changes):
    message = cloud()
    for name, value in changes.items():
        setattr(message.fields[3], name, value)
    return message


def padded():
    message = cloud(row_step=100)
    rows = np.pad(np.frombuffer(cloud().data, np.uint8).reshape(3, 96), ((0, 0), (0, 4)))
    del message.data[:]
    message.data.frombytes(rows.tobytes())
    return message


def swapped():
    message = cloud(is_bigendian=sys.byteorder == 'little')
    table = np.frombuffer(message.data, np.uint8).reshape(12, 24)
    table[:, :12] = XYZ.byteswap().view(np.uint8)
    return message


def of(points):
    return np.stack([points[name].ravel() for name in 'xyz'], axis=1)


def test_a_plain_cloud_is_read_by_sensor_msgs_py(monkeypatch):
    asked = []

    def read_points(message, names):
        asked.append(names)
        return np.ndarray(12, point_clouds.point_layout(message), buffer=message.data)

    stand_in(monkeypatch, point_clouds.LIBRARY, read_points=read_points)
    points = point_clouds.read_points(cloud())
    assert asked == [('x', 'y', 'z')]
    assert points.shape == (3, 4)
    np.testing.assert_array_equal(of(points), XYZ)


@pytest.mark.parametrize(
    'message',
    [
        padded(),
        swapped(),
        with_field(count=0),
        with_field(count=3),
        with_field(name=''),
        with_field(name='time'),
        with_field(datatype=77),
        with_field(offset=23),
    ],
    ids=['padded', 'swapped', 'none', 'several', 'nameless', 'twice', 'unknown', 'outside'],
)
def test_clouds_that_sensor_msgs_py_reads_wrong_or_not_at_all_are_ours(monkeypatch, message):
    stand_in(monkeypatch, point_clouds.LIBRARY, read_points=lambda *_: pytest.fail('asked'))
    np.testing.assert_array_equal(of(point_clouds.read_points(message)), XYZ)


@both_ways(point_clouds.LIBRARY)
@pytest.mark.parametrize('make', [cloud, padded, swapped, lambda: cloud(height=1, width=12)])
def test_reading_twice_gives_the_same_without_a_copy(make):
    message = make()
    before = bytes(message.data)
    for _ in range(2):
        points = point_clouds.read_points(message)
        assert points.shape == (message.height, message.width)
        assert np.shares_memory(points, np.frombuffer(message.data, np.uint8))
        np.testing.assert_array_equal(of(points), XYZ)
    assert bytes(message.data) == before


def test_our_clouds_are_those_of_sensor_msgs_py():
    """It takes several times as long, and makes width x height of height x width."""
    library = pytest.importorskip(point_clouds.LIBRARY)
    ours = conversions.points_message(XYZ, 5, 'cam')
    theirs = library.create_cloud_xyz32(ours.header, XYZ)
    assert ours.is_dense
    theirs.is_dense = True
    assert ours == theirs
    normals = XYZ.reshape(4, 3, 3)
    rgb = RANDOM.integers(0, 256, (4, 3, 3), np.uint8)
    ours = conversions.cloud_message(
        OrganizedCloud(coloured_points(normals, rgb), True, normals), 5, 'cam'
    )
    found = library.read_points(ours)
    np.testing.assert_array_equal(of(found), XYZ)
    for axis in 'xyz':
        np.testing.assert_array_equal(found[f'normal_{axis}'], found[axis])
    red, green, blue = rgb.reshape(12, 3).astype(np.uint32).T
    packed = found['rgb'].view(np.uint32)
    np.testing.assert_array_equal(packed, red << 16 | green << 8 | blue)
    theirs = library.create_cloud(ours.header, ours.fields, found)
    assert theirs.data == ours.data
    assert theirs.fields == ours.fields
    assert isinstance(theirs, PointCloud2)


# ---- rotations


def about(axis, angle):
    return cv2.Rodrigues(angle * np.eye(3)['xyz'.index(axis)])[0]


@both_ways(rotations.LIBRARY)
def test_angles_turn_about_fixed_axes_as_in_urdf():
    corners = [(0, 0, 0), (np.pi, 0, np.pi), (0.3, np.pi / 2, -0.3), (0.3, -np.pi / 2, 1.0)]
    for roll, pitch, yaw in [*corners, *RANDOM.uniform(-7.0, 7.0, (50, 3))]:
        expected = about('z', yaw) @ about('y', pitch) @ about('x', roll)
        found = rotations.of_angles(np.array([roll, pitch, yaw]))
        assert found.shape == (3, 3)
        np.testing.assert_allclose(found, expected, atol=1e-12)


@both_ways(rotations.LIBRARY)
@pytest.mark.parametrize('length', [0.51, 1.0, 3.0, 1e200])
def test_a_quaternion_of_any_length_is_a_rotation(length):
    for rotvec in [np.zeros(3), *RANDOM.uniform(-3.0, 3.0, (50, 3)), np.array([np.pi, 0.0, 0.0])]:
        angle = math.hypot(*rotvec)
        x, y, z = length * math.sin(angle / 2) * rotvec / (angle or 1.0)
        quaternion = Quaternion(x=x, y=y, z=z, w=length * math.cos(angle / 2))
        found = matrix_of(Point(x=1.0, y=2.0, z=3.0), quaternion)
        np.testing.assert_allclose(found[:3, :3], cv2.Rodrigues(rotvec)[0], atol=1e-12)
        np.testing.assert_array_equal(found[:, 3], [1, 2, 3, 1])


def test_our_quaternions_are_those_of_tf_transformations():
    """One at a time, it takes 30 times as long for the poses of a window."""
    library = pytest.importorskip(rotations.LIBRARY)
    turns = np.stack([cv2.Rodrigues(v)[0] for v in RANDOM.uniform(-3.0, 3.0, (50, 3))])
    quaternions = [Quaternion() for _ in turns]
    conversions.fill_rotations(quaternions, turns)
    for ours, turn in zip(quaternions, turns, strict=True):
        matrix = np.eye(4)
        matrix[:3, :3] = turn
        theirs = np.array(library.quaternion_from_matrix(matrix))
        found = np.array([ours.x, ours.y, ours.z, ours.w])
        np.testing.assert_allclose(found * np.sign(found @ theirs), theirs, atol=1e-9)
