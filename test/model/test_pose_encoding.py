"""Pose algebra, held against scipy and against its own definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch import Tensor

from gemdepth_ros.model.camera_head import activate
from gemdepth_ros.model.pose_encoding import (
    TINY,
    camera_from_world,
    intrinsics,
    neutral_pose_inputs,
    pose_inputs,
    relative_quaternion,
    rotation_matrix,
    translation_factor,
)

SEEDS = st.integers(0, 2**31)


def encodings(
    seed: int, clips: int = 2, frames: int = 5, dtype: torch.dtype = torch.float64
) -> Tensor:
    """Random translations, quaternions of many norms, fields of view."""
    rng = np.random.default_rng(seed)
    encoding = rng.normal(size=(clips, frames, 9))
    encoding[..., 3:7] *= rng.uniform(0.05, 20, (clips, frames, 1))
    encoding[..., 7:] = rng.uniform(0.2, 2.0, (clips, frames, 2))
    return torch.from_numpy(encoding).to(dtype)


def scipy_rotation(quaternion: Tensor) -> Rotation:
    return Rotation.from_quat(quaternion.reshape(-1, 4).numpy())


@settings(max_examples=50)
@given(seed=SEEDS)
def test_rotation_matrix_of_any_norm(seed: int) -> None:
    quaternion = encodings(seed)[..., 3:7]
    found = rotation_matrix(quaternion).reshape(-1, 3, 3).numpy()
    np.testing.assert_allclose(found, scipy_rotation(quaternion).as_matrix(), atol=1e-12)


def test_camera_from_world_takes_points_to_the_camera() -> None:
    encoding = encodings(0, 1, 4)
    point = np.array([0.3, -0.5, 2.0])
    found = camera_from_world(encoding)[0].numpy() @ np.append(point, 1)
    rotated = scipy_rotation(encoding[0, :, 3:7]).apply(point)
    np.testing.assert_allclose(found[:, :3], rotated + encoding[0, :, :3].numpy(), atol=1e-12)
    np.testing.assert_array_equal(found[:, 3], 1)


@settings(max_examples=50)
@given(seed=SEEDS)
def test_relative_quaternion(seed: int) -> None:
    """inverse(q0) * q; its norm is |q| / |q0|."""
    quaternion = encodings(seed)[..., 3:7]
    first = quaternion[:, :1]
    found = relative_quaternion(first, quaternion)
    expected = scipy_rotation(first.expand_as(quaternion)).inv() * scipy_rotation(quaternion)
    difference = expected.inv() * scipy_rotation(found)
    np.testing.assert_allclose(difference.magnitude(), 0, atol=1e-7)
    torch.testing.assert_close(
        found.norm(dim=-1), quaternion.norm(dim=-1) / first.norm(dim=-1), rtol=1e-9, atol=0
    )


@settings(max_examples=200)
@given(seed=SEEDS, scale=st.floats(1e-6, 1e6))
def test_the_first_translation_is_exactly_zero(seed: int, scale: float) -> None:
    """Else slot 0 would count in the mean length."""
    encoding = encodings(seed, dtype=torch.float32)
    encoding[..., :3] *= scale
    for frame_causal in (False, True):
        inputs = pose_inputs(encoding, frame_causal=frame_causal)
        assert torch.equal(inputs.translation[:, 0], torch.zeros(2, 3))
        assert torch.isfinite(inputs.translation).all()


def test_relative_translations() -> None:
    """R(q0)^T (t - t0), divided by its mean length over the frames that moved."""
    encoding = encodings(3, 1, 4)
    first = scipy_rotation(encoding[0, :1, 3:7])
    moved = encoding[0, :, :3] - encoding[0, :1, :3]
    expected = first.inv().apply(moved.numpy())
    factor = np.linalg.norm(expected, axis=1).sum() / 3
    inputs = pose_inputs(encoding)
    np.testing.assert_allclose(inputs.translation[0].numpy(), expected / factor, rtol=1e-6)
    np.testing.assert_allclose(inputs.scale[0].numpy(), np.log(factor), rtol=1e-6)


@settings(max_examples=30)
@given(seed=SEEDS, unit=st.floats(0.01, 100))
def test_the_unit_of_translations_is_in_the_scale_alone(seed: int, unit: float) -> None:
    encoding = encodings(seed)
    scaled = encoding.clone()
    scaled[..., :3] *= unit
    before, after = pose_inputs(encoding), pose_inputs(scaled)
    torch.testing.assert_close(after.translation, before.translation, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(after.rotation, before.rotation)
    torch.testing.assert_close(after.scale, before.scale + math.log(unit), rtol=1e-5, atol=1e-5)


def test_translation_factor() -> None:
    lengths = [0.0, 3.0, 0.0, 5.0]
    translation = torch.zeros(1, 4, 3)
    translation[0, :, 1] = torch.tensor(lengths)
    assert translation_factor(translation).flatten().tolist() == pytest.approx([4.0] * 4)
    causal = translation_factor(translation, frame_causal=True).flatten().tolist()
    assert causal == pytest.approx([TINY, 3.0, 3.0, 4.0])


def test_translation_factor_of_a_standing_camera() -> None:
    factor = translation_factor(torch.zeros(2, 3, 3))
    assert torch.equal(factor, torch.full((2, 3, 1), TINY))
    inputs = pose_inputs(torch.tensor([1.0, 2, 3, 0, 0, 0, 1, 1, 1]).expand(1, 3, 9))
    assert torch.equal(inputs.translation, torch.zeros(1, 3, 3))
    assert inputs.scale[0, 0].item() == pytest.approx(math.log(2e-8), abs=1e-4)


@settings(max_examples=30)
@given(seed=SEEDS, frames=st.integers(1, 8))
def test_causal_inputs_equal_those_of_the_frames_so_far(seed: int, frames: int) -> None:
    encoding = encodings(seed, 1, 8)
    whole = pose_inputs(encoding, frame_causal=True)
    so_far = pose_inputs(encoding[:, :frames])
    for causal, plain in zip(whole, so_far, strict=True):
        torch.testing.assert_close(causal[:, frames - 1], plain[:, -1], rtol=1e-9, atol=1e-12)


def test_clips_do_not_share_a_factor() -> None:
    encoding = encodings(4)
    together = pose_inputs(encoding)
    for clip in range(2):
        alone = pose_inputs(encoding[clip : clip + 1])
        for a, b in zip(together, alone, strict=True):
            assert torch.equal(a[clip], b[0])


def test_neutral_inputs() -> None:
    inputs = neutral_pose_inputs(torch.zeros(2, 3, 9))
    assert torch.equal(inputs.rotation, torch.tensor([0.0, 0, 0, 1]).expand(2, 3, 4))
    assert torch.equal(inputs.translation, torch.zeros(2, 3, 3))
    assert inputs.scale.flatten().tolist() == pytest.approx([-17.7275] * 6, abs=1e-4)


def test_intrinsics() -> None:
    encoding = torch.zeros(1, 1, 9)
    encoding[..., 7], encoding[..., 8] = math.radians(60), math.radians(90)
    found = intrinsics(encoding, 140, 280)[0, 0]
    fy = 70 / math.tan(math.radians(30))
    expected = torch.tensor([[140.0, 0, 140], [0, fy, 70], [0, 0, 1]])
    torch.testing.assert_close(found, expected)


def test_no_field_of_view_is_an_infinite_focal_length() -> None:
    found = intrinsics(torch.zeros(1, 1, 9), 140, 280)[0, 0]
    assert found[0, 0] == torch.inf
    assert found[1, 1] == torch.inf


def test_only_the_field_of_view_is_cut_at_zero() -> None:
    raw = -torch.arange(1.0, 10)
    assert activate(raw).tolist() == [-1, -2, -3, -4, -5, -6, -7, 0, 0]
