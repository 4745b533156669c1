"""A memory budget chooses the stream when the first image comes."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from gemdepth_ros.inference import StreamingConfig
from gemdepth_ros.interfaces import VideoFrame
from gemdepth_ros.model import GemDepthConfig
from gemdepth_ros.model.config import PRESETS
from gemdepth_ros.pipeline import DepthPipeline, NetworkConfig, PipelineConfig


def frame(number: int) -> VideoFrame:
    image = np.random.default_rng(number).integers(0, 256, (60, 80, 3), np.uint8)
    return VideoFrame(image, number * 100_000_000)


def test_a_budget_chooses_at_the_first_image(
    tiny_config: GemDepthConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(PRESETS, 'tiny', tiny_config)
    streaming = StreamingConfig(window=8, input_size=140, memory_budget_gb=8)
    pipeline = DepthPipeline(
        PipelineConfig(NetworkConfig(preset='tiny', weights='', device='cpu'), streaming)
    )
    with caplog.at_level(logging.INFO):
        pipeline.process(frame(0))
    chosen = pipeline.config.streaming
    assert (chosen.mode, chosen.window, chosen.input_size) == ('causal', 32, 140)
    assert 'memory: 8 GB leave 4.0 GB for the network: causal, window 32' in caplog.text
    pipeline.process(frame(1))
    assert caplog.text.count('memory: 8 GB') == 1
    assert sum(pipeline.reset_counts.values()) == 0
    pipeline.close()
