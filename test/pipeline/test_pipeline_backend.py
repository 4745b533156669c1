"""The pipeline says which backend computes its frames, and goes on when that one is refused."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from gemdepth_ros.inference import StreamingConfig
from gemdepth_ros.interfaces import VideoFrame
from gemdepth_ros.model.config import PRESETS
from gemdepth_ros.pipeline import DepthPipeline, NetworkConfig, PipelineConfig
from gemdepth_ros.pipeline.memory_fallback import smaller_stream

CONFIG = PipelineConfig(
    NetworkConfig(preset='tiny', weights='', device='cpu'),
    StreamingConfig(mode='causal', window=4, input_size=42),
)
REFUSED = replace(CONFIG, streaming=replace(CONFIG.streaming, backend='cudagraph'))


def frame(number: int) -> VideoFrame:
    image = np.random.default_rng(number).integers(0, 256, (60, 80, 3), np.uint8)
    return VideoFrame(image, number * 100_000_000)


def test_a_refused_backend_is_said_while_configuring_and_frames_are_eager(
    tiny_config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(PRESETS, 'tiny', tiny_config)
    eager, refused = DepthPipeline(CONFIG), DepthPipeline(REFUSED)
    assert (eager.backend, eager.backend_fault, refused.backend_fault) == ('eager', '', '')
    with caplog.at_level(logging.ERROR):
        refused.warm_up(60, 80)
    fault = refused.backend_fault
    assert 'streaming.backend cudagraph is refused: it needs a CUDA device' in fault
    assert [record.getMessage() for record in caplog.records] == [fault]
    for number in range(6):
        mine, theirs = refused.process(frame(number)), eager.process(frame(number))
        assert np.array_equal(mine.disparity, theirs.disparity)
        assert mine.window_frames == theirs.window_frames
        assert mine.reset is None
    assert (refused.backend, refused.backend_fault) == ('eager', fault)
    assert not any(refused.reset_counts.values())


def test_without_memory_the_backend_is_given_up_first() -> None:
    made = smaller_stream(REFUSED.streaming)
    assert made is not None
    config, text = made
    assert text == 'streaming.backend cudagraph -> eager'
    assert config == CONFIG.streaming
    smaller = smaller_stream(config)
    assert smaller is not None
    assert smaller[1] == 'streaming.window 4 -> 2'
