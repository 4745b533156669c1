"""Several cameras over one model: each as if it were alone."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from stream_helpers import FRAME_NS, deviation, images, lively_model, video_frames

from gemdepth_ros.errors import ConfigError, ImageError, InferenceError
from gemdepth_ros.inference import StreamGroup, StreamingConfig, StreamOutput, StreamSession
from gemdepth_ros.interfaces import ResetReason, VideoFrame

MODES = ['sliding', 'causal']


@pytest.fixture(scope='module')
def model(tiny_config):
    # In float64 the order of a batch's sums leaves nothing to excuse.
    return lively_model(tiny_config).double()


def config(mode: str) -> StreamingConfig:
    return StreamingConfig(mode=mode, window=4, input_size=28, anchor_max_age=6)


def same(actual: StreamOutput, expected: StreamOutput) -> None:
    assert actual.stamp_ns == expected.stamp_ns
    assert actual.reset is expected.reset
    assert actual.segment == expected.segment
    assert actual.window.stamps_ns == expected.window.stamps_ns
    assert deviation(actual.disparity_HW, expected.disparity_HW) < 1e-9
    np.testing.assert_allclose(
        actual.session_from_camera, expected.session_from_camera, rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize('mode', MODES)
def test_equal_to_separate_runs(model, mode):
    """Different sizes, frames missing here and there, one camera reset."""
    count = 12
    cameras = [
        video_frames(images(count, (28, 28), seed=1), frame_id='a'),
        video_frames(images(count, (42, 28), seed=2), frame_id='b'),
        video_frames(images(count, (28, 28), seed=3), start_ns=17, frame_id='c'),
    ]
    missing = {(3, 0), (4, 0), (7, 1), (0, 2), (9, 0), (9, 1), (9, 2)}
    group = StreamGroup(model, 3, config(mode))
    alone = [StreamSession(model, config(mode)) for _ in cameras]
    for number in range(count):
        if number == 6:
            group.sessions[2].reset()
            alone[2].reset()
        frames = [
            None if (number, index) in missing else stream[number]
            for index, stream in enumerate(cameras)
        ]
        outputs = group.step(frames)
        for index, frame in enumerate(frames):
            if frame is None:
                assert outputs[index] is None
            else:
                same(outputs[index], alone[index].step(frame))


@pytest.mark.parametrize('mode', MODES)
def test_a_camera_that_fails_costs_the_others_nothing(model, mode):
    spoiled = copy.deepcopy(model)
    encode = spoiled.encode

    def sometimes_nan(images_FCHW, positions_1LC=None):
        levels = encode(images_FCHW, positions_1LC)
        for place, image in enumerate(images_FCHW):
            if image.isnan().any():
                levels[3][place] = torch.nan
        return levels

    spoiled.encode = sometimes_nan
    group = StreamGroup(spoiled, 3, config(mode))
    alone = StreamSession(model, config(mode))
    streams = [video_frames(images(8, (28, 28), seed=seed)) for seed in range(3)]
    prepare = group.sessions[0].prepare
    for number in range(8):
        frames = [stream[number] for stream in streams]
        if number == 5:
            group.sessions[0].prepare = lambda frame: prepare(frame) * torch.nan
            with pytest.raises(InferenceError, match='camera 0: the network gave NaN'):
                group.step(frames)
            group.sessions[0].prepare = prepare
            alone.step(frames[2])  # the failed step was not lost for the third camera
            continue
        outputs = group.step(frames)
        same(outputs[2], alone.step(frames[2]))
    assert group.sessions[0].reset_counts[ResetReason.NON_FINITE_OUTPUT] == 1
    assert sum(group.sessions[1].reset_counts.values()) == 0


def test_an_image_that_cannot_be_prepared_costs_the_others_nothing(model):
    group = StreamGroup(model, 2, config('causal'))
    alone = StreamSession(model, config('causal'))
    stream = video_frames(images(3, (28, 28), seed=1))
    strip = VideoFrame(images(1, (1, 30_000))[0], FRAME_NS)
    with pytest.raises(ImageError, match='too large: lower input_size'):
        group.step([strip, stream[0]])
    alone.step(stream[0])
    same(group.step([None, stream[1]])[1], alone.step(stream[1]))
    assert group.step([stream[2], None])[0] is not None


def test_equal_sizes_are_encoded_together(model):
    counted = copy.deepcopy(model)
    batches = []
    encode = counted.encode

    def counting(images_FCHW, positions_1LC=None):
        batches.append(tuple(images_FCHW.shape))
        return encode(images_FCHW, positions_1LC)

    counted.encode = counting
    group = StreamGroup(counted, 3, config('sliding'))
    shapes = [(28, 28), (28, 42), (28, 28)]
    group.step([VideoFrame(images(1, shape)[0], FRAME_NS) for shape in shapes])
    assert sorted(batches) == [(1, 3, 28, 42), (2, 3, 28, 28)]


def test_a_group_with_nothing_new_answers_nothing(model):
    group = StreamGroup(model, 2, config('causal'))
    assert group.step([None, None]) == [None, None]


def test_wrong_numbers(model):
    with pytest.raises(ConfigError, match='at least one camera, got 0'):
        StreamGroup(model, 0)
    with pytest.raises(ConfigError, match='2 cameras but 1 frames'):
        StreamGroup(model, 2).step([None])
