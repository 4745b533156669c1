"""When a session goes on, when it starts anew, and when it changes its anchor."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from stream_helpers import FRAME_NS, images, place_without_computing, video_frames

from gemdepth_ros.errors import ConfigError, ImageError
from gemdepth_ros.geometry import se3
from gemdepth_ros.inference import StreamingConfig, StreamSession, causal, streaming
from gemdepth_ros.inference.anchor_policy import anchor_is_stale, view_overlap
from gemdepth_ros.inference.causal import CausalSegment
from gemdepth_ros.inference.encoded import CameraView, EngineOutput
from gemdepth_ros.inference.sliding import SlidingEngine
from gemdepth_ros.interfaces import PinholeIntrinsics, ResetReason, VideoFrame

MODES = ['sliding', 'causal']
FOV = (0.8, 1.2)
FLAT = np.ones((40, 60))


def small(mode: str = 'sliding', window: int = 4, **settings) -> StreamingConfig:
    return StreamingConfig(mode=mode, window=window, input_size=28, **settings)


def camera(fx: float) -> PinholeIntrinsics:
    return PinholeIntrinsics(28, 28, fx, 30.0, 14.0, 14.0)


@pytest.mark.parametrize('mode', MODES)
def test_every_reason(tiny_model, mode):
    """The reason comes with the frame that started anew, and is counted once."""
    session = StreamSession(tiny_model, small(mode))
    image = images(1, (28, 28))[0]
    wide = images(1, (28, 42))[0]
    at = 1_000_000_000

    def answer(frame):
        return session.step(frame).reset

    assert answer(VideoFrame(image, at, 'a', camera(30))) is None
    assert answer(VideoFrame(image, at + FRAME_NS, 'a', camera(30))) is None
    assert answer(VideoFrame(image, at + FRAME_NS, 'a', camera(30))) is ResetReason.BACKWARD_TIME
    assert answer(VideoFrame(image, at - FRAME_NS, 'a', camera(30))) is ResetReason.BACKWARD_TIME
    assert answer(VideoFrame(image, at, 'a', camera(31))) is ResetReason.CAMERA_CHANGE
    assert answer(VideoFrame(image, at + FRAME_NS, 'b')) is ResetReason.CAMERA_CHANGE
    assert answer(VideoFrame(wide, at + 2 * FRAME_NS, 'b')) is ResetReason.SIZE_CHANGE
    late = at + 2 * FRAME_NS + 1_000_000_001
    assert answer(VideoFrame(wide, late, 'b')) is ResetReason.GAP
    session.reset()
    assert answer(VideoFrame(wide, late + FRAME_NS, 'b')) is ResetReason.REQUEST
    assert answer(VideoFrame(wide, late + 2 * FRAME_NS, 'b')) is None
    assert {reason: count for reason, count in session.reset_counts.items() if count} == {
        ResetReason.BACKWARD_TIME: 2,
        ResetReason.CAMERA_CHANGE: 2,
        ResetReason.SIZE_CHANGE: 1,
        ResetReason.GAP: 1,
        ResetReason.REQUEST: 1,
    }


@pytest.mark.parametrize('mode', MODES)
def test_a_few_lost_frames_are_bridged(tiny_model, mode):
    """The gap is recorded with the pose, and the window goes on."""
    session = StreamSession(tiny_model, small(mode, max_gap_s=0.5))
    frames = video_frames(images(8, (28, 28)), start_ns=5_000_000_000)
    steps = [session.step(frame) for frame in frames[:3]]
    assert [step.interval_ns for step in steps] == [0, FRAME_NS, FRAME_NS]
    bridged = session.step(replace(frames[6], dropped_before=3))
    assert bridged.reset is None
    assert bridged.interval_ns == 4 * FRAME_NS
    assert bridged.dropped_before == 3
    assert len(bridged.window.stamps_ns) > 1
    assert bridged.window.stamps_ns[0] == frames[0].stamp_ns
    assert not bridged.lost
    after = session.step(frames[7])
    assert (after.interval_ns, after.dropped_before) == (FRAME_NS, 0)


def test_an_image_that_cannot_be_used_leaves_a_session_that_can(tiny_model):
    session = StreamSession(tiny_model, StreamingConfig(input_size=2000))
    too_large = VideoFrame(np.zeros((2000, 1900, 3), np.uint8), 0)
    with pytest.raises(ImageError, match='too large'):
        session.step(too_large)
    session.config = small()
    assert session.step(video_frames(images(1, (28, 28)))[0]).reset is None


def test_lookahead_carries_each_frames_own_stamp_interval_and_reset(tiny_model):
    session = StreamSession(tiny_model, small(window=5, lookahead=2))
    frames = video_frames(images(9, (28, 28)))
    session.reset()
    answers = [session.step(frame) for frame in frames]
    assert answers[:2] == [None, None]
    for number, answer in enumerate(answers[2:]):
        assert answer.stamp_ns == frames[number].stamp_ns
        assert answer.age_frames == 2
        assert answer.interval_ns == (FRAME_NS if number else 0)
        assert answer.reset is (None if number else ResetReason.REQUEST)
        assert answer.window.stamps_ns[-1] == frames[number + 2].stamp_ns


@pytest.fixture
def hollow(monkeypatch):
    """Engines that know which frame stands where, and compute nothing."""
    encoding = torch.tensor([0.0, 0, 0, 0, 0, 0, 1, 0.8, 1.2])

    def take_poses(_, entries):
        for entry in entries:
            entry.segment._encodings_1T9[0, entry.slot] = encoding
        return place_without_computing(_, entries)

    def step(self, frame, pose, slot, *, answer):
        return torch.ones(28, 28) if answer else None

    def evaluate(self, target):
        numbers = tuple(self._numbers[row] for row in self._order)
        encodings = encoding.repeat(len(numbers), 1)
        return EngineOutput(numbers[target], torch.ones(28, 28), numbers, encodings, target)

    monkeypatch.setattr(causal, 'take_poses', take_poses)
    monkeypatch.setattr(CausalSegment, 'step', step)
    monkeypatch.setattr(CameraView, 'of', staticmethod(lambda *_, **__: None))
    monkeypatch.setattr(SlidingEngine, '_fill', lambda *_: None)
    monkeypatch.setattr(SlidingEngine, '_set_view', lambda *_, **__: None)
    monkeypatch.setattr(SlidingEngine, '_evaluate', evaluate)


@pytest.mark.parametrize('overlap', [0.0, 1.0])
@pytest.mark.parametrize('mode', MODES)
def test_stamps_of_a_window_ascend_and_are_known(tiny_model, hollow, monkeypatch, mode, overlap):
    """However long the stream, however often the anchor changes: every frame's record is there."""
    monkeypatch.setattr(streaming, 'view_overlap', lambda *_: overlap)
    levels = [torch.zeros(4, 64)] * 4
    image = np.zeros((28, 28, 3), np.uint8)
    for window, stride in [*((window, 1) for window in range(1, 33)), (1, 3), (4, 3), (9, 2)]:
        config = small(mode, window, stride=stride, anchor_max_age=window * stride)
        session = StreamSession(tiny_model, config)
        for number in range(4 * window * stride + 4):
            frame = VideoFrame(image, number * FRAME_NS)
            session.prepare(frame)
            stamps = session.finish(frame, levels).window.stamps_ns
            assert list(stamps) == sorted(set(stamps)), (window, number)
            assert stamps[-1] == frame.stamp_ns
            assert len(stamps) <= window


