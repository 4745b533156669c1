"""A stream through its public face: one frame in, one answer out."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

from gemdepth_ros.errors import ConfigError, InferenceError
from gemdepth_ros.inference import StreamingConfig, StreamOutput, StreamSession
from gemdepth_ros.inference.preprocessing import preprocess
from gemdepth_ros.interfaces import ResetReason, VideoFrame
from gemdepth_ros.model import GemDepth

CONFIG = StreamingConfig(window=4, input_size=56)
PERIOD_NS = 100_000_000


def frames(
    count: int, seed: int = 0, height: int = 56, width: int = 70, start_ns: int = 0
) -> list[VideoFrame]:
    video = np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)
    return [VideoFrame(image, start_ns + k * PERIOD_NS) for k, image in enumerate(video)]


def answers(session: StreamSession, stream: list[VideoFrame]) -> list[StreamOutput]:
    outputs = [session.step(frame) for frame in stream]
    assert all(output is not None for output in outputs)
    return [output for output in outputs if output is not None]


def same(a: StreamOutput, b: StreamOutput) -> bool:
    return torch.equal(a.disparity_HW, b.disparity_HW) and np.array_equal(
        a.session_from_camera, b.session_from_camera
    )


def test_every_frame_is_answered_with_its_stamp(tiny_model: GemDepth) -> None:
    stream = frames(7)
    outputs = answers(StreamSession(tiny_model, CONFIG), stream)
    assert [output.stamp_ns for output in outputs] == [frame.stamp_ns for frame in stream]
    assert [len(output.window.stamps_ns) for output in outputs] == [1, 2, 3, 4, 4, 4, 4]
    for output in outputs:
        assert output.disparity_HW.shape == (56, 70)
        assert output.disparity_HW.dtype == torch.float32
        assert torch.isfinite(output.disparity_HW).all()
        assert output.window.stamps_ns[-1] == output.stamp_ns
        np.testing.assert_allclose(output.window.reference_from_camera[0], np.eye(4), atol=1e-6)
    np.testing.assert_allclose(outputs[0].session_from_camera, np.eye(4), atol=1e-9)


def test_the_newest_frame_equals_the_dense_network(tiny_model: GemDepth) -> None:
    """The sliding form computes less, not something else."""
    stream = frames(4)
    outputs = answers(StreamSession(tiny_model, CONFIG), stream)
    images = torch.from_numpy(np.stack([preprocess(f.image_rgb, (56, 70)) for f in stream]))
    for count in range(1, 5):
        with torch.inference_mode():
            dense = tiny_model(images[None, :count])
        expected = dense.disparity_BTHW[0, -1]
        error = torch.linalg.norm(outputs[count - 1].disparity_HW - expected)
        assert error < 1e-5 * torch.linalg.norm(expected)
        fov = dense.pose_encoding[0, -1, 7:].tolist()
        assert outputs[count - 1].fov_rad == pytest.approx(fov, rel=1e-4)


def test_the_window_gives_the_place_of_the_newest_frame(tiny_model: GemDepth) -> None:
    output = answers(StreamSession(tiny_model, CONFIG), frames(6))[-1]
    newest = output.window.reference_from_camera[-1].copy()
    newest[:3, 3] *= output.window.unit_in_session
    placed = output.window.session_from_reference @ newest
    np.testing.assert_allclose(placed, output.session_from_camera, atol=1e-6)


def test_two_sessions_do_not_see_each_other(tiny_model: GemDepth) -> None:
    alone = answers(StreamSession(tiny_model, CONFIG), frames(6))
    first, second = StreamSession(tiny_model, CONFIG), StreamSession(tiny_model, CONFIG)
    interleaved = []
    for ours, theirs in zip(frames(6), frames(6, seed=9), strict=True):
        interleaved += answers(first, [ours])
        answers(second, [theirs])
    assert all(same(a, b) for a, b in zip(alone, interleaved, strict=True))


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'start_ns': 10 * PERIOD_NS + 2_000_000_000}, ResetReason.GAP),
        ({'start_ns': -20 * PERIOD_NS}, ResetReason.BACKWARD_TIME),
        ({'start_ns': 5 * PERIOD_NS, 'width': 84}, ResetReason.SIZE_CHANGE),
    ],
)
def test_after_a_reset_the_past_is_gone(
    tiny_model: GemDepth, change: dict[str, Any], reason: ResetReason
) -> None:
    session = StreamSession(tiny_model, CONFIG)
    assert all(output.reset is None for output in answers(session, frames(5)))
    after = answers(session, frames(3, seed=1, **change))
    assert [output.reset for output in after] == [reason, None, None]
    assert session.reset_counts[reason] == sum(session.reset_counts.values()) == 1
    fresh = answers(StreamSession(tiny_model, CONFIG), frames(3, seed=1, **change))
    assert all(same(a, b) for a, b in zip(after, fresh, strict=True))


def test_a_reset_on_request(tiny_model: GemDepth) -> None:
    session = StreamSession(tiny_model, CONFIG)
    stream = frames(6)
    answers(session, stream[:3])
    session.reset()
    after = answers(session, stream[3:])
    assert [output.reset for output in after] == [ResetReason.REQUEST, None, None]
    fresh = answers(StreamSession(tiny_model, CONFIG), stream[3:])
    assert all(same(a, b) for a, b in zip(after, fresh, strict=True))


def test_output_that_is_not_finite_is_withheld_and_the_stream_recovers(
    tiny_model: GemDepth,
) -> None:
    model = copy.deepcopy(tiny_model)
    session = StreamSession(model, CONFIG)
    stream = frames(6)
    answers(session, stream[:2])
    bias = model.head.output_conv3.bias
    assert bias is not None
    good = bias.data.clone()
    bias.data[0] = torch.nan
    with pytest.raises(InferenceError, match=r'NaN or infinity for the frame at 200000000 ns'):
        session.step(stream[2])
    bias.data = good
    after = answers(session, stream[3:])
    assert after[0].reset is ResetReason.NON_FINITE_OUTPUT
    assert session.reset_counts[ResetReason.NON_FINITE_OUTPUT] == 1
    fresh = answers(StreamSession(tiny_model, CONFIG), stream[3:])
    assert all(same(a, b) for a, b in zip(after, fresh, strict=True))


def test_after_an_error_in_a_step_the_new_session_says_that_it_is_one(
    tiny_model: GemDepth, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = StreamSession(tiny_model, CONFIG)
    stream = frames(6)
    answers(session, stream[:2])

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError('CUDA error: unspecified launch failure')

    monkeypatch.setattr(session._engine, 'step', broken)
    with pytest.raises(RuntimeError, match='unspecified launch failure'):
        session.step(stream[2])
    after = answers(session, stream[3:])
    assert [output.reset for output in after] == [ResetReason.INTERRUPTED, None, None]
    assert session.reset_counts[ResetReason.INTERRUPTED] == 1
    assert sum(session.reset_counts.values()) == 1
    fresh = answers(StreamSession(tiny_model, CONFIG), stream[3:])
    assert all(same(a, b) for a, b in zip(after, fresh, strict=True))


@pytest.mark.parametrize('mode', ['sliding', 'causal'])
def test_memory_is_flat(tiny_model: GemDepth, mode: Any) -> None:
    config = StreamingConfig(mode=mode, window=3, input_size=28, anchor_max_age=6)
    session = StreamSession(tiny_model, config)
    sizes = []
    for frame in frames(40, height=28, width=42):
        assert session.step(frame) is not None
        sizes.append(session.nbytes)
    assert max(sizes[10:]) == max(sizes[:10]) > 0


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'mode': 'fast'}, "mode must be 'sliding', 'causal' or 'published_stream', got 'fast'"),
        ({'window': 0}, r'window must be 1\.\.32 frames, got 0'),
        ({'window': 33}, r'window must be 1\.\.32 frames, got 33'),
        ({'input_size': 13}, 'input_size must be >= 14, got 13'),
        ({'max_gap_s': 0.0}, 'max_gap_s must be > 0, got 0'),
        ({'max_gap_s': float('nan')}, 'max_gap_s must be > 0, got nan'),
        (
            {'window': 8, 'anchor_max_age': 7},
            r'anchor_max_age \(7\) must be >= window \* stride \(8\)',
        ),
        ({'lookahead': 7}, r'lookahead must be 0\.\.window - 2 \(6\), got 7'),
        ({'lookahead': 1, 'mode': 'causal'}, 'a causal frame never sees later ones'),
        ({'stride': 0}, 'stride must be >= 1, got 0'),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StreamingConfig(**change)
