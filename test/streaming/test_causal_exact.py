"""``causal`` is the dense forward under a frame-causal mask, and that mask does what it says."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from stream_helpers import Drive, deviation, lively_model
from torch import Tensor

from gemdepth_ros.inference.causal import CausalEngine, CausalSegment

TINY_SIZE = (28, 42)
SMALL_SIZE = (42, 56)
MEMORY = 512


@pytest.fixture(scope='module')
def tiny_drive(tiny_config):
    return Drive(lively_model(tiny_config), 80, TINY_SIZE)


@pytest.fixture(scope='module')
def double_drive(tiny_config):
    return Drive(lively_model(tiny_config).double(), 64, TINY_SIZE)


@pytest.fixture(scope='module')
def small_drive(golden_small):
    return Drive(golden_small, 76, SMALL_SIZE)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a segment gave for its newest frame, before any alignment."""

    numbers: tuple[int, ...]
    raw_HW: Tensor
    encodings_T9: Tensor


@pytest.fixture
def answers(monkeypatch) -> list[Answer]:
    """Every answer of every segment, in the order they were computed."""
    recorded: list[Answer] = []
    step = CausalSegment.step

    def recording(self, frame, pose, slot, *, answer):
        raw = step(self, frame, pose, slot, answer=answer)
        if raw is not None:
            recorded.append(Answer(tuple(self.numbers), raw.clone(), self.encodings_T9.clone()))
        return raw

    monkeypatch.setattr(CausalSegment, 'step', recording)
    return recorded


@torch.inference_mode()
def run(
    drive: Drive,
    window: int,
    frames: int,
    *,
    stride: int = 1,
    refresh: frozenset[int] = frozenset(),
) -> list[tuple[int, ...]]:
    """Step through frames; return the final frames of every segment."""
    engine = CausalEngine(drive.model, drive.grid, window, MEMORY)
    segments: dict[int, tuple[int, ...]] = {}
    for number in range(frames):
        output = engine.step(
            drive.frames[number], keep=number % stride == 0, refresh_anchor=number in refresh
        )
        assert output.number == number == output.numbers[output.index] == output.numbers[-1]
        assert list(output.numbers) == sorted(set(output.numbers)), 'a frame stands twice'
        assert len(output.numbers) <= window
        segments[output.segment] = output.numbers
    return list(segments.values())


@torch.inference_mode()
def check(drive: Drive, answers: list[Answer]) -> None:
    """Hold every answer to one dense forward over the longest clip that begins like it."""
    clips: list[tuple[int, ...]] = []
    results = {}
    for answer in sorted(answers, key=lambda a: -len(a.numbers)):
        count = len(answer.numbers)
        clip = next((c for c in clips if c[:count] == answer.numbers), None)
        if clip is None:
            clip = answer.numbers
            clips.append(clip)
            results[clip] = drive.dense(clip, frame_causal=True)
        expected = results[clip]
        drive.check_disparity(
            answer.raw_HW, expected.disparity_BTHW[0, count - 1], (answer.numbers, count)
        )
        drive.check_poses(
            answer.encodings_T9, expected.pose_encoding[0, :count], (answer.numbers, count)
        )


