"""``sliding`` is the dense forward of its window, whatever leaves it or comes first in it."""

from __future__ import annotations

import pytest
import torch
from stream_helpers import DISPARITY_TOLERANCE, Drive, deviation, lively_model
from torch import Tensor

from gemdepth_ros.inference.encoded import EngineOutput
from gemdepth_ros.inference.sliding import SlidingEngine

TINY_SIZE = (28, 42)
SMALL_SIZE = (42, 56)


@pytest.fixture(scope='module')
def tiny_drive(tiny_config):
    return Drive(lively_model(tiny_config), 48, TINY_SIZE)


@pytest.fixture(scope='module')
def double_drive(tiny_config):
    return Drive(lively_model(tiny_config).double(), 44, TINY_SIZE)


@pytest.fixture(scope='module')
def small_drive(golden_small):
    return Drive(golden_small, 40, SMALL_SIZE)


def check(drive: Drive, output: EngineOutput) -> None:
    expected = drive.dense(output.numbers)
    drive.check_disparity(
        output.disparity_HW, expected.disparity_BTHW[0, output.index], output.numbers
    )
    drive.check_poses(output.encodings_T9, expected.pose_encoding[0], output.numbers)


@torch.inference_mode()
def run(drive: Drive, window: int, frames: int, refresh: set[int], checked: set[int]) -> list[int]:
    """Step through frames, hold the checked ones to the oracle; return the anchors seen."""
    engine = SlidingEngine(drive.model, drive.grid, window)
    anchors = []
    for number in range(frames):
        output = engine.step(drive.frames[number], refresh_anchor=number in refresh)
        anchors.append(output.numbers[0])
        assert output.number == number == output.numbers[output.index] == output.numbers[-1]
        assert list(output.numbers) == sorted(set(output.numbers))
        if number in checked:
            check(drive, output)
    return anchors


def through_everything(drive: Drive, window: int) -> None:
    """Fill, evict, change the anchor twice, evict again."""
    frames = window + 7
    refresh = {window + 2, window + 4}
    checked = {window - 1, window, window + 2, window + 6}
    anchors = run(drive, window, frames, refresh, checked)
    if window == 1:
        assert anchors == list(range(frames))
        return
    assert anchors[window + 1] == 0
    # the oldest recent frame takes the anchor's place
    assert anchors[window + 2] == (3 if window > 2 else window + 1)
    assert anchors[-1] > anchors[window + 2]


@pytest.mark.parametrize('window', range(1, 33))
def test_every_length_in_float32(tiny_drive, window):
    through_everything(tiny_drive, window)


@pytest.mark.parametrize('window', [1, 2, 3, 5, 8, 32])
def test_in_float64_no_difference_is_left(double_drive, window):
    through_everything(double_drive, window)


@pytest.mark.parametrize('window', [2, 8, 32])
def test_small_preset(small_drive, window):
    through_everything(small_drive, window)


@pytest.mark.parametrize(('window', 'stride'), [(1, 2), (2, 2), (2, 3), (4, 2), (5, 4), (8, 3)])
@torch.inference_mode()
def test_stride_leaves_only_every_nth_frame(tiny_drive, window, stride):
    engine = SlidingEngine(tiny_drive.model, tiny_drive.grid, window)
    kept: list[int] = []
    refreshed = 30
    for number in range(40):
        keep = number % stride == 0
        output = engine.step(
            tiny_drive.frames[number], keep=keep, refresh_anchor=number == refreshed
        )
        if number < refreshed:
            recent = [n for n in kept[1:] if n != number][-(window - 2) :] if window > 2 else []
            anchor = kept[:1] if window > 1 else []
            assert list(output.numbers) == [*anchor, *recent, number]
        if keep:
            kept.append(number)
        if number % 4 == 1 or number >= refreshed:
            check(tiny_drive, output)


@pytest.mark.parametrize(
    ('window', 'lookahead'), [(3, 1), (4, 1), (4, 2), (5, 3), (8, 2), (8, 3), (12, 1)]
)
@torch.inference_mode()
def test_lookahead_answers_each_frame_once_and_later(tiny_drive, window, lookahead):
    engine = SlidingEngine(tiny_drive.model, tiny_drive.grid, window, lookahead)
    answered = []
    for number in range(window + 12):
        output = engine.step(
            tiny_drive.frames[number], refresh_anchor=number in (window + 3, window + 4)
        )
        assert (output is None) == (number < lookahead)
        if output is not None:
            assert output.numbers[-1] == number
            assert output.numbers[output.index] == output.number
            answered.append(output.number)
            check(tiny_drive, output)
    assert answered == list(range(window + 12 - lookahead))


def _spoiled_caches(engine: SlidingEngine, row: int) -> dict[str, Tensor]:
    """Views of what the engine keeps of the frame in a buffer row."""
    tokens = engine._grid.tokens
    place = slice(row * tokens, (row + 1) * tokens)
    keys, values = engine._global.first(engine._window)
    return {
        'global keys': keys[:, :, place],
        'global values': values[:, :, place],
        'camera token': engine._camera_TC[row],
        'level 4': engine._level4_TLC[row],
        'level 3': engine._map3_TCHW[row],
    }


@torch.inference_mode()
def test_everything_that_is_kept_matters(tiny_drive):
    """Else the comparisons above would prove nothing about it."""
    for name in ('global keys', 'global values', 'camera token', 'level 4', 'level 3'):
        results = []
        for spoil in (False, True):
            engine = SlidingEngine(tiny_drive.model, tiny_drive.grid, 6)
            for number in range(8):
                engine.step(tiny_drive.frames[number])
            if spoil:
                view = _spoiled_caches(engine, engine._order[3])[name]
                view += 0.3 * view.std() * torch.linspace(-1, 1, view.shape[-1])
            results.append(engine.step(tiny_drive.frames[8]))
        clean, spoiled = results
        assert deviation(spoiled.disparity_HW, clean.disparity_HW) > 1e-4, name


@torch.inference_mode()
def test_a_frame_encoded_alone_equals_the_batch(small_drive):
    together = small_drive.model.encode(small_drive.clip[:4])
    for number in range(4):
        for level in range(4):
            assert (
                deviation(small_drive.frames[number].levels[level][0], together[level][number])
                < DISPARITY_TOLERANCE[torch.float32]
            )
