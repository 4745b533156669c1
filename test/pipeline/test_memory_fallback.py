"""Too little memory makes the stream smaller, step by step, and says which step."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from gemdepth_ros.errors import DeviceMemoryError
from gemdepth_ros.inference import StreamingConfig
from gemdepth_ros.inference.streaming import StreamSession
from gemdepth_ros.interfaces import OutputRequest, ResetReason, VideoFrame
from gemdepth_ros.model import GemDepthConfig
from gemdepth_ros.model.config import PRESETS
from gemdepth_ros.pipeline import DepthPipeline, NetworkConfig, PipelineConfig
from gemdepth_ros.pipeline.memory_fallback import is_out_of_memory, smaller_stream
from gemdepth_ros.pipeline.product_builder import ProductBuilder

SHORTAGES = [
    torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB.\nand a page'),
    RuntimeError("[alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate'),
    MemoryError(),
]


@pytest.fixture
def made(tiny_config: GemDepthConfig, monkeypatch: pytest.MonkeyPatch) -> Iterator[DepthPipeline]:
    monkeypatch.setitem(PRESETS, 'tiny', tiny_config)
    pipeline = DepthPipeline(
        PipelineConfig(
            NetworkConfig(preset='tiny', weights='', device='cpu'),
            StreamingConfig(window=8, input_size=280),
        )
    )
    yield pipeline
    pipeline.close()


def frame(number: int) -> VideoFrame:
    image = np.random.default_rng(number).integers(0, 256, (60, 80, 3), np.uint8)
    return VideoFrame(image, number * 100_000_000)


class Device:
    """Has room for a window and an input size, and for nothing more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, shortage: Exception, **room: int) -> None:
        self.room = room
        step = StreamSession.step

        def limited(session: StreamSession, frame: VideoFrame) -> Any:
            if session.config.window > self.room['window']:
                raise shortage
            if session.config.input_size > self.room['input_size']:
                raise shortage
            return step(session, frame)

        monkeypatch.setattr(StreamSession, 'step', limited)


@pytest.mark.parametrize('shortage', SHORTAGES, ids=lambda e: type(e).__name__)
def test_the_window_shrinks_before_the_input_and_no_frame_is_lost(
    made: DepthPipeline,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    shortage: Exception,
) -> None:
    assert made.process(frame(0)).window_frames == 1
    Device(monkeypatch, shortage, window=2, input_size=210)
    with caplog.at_level(logging.WARNING):
        output = made.process(frame(1))
    assert output.reset is ResetReason.DEVICE_MEMORY
    assert output.network_size[0] == 210 // 14 * 14
    steps = [
        'streaming.window 8 -> 4',
        'streaming.window 4 -> 2',
        'streaming.input_size 280 -> 210',
    ]
    assert made.fallback == '; '.join(steps)
    assert [r.getMessage().rsplit('; goes on with ', 1)[1] for r in caplog.records] == steps
    assert all('\n' not in record.getMessage() for record in caplog.records)
    assert made.config.streaming.window == 2
    assert made.reset_counts[ResetReason.DEVICE_MEMORY] == 3
    assert made.process(frame(2)).reset is None
    assert made.process(frame(3)).window_frames == 2


def test_when_nothing_fits_the_frame_fails_and_the_pipeline_lives(
    made: DepthPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Device(monkeypatch, SHORTAGES[0], window=0, input_size=0)
    for number in range(2):
        with pytest.raises(DeviceMemoryError, match=r'even with streaming\.window 2 .* float16'):
            made.process(frame(number))
    device.room = {'window': 2, 'input_size': 999}
    assert made.process(frame(3)).reset is ResetReason.DEVICE_MEMORY


def test_a_trial_run_finds_the_setting_that_fits(
    made: DepthPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    Device(monkeypatch, SHORTAGES[0], window=4, input_size=999)
    made.warm_up(60, 80)
    assert made.fallback == 'streaming.window 8 -> 4'
    output = made.process(frame(0))
    assert (output.reset, output.window_frames) == (None, 1)


def test_products_that_do_not_fit_cost_one_frame(
    made: DepthPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ProductBuilder, 'build', _raise)
        with pytest.raises(DeviceMemoryError, match=r'goes on with streaming\.window 8 -> 4'):
            made.process(frame(0), OutputRequest())
    assert made.process(frame(1)).reset is ResetReason.DEVICE_MEMORY


def _raise(*_: object) -> None:
    raise SHORTAGES[0]


def test_other_errors_are_what_they_are(
    made: DepthPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    Device(monkeypatch, RuntimeError('shape mismatch'), window=0, input_size=0)
    with pytest.raises(RuntimeError, match='shape mismatch'):
        made.process(frame(0))
    assert made.fallback == ''


def test_steps_end() -> None:
    config, lines = StreamingConfig(window=32, input_size=518), []
    while (found := smaller_stream(config)) is not None:
        config, text = found
        lines.append(text)
    assert lines == [
        'streaming.window 32 -> 16',
        'streaming.window 16 -> 8',
        'streaming.window 8 -> 4',
        'streaming.window 4 -> 2',
        'streaming.input_size 518 -> 378',
        'streaming.input_size 378 -> 280',
        'streaming.input_size 280 -> 210',
    ]
    assert not is_out_of_memory(ValueError('allocate memory'))
