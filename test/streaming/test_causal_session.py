"""What a causal session publishes, recomputed from dense forwards and from the rules in words."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from stream_helpers import images, lively_model, video_frames

from gemdepth_ros.inference import StreamingConfig, StreamSession
from gemdepth_ros.inference.preprocessing import preprocess

SIZE = (28, 42)
MEMORY = 40


@pytest.fixture(scope='module')
def model(tiny_config):
    return lively_model(tiny_config).double()


def key_slots(window: int) -> list[int]:
    """Anchor and middle frame where there is room, and the last quarter."""
    shared = max(window // 4, 1)
    first = [0, 3 * window // 8] if window >= 8 else [0] if window >= 4 else []
    return [*first, *range(window - shared, window)]


def segments(window: int, frames: int) -> list[list[int]]:
    """Frames of each segment, and of the one after the last, as far as they have come."""
    found = [list(range(window))]
    finished = False
    while not finished:
        finished = found[-1][-1] >= frames - 1
        seeds = [found[-1][slot] for slot in key_slots(window)]
        new = range(seeds[-1] + 1, seeds[-1] + 1 + window - len(seeds))
        found.append([*seeds, *new])
    return [[n for n in numbers if n < frames] for numbers in found]


def reduced_major_axis(x: np.ndarray, y: np.ndarray) -> tuple[float, float] | None:
    covariance = np.cov(x, y, bias=True)
    (var_x, cov), (_, var_y) = covariance
    if cov < 0.5 * math.sqrt(var_x * var_y):
        return None
    scale = math.sqrt(var_y / var_x)
    return scale, y.mean() - scale * x.mean()


def robust_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float] | None:
    """Through the medians; then twice through what lies within three standard deviations."""
    scale = np.median(abs(y - np.median(y))) / np.median(abs(x - np.median(x)))
    line: tuple[float, float] | None = scale, np.median(y) - scale * np.median(x)
    for _ in range(2):
        if line is None:
            return None
        off = abs(y - (line[0] * x + line[1]))
        near = off <= 3 * 1.4826 * np.median(off) + 1e-12
        line = reduced_major_axis(x[near], y[near])
    return line


def joined(x: np.ndarray, y: np.ndarray, present: tuple[float, float]) -> tuple[float, float]:
    """The guarded line: within a factor of 4 of the present one, of 8 in all."""
    line = robust_line(x, y)
    if line is None or not 1 / 4 < line[0] / present[0] < 4:
        return present
    scale = float(np.clip(line[0], 1 / 8, 8))
    level = scale * x.mean()
    shift = line[1] if scale == line[0] else y.mean() - level
    return scale, float(np.clip(shift, -0.5 * level, 4 * level))


def apply(line: tuple[float, float], raw: np.ndarray) -> np.ndarray:
    return np.maximum(line[0] * raw + line[1], 0)


def published(raws: list[dict[int, np.ndarray]], plan: list[list[int]], window: int):
    """Disparity, scale and shift of each frame from the segments' own disparity."""
    shared = max(window // 4, 1)
    memory = min(MEMORY, 8 * (window - len(key_slots(window))))
    line = following = (1.0, 0.0)
    done = -1
    for index, numbers in enumerate(plan):
        pairs: list[tuple[np.ndarray, np.ndarray]] = []
        for slot, number in enumerate(numbers):
            if number <= done:
                continue
            keep = math.exp(-1 / memory)
            line = (line[0] ** keep, line[1] * keep)
            disparity = apply(line, raws[index][number])
            if slot >= window - shared:
                # the next segment has this frame too, whether or not it adds any of its own
                raw = raws[index + 1][number]
                pairs.append((raw, disparity))
                x, y = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
                following = joined(x, y, line)
                weight = (slot - (window - shared) + 1) / (shared + 1)
                disparity = (1 - weight) * disparity + weight * apply(following, raw)
            yield number, disparity, line
            done = number
        line = following


@pytest.mark.parametrize(
    ('window', 'frames'), [(2, 6), (3, 8), (5, 13), (8, 17), (12, 28), (16, 38), (32, 57)]
)
@torch.inference_mode()
def test_published_disparity(model, window, frames):
    pictures = images(frames, SIZE)
    config = StreamingConfig(
        mode='causal',
        window=window,
        input_size=28,
        anchor_max_age=1000,
        anchor_min_overlap=0.0,
        alignment_memory=MEMORY,
    )
    session = StreamSession(model, config)
    outputs = [session.step(frame) for frame in video_frames(pictures)]

    clip = torch.from_numpy(np.stack([preprocess(p, SIZE) for p in pictures])).double()
    plan = segments(window, frames)
    raws = []
    for numbers in plan:
        if numbers:
            raw = model(clip[numbers][None], frame_causal=True).disparity_BTHW[0].numpy()
            raws.append(dict(zip(numbers, raw, strict=True)))

    count = 0
    for number, disparity, (scale, shift) in published(raws, plan, window):
        output = outputs[number]
        assert output.scale == pytest.approx(scale, rel=1e-9)
        assert output.shift == pytest.approx(shift, rel=1e-9, abs=1e-9)
        np.testing.assert_allclose(
            output.disparity_HW.numpy(), disparity, rtol=1e-8, atol=1e-8, err_msg=str(number)
        )
        count += 1
    assert count == frames
    assert outputs[-1].segment >= 1
    # the seams do something here
    assert any(abs(output.scale - 1) > 0.01 for output in outputs)