def new_per_segment(window: int) -> int:
    """Frames that a segment after the first adds, by the published rule of key frames."""
    if window == 1:
        return 1
    shared = max(window // 4, 1)
    anchors = 2 if window >= 8 else 1 if window >= 4 else 0
    return window - shared - anchors


@pytest.mark.parametrize('window', [1, 2, 3, 4, 5, 8, 12, 16])
def test_across_three_seams(tiny_drive, answers, window):
    segments = run(tiny_drive, window, window + 3 * new_per_segment(window))
    assert [len(numbers) for numbers in segments] == [window] * 4
    check(tiny_drive, answers)


def test_whole_segment_and_two_seams_of_the_longest_window(tiny_drive, answers):
    segments = run(tiny_drive, 32, 32 + 2 * 22)
    assert [len(numbers) for numbers in segments] == [32, 32, 32]
    # the published key frames: anchor, middle, last eight
    assert segments[1] == (0, 12, *range(24, 54))
    assert segments[2] == (0, 34, *range(46, 76))
    check(tiny_drive, answers)


@pytest.mark.parametrize('window', [1, 2, 3, 6, 7, 17, 23, 31])
def test_other_lengths_across_a_seam_in_float64(double_drive, answers, window):
    frames = min(window + new_per_segment(window) + 1, 58)
    run(double_drive, window, frames)
    check(double_drive, answers)


@pytest.mark.parametrize(('window', 'frames'), [(2, 5), (4, 9), (8, 13), (32, 76)])
def test_small_preset(small_drive, answers, window, frames):
    run(small_drive, window, frames)
    check(small_drive, answers)


@pytest.mark.parametrize('window', [4, 5, 8, 9, 10, 12, 13, 16, 32])
def test_new_anchor_is_an_earlier_key_frame(double_drive, answers, window):
    everything = frozenset(range(1000))
    step = new_per_segment(window)
    segments = run(double_drive, window, min(window + 3 * step + 1, 64), refresh=everything)
    for before, after in pairwise(segments):
        if len(before) == window:
            assert after[0] == before[1]
    check(double_drive, answers)


@pytest.mark.parametrize(('window', 'stride'), [(1, 2), (2, 3), (3, 2), (4, 2), (6, 3), (8, 2)])
def test_stride(double_drive, answers, window, stride):
    frames = min(stride * (window + 2 * new_per_segment(window)) + 2, 64)
    segments = run(double_drive, window, frames, stride=stride)
    if window > 1:
        assert len(segments) >= 3
    for numbers in segments:
        assert all(number % stride == 0 for number in numbers[:-1])
    check(double_drive, answers)


def test_stride_with_new_anchors(double_drive, answers):
    run(double_drive, 8, 64, stride=3, refresh=frozenset(range(30, 64)))
    check(double_drive, answers)


def _stores(segment: CausalSegment) -> dict[str, object]:
    named: dict[str, object] = {'global': segment._global}
    for i, row in enumerate(segment.camera_stores):
        named |= {f'camera {i}.{j}': store for j, store in enumerate(row)}
    named |= {f'spatial {i}': store for i, store in enumerate(segment._spatial)}
    named |= {f'time {i}': store for i, store in enumerate(segment._time)}
    for i, row in enumerate(segment._motion):
        named |= {f'motion {i}.{j}': store for j, store in enumerate(row)}
    return named


@torch.inference_mode()
def test_everything_that_is_kept_matters(double_drive):
    """Else the comparisons above would prove nothing about it."""

    def newest(spoiled: str | None, part: int) -> tuple[Tensor, Tensor]:
        engine = CausalEngine(double_drive.model, double_drive.grid, 6, MEMORY)
        for number in range(4):
            engine.step(double_drive.frames[number])
        if spoiled is not None:
            kept = _stores(engine._present)[spoiled].first(4)[part]
            kept += 0.3 * kept.std() * torch.linspace(-1, 1, kept.shape[-1])
        output = engine.step(double_drive.frames[4])
        return output.disparity_HW, output.encodings_T9[-1]

    engine = CausalEngine(double_drive.model, double_drive.grid, 6, MEMORY)
    clean, clean_pose = newest(None, 0)
    for name in _stores(engine._present):
        for part, what in enumerate(('keys', 'values')):
            if name.startswith(('time', 'camera')) and what == 'keys':
                # one key per frame: the same offset on all of them is lost in the softmax
                continue
            disparity, pose = newest(name, part)
            moved = deviation(disparity, clean) + deviation(pose, clean_pose)
            assert moved > 1e-6, f'{name} {what}: {moved}'


# The oracle itself, from first principles.


@torch.inference_mode()
def test_a_prefix_of_a_clip_gives_the_same_as_the_clip(double_drive):
    numbers = [3, 0, 7, 5, 12, 11]
    whole = double_drive.dense(numbers, frame_causal=True)
    for count in range(1, len(numbers)):
        prefix = double_drive.dense(numbers[:count], frame_causal=True)
        for index in range(count):
            double_drive.check_disparity(
                prefix.disparity_BTHW[0, index], whole.disparity_BTHW[0, index], (count, index)
            )
        double_drive.check_poses(prefix.pose_encoding[0], whole.pose_encoding[0, :count], count)


@torch.inference_mode()
def test_later_frames_never_reach_earlier_ones(tiny_drive):
    """Whatever comes later, the frames before it stay bit-equal."""
    clip = tiny_drive.clip[:6].clone()[None]
    clean = tiny_drive.model(clip, frame_causal=True)
    for spoiled in range(1, 6):
        dirty = clip.clone()
        dirty[0, spoiled] += 2 * torch.randn(
            dirty.shape[2:], generator=torch.Generator().manual_seed(spoiled)
        )
        result = tiny_drive.model(dirty, frame_causal=True)
        before = slice(0, spoiled)
        assert torch.equal(result.disparity_BTHW[0, before], clean.disparity_BTHW[0, before])
        assert torch.equal(result.pose_encoding[0, before], clean.pose_encoding[0, before])
        for after in range(spoiled, 6):  # and every later one sees it
            changed = deviation(result.disparity_BTHW[0, after], clean.disparity_BTHW[0, after])
            assert changed > 1e-5, (spoiled, after)


@torch.inference_mode()
def test_without_the_mask_later_frames_do_reach_earlier_ones(tiny_drive):
    clip = tiny_drive.clip[:4][None]
    causal, full = (tiny_drive.model(clip, frame_causal=mask) for mask in (True, False))
    assert deviation(causal.disparity_BTHW[0, 0], full.disparity_BTHW[0, 0]) > 1e-3
    assert deviation(causal.pose_encoding[0, 0], full.pose_encoding[0, 0]) > 1e-4
    alone = tiny_drive.model(clip[:, :1])
    tiny_drive.check_disparity(causal.disparity_BTHW[0, 0], alone.disparity_BTHW[0, 0], 'alone')


@torch.inference_mode()
def test_the_last_frame_under_the_mask_differs_from_the_full_clip(tiny_drive):
    """Its own attention is the same; what it attends to is not."""
    clip = tiny_drive.clip[:4][None]
    causal, full = (tiny_drive.model(clip, frame_causal=mask) for mask in (True, False))
    assert deviation(causal.disparity_BTHW[0, -1], full.disparity_BTHW[0, -1]) > 1e-4


@torch.inference_mode()
def test_clips_of_a_batch_do_not_see_each_other(double_drive):
    first, second = double_drive.clip[:3][None], double_drive.clip[10:13][None]
    together = double_drive.model(torch.cat([first, second]), frame_causal=True)
    for index, clip in enumerate((first, second)):
        alone = double_drive.model(clip, frame_causal=True)
        for frame in range(3):
            double_drive.check_disparity(
                together.disparity_BTHW[index, frame], alone.disparity_BTHW[0, frame], index
            )
        double_drive.check_poses(together.pose_encoding[index], alone.pose_encoding[0], index)
