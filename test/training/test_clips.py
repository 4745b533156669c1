from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from training_cases import FRAMES, HEIGHT, PLAIN, WIDTH, micro_config, micro_sequence

from gemdepth_ros.training.batches import make_clip
from gemdepth_ros.training.clip_plan import ClipPlan, plan_batch, plan_clip
from gemdepth_ros.training.config import ClipConfig, DataConfig, StageConfig
from gemdepth_ros.training.loader import Steps, batches
from gemdepth_ros.training.pictures import change_light, crop_window
from gemdepth_ros.training.poses import (
    field_of_view,
    pose_encodings,
    relative_poses,
    translation_unit,
)
from gemdepth_ros.training.sequences import LiveSequence, render_frames


def whole(frames: list[int], mirrored: bool = False) -> ClipPlan:
    count = len(frames)
    return ClipPlan(0, np.array(frames), (0, 0, 1, 1), mirrored, np.zeros(count, bool), 0)


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    config = micro_config(8)
    sequences = [micro_sequence(seed) for seed in range(3)]
    first, again = Steps(config, sequences), Steps(config, sequences)
    other = Steps(replace(config, seed=1), sequences)
    for step in (5, 0):
        assert torch.equal(first[step].images_BTCHW, again[step].images_BTCHW)
        assert torch.equal(first[step].pose_BT9, again[step].pose_BT9)
    assert any(
        first[s].images_BTCHW.shape != other[s].images_BTCHW.shape
        or not torch.equal(first[s].images_BTCHW, other[s].images_BTCHW)
        for s in range(3)
    )


def test_workers_give_the_same_batches_in_order() -> None:
    steps = Steps(micro_config(6), [micro_sequence(seed) for seed in range(3)])
    for number, batch in enumerate(batches(steps, 2, workers=1, pin=False), start=2):
        assert torch.equal(batch.images_BTCHW, steps[number].images_BTCHW)
    assert number == 5


def test_processes_share_a_batch_without_gaps() -> None:
    config, sequences = micro_config(6), [micro_sequence(seed) for seed in range(3)]
    both = Steps(config, sequences)
    parts = [Steps(config, sequences, rank, 2) for rank in range(2)]
    step = next(s for s in range(6) if len(both[s].images_BTCHW) == 4)
    for rank, part in enumerate(parts):
        assert torch.equal(part[step].images_BTCHW, both[step].images_BTCHW[rank::2])


def test_clips_have_the_configured_variety() -> None:
    random = np.random.default_rng(0)
    clips = ClipConfig(reverse_share=0.5, standstill_share=0.3, max_stride=3)
    plans = [plan_clip(random, clips, 0, 4, 20) for _ in range(300)]
    steps = np.array([np.diff(plan.frames) for plan in plans])
    assert all(plan.frames.min() >= 0 and plan.frames.max() < 20 for plan in plans)
    assert set(np.abs(steps).ravel()) == {0, 1, 2, 3}
    assert 0.3 < (steps.min(axis=1) < 0).mean() < 0.7
    # Within a clip there is one stride, and perhaps a stop.
    assert all(len(set(np.abs(row)) - {0}) <= 1 for row in steps)
    withheld = np.array([plan.withheld for plan in plans])
    assert 0.2 < withheld.all(axis=1).mean() < 0.4
    assert 0.01 < withheld[~withheld.all(axis=1)].mean() < 0.1
    assert 0.4 < np.mean([plan.mirrored for plan in plans]) < 0.6
    assert min(plan.crop[2] for plan in plans) < 0.75


def test_causal_and_bidirectional_batches_mix() -> None:
    config = micro_config(200)
    plans = [plan_batch(config, step, 3, FRAMES) for step in range(200)]
    assert 0.35 < np.mean([plan.causal for plan in plans]) < 0.65
    assert {len(plan.clips[0].frames) for plan in plans} == {1, 2, 4}
    assert all(len(plan.clips) * len(plan.clips[0].frames) == 4 for plan in plans)


def test_stages_follow_each_other() -> None:
    stages = (StageConfig(3, 28, 42, 4, {1: 1.0}), StageConfig(2, 56, 84, 8, {8: 1.0}))
    config = micro_config(1, stages=stages)
    plans = [plan_batch(config, step, 3, FRAMES) for step in range(5)]
    assert [plan.size for plan in plans] == [(28, 42)] * 3 + [(56, 84)] * 2
    assert len(plans[4].clips[0].frames) == 8


def test_a_long_clip_fits_into_a_short_sequence() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        plan = plan_clip(random, ClipConfig(max_stride=4), 0, FRAMES, FRAMES)
        assert 0 <= plan.frames.min() <= plan.frames.max() < FRAMES


def test_first_pose_is_the_identity_and_poses_reproject() -> None:
    sequence = micro_sequence()
    _, _, encoding = make_clip(whole([2, 5, 3]), sequence, (HEIGHT, WIDTH), PLAIN)
    assert np.array_equal(encoding[0, :7], [0, 0, 0, 0, 0, 0, 1])
    poses = sequence.world_from_camera
    point_world = np.array([1.0, 2, 9, 1])
    in_first = np.linalg.inv(poses[2]) @ point_world
    unit = translation_unit(
        relative_poses(poses[[2, 5, 3]]),
        sequence.inverse_depth[2].astype(np.float32),
        'first_depth',
    )
    for row, frame in enumerate((2, 5, 3)):
        rotation = Rotation.from_quat(encoding[row, 3:7])
        seen = rotation.apply(in_first[:3]) + unit * encoding[row, :3]
        assert np.allclose(seen, (np.linalg.inv(poses[frame]) @ point_world)[:3], atol=1e-5)


