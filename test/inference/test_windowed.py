"""Offline windows: which frames they hold, how they join, what stays in memory."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from fake_network import SIDE, FakeNetwork, flat_answer, numbered_frames
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gemdepth_ros.errors import ConfigError, ImageError, InferenceError
from gemdepth_ros.inference import WindowConfig, WindowedPredictor
from gemdepth_ros.interfaces import UInt8Array
from gemdepth_ros.model import GemDepth

PRESETS = pytest.mark.parametrize('length', [32, 16, 8])


def predictor(network: FakeNetwork, length: int = 32) -> WindowedPredictor:
    """Over a network that has the two methods and the device that windows need."""
    stand_in: Any = network
    return WindowedPredictor(stand_in, WindowConfig.preset(length))


def windows_of(count: int, length: int) -> list[list[int]]:
    network = FakeNetwork()
    predictor(network, length).predict(numbered_frames(count), SIDE)
    return network.windows


def test_the_published_example() -> None:
    """NETWORK.md section 3: window 2 = frames [0, 34, 46..53, 54, ...]."""
    third = windows_of(76, 32)[2]
    assert third == [0, 34, *range(46, 76)]


@PRESETS
def test_slots_of_every_window(length: int) -> None:
    """Slot 0 is frame 0, slot 1 the previous window's middle, then an unbroken run of frames."""
    config = WindowConfig.preset(length)
    windows = windows_of(4 * config.step + length, length)
    assert windows[0] == list(range(length))
    assert len(windows) == 5 + (length - 1) // config.step
    for number, window in enumerate(windows[1:4], start=1):
        first = number * config.step
        assert window[0] == 0
        assert window[1] == first - config.step + config.key_slots[1]
        assert window[2:] == list(range(first + 2, first + length))


@pytest.mark.parametrize(
    ('length', 'step', 'key_slots', 'blend'),
    [
        (32, 22, (0, 12, 24, 25, 26, 27, 28, 29, 30, 31), 8),
        (16, 10, (0, 6, 12, 13, 14, 15), 4),
        (8, 4, (0, 3, 6, 7), 2),
    ],
)
def test_presets(length: int, step: int, key_slots: tuple[int, ...], blend: int) -> None:
    config = WindowConfig.preset(length)
    assert (config.length, config.step, config.key_slots, config.blend) == (
        length,
        step,
        key_slots,
        blend,
    )


def test_the_default_is_the_published_window() -> None:
    assert WindowConfig() == WindowConfig.preset(32)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((33, (0, 12, 32), 1), r'1\.\.32, got 33'),
        ((0, (), 1), r'1\.\.32, got 0'),
        ((8, (0, 3, 6, 7), 3), '2 \\+ blend key slots'),
        ((4, (0, 1, 2, 3), 2), 'fewer than its length'),
        ((8, (0, 3, 5, 7), 2), 'key slots must be 0, a middle slot and the last 2'),
        ((8, (1, 3, 6, 7), 2), 'key slots must be 0'),
        ((8, (0, 9, 6, 7), 2), 'key slots must be 0, a middle slot'),
        ((8, (0, 1, 6, 7), 2), 'key slots must be 0, a middle slot'),
        ((8, (0, -1, 6, 7), 2), 'key slots must be 0, a middle slot'),
    ],
)
def test_impossible_windows_are_refused(
    arguments: tuple[int, tuple[int, ...], int], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        WindowConfig(*arguments)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ConfigError, match='no window preset of 24 frames; known: 32, 16, 8'):
        WindowConfig.preset(24)


@PRESETS
@settings(max_examples=25)
@given(count=st.integers(1, 120))
def test_every_frame_comes_once_and_in_order(length: int, count: int) -> None:
    network = FakeNetwork()
    results = list(predictor(network, length).stream(numbered_frames(count), SIDE))
    assert [frame.index for frame in results] == list(range(count))
    assert network.encoded == count  # once each; the padding is not encoded
    for frame in results:
        window, shown, slot = frame.camera_from_world[:3, 3].astype(int)
        assert window == frame.window
        assert shown == frame.index
        assert slot >= 2 or frame.window == 0  # anchors of later windows are never answers
        np.testing.assert_array_equal(frame.disparity, 1)


@PRESETS
def test_windows_of_any_scale_and_shift_join_exactly(length: int) -> None:
    """Depth is affine-invariant: each window answers in its own scale and shift."""
    rng = np.random.default_rng(0)
    video = rng.uniform(0.5, 4.0, (100, SIDE, SIDE)).astype(np.float32)
    scales, shifts = rng.uniform(0.5, 2.0, 60), rng.uniform(0.0, 1.0, 60)

    def answer(window: int, frames: list[int]) -> tuple[Tensor, Tensor]:
        disparity = scales[window] * video[frames] + shifts[window]
        return torch.from_numpy(disparity).float(), flat_answer(window, frames)[1]

    result = predictor(FakeNetwork(answer), length).predict(numbered_frames(100), SIDE)
    expected = scales[0] * video + shifts[0]
    np.testing.assert_allclose(result.disparity_THW, expected, rtol=2e-3)


