"""From plans to tensors: what one step of the training sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gemdepth_ros.training.clip_plan import BatchPlan, ClipPlan
from gemdepth_ros.training.config import ClipConfig
from gemdepth_ros.training.pictures import (
    change_light,
    crop_window,
    cut_disparity,
    cut_images,
    normalise,
)
from gemdepth_ros.training.poses import (
    field_of_view,
    pose_encodings,
    relative_poses,
    translation_unit,
)
from gemdepth_ros.training.sequences import FrameSource


@dataclass(frozen=True, eq=False)
class Batch:
    """B clips of T frames.

    Attributes:
        images_BTCHW: normalised pictures, float32.
        disparity_BTHW: true inverse depth [1/m], float32; 0 is sky.
        pose_BT9: true poses as the network says them, float32.
        withheld_BT: bool, frames whose pose is not injected.
        causal: whether a frame sees itself and earlier frames only.
    """

    images_BTCHW: Tensor
    disparity_BTHW: Tensor
    pose_BT9: Tensor
    withheld_BT: Tensor
    causal: bool

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(
            self.images_BTCHW.to(device, non_blocking=True),
            self.disparity_BTHW.to(device, non_blocking=True),
            self.pose_BT9.to(device, non_blocking=True),
            self.withheld_BT.to(device, non_blocking=True),
            self.causal,
        )


def make_batch(plan: BatchPlan, sequences: Sequence[FrameSource], clips: ClipConfig) -> Batch:
    """Read, cut and change what a plan names."""
    parts = [make_clip(clip, sequences[clip.sequence], plan.size, clips) for clip in plan.clips]
    images, disparity, poses = (
        torch.from_numpy(np.stack(column)) for column in zip(*parts, strict=True)
    )
    withheld = torch.from_numpy(np.stack([clip.withheld for clip in plan.clips]))
    return Batch(images, disparity, poses, withheld, plan.causal)


def make_clip(
    plan: ClipPlan, sequence: FrameSource, size: tuple[int, int], clips: ClipConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pictures [T, 3, h, w], inverse depth [T, h, w] and poses [T, 9] of a clip."""
    random = np.random.default_rng(plan.seed)
    frames = sequence.take(plan.frames)
    window = crop_window(plan.crop, *frames.image_rgb.shape[1:3])
    disparity = cut_disparity(frames.inverse_depth, window, size)
    images = cut_images(frames.image_rgb, window, size, random)
    if plan.mirrored:
        images, disparity = images[:, :, ::-1].copy(), disparity[:, :, ::-1].copy()
    images = normalise(change_light(images, clips, random))
    relative = relative_poses(frames.world_from_camera, plan.mirrored)
    unit_m = translation_unit(relative, disparity[0], clips.translation_unit)
    left, top, right, bottom = window
    fov = field_of_view(frames.focal, bottom - top, right - left)
    return images, disparity, pose_encodings(relative, unit_m, fov)
