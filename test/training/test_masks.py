"""What training asks of the network that inference does not."""

from __future__ import annotations

import pytest
import torch
from training_cases import micro_network

from gemdepth_ros.model.gemdepth import GemDepth
from gemdepth_ros.model.pose_encoding import neutral_pose_inputs, pose_inputs, with_neutral_frames


def images(clips: int, frames: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(clips, frames, 3, 28, 42, generator=torch.Generator().manual_seed(seed))


def decoded(model: GemDepth, clip: torch.Tensor, **options: object):
    levels = model.encode(clip.flatten(0, 1))
    return model.decode(levels, len(clip), 2, 3, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize('frame_causal', [False, True])
@torch.no_grad()
def test_camera_queries_alone_give_the_same(frame_causal: bool) -> None:
    model, clip = micro_network(), images(2, 5)
    plain = decoded(model, clip, frame_causal=frame_causal)
    pruned = decoded(model, clip, frame_causal=frame_causal, camera_only=True)
    assert torch.allclose(pruned.pose_encoding, plain.pose_encoding, atol=1e-5)
    assert torch.allclose(pruned.disparity_BTHW, plain.disparity_BTHW, atol=1e-4)


@torch.no_grad()
def test_a_pruned_causal_pose_sees_no_later_frame() -> None:
    model, clip = micro_network(), images(1, 4)
    other = clip.clone()
    other[:, 2:] = images(1, 2, seed=5)
    first, second = (
        decoded(model, c, frame_causal=True, camera_only=True).pose_encoding for c in (clip, other)
    )
    assert torch.allclose(first[:, :2], second[:, :2], atol=1e-6)
    assert not torch.allclose(first[:, 2:], second[:, 2:], atol=1e-4)


@torch.no_grad()
def test_withheld_frames_are_those_of_a_network_without_injection() -> None:
    model, clip = micro_network(), images(1, 3)
    all_withheld = decoded(model, clip, neutral_BT=torch.ones(1, 3, dtype=torch.bool))
    none_withheld = decoded(model, clip, neutral_BT=torch.zeros(1, 3, dtype=torch.bool))
    assert torch.allclose(none_withheld.disparity_BTHW, decoded(model, clip).disparity_BTHW)
    assert not torch.allclose(none_withheld.disparity_BTHW, all_withheld.disparity_BTHW)
    object.__setattr__(model.config, 'pose_injection', 'never')
    try:
        never = decoded(model, clip)
    finally:
        object.__setattr__(model.config, 'pose_injection', 'always')
    assert torch.allclose(never.disparity_BTHW, all_withheld.disparity_BTHW)


def test_single_frames_can_be_withheld() -> None:
    encoding = torch.randn(2, 3, 9, generator=torch.Generator().manual_seed(0))
    inputs, neutral = pose_inputs(encoding), neutral_pose_inputs(encoding)
    mask = torch.tensor([[True, False, False], [False, False, True]])
    mixed = with_neutral_frames(inputs, mask)
    for part, given, none in zip(mixed, inputs, neutral, strict=True):
        assert torch.equal(part[mask], none[mask])
        assert torch.equal(part[~mask], given[~mask])


def test_depth_sends_no_gradient_into_injected_poses() -> None:
    model, clip = micro_network(), images(1, 3)
    mask = torch.zeros(1, 3, dtype=torch.bool)
    decoded(model, clip, neutral_BT=mask).disparity_BTHW.sum().backward()
    head = model.camera_head.pose_branch.fc2.weight
    assert head.grad is None
    model.zero_grad()
    decoded(model, clip).disparity_BTHW.sum().backward()
    assert head.grad is not None
    assert head.grad.abs().max() > 0


def test_all_rounds_are_reported() -> None:
    output = decoded(micro_network(), images(2, 3))
    assert output.pose_rounds.shape == (2, 3, 4, 9)
    assert torch.equal(output.pose_rounds[:, :, -1], output.pose_encoding)
