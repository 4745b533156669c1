"""Which stream fits a board, by a formula that measurements have confirmed."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.inference import StreamingConfig
from gemdepth_ros.inference.memory import stream_bytes
from gemdepth_ros.inference.memory_budget import GB, choose_stream, network_share
from gemdepth_ros.inference.memory_need import offline_need, stream_need, weights_bytes
from gemdepth_ros.model import GemDepth, GemDepthConfig, model_config

KITTI = (375, 1242)
VITL = GemDepthConfig.preset('vitl')


def test_weights_are_those_of_the_network(tiny_model: GemDepth) -> None:
    for dtype in (torch.float32, torch.float16):
        network = GemDepth(tiny_model.config).set_dtype(dtype)
        expected = sum(p.nbytes for p in network.parameters())
        assert weights_bytes(tiny_model.config, dtype) == expected


def test_the_parts_of_a_stream() -> None:
    streaming = StreamingConfig(mode='causal')
    need = stream_need(VITL, streaming, (140, 462), torch.float16)
    assert need.kept == stream_bytes(VITL, streaming, 140, 462, torch.float16)
    assert need.total == need.weights + need.kept + need.in_work
    assert str(need).startswith(f'{need.total / 1e6:.0f} MB (weights 1791')


@pytest.mark.parametrize(
    ('budget', 'mode', 'window', 'input_size'),
    [(6, 'sliding', 8, 266), (8, 'causal', 8, 518), (16, 'causal', 32, 518)],
)
def test_budgets(budget: float, mode: str, window: int, input_size: int) -> None:
    choice = choose_stream(VITL, torch.float16, KITTI, budget)
    found = choice.streaming
    assert (found.mode, found.window, found.input_size) == (mode, window, input_size)
    assert choice.need.total <= network_share(budget * GB)
    assert f'{budget:g} GB leave' in choice.reason
    assert '\n' not in choice.reason


def test_more_memory_is_never_worse() -> None:
    sizes = [
        choose_stream(VITL, torch.float16, (720, 1280), budget).streaming.input_size
        for budget in (6, 8, 16, 32, 64)
    ]
    assert sizes == sorted(sizes)


def test_limits_are_kept() -> None:
    limits = StreamingConfig(input_size=300, max_gap_s=3.0, stride=2)
    found = choose_stream(VITL, torch.float16, KITTI, 64, limits).streaming
    assert found == dataclasses.replace(limits, mode='causal', window=32)
    graph = dataclasses.replace(limits, mode='causal', backend='cudagraph')
    assert choose_stream(VITL, torch.float16, KITTI, 6.3, graph).streaming.mode == 'causal'


def test_too_little_is_said_with_the_remedy() -> None:
    with pytest.raises(ConfigError, match=r'leaves 0\.\d GB .* use network\.dtype float16 or a'):
        choose_stream(VITL, torch.float32, KITTI, 4.5)
    with pytest.raises(ConfigError, match=r'memory_budget_gb must be 0\.\.1024, got -1'):
        StreamingConfig(memory_budget_gb=-1)


def test_the_sibling_network_needs_less() -> None:
    small = model_config('vda-small')
    need = stream_need(small, StreamingConfig(mode='causal'), (140, 462), torch.float16)
    assert (
        need.total
        < 0.1 * stream_need(VITL, StreamingConfig(mode='causal'), (140, 462), torch.float16).total
    )


def test_offline_grows_with_the_window() -> None:
    needs = [
        offline_need(VITL, window, (280, 924), KITTI, torch.bfloat16).total
        for window in (8, 16, 32)
    ]
    assert needs == sorted(needs)
    assert needs[-1] < 10 * GB  # what the issue asks of a GPU at window 32
