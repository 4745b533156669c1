"""Streams of Video Depth Anything: ours against the published form and against dense windows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from vda_tiny import FRAME_NS, INPUT_SIZE, furthest, run, settings, tiny_vda, video

from gemdepth_ros.errors import ConfigError, InferenceError
from gemdepth_ros.inference import StreamingConfig, StreamSession
from gemdepth_ros.inference.encoded import EncodedFrame, PatchGrid
from gemdepth_ros.inference.memory import stream_bytes
from gemdepth_ros.inference.preprocessing import preprocess
from gemdepth_ros.inference.vda import VdaStreamEngine
from gemdepth_ros.inference.vda.window import Past, VdaWindow
from gemdepth_ros.interfaces import ResetReason
from gemdepth_ros.model import GemDepth, VideoDepthAnything

WINDOWS = (1, 2, 7, 8, 32)
EQUAL = 2e-5  # float32 sums in another order, on disparities around 1


@pytest.fixture(scope='module')
def model() -> VideoDepthAnything:
    return tiny_vda()


def published_seen(number: int) -> list[int]:
    """Frames of the published window: the first, the 41st before, the last 29."""
    return [max(i, 0) for i in (0, number - 41, *range(number - 29, number))]


def test_the_window_of_32_is_the_published_one() -> None:
    past: Past[int] = Past(VdaWindow.of(32))
    past.start(0)
    for number in range(1, 100):
        assert past.seen() == published_seen(number)
        past.add(number)


@pytest.mark.parametrize('length', range(1, 33))
def test_every_window_is_full_and_ordered(length: int) -> None:
    window = VdaWindow.of(length)
    past: Past[int] = Past(window)
    past.start(0)
    for number in range(1, 150):
        seen = past.seen()
        assert len(seen) == length - 1
        assert seen == sorted(seen)
        assert len(past.entries) <= window.kept
        past.add(number)
    assert len(set(past.seen())) == length - 1


@pytest.mark.parametrize('window', WINDOWS)
def test_ours_is_the_published_form(model: VideoDepthAnything, window: int) -> None:
    frames = 46 if window == 32 else 24
    published = run(model, settings('published_stream', window, anchor_max_age=1000), frames)
    ours = run(model, settings('causal', window, anchor_max_age=1000), frames)
    assert furthest(published, ours) < EQUAL
    assert furthest(published[1:], published[:-1]) > 100 * EQUAL  # frames do differ


def test_ours_is_the_published_form_with_a_stride(model: VideoDepthAnything) -> None:
    published = run(model, settings('published_stream', 8, stride=3), 40)
    assert furthest(published, run(model, settings('causal', 8, stride=3), 40)) < EQUAL


def test_a_stride_of_three_sees_what_a_third_of_the_video_shows(model: VideoDepthAnything) -> None:
    every_third = StreamSession(model, settings('causal', 8))
    kept = [every_third.step(frame) for frame in video(31)[::3]]
    all_frames = run(model, settings('causal', 8, stride=3), 31)[::3]
    assert furthest([output.disparity_HW for output in kept if output], all_frames) < EQUAL


def test_ours_takes_less_arithmetic(model: VideoDepthAnything) -> None:
    flops = {}
    for mode in ('published_stream', 'causal'):
        session = StreamSession(model, settings(mode))
        frames = video(3)
        session.step(frames[0])
        session.step(frames[1])
        with FlopCounterMode(display=False) as counter:
            session.step(frames[2])
        flops[mode] = counter.get_total_flops()
    assert flops['causal'] < 0.8 * flops['published_stream']


@pytest.mark.parametrize('lookahead', [0, 2])
def test_sliding_is_the_dense_forward_of_its_window(
    model: VideoDepthAnything, lookahead: int
) -> None:
    session = StreamSession(model, settings('sliding', 6, lookahead=lookahead))
    frames = video(14)
    images = torch.from_numpy(
        np.stack([preprocess(f.image_rgb, (INPUT_SIZE, INPUT_SIZE)) for f in frames])
    )
    for number, frame in enumerate(frames):
        output = session.step(frame)
        if output is None:
            assert number < lookahead
            continue
        order = [0, *range(max(1, number - 4), number + 1)] if number else [0]
        with torch.inference_mode():
            dense = model(images[order][None]).maps_BTHW[0, len(order) - 1 - lookahead]
        assert float((output.disparity_HW - dense).abs().max()) < EQUAL
        assert output.age_frames == lookahead


@pytest.mark.parametrize('mode', ['causal', 'sliding', 'published_stream'])
@pytest.mark.parametrize('window', [1, 4, 8])
def test_memory_is_the_formula(model: VideoDepthAnything, mode: str, window: int) -> None:
    config = settings(mode, window)
    session = StreamSession(model, config)
    expected = stream_bytes(model.config, config, INPUT_SIZE, INPUT_SIZE)
    for number, frame in enumerate(video(window + 14)):
        session.step(frame)
        if mode != 'published_stream' or number > window + 12:
            assert session.nbytes == expected
        assert session.nbytes <= expected


def test_an_old_anchor_makes_room_without_a_jump(model: VideoDepthAnything) -> None:
    aged = StreamSession(model, settings('causal', 8, anchor_max_age=10))
    outputs = [output for output in map(aged.step, video(30)) if output]
    assert [output.segment for output in outputs][-1] >= 2
    pinned = run(model, settings('causal', 8, anchor_max_age=1000), 30)
    for output, before in zip(outputs, pinned, strict=True):
        raw = (output.disparity_HW - output.shift) / output.scale
        assert torch.isfinite(raw).all()
        spread = float(before.std())
        assert abs(float(output.disparity_HW.mean() - before.mean())) < spread
    assert outputs[-1].scale != 1.0


def test_metric_maps_are_never_scaled() -> None:
    model = tiny_vda(metric=True)
    session = StreamSession(model, settings('causal', 8, anchor_max_age=10))
    outputs = [output for output in map(session.step, video(30)) if output]
    assert outputs[-1].segment >= 2
    assert {(output.scale, output.shift) for output in outputs} == {(1.0, 0.0)}


def test_metric_streams_give_inverse_depth() -> None:
    metric = run(tiny_vda(metric=True), settings('causal', 8), 5)
    depth = run(tiny_vda(), settings('causal', 8), 5)  # the same seeded weights
    assert furthest(metric, [1 / values.clamp_min(0.05) for values in depth]) == 0


def test_there_are_no_poses_and_no_identity_for_them(model: VideoDepthAnything) -> None:
    session = StreamSession(model, settings('causal', 8))
    output = [session.step(frame) for frame in video(3)][-1]
    assert output is not None
    assert (output.session_from_camera, output.window, output.fov_rad) == (None, None, None)
    assert math.isnan(output.position_std)
    assert output.window_frames == 3


@pytest.mark.parametrize('mode', ['causal', 'sliding', 'published_stream'])
def test_a_reset_starts_a_new_session(model: VideoDepthAnything, mode: str) -> None:
    frames = video(12)
    session = StreamSession(model, settings(mode, 8))
    for frame in frames[:7]:
        session.step(frame)
    session.reset(ResetReason.REQUEST)
    again = [session.step(frame) for frame in frames[7:]]
    fresh = StreamSession(model, settings(mode, 8))
    expected = [fresh.step(frame) for frame in frames[7:]]
    assert again[0] is not None
    assert again[0].reset is ResetReason.REQUEST
    maps = [[output.disparity_HW for output in side if output] for side in (again, expected)]
    assert furthest(*maps) == 0


def test_two_streams_do_not_see_each_other(model: VideoDepthAnything) -> None:
    frames = video(10)
    alone = run(model, settings('causal', 8), 10)
    first, second = (StreamSession(model, settings('causal', 8)) for _ in range(2))
    found = []
    for frame, other in zip(frames, reversed(frames), strict=True):
        output = first.step(frame)
        second.step(type(other)(other.image_rgb, frame.stamp_ns))
        found.append(output.disparity_HW if output else None)
    assert furthest(found, alone) == 0  # type: ignore[arg-type]


def test_nan_resets_and_is_refused(model: VideoDepthAnything) -> None:
    broken = tiny_vda()
    broken.head.output_conv3.bias.data.fill_(math.nan)
    session = StreamSession(broken, settings('causal', 8))
    with pytest.raises(InferenceError, match='NaN or infinity'):
        session.step(video(1)[0])
    assert session.reset_counts[ResetReason.NON_FINITE_OUTPUT] == 1


def test_the_published_form_is_refused_for_gemdepth(tiny_model: GemDepth) -> None:
    with pytest.raises(ConfigError, match='published_stream is that of Video Depth Anything'):
        StreamSession(tiny_model, StreamingConfig('published_stream'))
    session = StreamSession(tiny_model, StreamingConfig('causal'))
    with pytest.raises(ConfigError, match='published_stream'):
        session.reconfigure(StreamingConfig('published_stream'), ResetReason.REQUEST)
    assert session.config.mode == 'causal'


def test_the_engines_buffers_never_grow(model: VideoDepthAnything) -> None:
    grid = PatchGrid.of_encoder(model, (INPUT_SIZE, INPUT_SIZE))
    engine = VdaStreamEngine(model, grid, 32, 512)
    levels = [torch.randn(1, grid.patches, 64) for _ in range(4)]
    with torch.inference_mode():
        held = set()
        for number in range(60):
            engine.step(EncodedFrame(number, tuple(levels)))  # type: ignore[arg-type]
            held.add(engine.nbytes)
            assert len(engine.window_numbers) == 31
    assert len(held) == 1
    assert engine.window_numbers == tuple(published_seen(59))[:31]


def test_a_gap_starts_anew(model: VideoDepthAnything) -> None:
    first, second = video(2)
    session = StreamSession(model, settings('causal', 8))
    session.step(first)
    late = type(second)(second.image_rgb, first.stamp_ns + 100 * FRAME_NS)
    output = session.step(late)
    assert output is not None
    assert output.reset is ResetReason.GAP
