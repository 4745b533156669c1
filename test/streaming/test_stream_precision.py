"""Streams in half precision run, and stay as near to float32 as the dense network does."""

from __future__ import annotations

import pytest
import torch
from stream_helpers import Drive, deviation, images, lively_model, say, video_frames

from gemdepth_ros.inference import StreamingConfig, StreamSession
from gemdepth_ros.inference.causal import CausalEngine
from gemdepth_ros.inference.sliding import SlidingEngine

SIZE = (42, 56)
# Measured: 0.007 and 0.001 in both modes, three seams in causal mode.
NEAR = {torch.bfloat16: 0.02, torch.float16: 0.003}


def session_maps(model, mode: str) -> torch.Tensor:
    config = StreamingConfig(mode=mode, window=8, input_size=42, anchor_max_age=12)
    session = StreamSession(model, config)
    outputs = [session.step(frame) for frame in video_frames(images(18, SIZE))]
    for output in outputs:
        assert output.disparity_HW.dtype == torch.float32
        assert not output.lost
    return torch.stack([output.disparity_HW for output in outputs])


@pytest.fixture(scope='module')
def float32_maps(tiny_config):
    model = lively_model(tiny_config)
    return {mode: session_maps(model, mode) for mode in ('sliding', 'causal')}


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('mode', ['sliding', 'causal'])
def test_a_half_precision_session_stays_near_float32(tiny_config, float32_maps, dtype, mode):
    maps = session_maps(lively_model(tiny_config, dtype), mode)
    assert torch.isfinite(maps).all()
    error = deviation(maps, float32_maps[mode])
    say(f'{mode}, {dtype}: {error:.4f} from float32')
    assert error < NEAR[dtype]


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@torch.inference_mode()
def test_what_is_kept_in_half_precision_is_what_the_dense_network_computes(tiny_config, dtype):
    """The stream is no further from the dense network than rounding puts the two apart."""
    half, full = (
        Drive(lively_model(tiny_config, dtype), 10, SIZE),
        Drive(lively_model(tiny_config), 10, SIZE),
    )
    engine = SlidingEngine(half.model, half.grid, 6)
    for frame in half.frames:
        output = engine.step(frame)
    dense = half.dense(output.numbers).disparity_BTHW[0, -1]
    exact = full.dense(output.numbers).disparity_BTHW[0, -1]
    assert deviation(output.disparity_HW, exact) < 2 * deviation(dense, exact)

    causal = CausalEngine(half.model, half.grid, 10, 512)
    for frame in half.frames[:7]:
        output = causal.step(frame)
    dense = half.dense(output.numbers, frame_causal=True).disparity_BTHW[0, -1]
    exact = full.dense(output.numbers, frame_causal=True).disparity_BTHW[0, -1]
    assert deviation(output.disparity_HW, exact) < 2 * deviation(dense, exact)
    assert output.encodings_T9.dtype == torch.float32
