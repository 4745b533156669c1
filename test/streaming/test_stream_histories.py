"""No history corrupts a session: after a reset it is as good as new, bit for bit."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stream_helpers import FRAME_NS, images, lively_model

from gemdepth_ros.errors import InferenceError
from gemdepth_ros.inference import StreamingConfig, StreamOutput, StreamSession
from gemdepth_ros.interfaces import ResetReason, VideoFrame

SIZES = [(28, 28), (28, 42), (42, 28)]
PICTURES = {size: images(12, size) for size in SIZES}
SPOILS = ['levels', 'one level', 'infinity', 'head', 'poses', 'crash']


class Spoiled:
    """A network whose next results can be ruined in various places."""

    def __init__(self, model) -> None:
        self.model = copy.deepcopy(model)
        self.how: str | None = None
        encode, fine = self.model.encode, self.model.head.fine
        update = self.model.camera_head.update

        def spoiled_encode(images_FCHW, positions_1LC=None):
            levels = encode(images_FCHW, positions_1LC)
            if self.how == 'levels':
                levels = [level * torch.nan for level in levels]
            if self.how == 'one level':
                levels[2] = levels[2] * torch.nan
            if self.how == 'infinity':
                levels[0] = levels[0] + torch.inf
            return levels

        def spoiled_fine(*args):
            if self.how == 'crash':
                raise RuntimeError('out of memory')
            disparity = fine(*args)
            return disparity * torch.nan if self.how == 'head' else disparity

        def spoiled_update(*args):
            pose = update(*args)
            return pose * torch.nan if self.how == 'poses' else pose

        self.model.encode = spoiled_encode
        self.model.head.fine = spoiled_fine
        self.model.camera_head.update = spoiled_update


@pytest.fixture(scope='module')
def spoiled(tiny_config) -> Spoiled:
    return Spoiled(lively_model(tiny_config))


@dataclass(frozen=True)
class Event:
    what: str
    value: int = 0


EVENTS = st.one_of(
    st.builds(Event, st.just('frames'), st.integers(1, 6)),
    st.builds(Event, st.just('frames'), st.integers(1, 6)),
    st.builds(Event, st.just('lost'), st.integers(1, 8)),
    st.builds(Event, st.just('gap')),
    st.builds(Event, st.just('reset')),
    st.builds(Event, st.just('size'), st.integers(0, 2)),
    st.builds(Event, st.just('backward'), st.integers(0, 20)),
    st.builds(Event, st.just('camera'), st.integers(0, 1)),
    st.builds(Event, st.just('spoil'), st.integers(0, len(SPOILS) - 1)),
)


class Player:
    """Turns events into frames."""

    def __init__(self, session: StreamSession, spoiled: Spoiled) -> None:
        self.session, self.spoiled = session, spoiled
        self.stamp, self.number = 1_000_000_000, 0
        self.size, self.frame_id = SIZES[0], 'camera 0'
        self.withheld = 0

    def frame(self) -> VideoFrame:
        self.stamp += FRAME_NS
        self.number += 1
        picture = PICTURES[self.size][self.number % 12]
        return VideoFrame(picture, self.stamp, self.frame_id)

    def play(self, event: Event) -> None:
        if event.what == 'lost':
            self.stamp += event.value * FRAME_NS
        elif event.what == 'gap':
            self.stamp += 2_000_000_000
        elif event.what == 'reset':
            self.session.reset()
        elif event.what == 'size':
            self.size = SIZES[event.value]
        elif event.what == 'backward':
            self.stamp -= event.value * FRAME_NS
        elif event.what == 'camera':
            self.frame_id = f'camera {event.value}'
        elif event.what == 'spoil':
            self.spoil(SPOILS[event.value])
        else:
            for _ in range(event.value):
                self.check(self.session.step(self.frame()))

    def spoil(self, how: str) -> None:
        """Give a frame whose result is ruined: it is withheld, whatever the ruin."""
        self.spoiled.how = how
        answered, failure = None, None
        try:
            answered = self.session.step(self.frame())
        except (InferenceError, RuntimeError) as error:
            failure = error
        finally:
            self.spoiled.how = None
        assert answered is None
        if failure is None:  # the first frames of a lookahead are not looked at yet
            assert self.session.config.lookahead
            self.session.reset()
        elif how == 'crash':
            assert str(failure) == 'out of memory'
        else:
            assert isinstance(failure, InferenceError)
            assert '\n' not in str(failure)
            self.withheld += 1

    def check(self, output: StreamOutput | None) -> None:
        if output is None:
            assert self.session.config.lookahead
            return
        assert torch.isfinite(output.disparity_HW).all()
        assert (output.disparity_HW >= 0).all()
        pose = output.session_from_camera
        assert np.isfinite(pose).all()
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-9)
        assert list(output.window.stamps_ns) == sorted(set(output.window.stamps_ns))


def identical(first: StreamOutput | None, second: StreamOutput | None) -> None:
    if first is None or second is None:
        assert first is second
        return
    assert torch.equal(first.disparity_HW, second.disparity_HW)
    assert np.array_equal(first.session_from_camera, second.session_from_camera)
    assert np.array_equal(first.window.reference_from_camera, second.window.reference_from_camera)
    assert first.window.stamps_ns == second.window.stamps_ns
    for name in ('scale', 'shift', 'segment', 'lost', 'fov_rad', 'interval_ns', 'position_std'):
        assert getattr(first, name) == getattr(second, name), name


MODES = st.sampled_from(['sliding', 'causal'])


HISTORIES = {
    'mode': MODES,
    'window': st.integers(1, 10),
    'stride': st.integers(1, 3),
    'lookahead': st.sampled_from([0, 0, 0, 1, 2]),
    'overlap': st.sampled_from([0.0, 0.3, 1.0]),
    'history': st.lists(EVENTS, max_size=10),
    'after': st.integers(1, 14),
}
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def reset_equals_new(spoiled, mode, window, stride, lookahead, overlap, history, after):
    config = StreamingConfig(
        mode=mode,
        window=window,
        stride=stride,
        lookahead=min(lookahead, max(window - 2, 0)) if (mode, stride) == ('sliding', 1) else 0,
        input_size=28,
        anchor_max_age=window * stride,
        anchor_min_overlap=overlap,
    )
    session = StreamSession(spoiled.model, config)
    player = Player(session, spoiled)
    for event in history:
        player.play(event)
    assert session.reset_counts[ResetReason.NON_FINITE_OUTPUT] == player.withheld

    session.reset()
    fresh = StreamSession(spoiled.model, config)
    for number in range(after):
        frame = player.frame()
        again = session.step(frame)
        if again is not None and again.reset is not None:
            assert number == config.lookahead
            assert again.reset is ResetReason.REQUEST
        identical(again, fresh.step(frame))


@given(**HISTORIES)
@settings(max_examples=25, deadline=None, suppress_health_check=CHECKS)
def test_after_any_history_a_reset_session_is_a_fresh_one(spoiled, **history):
    reset_equals_new(spoiled, **history)


@pytest.mark.slow
@given(**HISTORIES)
@settings(max_examples=150, deadline=None, suppress_health_check=CHECKS)
def test_after_hundreds_of_histories(spoiled, **history):
    reset_equals_new(spoiled, **history)


@pytest.mark.parametrize('mode', ['sliding', 'causal'])
@pytest.mark.parametrize('how', SPOILS)
def test_a_spoiled_frame_leaves_nothing_behind(spoiled, mode, how):
    """Without any reset from outside: the next frames are those of a new session."""
    config = StreamingConfig(mode=mode, window=5, input_size=28)
    session = StreamSession(spoiled.model, config)
    player = Player(session, spoiled)
    player.play(Event('frames', 7))
    player.spoil(how)
    fresh = StreamSession(spoiled.model, config)
    for _ in range(9):
        frame = player.frame()
        identical(session.step(frame), fresh.step(frame))


@pytest.mark.parametrize('mode', ['sliding', 'causal'])
def test_sessions_over_one_model_do_not_see_each_other(spoiled, mode):
    config = StreamingConfig(mode=mode, window=4, input_size=28)
    first, second, alone = (StreamSession(spoiled.model, config) for _ in range(3))
    ours, theirs = Player(first, spoiled), Player(second, spoiled)
    theirs.size = SIZES[1]
    for _ in range(10):
        frame = ours.frame()
        output = first.step(frame)
        second.step(theirs.frame())
        identical(output, alone.step(frame))