def anchors(session: StreamSession, count: int) -> list[int]:
    """Number of the frame in slot 0 after each of ``count`` frames."""
    frames = video_frames(np.concatenate([images(10, (28, 28))] * (count // 10)))
    return [session.step(frame).window.stamps_ns[0] // FRAME_NS for frame in frames]


def test_a_view_that_is_still_shared_keeps_its_anchor_until_it_is_too_old(tiny_model, monkeypatch):
    monkeypatch.setattr(streaming, 'view_overlap', lambda *_: 1.0)
    found = anchors(StreamSession(tiny_model, small(anchor_max_age=10)), 40)
    # older than ten frames at frame 11, so frame 12 has a new one: the oldest of the recent three
    assert found[:12] == [0] * 12
    assert found[12:21] == [9] * 9
    ages = [number - anchor for number, anchor in enumerate(found)]
    assert max(ages) == 11


def test_a_view_that_is_no_longer_shared_loses_its_anchor_at_once(tiny_model, monkeypatch):
    monkeypatch.setattr(streaming, 'view_overlap', lambda *_: 0.0)
    found = anchors(StreamSession(tiny_model, small()), 20)
    assert found == [max(0, number - 3) for number in range(20)]


def test_a_causal_stream_changes_its_anchor_with_the_segment(tiny_model, monkeypatch):
    monkeypatch.setattr(streaming, 'view_overlap', lambda *_: 1.0)
    config = small('causal', 8, anchor_max_age=20)
    found = anchors(StreamSession(tiny_model, config), 60)
    changes = [n for n in range(1, 60) if found[n] != found[n - 1]]
    assert len(changes) >= 2
    assert all((n - 8) % 4 == 0 for n in changes), 'at the edge of a segment'
    ages = [number - anchor for number, anchor in enumerate(found)]
    # asked for when seeding starts, eight frames at most before the segment that has it ends
    assert max(ages) <= 20 + 3 * 4 + 4


# Overlap of views, where geometry tells it.


def moved(xyz=(0.0, 0.0, 0.0), yaw_deg: float = 0.0) -> np.ndarray:
    """Pose of the camera in the anchor's frame."""
    turn = Rotation.from_euler('y', yaw_deg, degrees=True).as_matrix()
    return se3.from_parts(turn, np.array(xyz))


def test_the_same_place_shows_the_same():
    assert view_overlap(np.eye(4), FOV, FLAT) == 1.0
    bent = se3.inverse(moved((1, 2, 3), 40)) @ moved((1, 2, 3), 40)  # rounding
    assert view_overlap(bent, FOV, FLAT) == 1.0


@pytest.mark.parametrize('yaw', [90, 180, -90])
def test_turned_away_shows_nothing(yaw):
    assert view_overlap(moved(yaw_deg=yaw), FOV, FLAT) == 0.0


def test_a_turn_by_half_the_field_of_view_shows_about_half():
    assert view_overlap(moved(yaw_deg=math.degrees(FOV[1] / 2)), FOV, FLAT) == pytest.approx(
        0.5, abs=0.1
    )


@pytest.mark.parametrize('sign', [-1, 1])
def test_overlap_falls_with_the_turn(sign):
    overlaps = [view_overlap(moved(yaw_deg=sign * yaw), FOV, FLAT) for yaw in range(0, 90, 5)]
    assert all(b <= a for a, b in pairwise(overlaps))


def test_sideways_by_one_median_depth():
    """The wall moves by 1 of the 2 tan(0.6) that the anchor sees of it."""
    expected = 1 - 1 / (2 * math.tan(FOV[1] / 2))
    assert view_overlap(moved((1.0, 0, 0)), FOV, FLAT) == pytest.approx(expected, abs=0.1)


def test_far_forward_everything_seen_was_seen_from_behind():
    """A frustum holds what is ahead of it: only age ends an anchor on a straight road."""
    assert view_overlap(moved((0, 0, 50.0)), FOV, FLAT) == 1.0


def test_backward_shows_more_than_the_anchor_saw():
    overlaps = [view_overlap(moved((0, 0, -d)), FOV, FLAT) for d in (0.0, 0.2, 0.5, 0.9, 5.0)]
    assert overlaps[0] == 1.0
    assert all(b < a for a, b in pairwise(overlaps))
    assert overlaps[-1] == 0.0


def test_scale_and_shape_of_the_map_do_not_matter():
    pose = moved((0.3, 0.1, 0.2), 20)
    ramp = np.linspace(0.5, 2, 24)[:, None] * np.ones((24, 36))
    assert view_overlap(pose, FOV, ramp) == view_overlap(pose, FOV, 1000 * ramp)
    assert view_overlap(pose, FOV, np.zeros((2, 2))) >= 0  # all infinitely far
    assert 0 <= view_overlap(pose, (0.0, 0.0), ramp) <= 1  # a field of view may be predicted as 0


@pytest.mark.parametrize(
    ('age', 'overlap', 'stale'),
    [(0, 1.0, False), (128, 1.0, False), (129, 1.0, True), (5, 0.3, False), (5, 0.29, True)],
)
def test_stale(age, overlap, stale):
    assert anchor_is_stale(age, overlap, StreamingConfig()) is stale


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'window': 1, 'lookahead': 1}, r'lookahead must be 0\.\.window - 2 \(0\), got 1'),
        ({'window': 4, 'lookahead': 3}, 'the first slot holds the anchor'),
        ({'window': 4, 'lookahead': -1}, 'lookahead must be'),
        ({'lookahead': 1, 'stride': 2}, 'lookahead 1 needs mode sliding and stride 1'),
        ({'alignment_memory': 0}, 'alignment_memory must be >= 1, got 0'),
        ({'anchor_min_overlap': 1.5}, r'anchor_min_overlap must be 0\.\.1, got 1\.5'),
        ({'anchor_min_overlap': math.nan}, r'anchor_min_overlap must be 0\.\.1, got nan'),
        ({'max_gap_s': -1.0}, 'max_gap_s must be > 0'),
        ({'window': 32, 'stride': 8}, r'anchor_max_age \(128\) must be >= window \* stride'),
    ],
)
def test_settings_that_contradict_each_other(settings, message):
    with pytest.raises(ConfigError, match=message) as caught:
        StreamingConfig(**settings)
    assert '\n' not in str(caught.value)
