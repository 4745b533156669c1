"""Pose encodings (translation, quaternion xyzw, field of view) as matrices and as features.

Shape suffixes: B clips, T frames, C channels. Quaternions are scalar-last and not normalised.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TINY = 1e-8
_HIDDEN = (128, 256, 512)


def rotation_matrix(quaternion_xyzw: Tensor) -> Tensor:
    """Rotation [..., 3, 3] of a quaternion [..., 4] of any norm."""
    x, y, z, w = quaternion_xyzw.unbind(-1)
    s = 2.0 / (quaternion_xyzw * quaternion_xyzw).sum(-1)
    rows = (
        (1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)),
        (s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)),
        (s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def camera_from_world(encoding: Tensor) -> Tensor:
    """World-to-camera transform [..., 4, 4] (OpenCV axes) of a pose encoding [..., 9]."""
    upper = torch.cat([rotation_matrix(encoding[..., 3:7]), encoding[..., :3, None]], dim=-1)
    last = torch.cat([torch.zeros_like(encoding[..., :3]), torch.ones_like(encoding[..., :1])], -1)
    return torch.cat([upper, last[..., None, :]], dim=-2)


def intrinsics(encoding: Tensor, height: int, width: int) -> Tensor:
    """Camera matrix [..., 3, 3] in pixels of the network's input, principal point at its middle.

    A predicted field of view of zero gives an infinite focal length, as the network says it.
    """
    half = torch.tan(encoding[..., 7:9] / 2)
    matrix = encoding.new_zeros(*encoding.shape[:-1], 3, 3)
    matrix[..., 0, 0] = (width / 2) / half[..., 1]
    matrix[..., 1, 1] = (height / 2) / half[..., 0]
    matrix[..., 0, 2] = width / 2
    matrix[..., 1, 2] = height / 2
    matrix[..., 2, 2] = 1.0
    return matrix


def relative_quaternion(reference: Tensor, quaternion: Tensor) -> Tensor:
    """``inverse(reference) * quaternion`` (Hamilton product, scalar last)."""
    # Of parts of what is on the device: a constant from the host would be waited for.
    inverse = torch.cat([-reference[..., :3], reference[..., 3:]], dim=-1)
    inverse = inverse / (reference * reference).sum(-1, keepdim=True)
    ax, ay, az, aw = inverse.unbind(-1)
    bx, by, bz, bw = quaternion.unbind(-1)
    return torch.stack(
        [
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
            aw * bw - ax * bx - ay * by - az * bz,
        ],
        dim=-1,
    )


class PoseInputs(NamedTuple):
    """What the pose encoders see: rotation [B, T, 4], translation [B, T, 3], scale [B, T, 1]."""

    rotation: Tensor
    translation: Tensor
    scale: Tensor


def translation_factor(translation_BT3: Tensor, *, frame_causal: bool = False) -> Tensor:
    """Mean length of the non-zero translations, [B, T, 1]; over frames so far when causal."""
    length = translation_BT3.norm(dim=-1)
    moved = (length > 0).to(length.dtype)
    if frame_causal:
        total, count = length.cumsum(1), moved.cumsum(1)
    else:
        total = length.sum(1, keepdim=True).expand_as(length)
        count = moved.sum(1, keepdim=True).expand_as(length)
    return (total / (count + TINY)).clamp_min(TINY)[..., None]


def pose_inputs(encoding_BT9: Tensor, *, frame_causal: bool = False) -> PoseInputs:
    """Poses relative to the clip's first frame, translations divided by their mean length.

    The formulas are those for camera-to-world poses although the encoding is world-to-camera:
    the network was trained that way.
    """
    translation, quaternion = encoding_BT9[..., :3], encoding_BT9[..., 3:7]
    first = quaternion[:, :1]
    # R^T (t - t0), not R^T t - R^T t0: the first frame must come out as exactly zero.
    moved = (translation - translation[:, :1])[..., None]
    relative = (rotation_matrix(first).transpose(-1, -2) @ moved).squeeze(-1)
    factor = translation_factor(relative, frame_causal=frame_causal)
    return PoseInputs(
        relative_quaternion(first, quaternion), relative / factor, torch.log(factor + TINY)
    )


def neutral_pose_inputs(like_BT9: Tensor) -> PoseInputs:
    """Inputs of the mode without pose injection: no rotation, no translation."""
    shape = like_BT9.shape[:2]
    rotation = torch.cat([like_BT9.new_zeros(*shape, 3), like_BT9.new_ones(*shape, 1)], dim=-1)
    factor = like_BT9.new_full((*shape, 1), TINY)
    return PoseInputs(rotation, like_BT9.new_zeros(*shape, 3), torch.log(factor + TINY))


def with_neutral_frames(inputs: PoseInputs, neutral_BT: Tensor) -> PoseInputs:
    """Return ``inputs`` with the neutral pose in the marked frames (bool [B, T])."""
    neutral = neutral_pose_inputs(inputs.rotation)
    chosen = neutral_BT[..., None]
    return PoseInputs(
        *(torch.where(chosen, n, given) for n, given in zip(neutral, inputs, strict=True))
    )


class PoseEncoder(nn.Module):
    """A small MLP and a LayerNorm: one part of the pose to one feature of the frame."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        widths = (inputs, *_HIDDEN, width)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., inputs] to [..., C]."""
        for layer in self.layers[:-1]:
            x = F.gelu(layer(x))
        return self.norm(self.layers[-1](x))


class PoseFeatures(nn.Module):
    """The three features of a pose that are added to every token of its frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.rotation = PoseEncoder(4, width)
        self.translation = PoseEncoder(3, width)
        self.scale = PoseEncoder(1, width)

    def forward(self, inputs: PoseInputs) -> tuple[Tensor, Tensor, Tensor]:
        """Return the three features, each [B, T, C]."""
        return (
            self.rotation(inputs.rotation),
            self.translation(inputs.translation),
            self.scale(inputs.scale),
        )
