"""The step of constant shapes is the eager step, over a whole segment and over a re-used one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from stream_helpers import Drive, deviation, lively_model

from gemdepth_ros.inference.causal import CausalSegment, Entry, take_poses
from gemdepth_ros.inference.encoded import CameraView
from gemdepth_ros.inference.static_step import StaticEncoder, StaticStep, store_names

SIZE = (42, 56)
FRAMES = 8
TOLERANCE = 1e-5


@pytest.fixture(scope='module')
def drive(tiny_config) -> Drive:
    return Drive(lively_model(tiny_config), FRAMES, SIZE)


def tensors(segment: CausalSegment) -> list[torch.Tensor]:
    return [tensor for store in segment.stores for tensor in store.tensors]


def eager_step(drive: Drive, segment: CausalSegment, number: int, slot: int) -> torch.Tensor:
    levels = drive.frames[number].levels
    view = CameraView.of(drive.model, drive.grid, levels[3], first=slot == 0)
    (pose,) = take_poses(drive.model, [Entry(segment, number, view, slot)])
    disparity = segment.step(drive.frames[number], pose, slot, answer=True)
    assert disparity is not None
    return disparity


def check_segment(drive: Drive, slots: int) -> None:
    """Hold both forms to the eager one in every slot, and once more in a segment with a past."""
    eager = CausalSegment(drive.model, drive.grid, slots)
    written = CausalSegment(drive.model, drive.grid, slots)
    pure_step = StaticStep(drive.model, drive.grid, slots)
    writing_step = StaticStep(drive.model, drive.grid, slots, in_place=True)
    again = [(slots - 1 - slot, slot) for slot in range(slots)]  # other frames in used slots
    for number, slot in [*((slot, slot) for slot in range(slots)), *again]:
        levels, slot_1 = drive.frames[number].levels, torch.tensor([slot])
        before = [tensor.clone() for tensor in tensors(eager)]
        pure = pure_step(levels, slot_1, eager.all_encodings_1T9, *tensors(eager))
        assert all(map(torch.equal, before, tensors(eager))), 'the pure form changed its input'
        wrote = writing_step(levels, slot_1, written.all_encodings_1T9, *tensors(written))
        disparity = eager_step(drive, eager, number, slot)
        expected = eager.all_encodings_1T9[:, slot]
        for result in (pure, wrote):
            assert deviation(result[0][0], disparity) < TOLERANCE, slot
            assert deviation(result[1][0], expected) < TOLERANCE, slot
        for new, kept in zip(pure[2:], tensors(eager), strict=True):
            kept_slot = kept.unflatten(2, (slots, -1))[:, :, slot]
            assert deviation(new, kept_slot) < TOLERANCE, slot
        for mine, theirs in zip(tensors(written), tensors(eager), strict=True):
            assert deviation(mine, theirs) < TOLERANCE, slot


@torch.inference_mode()
def test_equal_to_the_eager_step_in_every_slot(drive):
    check_segment(drive, FRAMES)


@torch.inference_mode()
def test_a_segment_of_one_slot(drive):
    check_segment(drive, 1)


@torch.inference_mode()
def test_without_injected_poses(drive):
    """The neutral pose goes in where the configuration says so."""
    model = drive.model
    config = model.config
    try:
        model.config = replace(config, pose_injection='never')
        check_segment(drive, 2)
    finally:
        model.config = config


@torch.inference_mode()
def test_slots_after_the_frame_are_not_seen(drive):
    """What an earlier segment left there changes no bit."""
    segment = CausalSegment(drive.model, drive.grid, 4)
    step = StaticStep(drive.model, drive.grid, 4)
    eager_step(drive, segment, 0, 0)
    eager_step(drive, segment, 1, 1)
    inputs = (drive.frames[2].levels, torch.tensor([2]), segment.all_encodings_1T9)
    clean = step(*inputs, *tensors(segment))
    for tensor in tensors(segment):
        tensor.unflatten(2, (4, -1))[:, :, 2:] = 7.0
    segment.all_encodings_1T9[:, 2:] = 7.0
    dirty = step(*inputs, *tensors(segment))
    assert all(map(torch.equal, clean, dirty))
    for tensor in tensors(segment):  # and what is before it is seen
        tensor.unflatten(2, (4, -1))[:, :, :2] *= 1.5
    assert deviation(step(*inputs, *tensors(segment))[0], clean[0]) > 1e-4


@torch.inference_mode()
def test_stores_have_names_and_parameters_are_shared(drive):
    segment = CausalSegment(drive.model, drive.grid, 2)
    names = store_names(drive.model.config)
    assert len(set(names)) == len(names) == len(segment.stores)
    step = StaticStep(drive.model, drive.grid, 2)
    assert {id(p) for p in step.parameters()} == {id(p) for p in drive.model.parameters()}
    assert step.state_dict().keys() == {f'model.{key}' for key in drive.model.state_dict()}


@torch.inference_mode()
def test_encoder_of_one_size(drive):
    encoded = StaticEncoder(drive.model, drive.grid)(drive.clip[3][None])
    for mine, theirs in zip(encoded, drive.frames[3].levels, strict=True):
        assert deviation(mine, theirs) < TOLERANCE
