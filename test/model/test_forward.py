"""What a forward pass promises: shapes, limits, determinism, clips and frames kept apart."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from published import images
from torch import Tensor

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.model import GemDepth, GemDepthOutput, build_gemdepth

FIELDS = [field.name for field in dataclasses.fields(GemDepthOutput)]


def run(model: GemDepth, clips: Tensor, *, frame_causal: bool = False) -> GemDepthOutput:
    with torch.inference_mode():
        return model(clips, frame_causal=frame_causal)


def close(a: Tensor, b: Tensor) -> bool:
    """Equal up to the rounding of sums in another order."""
    return bool(torch.linalg.norm(a - b) <= 1e-5 * torch.linalg.norm(b))


@pytest.mark.parametrize(('clips', 'frames'), [(1, 1), (2, 3), (1, 32)])
def test_shapes_and_types(tiny_model: GemDepth, clips: int, frames: int) -> None:
    output = run(tiny_model, images(clips, frames, 28, 42))
    assert output.disparity_BTHW.shape == (clips, frames, 28, 42)
    assert output.pose_encoding.shape == (clips, frames, 9)
    assert output.camera_from_world.shape == (clips, frames, 4, 4)
    assert output.intrinsics.shape == (clips, frames, 3, 3)
    for name in FIELDS:
        tensor = getattr(output, name)
        assert tensor.dtype == torch.float32
        assert torch.isfinite(tensor).all()
    assert (output.disparity_BTHW >= 0).all()


@pytest.mark.parametrize('frames', [0, 33])
def test_too_few_and_too_many_frames_are_refused(tiny_model: GemDepth, frames: int) -> None:
    with pytest.raises(ConfigError, match=rf'1\.\.32 frames, got {frames}'):
        run(tiny_model, images(1, frames))


@pytest.mark.parametrize(('height', 'width'), [(27, 42), (28, 40), (0, 42)])
def test_sides_must_be_multiples_of_a_patch(tiny_model: GemDepth, height: int, width: int) -> None:
    with pytest.raises(ConfigError, match=f'multiples of 14, got {height}x{width}'):
        run(tiny_model, images(1, 2, height, width))


def test_two_runs_are_bit_equal(tiny_model: GemDepth) -> None:
    clip = images(1, 5)
    first, second = run(tiny_model, clip), run(tiny_model, clip)
    assert all(torch.equal(getattr(first, name), getattr(second, name)) for name in FIELDS)


def test_training_mode_has_no_hidden_randomness(tiny_model: GemDepth) -> None:
    trained = copy.deepcopy(tiny_model).train()
    assert torch.equal(
        run(trained, images(1, 3)).disparity_BTHW, run(tiny_model, images(1, 3)).disparity_BTHW
    )


@pytest.mark.parametrize('frame_causal', [False, True])
def test_each_clip_of_a_batch_equals_the_clip_alone(
    tiny_model: GemDepth, frame_causal: bool
) -> None:
    """Also beside a clip of other brightness, whose translations have another length."""
    clips = torch.cat([images(2, 4), 5 * images(1, 4, seed=1) + 2])
    together = run(tiny_model, clips, frame_causal=frame_causal)
    for clip in range(len(clips)):
        alone = run(tiny_model, clips[clip : clip + 1], frame_causal=frame_causal)
        for name in FIELDS:
            assert close(getattr(together, name)[clip], getattr(alone, name)[0])


def test_the_size_of_chunks_does_not_matter(tiny_model: GemDepth) -> None:
    clip = images(1, 7)
    with torch.inference_mode():
        by_one, by_five, at_once = (
            tiny_model(clip, chunk=chunk).disparity_BTHW for chunk in (1, 5, 100)
        )
    assert close(by_one, at_once)
    assert close(by_five, at_once)


def test_levels_of_a_frame_do_not_depend_on_others(tiny_model: GemDepth) -> None:
    frames = images(1, 4)[0]
    with torch.inference_mode():
        together = tiny_model.encode(frames)
        for index in range(len(frames)):
            alone = tiny_model.encode(frames[index : index + 1])
            for all_frames, frame in zip(together, alone, strict=True):
                assert close(all_frames[index], frame[0])


def test_decode_of_levels_equals_the_whole(tiny_model: GemDepth) -> None:
    clip = images(1, 3, 42, 28)
    with torch.inference_mode():
        decoded = tiny_model.decode(tiny_model.encode(clip[0]), 1, 3, 2)
    assert torch.equal(decoded.disparity_BTHW, run(tiny_model, clip).disparity_BTHW)


@settings(max_examples=15)
@given(frames=st.integers(2, 8), data=st.data())
def test_frame_causal_never_sees_later_frames(
    tiny_model: GemDepth, frames: int, data: st.DataObject
) -> None:
    """From first principles: exchange the future, the past must not move."""
    known = data.draw(st.integers(1, frames - 1))
    clip = images(1, frames)
    other = clip.clone()
    other[:, known:] = 3 * images(1, frames, seed=7)[:, known:] - 1
    first = run(tiny_model, clip, frame_causal=True)
    second = run(tiny_model, other, frame_causal=True)
    prefix = run(tiny_model, clip[:, :known], frame_causal=True)
    for name in FIELDS:
        past = getattr(first, name)[:, :known]
        assert close(getattr(second, name)[:, :known], past)
        assert close(getattr(prefix, name), past)
        assert not close(getattr(second, name)[:, known:], getattr(first, name)[:, known:])


def test_without_frame_causal_the_past_does_move(tiny_model: GemDepth) -> None:
    """The check above can fail."""
    clip = images(1, 4)
    other = clip.clone()
    other[:, 3] += 1
    first, second = run(tiny_model, clip), run(tiny_model, other)
    assert not close(second.disparity_BTHW[:, :3], first.disparity_BTHW[:, :3])
    assert not close(second.pose_encoding[:, :3], first.pose_encoding[:, :3])


def test_one_causal_frame_equals_one_frame(tiny_model: GemDepth) -> None:
    clip = images(1, 1)
    assert close(
        run(tiny_model, clip, frame_causal=True).disparity_BTHW,
        run(tiny_model, clip).disparity_BTHW,
    )


def test_without_injection_poses_do_not_reach_the_depth(tiny_model: GemDepth) -> None:
    clip = images(1, 3)
    never = copy.deepcopy(tiny_model)
    never.config = dataclasses.replace(tiny_model.config, pose_injection='never')
    before = run(never, clip)
    with torch.no_grad():
        never.camera_head.pose_branch.fc2.bias.add_(0.3)
    after = run(never, clip)
    assert not close(after.pose_encoding, before.pose_encoding)
    assert torch.equal(after.disparity_BTHW, before.disparity_BTHW)
    assert not close(run(tiny_model, clip).disparity_BTHW, before.disparity_BTHW)


def test_the_network_is_ready_to_run(tiny_model: GemDepth) -> None:
    assert not tiny_model.training
    assert not any(parameter.requires_grad for parameter in tiny_model.parameters())
    assert (tiny_model.dtype, tiny_model.device) == (torch.float32, torch.device('cpu'))


def test_seeded_weights_are_reproducible(tiny_model: GemDepth) -> None:
    torch.manual_seed(123)  # whatever the global generator does
    again = build_gemdepth(tiny_model.config, seed=0)
    other = build_gemdepth(tiny_model.config, seed=1)
    pairs = list(zip(again.parameters(), tiny_model.parameters(), strict=True))
    assert all(torch.equal(p, q) for p, q in pairs)
    assert not torch.equal(other.encoder.pos_embed, tiny_model.encoder.pos_embed)


def test_seeded_weights_give_a_varied_picture(small_model: GemDepth) -> None:
    """Depth differs between places and frames, poses between frames, fields of view are usable."""
    output = run(small_model, images(1, 3, 56, 70))
    disparity = output.disparity_BTHW
    assert torch.isfinite(disparity).all()
    assert (disparity > 0).all()
    assert disparity.std() > 0.1 * disparity.mean()
    assert not close(disparity[:, 0], disparity[:, 2])
    assert not close(output.camera_from_world[:, 0], output.camera_from_world[:, 2])
    assert (output.pose_encoding[..., 7:] > 0.05).all()
    assert (output.pose_encoding[..., 7:] < 3.0).all()
