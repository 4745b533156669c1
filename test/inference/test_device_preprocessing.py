"""Resizing on the device is resizing by OpenCV, to rounding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gemdepth_ros.inference.device_preprocessing import CubicTaps, DevicePreprocessor
from gemdepth_ros.inference.frame_input import FrameInput
from gemdepth_ros.inference.preprocessing import preprocess

CPU = torch.device('cpu')
# Largest difference of normalised values (about -2..2.6), and relative L2; measured 6.3e-6 and
# 4.8e-7. What a plain resize with antialiasing gives is a thousand times as far.
TOLERANCE = 1.5e-5
RELATIVE = 1e-6
SIZES = [
    ((375, 1242), (280, 924)),
    ((375, 1242), (140, 462)),
    ((90, 160), (70, 126)),
    ((48, 64), (70, 98)),
    ((56, 70), (56, 70)),
    ((720, 405), (924, 518)),
    ((1, 1), (14, 14)),
    ((3, 2), (28, 14)),
]


def picture(height: int, width: int) -> np.ndarray:
    """Noise, which has every frequency, with flat and saturated places."""
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    image[: height // 3, : width // 2] = 255
    return image


@pytest.mark.parametrize(('frame_size', 'size'), SIZES)
def test_it_is_what_opencv_gives(frame_size: tuple[int, int], size: tuple[int, int]) -> None:
    image = picture(*frame_size)
    expected = preprocess(image, size)
    found = DevicePreprocessor(frame_size, size, CPU)(image)
    assert (found.dtype, tuple(found.shape)) == (torch.float32, (3, *size))
    difference = float(np.abs(found.numpy() - expected).max())
    assert difference < TOLERANCE
    distance = np.linalg.norm(found.numpy() - expected) / np.linalg.norm(expected)
    assert float(distance) < RELATIVE


def test_another_kernel_or_border_would_be_noticed() -> None:
    image = picture(48, 64)
    expected = preprocess(image, (70, 98))
    chw = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    smooth = torch.nn.functional.interpolate(chw, (70, 98), mode='bicubic', antialias=True)
    there = DevicePreprocessor((48, 64), (70, 98), CPU)
    other = smooth[0] * there._gain_311 + there._offset_311
    assert float(np.abs(other.numpy() - expected).max()) > 1000 * TOLERANCE


def test_weights_sum_to_one_and_borders_repeat() -> None:
    taps = CubicTaps.of(5, 9, CPU)
    torch.testing.assert_close(taps.weights_KN.sum(0), torch.ones(9))
    assert taps.places_KN.min() == 0
    assert taps.places_KN.max() == 4


def test_one_buffer_serves_all_frames() -> None:
    there = DevicePreprocessor((20, 30), (28, 42), CPU)
    first = there(np.zeros((20, 30, 3), np.uint8)).clone()
    place = there._buffer_HWC.data_ptr()
    there(picture(20, 30))
    assert there._buffer_HWC.data_ptr() == place
    assert torch.equal(there(np.zeros((20, 30, 3), np.uint8)), first)


def test_the_upload_is_waited_for_on_its_own_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``cuda:1`` the current device is another one, whose stream says nothing of the copy."""
    done: list[tuple[str, object]] = []

    class Event:
        def synchronize(self) -> None:
            done.append(('wait', None))

        def record(self, stream: object = None) -> None:
            done.append(('record', stream))

    there = DevicePreprocessor((20, 30), (28, 42), CPU)
    there._uploaded = Event()  # type: ignore[assignment]
    monkeypatch.setattr(torch.cuda, 'current_stream', lambda device: f'stream of {device}')
    there(picture(20, 30))
    assert done == [('wait', None), ('record', 'stream of cpu')]


def test_a_view_of_an_image_works() -> None:
    image = picture(60, 80)[2:50, ::-1]
    found = DevicePreprocessor((48, 80), (56, 70), CPU)(image)
    np.testing.assert_allclose(found.numpy(), preprocess(image, (56, 70)), atol=TOLERANCE)


def test_a_processor_uses_opencv_unless_told() -> None:
    image = picture(48, 64)
    exact = preprocess(image, (70, 98))
    assert np.array_equal(FrameInput(CPU)(image, (70, 98)).numpy(), exact)
    there = FrameInput(CPU, 'device')
    found = there(image, (70, 98)).numpy()
    assert not np.array_equal(found, exact)
    np.testing.assert_allclose(found, exact, atol=TOLERANCE)


def test_sizes_may_change() -> None:
    there = FrameInput(CPU, 'device')
    for height, width in ((48, 64), (60, 80)):
        image = picture(height, width)
        for size in ((70, 98), (56, 70)):
            found = there(image, size).numpy()
            np.testing.assert_allclose(found, preprocess(image, size), atol=TOLERANCE)
