"""Pose files: TUM has the camera in the world, JSON what the network says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_fakes import FakeResult

from gemdepth_ros.errors import InferenceError
from gemdepth_ros.media.poses import PoseWriter, quaternion_xyzw

COMPONENT = st.floats(-1, 1, allow_subnormal=False)


def result_of(
    index: int, pose: np.ndarray, intrinsics: np.ndarray | None = None, window: int = 0
) -> FakeResult:
    camera = np.eye(3) if intrinsics is None else intrinsics
    return FakeResult(index, np.zeros((1, 1), np.float32), pose, camera, window)


def rotation_of(x: float, y: float, z: float, w: float) -> np.ndarray:
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


@settings(max_examples=300, deadline=None)
@given(COMPONENT, COMPONENT, COMPONENT, COMPONENT)
def test_quaternion_of_any_rotation(x: float, y: float, z: float, w: float) -> None:
    quaternion = np.array([x, y, z, w])
    if np.linalg.norm(quaternion) < 1e-3:
        return
    quaternion /= np.linalg.norm(quaternion)
    found = quaternion_xyzw(rotation_of(*quaternion))
    assert found[3] >= 0
    assert abs(np.linalg.norm(found) - 1) < 1e-12
    np.testing.assert_allclose(rotation_of(*found), rotation_of(*quaternion), atol=1e-12)


@pytest.mark.parametrize('axis', [0, 1, 2])
def test_half_turns(axis: int) -> None:
    quaternion = np.zeros(4)
    quaternion[axis] = 1
    assert np.abs(quaternion_xyzw(rotation_of(*quaternion))) == pytest.approx(quaternion)


def test_files_of_a_short_clip(tmp_path: Path) -> None:
    camera_from_world = np.eye(4)
    camera_from_world[:3, :3] = rotation_of(0, 0, np.sqrt(0.5), np.sqrt(0.5))  # a quarter turn
    camera_from_world[:3, 3] = (1, 2, 3)
    intrinsics = np.array([[np.inf, 0, 32], [0, 50, 24], [0, 0, 1]])
    writer = PoseWriter(tmp_path)
    writer.add(0, 0, result_of(0, np.eye(4)))
    writer.add(1, 1_500_000_001, result_of(1, camera_from_world, intrinsics, window=3))
    writer.close()

    lines = (tmp_path / 'poses.tum').read_text().splitlines()
    assert [line for line in lines if line.startswith('#')] == lines[:2]
    assert 'not one trajectory' in lines[0]
    assert lines[2].split()[:4] == ['0.000000000', '0', '0', '0'] or '-0' in lines[2]
    numbers = [float(text) for text in lines[3].split()]
    assert lines[3].startswith('1.500000001 ')
    world_from_camera = np.linalg.inv(camera_from_world)
    np.testing.assert_allclose(numbers[1:4], world_from_camera[:3, 3], atol=1e-8)
    np.testing.assert_allclose(rotation_of(*numbers[4:]), world_from_camera[:3, :3], atol=1e-8)

    document = json.loads((tmp_path / 'poses.json').read_text())
    assert document['chained'] is False
    assert [frame['window'] for frame in document['frames']] == [0, 3]
    assert document['frames'][1]['camera_from_world'] == camera_from_world.tolist()
    assert document['frames'][1]['intrinsics'][0] == [None, 0, 32]  # JSON has no infinity


def test_pose_that_is_not_finite(tmp_path: Path) -> None:
    writer = PoseWriter(tmp_path)
    with pytest.raises(InferenceError, match='frame 4'):
        writer.add(4, 0, result_of(4, np.full((4, 4), np.nan)))
    writer.close()
    assert json.loads((tmp_path / 'poses.json').read_text())['frames'] == []
