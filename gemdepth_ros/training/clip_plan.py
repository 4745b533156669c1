"""Which frames a batch is made of and what is done to them: a pure function of seed and step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gemdepth_ros.training.config import ClipConfig, StageConfig, TrainingConfig

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ClipPlan:
    """One clip.

    Attributes:
        sequence: number of the sequence.
        frames: int64 [T], frames of the sequence, in the clip's order.
        crop: left, top, width, height as parts of the picture.
        mirrored: whether the clip is flipped left to right.
        withheld: bool [T], frames whose pose is not injected.
        seed: of the pictures' changes.
    """

    sequence: int
    frames: IntArray
    crop: tuple[float, float, float, float]
    mirrored: bool
    withheld: BoolArray
    seed: int


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """Clips of one length and size that make one step.

    Attributes:
        clips: all clips, of all processes.
        causal: whether a frame sees itself and earlier frames only.
        size: (height, width) of the network's input.
    """

    clips: tuple[ClipPlan, ...]
    causal: bool
    size: tuple[int, int]


def plan_batch(config: TrainingConfig, step: int, sequences: int, frames: int) -> BatchPlan:
    """Draw the batch of a step.

    Args:
        config: the training.
        step: number of the step, from 0.
        sequences: how many there are.
        frames: frames of each.
    """
    stage = config.stage_at(step)
    random = np.random.default_rng([config.seed, step])
    length = _draw_length(random, stage)
    causal = bool(random.random() < stage.causal_share)
    # Without replacement while there are enough: a batch should show many places.
    count = stage.frames_per_step // length
    chosen = random.choice(sequences, count, replace=count > sequences)
    clips = tuple(
        plan_clip(random, config.clips, int(sequence), length, frames) for sequence in chosen
    )
    return BatchPlan(clips, causal, stage.size)


def _draw_length(random: np.random.Generator, stage: StageConfig) -> int:
    weights = np.array(list(stage.lengths.values()))
    return int(random.choice(list(stage.lengths), p=weights / weights.sum()))


def plan_clip(
    random: np.random.Generator, clips: ClipConfig, sequence: int, length: int, frames: int
) -> ClipPlan:
    """Draw one clip of a sequence of ``frames`` frames."""
    picked = _draw_frames(random, clips, length, frames)
    if random.random() < clips.reverse_share:
        picked = picked[::-1].copy()
    withheld = random.random(length) < clips.withheld_frame_share
    if random.random() < clips.withheld_clip_share:
        withheld[:] = True
    return ClipPlan(
        sequence,
        picked,
        _draw_crop(random, clips.smallest_crop),
        bool(random.random() < clips.flip_share),
        withheld,
        int(random.integers(2**32)),
    )


def _draw_frames(
    random: np.random.Generator, clips: ClipConfig, length: int, frames: int
) -> IntArray:
    """Draw frames with one stride; a standing camera repeats one of them."""
    steps = length - 1
    longest = min(clips.max_stride, (frames - 1) // steps) if steps else 1
    stride = int(random.integers(1, longest + 1))
    increments = np.full(steps, stride)
    if steps and random.random() < clips.standstill_share:
        first = int(random.integers(0, steps))
        increments[first : first + int(random.integers(1, steps + 1))] = 0
    offsets = np.concatenate([[0], increments.cumsum()]).astype(np.int64)
    return offsets + int(random.integers(0, frames - int(offsets[-1])))


def _draw_crop(random: np.random.Generator, smallest: float) -> tuple[float, float, float, float]:
    """Draw a part of the picture, nearly of its shape: what is cut off changes the lens."""
    side = random.uniform(smallest, 1.0)
    width, height = (min(side * random.uniform(0.95, 1.05), 1.0) for _ in range(2))
    left, top = random.uniform(0, 1 - width), random.uniform(0, 1 - height)
    return float(left), float(top), float(width), float(height)
