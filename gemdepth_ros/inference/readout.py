"""What the host must know of a frame, brought over from the device at once.

Every value that is asked for one by one makes the host wait until the device has done all that
was given to it. A frame therefore has one such wait: its numbers travel together.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gemdepth_ros.interfaces import Float64Array
from gemdepth_ros.model.pose_encoding import camera_from_world

SAMPLED = 8  # every n-th row and column of the disparity is enough to judge the view


@dataclass(frozen=True, eq=False)
class Readout:
    """Numbers of one frame, on the host.

    Attributes:
        finite: whether the disparity and all poses are numbers.
        camera_from_world: float64 [T, 4, 4].
        fov_rad: predicted field of view (height, width) of each frame, float64 [T, 2].
        disparity: float64, every eighth row and column.
    """

    finite: bool
    camera_from_world: Float64Array
    fov_rad: Float64Array
    disparity: Float64Array

    @classmethod
    def of(cls, disparity_HW: Tensor, encodings_T9: Tensor) -> Readout:
        """Wait for the device and bring the numbers over."""
        sampled = disparity_HW[::SAMPLED, ::SAMPLED]
        finite = torch.isfinite(disparity_HW).all().to(encodings_T9.dtype)
        packed = torch.cat([finite[None], encodings_T9.flatten(), sampled.flatten()])
        on_host = packed.cpu().double()
        known, encodings, samples = on_host.split([1, encodings_T9.numel(), sampled.numel()])
        encodings_T9 = encodings.view(encodings_T9.shape)
        poses_T44 = camera_from_world(encodings_T9)
        # Both: a field of view is no part of a pose, a quaternion of zero makes no rotation.
        numbers = bool(torch.isfinite(encodings_T9).all() & torch.isfinite(poses_T44).all())
        return cls(
            bool(known) and numbers,
            poses_T44.numpy(),
            encodings_T9[:, 7:9].numpy(),
            samples.view(sampled.shape).numpy(),
        )
