"""The way between named frames."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from gemdepth_ros.geometry.transform_tree import TransformTree
from gemdepth_ros.interfaces import Float64Array


def pose(seed: int) -> Float64Array:
    random = np.random.default_rng(seed)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    matrix[:3, 3] = random.normal(size=3)
    return matrix


def test_the_way_goes_up_and_down_the_tree() -> None:
    tree = TransformTree()
    tree.add('base', 'mast', pose(0))
    tree.add('mast', '/camera', pose(1))
    tree.add('base', 'lidar', pose(2))
    found = tree.find('camera', 'lidar')
    assert found is not None
    np.testing.assert_allclose(found, np.linalg.inv(pose(0) @ pose(1)) @ pose(2), atol=1e-12)
    back = tree.find('/lidar', 'camera')
    assert back is not None
    np.testing.assert_allclose(back @ found, np.eye(4), atol=1e-12)


def test_what_nothing_joins_is_none_and_a_frame_is_itself() -> None:
    tree = TransformTree()
    tree.add('base', 'camera', pose(0))
    tree.add('elsewhere', 'lidar', pose(1))
    assert tree.find('camera', 'lidar') is None
    assert tree.find('camera', 'unknown') is None
    np.testing.assert_array_equal(tree.find('alone', 'alone'), np.eye(4))
    assert set(tree.frames) == {'base', 'camera', 'elsewhere', 'lidar'}


def test_a_newer_transform_replaces_the_older() -> None:
    tree = TransformTree()
    tree.add('base', 'camera', pose(0))
    tree.add('base', 'camera', pose(3))
    np.testing.assert_array_equal(tree.find('base', 'camera'), pose(3))
