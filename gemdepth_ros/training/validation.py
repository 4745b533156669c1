"""A cheap look at held-out sequences during training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gemdepth_ros.evaluation.metrics import score_sequence
from gemdepth_ros.interfaces import Float32Array
from gemdepth_ros.model.gemdepth import GemDepth
from gemdepth_ros.training.batches import Batch, make_batch
from gemdepth_ros.training.clip_plan import BatchPlan, ClipPlan
from gemdepth_ros.training.config import ClipConfig, StageConfig
from gemdepth_ros.training.sequences import FrameSource

LONGEST = 8
MAX_DEPTH_M = 80.0
MOVING = 0.01
"""Least translation between frames, in the clip's unit, that has a direction."""
PLAIN = ClipConfig(brightness=0, contrast=0, saturation=0, drift=0, noise=0)


@dataclass(frozen=True)
class Scores:
    """Medians of motion and means of depth over held-out clips; NaN where nothing moved.

    Attributes:
        abs_rel: after one scale and shift of disparity per clip, cap 80 m.
        delta1: likewise.
        rotation_deg: median error of the rotation between neighbouring frames.
        direction_deg: median error of the direction of the translation between them.
    """

    abs_rel: float
    delta1: float
    rotation_deg: float
    direction_deg: float


def validation_batch(sequence: FrameSource, size: tuple[int, int], length: int) -> Batch:
    """Return the first frames of a sequence, whole and unchanged."""
    frames = np.arange(min(length, len(sequence)))
    clip = ClipPlan(0, frames, (0, 0, 1, 1), False, np.zeros(len(frames), bool), 0)
    return make_batch(BatchPlan((clip,), True, size), [sequence], PLAIN)


@torch.no_grad()
def validate(
    model: GemDepth, sequences: Sequence[FrameSource], stage: StageConfig, in_bfloat16: bool
) -> Scores:
    """Score the network as it is, frame-causally, on the first frames of each sequence.

    Clips are as long as the stage's longest, but no longer than eight frames: slots that were
    never trained say nothing yet.
    """
    length = min(LONGEST, max(stage.lengths))
    depth, rotations, directions = [], [], []
    for sequence in sequences:
        batch = validation_batch(sequence, stage.size, length).to(model.device)
        with torch.autocast(model.device.type, torch.bfloat16, enabled=in_bfloat16):
            output = model(batch.images_BTCHW, frame_causal=True)
        with np.errstate(divide='ignore'):
            truth_m = 1.0 / batch.disparity_BTHW[0].cpu().numpy()
        predicted = output.disparity_BTHW[0].float().cpu().numpy()
        depth.append(score_sequence(list(predicted), list(truth_m), MAX_DEPTH_M).mean)
        for rotation_deg, direction_deg in motion_errors(
            _matrices(output.pose_encoding), _matrices(batch.pose_BT9)
        ):
            rotations.append(rotation_deg)
            directions.append(direction_deg)
    return Scores(
        float(np.mean([errors.abs_rel for errors in depth])),
        float(np.mean([errors.delta1 for errors in depth])),
        _median(rotations),
        _median(directions),
    )


def _median(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.median(known)) if known else float('nan')


def _matrices(encoding_BT9: torch.Tensor) -> Float32Array:
    from gemdepth_ros.model.pose_encoding import camera_from_world

    matrices: Float32Array = camera_from_world(encoding_BT9[0].double()).cpu().numpy()
    return matrices


def motion_errors(predicted: np.ndarray, truth: np.ndarray) -> Iterator[tuple[float, float]]:
    """Yield rotation and direction errors [deg] of the motion between neighbouring frames.

    Args:
        predicted: camera_from_first, [T, 4, 4].
        truth: likewise.
    """
    for index in range(len(truth) - 1):
        ours = predicted[index + 1] @ np.linalg.inv(predicted[index])
        real = truth[index + 1] @ np.linalg.inv(truth[index])
        cosine = (np.trace(ours[:3, :3].T @ real[:3, :3]) - 1) / 2
        rotation = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
        yield float(rotation), _angle_deg(ours[:3, 3], real[:3, 3])


def _angle_deg(ours: np.ndarray, real: np.ndarray) -> float:
    lengths = np.linalg.norm(ours), np.linalg.norm(real)
    if lengths[1] < MOVING or lengths[0] == 0:
        return float('nan')
    return float(np.degrees(np.arccos(np.clip(ours @ real / lengths[0] / lengths[1], -1, 1))))