def test_constant_windows_are_not_fitted() -> None:
    """A singular fit keeps the window's own values."""

    def answer(window: int, frames: list[int]) -> tuple[Tensor, Tensor]:
        flat, positions = flat_answer(window, frames)
        return flat * 0, positions

    result = predictor(FakeNetwork(answer)).predict(numbered_frames(40), SIDE)
    np.testing.assert_array_equal(result.disparity_THW, 0)


def test_disparity_is_never_negative() -> None:
    """A fit with a negative scale, which the published procedure allows, is cut at zero."""
    noise = torch.rand(200, SIDE, SIDE, generator=torch.Generator().manual_seed(0))

    def answer(window: int, frames: list[int]) -> tuple[Tensor, Tensor]:
        values = noise[frames] if window == 0 else 3 - 4 * noise[frames]
        return values, flat_answer(window, frames)[1]

    result = predictor(FakeNetwork(answer)).predict(numbered_frames(60), SIDE)
    assert (result.disparity_THW >= 0).all()


@PRESETS
def test_memory_does_not_grow_with_the_video(length: int) -> None:
    """Encoder levels that live at a window: one window, and the chunks its key frames share."""
    network = FakeNetwork()
    last = 0
    for frame in predictor(network, length).stream(iter(numbered_frames(300)), SIDE):
        last = frame.index
    assert last == 299
    assert max(network.live_frames) <= length + 4 * 3
    assert max(network.live_frames[3:]) <= max(network.live_frames[:3]) + 4


def test_results_come_before_the_video_is_read() -> None:
    read = 0

    def source() -> Iterator[UInt8Array]:
        nonlocal read
        for frame in numbered_frames(200):
            read += 1
            yield frame

    stream = predictor(FakeNetwork(), 8).stream(source(), SIDE)
    assert next(stream).index == 0
    assert read == 8
    for _ in range(20):
        next(stream)
    assert read < 40


def test_maps_have_the_size_of_the_frame() -> None:
    """The network works at its own size; disparity and intrinsics are given for the frame."""
    result = predictor(FakeNetwork()).predict(numbered_frames(3, 20, 20), SIDE)
    assert result.disparity_THW.shape == (3, 20, 20)
    expected = np.array([[100, 0, 7], [0, 50, 7], [0, 0, 1]], np.float64)
    expected[:2] *= 20 / 14
    np.testing.assert_allclose(result.intrinsics, [expected] * 3)
    assert result.camera_from_world.shape == (3, 4, 4)


def test_a_change_of_size_is_an_error_that_names_the_frame() -> None:
    frames = [*numbered_frames(5), *numbered_frames(1, 20, 28)]
    with pytest.raises(ConfigError, match='frame 5 is 28x20, the first one was 14x14'):
        list(predictor(FakeNetwork()).stream(frames, SIDE))


def test_a_video_without_frames_is_an_error() -> None:
    with pytest.raises(ConfigError, match='the video has no frames'):
        predictor(FakeNetwork()).predict(numbered_frames(0), SIDE)
    assert not list(predictor(FakeNetwork()).stream([], SIDE))


def test_an_image_without_pixels_is_an_error() -> None:
    with pytest.raises(ImageError, match='must not be empty'):
        predictor(FakeNetwork()).predict(np.zeros((2, 0, 4, 3), np.uint8), SIDE)


def test_output_that_is_not_finite_is_withheld(tiny_model: GemDepth) -> None:
    broken = copy.deepcopy(tiny_model)
    broken.head.output_conv3.bias.data[0] = torch.nan
    with pytest.raises(InferenceError, match=r'NaN or infinity for frames 0\.\.7'):
        WindowedPredictor(broken, WindowConfig.preset(8)).predict(numbered_frames(3, 56, 70), 56)


def test_a_real_network_over_two_windows(tiny_model: GemDepth) -> None:
    """Window 0 is the network's own answer; predicting twice is bit-equal."""
    video = np.random.default_rng(0).integers(0, 256, (11, 56, 70, 3), np.uint8)
    windowed = WindowedPredictor(tiny_model, WindowConfig.preset(8))
    first, second = windowed.predict(video, 56), windowed.predict(video, 56)
    np.testing.assert_array_equal(first.disparity_THW, second.disparity_THW)
    from gemdepth_ros.inference.preprocessing import preprocess

    images = np.stack([preprocess(frame, (56, 70)) for frame in video[:8]])
    with torch.inference_mode():
        whole = tiny_model(torch.from_numpy(images)[None])
    # The last two slots of a window are blended with the next one.
    np.testing.assert_allclose(
        first.disparity_THW[:6], whole.disparity_BTHW[0, :6].numpy(), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(
        first.camera_from_world[:6], whole.camera_from_world[0, :6].numpy(), atol=1e-5
    )
