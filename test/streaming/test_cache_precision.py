"""What a stream keeps may have half the network's precision: half the memory, nearly the same."""

from __future__ import annotations

import pytest
import torch
from stream_helpers import deviation, held_tensors, images, say, storage_bytes, video_frames

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.inference import StreamingConfig, StreamSession
from gemdepth_ros.inference.memory import stream_bytes
from gemdepth_ros.model import GemDepth, build_network

# Relative L2 of all maps to those of float32 caches. Measured on golden weights: bfloat16
# 0.0013, float16 0.00016 (causal; sliding half of it).
NEAR = {'bfloat16': 0.004, 'float16': 0.0005}


def stream(model: GemDepth, mode: str, precision: str) -> tuple[StreamSession, torch.Tensor]:
    config = StreamingConfig(mode=mode, window=8, input_size=56, cache_precision=precision)
    session = StreamSession(model, config)
    outputs = [session.step(frame) for frame in video_frames(images(16, (56, 70)))]
    return session, torch.stack([output.disparity_HW for output in outputs])


@pytest.mark.parametrize('mode', ['sliding', 'causal'])
def test_caches_in_half_precision(golden_small: GemDepth, mode: str) -> None:
    full, expected = stream(golden_small, mode, 'auto')
    for precision, tolerance in NEAR.items():
        half, found = stream(golden_small, mode, precision)
        assert half.nbytes == stream_bytes(golden_small.config, half.config, 56, 70)
        assert storage_bytes(held_tensors(half)) == pytest.approx(half.nbytes, rel=0.01)
        assert half.nbytes < 0.65 * full.nbytes
        distance = deviation(found, expected)
        say(f'{mode}, {precision} caches: {distance:.5f}, {half.nbytes / full.nbytes:.2f} memory')
        assert 0 < distance < tolerance


def test_a_half_precision_network_follows(tiny_config) -> None:
    model = build_network(tiny_config, dtype=torch.bfloat16)
    same = StreamingConfig(mode='causal', cache_precision='bfloat16', input_size=28)
    sizes = {
        stream_bytes(tiny_config, config, 28, 42, torch.bfloat16)
        for config in (same, StreamingConfig(mode='causal', input_size=28))
    }
    assert len(sizes) == 1
    assert StreamSession(model, same).nbytes == 0


def test_impossible_choices() -> None:
    with pytest.raises(ConfigError, match=r"cache_precision must be one of .*, got 'int8'"):
        StreamingConfig(cache_precision='int8')  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"preprocessing must be one of .*, got 'gpu'"):
        StreamingConfig(preprocessing='gpu')  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match='backend compile needs cache_precision auto'):
        StreamingConfig(mode='causal', backend='compile', cache_precision='float16')
    vda = build_network('vda-small')
    with pytest.raises(ConfigError, match='is for GemDepth'):
        StreamSession(vda, StreamingConfig(cache_precision='float16'))
