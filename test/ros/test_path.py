"""~/path: the poses in it; that it is bounded and rare is shown in test_frames."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip('rclpy')
pytestmark = pytest.mark.ros

from gemdepth_ros.ros.path import BATCH, PathBuilder  # noqa: E402

SECOND = 1_000_000_000


def pose(number: int) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec([0.0, 0.0, 0.02 * number]).as_matrix()
    matrix[:3, 3] = number, 2 * number, 3 * number
    return matrix


def check(message, numbers) -> None:
    """Each pose of the message is that of its number, turned as well as moved."""
    assert [p.header.stamp.sec for p in message.poses] == list(numbers)
    for entry, number in zip(message.poses, numbers, strict=True):
        turn = entry.pose.orientation
        found = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w])
        np.testing.assert_allclose(found.as_matrix(), pose(number)[:3, :3], atol=1e-12)
        place = entry.pose.position
        assert (place.x, place.y, place.z) == (number, 2 * number, 3 * number)


@pytest.mark.parametrize('count', [1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH + 5])
def test_every_pose_has_its_rotation(count):
    path = PathBuilder('odom', 1000, 0.0)
    for number in range(count):
        path.add(number * SECOND, pose(number))
    check(path.message(), range(count))
    path.add(count * SECOND, pose(count))  # after a message, too
    check(path.message(), range(count + 1))


def test_a_full_path_keeps_every_second_pose():
    path = PathBuilder('odom', BATCH + 4, 0.0)
    for number in range(BATCH + 5):
        path.add(number * SECOND, pose(number))
    check(path.message(), [*range(0, BATCH + 4, 2), BATCH + 4])


def test_a_pose_is_kept_as_it_was():
    path, moving = PathBuilder('odom', 10, 0.0), pose(3)
    path.add(3 * SECOND, moving)
    moving[:] = np.eye(4)
    check(path.message(), [3])
