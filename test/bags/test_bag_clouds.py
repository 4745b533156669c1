"""Point clouds keep their points, whatever the padding, byte order and fields."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from gemdepth_ros.bags.clouds import lidar_message, read_cloud, read_lidar
from gemdepth_ros.errors import BagError

POINTS = np.random.default_rng(0).uniform(-50, 50, (30, 4)).astype(np.float32)


def field(name: str, offset: int, datatype: int = 7, count: int = 1) -> SimpleNamespace:
    return SimpleNamespace(name=name, offset=offset, datatype=datatype, count=count)


def test_lidar_round_trip() -> None:
    message = lidar_message(POINTS, 5, 'velodyne')
    assert (message.height, message.width, message.point_step) == (1, 30, 16)
    assert message.data.size == message.row_step == 480
    np.testing.assert_array_equal(read_lidar(message), POINTS)
    assert read_lidar(lidar_message(POINTS[:0], 5, 'velodyne')).shape == (0, 4)


@pytest.mark.parametrize('big', [False, True])
def test_padding_byte_order_and_foreign_fields(big: bool) -> None:
    order = '>' if big else '<'
    # As some drivers send it: z before x, a ring number, gaps, and padding after each row.
    layout = np.dtype(
        {
            'names': ['z', 'x', 'y', 'ring', 'intensity'],
            'formats': [f'{order}f4', f'{order}f4', f'{order}f8', f'{order}u2', f'{order}f4'],
            'offsets': [4, 8, 16, 24, 28],
            'itemsize': 40,
        }
    )
    cloud = np.zeros((3, 10), layout)
    for column, name in enumerate(('x', 'y', 'z', 'intensity')):
        cloud[name] = POINTS[:, column].reshape(3, 10)
    cloud['ring'] = np.arange(30).reshape(3, 10)
    rows = np.frombuffer(cloud.tobytes(), np.uint8).reshape(3, 400)
    message = SimpleNamespace(
        height=3,
        width=10,
        is_bigendian=big,
        point_step=40,
        row_step=416,
        data=np.pad(rows, ((0, 0), (0, 16)), constant_values=0xFF).tobytes(),
        fields=[
            field('z', 4),
            field('x', 8),
            field('y', 16, datatype=8),
            field('ring', 24, datatype=4),
            field('intensity', 28),
        ],
    )
    np.testing.assert_array_equal(read_lidar(message), POINTS)
    np.testing.assert_array_equal(read_cloud(message)['ring'].reshape(-1), np.arange(30))


def test_points_that_are_not_finite_are_left_out() -> None:
    points = POINTS.copy()
    points[3, 1] = np.nan
    np.testing.assert_array_equal(
        read_lidar(lidar_message(points, 5, 'v')), np.delete(POINTS, 3, axis=0)
    )


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'row_step': 500}, 'does not fit row_step 500'),
        ({'row_step': 10}, 'does not fit row_step 10'),
        ({'point_step': 8}, 'layout is impossible'),
        ({'fields': [field('x', 0), field('y', 4, datatype=99)]}, 'layout is impossible'),
        ({'fields': [field('x', 0), field('y', 4)]}, "no field 'z'"),
        ({'fields': [field('x', 2**31 - 1)]}, "impossible: field 'x' of 4 bytes at offset 2147"),
        ({'point_step': 0}, 'point_step of 0 bytes'),
    ],
)
def test_impossible_clouds_are_named(change: dict[str, object], text: str) -> None:
    message = lidar_message(POINTS, 5, 'velodyne')
    for name, value in change.items():
        object.__setattr__(message, name, value)
    with pytest.raises(BagError, match=text):
        read_lidar(message)
    with pytest.raises(BagError, match=r'must be \[N, 4\]'):
        lidar_message(POINTS[:, :3], 5, 'velodyne')
