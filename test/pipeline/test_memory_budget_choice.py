"""A memory budget chooses the stream when the first image comes."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from gemdepth_ros.inference import StreamingConfig
from gemdepth_ros.inference.streaming import StreamOutput, StreamSession
from gemdepth_ros.interfaces import VideoFrame
from gemdepth_ros.model import GemDepthConfig
from gemdepth_ros.model.config import PRESETS
from gemdepth_ros.pipeline import DepthPipeline, NetworkConfig, PipelineConfig
from gemdepth_ros.pipeline.network import LoadedNetwork

BUDGET_GB = 4.09  # of an image four times as wide as high another stream than of a square one


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


def test_the_choice_is_that_of_the_camera_not_of_the_warm_up(
    tiny_config: GemDepthConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, 'tiny', tiny_config)
    streaming = StreamingConfig(window=8, input_size=140, memory_budget_gb=BUDGET_GB)
    network = NetworkConfig(preset='tiny', weights='', device='cpu')
    warm = DepthPipeline(PipelineConfig(network, streaming))
    warm.warm_up(60, 240)
    after_warm_up = warm.config.streaming
    cold = DepthPipeline(PipelineConfig(network, streaming))
    for pipeline in (warm, cold):
        pipeline.process(frame(0))
    assert warm.config.streaming == cold.config.streaming != after_warm_up
    assert sum(warm.reset_counts.values()) == 0


def test_what_ran_out_of_memory_in_the_warm_up_stays_smaller(
    tiny_config: GemDepthConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, 'tiny', tiny_config)
    streaming = StreamingConfig(window=8, input_size=140, memory_budget_gb=8)
    network = LoadedNetwork(NetworkConfig(preset='tiny', weights='', device='cpu'))
    step, failed = network.step, []

    def once_too_large(session: StreamSession, image: VideoFrame) -> StreamOutput | None:
        if not failed:
            failed.append(image)
            raise torch.OutOfMemoryError('test')
        return step(session, image)

    monkeypatch.setattr(network, 'step', once_too_large)
    pipeline = DepthPipeline(PipelineConfig(streaming=streaming), network)
    pipeline.warm_up(60, 240)
    smaller = pipeline.config.streaming
    assert pipeline.fallback
    pipeline.process(frame(0))
    assert pipeline.config.streaming == smaller