def test_a_mirrored_clip_is_the_world_in_a_mirror() -> None:
    """A point at x of the picture and depth z lies at the mirrored place, in every frame."""
    sequence = micro_sequence()
    plain, mirrored = (
        make_clip(whole([0, 4, 8], flip), sequence, (HEIGHT, WIDTH), PLAIN)
        for flip in (False, True)
    )
    assert np.allclose(mirrored[0], plain[0][..., ::-1], atol=1e-5)
    assert np.array_equal(mirrored[1], plain[1][..., ::-1])
    focal, point = np.array([30.0, 28.0]), np.array([0.7, -0.3, 6.0])
    for index in range(3):
        columns = []
        for encoding, x in ((plain[2], point), (mirrored[2], point * [-1, 1, 1])):
            seen = Rotation.from_quat(encoding[index, 3:7]).apply(x) + encoding[index, :3]
            columns.append((focal[0] * seen[0] / seen[2], focal[1] * seen[1] / seen[2], seen[2]))
        assert columns[1] == pytest.approx((-columns[0][0], columns[0][1], columns[0][2]))


def test_translation_units() -> None:
    relative = relative_poses(micro_sequence().world_from_camera[:3])
    inverse = np.array([[0.0, 0.25, 0.5, 0.1]], np.float32)
    assert translation_unit(relative, inverse, 'first_depth') == pytest.approx(4.0)
    longest = np.linalg.norm(relative[2, :3, 3])
    assert translation_unit(relative, inverse, 'largest') == pytest.approx(longest)
    assert translation_unit(relative[:1], inverse, 'largest') == 1
    assert translation_unit(relative, 0 * inverse, 'first_depth') == 1


def test_quaternions_have_a_positive_real_part() -> None:
    turned = np.tile(np.eye(4), (2, 1, 1))
    turned[1, :3, :3] = Rotation.from_euler('y', 200, degrees=True).as_matrix()
    encoding = pose_encodings(turned, 1.0, np.ones((2, 2)))
    assert (encoding[:, 6] >= 0).all()
    assert np.allclose(Rotation.from_quat(encoding[1, 3:7]).as_matrix(), turned[1, :3, :3])


def test_field_of_view_of_a_part_of_the_picture() -> None:
    focal = np.array([[30.0, 28.0]])
    assert field_of_view(focal, 28, 60)[0] == pytest.approx(
        [2 * np.arctan(0.5), 2 * np.arctan(1.0)]
    )
    sequence = micro_sequence()
    clip = replace(whole([0]), crop=(0.25, 0.5, 0.5, 0.5))
    images, disparity, encoding = make_clip(clip, sequence, (HEIGHT, WIDTH), PLAIN)
    assert images.shape == (1, 3, HEIGHT, WIDTH)
    left, top, right, bottom = crop_window(clip.crop, HEIGHT, WIDTH)
    assert encoding[0, 7:] == pytest.approx(
        [2 * np.arctan((bottom - top) / 2 / 28), 2 * np.arctan((right - left) / 2 / 30)]
    )
    assert disparity[0, 0, 0] == sequence.inverse_depth[0, top, left]
    assert disparity[0, -1, -1] == sequence.inverse_depth[0, bottom - 1, right - 1]


def test_live_sequences_show_what_rendered_ones_show() -> None:
    data = DataConfig(world='street', frames=6, height=28, width=56)
    live = LiveSequence(data, 5, torch.device('cpu'))
    rendered = render_frames(data, 5, range(6))
    frames = np.array([4, 1, 1, 5])
    ours, theirs = live.take(frames), rendered.take(frames)
    for name in ('image_rgb', 'inverse_depth', 'world_from_camera', 'focal'):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name))
    assert (ours.inverse_depth == 0).any()  # sky
    assert len(live) == 6


def test_light_is_constant_over_a_clip_but_for_drift_and_noise() -> None:
    image = np.random.default_rng(0).random((1, 8, 8, 3), np.float32) * 0.6 + 0.2
    clips = replace(PLAIN, brightness=0.3, contrast=0.3, saturation=0.3)
    changed = change_light(np.repeat(image, 3, axis=0), clips, np.random.default_rng(1))
    assert np.abs(changed - image).max() > 0.02
    assert np.allclose(changed[0], changed[2], atol=1e-6)
    drifted = change_light(
        np.repeat(image, 3, axis=0), replace(PLAIN, drift=0.2), np.random.default_rng(1)
    )
    assert np.allclose(drifted[0], image[0], atol=1e-6)
    assert 0.001 < np.abs(drifted[2] - drifted[0]).max() < 0.2
    noisy = change_light(
        np.repeat(image, 3, axis=0), replace(PLAIN, noise=0.05), np.random.default_rng(1)
    )
    assert not np.array_equal(noisy[0], noisy[1])
    assert noisy.min() >= 0 <= noisy.max() <= 1


def test_nothing_configured_changes_nothing() -> None:
    image = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    assert np.allclose(
        change_light(image.copy(), PLAIN, np.random.default_rng(1)), image, atol=1e-6
    )
