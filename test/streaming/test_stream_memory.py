"""A stream's memory is what the formula says, and stays so."""

from __future__ import annotations

import gc
import logging
import os
from itertools import islice

import numpy as np
import pytest
import torch
from stream_helpers import held_tensors, images, say, storage_bytes, video_frames

from gemdepth_ros.inference import StreamingConfig, StreamSession
from gemdepth_ros.inference.memory import stream_bytes
from gemdepth_ros.interfaces import VideoFrame
from gemdepth_ros.model import GemDepthConfig, build_gemdepth

CONFIGS = [
    *(('sliding', window, 0) for window in (1, 2, 8, 32)),
    ('sliding', 8, 3),
    *(('causal', window, 0) for window in (1, 2, 3, 5, 8, 16, 32)),
]


def streaming(mode: str, window: int, lookahead: int = 0, input_size: int = 28) -> StreamingConfig:
    return StreamingConfig(mode=mode, window=window, lookahead=lookahead, input_size=input_size)


def first_frame(height: int, width: int) -> VideoFrame:
    return VideoFrame(np.full((height, width, 3), 90, np.uint8), 0)


@pytest.mark.parametrize(('mode', 'window', 'lookahead'), CONFIGS)
@pytest.mark.parametrize(('height', 'width'), [(28, 28), (42, 70), (70, 42)])
def test_formula(tiny_model, mode, window, lookahead, height, width):
    config = streaming(mode, window, lookahead, min(height, width))
    session = StreamSession(tiny_model, config)
    assert session.nbytes == 0
    session.prepare(first_frame(height, width))
    expected = stream_bytes(tiny_model.config, config, height, width)
    assert session.nbytes == expected
    assert storage_bytes(held_tensors(session)) == pytest.approx(expected, rel=0.001)


@pytest.mark.parametrize(('mode', 'window', 'lookahead'), CONFIGS[-6:])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_formula_in_half_precision(tiny_config, mode, window, lookahead, dtype):
    model = build_gemdepth(tiny_config, dtype=dtype)
    config = streaming(mode, window, lookahead)
    session = StreamSession(model, config)
    session.prepare(first_frame(28, 42))
    expected = stream_bytes(tiny_config, config, 28, 42, dtype)
    assert storage_bytes(held_tensors(session)) == pytest.approx(expected, rel=0.001)


@pytest.mark.parametrize('mode', ['sliding', 'causal'])
def test_formula_on_the_small_preset_against_all_new_tensors(golden_small, mode):
    """Not only what can be reached from the session: everything that came to life with it."""

    def living() -> dict[int, int]:
        gc.collect()
        return {
            x.untyped_storage().data_ptr(): x.untyped_storage().nbytes()
            for x in gc.get_objects()
            if type(x) is torch.Tensor
        }

    config = streaming(mode, 8, input_size=134)  # wide images get a smaller side
    session = StreamSession(golden_small, config)
    before = living()
    frames = video_frames(images(10, (70, 238)))
    for frame in frames:
        session.step(frame)
    after = living()
    grown = sum(size for place, size in after.items() if place not in before)
    expected = stream_bytes(golden_small.config, config, 70, 238)
    say(f'{mode}: formula {expected / 1e6:.2f} MB, alive after 10 frames {grown / 1e6:.2f} MB')
    assert grown == pytest.approx(expected, rel=0.05)


def test_a_square_of_the_learned_size_holds_no_position_table(tiny_model):
    config = streaming('sliding', 1, input_size=518)
    session = StreamSession(tiny_model, config)
    session.prepare(first_frame(518, 518))
    found = held_tensors(session, outside=list(tiny_model.parameters()))
    weights = {p.untyped_storage().data_ptr() for p in tiny_model.parameters()}
    own = {place: tensor for place, tensor in found.items() if place not in weights}
    expected = stream_bytes(tiny_model.config, config, 518, 518)
    assert storage_bytes(own) == expected == session.nbytes


def test_figures_of_the_published_network():
    """From the configuration alone: KITTI's 280x924 in half precision."""
    model = GemDepthConfig.preset('vitl')
    sliding, causal = (
        stream_bytes(model, StreamingConfig(mode=mode, window=32), 280, 924, torch.bfloat16)
        for mode in ('sliding', 'causal')
    )
    # per frame: keys and values 5.4 MB, levels 3 and 4 5.4 MB; head levels 5.4 MB once
    assert sliding == pytest.approx(32 * 10.8e6 + 5.4e6, rel=0.05)
    assert causal > 8 * sliding / 2
    say(f'280x924, bfloat16, T = 32: sliding {sliding / 1e6:.0f} MB, causal {causal / 1e6:.0f} MB')


def test_the_formula_is_printed_at_the_start(tiny_model, caplog):
    config = streaming('causal', 8)
    with caplog.at_level(logging.INFO, 'gemdepth_ros'):
        StreamSession(tiny_model, config).prepare(first_frame(28, 42))
    expected = stream_bytes(tiny_model.config, config, 28, 42)
    assert f'{expected / 1e6:.1f} MB by the formula' in caplog.text


@pytest.mark.parametrize(
    ('mode', 'window', 'lookahead', 'stride', 'frames'),
    [
        ('sliding', 5, 0, 1, 300),
        ('sliding', 5, 2, 1, 60),
        ('sliding', 4, 0, 2, 60),
        ('causal', 8, 0, 1, 300),
        ('causal', 5, 0, 2, 60),
        ('causal', 2, 0, 1, 60),
    ],
)
def test_buffers_stay_where_they_are(tiny_model, mode, window, lookahead, stride, frames):
    """The same buffers, neither more nor other ones, whatever segment they serve."""
    config = StreamingConfig(
        mode=mode,
        window=window,
        lookahead=lookahead,
        stride=stride,
        input_size=28,
        anchor_max_age=max(window, 12),
    )
    session = StreamSession(tiny_model, config)
    stream = video_frames(np.concatenate([images(20, (28, 28))] * (frames // 20)))
    session.step(stream[0])
    buffers = {place: tuple(tensor.shape) for place, tensor in held_tensors(session).items()}
    size = session.nbytes
    for frame in stream[1:]:
        session.step(frame)
    after = {place: tuple(tensor.shape) for place, tensor in held_tensors(session).items()}
    assert after == buffers
    assert session.nbytes == size


def _resident_mb() -> float:
    with open('/proc/self/statm') as pages:
        return int(pages.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 1e6


@pytest.mark.slow
@pytest.mark.parametrize('mode', ['sliding', 'causal'])
def test_resident_memory_is_flat(golden_small, mode):
    """Over 2000 frames; GEMDEPTH_MEMORY_FRAMES=5000 takes half an hour on two slow cores."""
    frames = int(os.environ.get('GEMDEPTH_MEMORY_FRAMES', '2000'))
    session = StreamSession(golden_small, streaming(mode, 4, input_size=28))
    pictures = images(50, (28, 28))

    def endless():
        for number in range(frames):
            yield VideoFrame(pictures[number % 50], number * 100_000_000)

    stream = endless()
    figures = {}
    for until in (500, *range(1000, frames + 1, 1000)):
        for frame in islice(stream, until - max(figures, default=0)):
            session.step(frame)
        gc.collect()
        figures[until] = round(_resident_mb(), 1)
    say(f'{mode}: resident MB by frame {figures}')
    assert max(figures) >= 1000
    assert figures[max(figures)] < 1.02 * figures[500]
