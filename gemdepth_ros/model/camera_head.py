"""GEM, part two: camera tokens to poses and field of view, refined in four rounds.

Shape suffixes: B clips, T frames, D = 2 C channels of a camera feature.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gemdepth_ros.model.layers.block import Block, Mlp
from gemdepth_ros.model.layers.causality import frame_causal_mask
from gemdepth_ros.model.layers.key_value import KeyValueStore
from gemdepth_ros.model.layers.modules import Modules

ROUNDS = 4
POSE_WIDTH = 9  # translation xyz, quaternion xyzw, field of view (height, width)


class CameraHead(nn.Module):
    """Iterative pose regression, conditioned on the previous round's pose."""

    def __init__(self, width: int, heads: int, depth: int) -> None:
        super().__init__()
        self.empty_pose_tokens = nn.Parameter(torch.zeros(1, 1, POSE_WIDTH))
        self.token_norm = nn.LayerNorm(width, eps=1e-5)
        self.embed_pose = nn.Linear(POSE_WIDTH, width)
        self.modulation = nn.Linear(width, 3 * width)
        self.adaln_norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.trunk: Modules[Block] = Modules(
            Block(width, heads, eps=1e-5, layer_scale=0.01) for _ in range(depth)
        )
        self.trunk_norm = nn.LayerNorm(width, eps=1e-5)
        self.pose_branch = Mlp(width, width // 2, POSE_WIDTH)

    def condition(self, x_BTD: Tensor, pose_BT9: Tensor | None) -> Tensor:
        """Modulate normalised camera features by the pose so far (AdaLN with a gate)."""
        given = self.empty_pose_tokens.expand(*x_BTD.shape[:2], -1)
        pose = given if pose_BT9 is None else pose_BT9
        shift, scale, gate = self.modulation(F.silu(self.embed_pose(pose))).chunk(3, dim=-1)
        return x_BTD + gate * (self.adaln_norm(x_BTD) * (1 + scale) + shift)

    def update(self, y_BTD: Tensor, pose_BT9: Tensor | None) -> Tensor:
        """Return the raw pose after one round, from the trunk's output."""
        delta = self.pose_branch(self.trunk_norm(y_BTD))
        return delta if pose_BT9 is None else pose_BT9 + delta

    def step(
        self,
        features_B1D: Tensor,
        slots: Sequence[int],
        stores: Sequence[Sequence[Sequence[KeyValueStore]]],
    ) -> Tensor:
        """Return the last round's raw poses [B, 1, 9] of one frame in each of B streams.

        Each frame sees the earlier ones of its own stream. Streams that step together share the
        reading of the weights, which is what a single frame's time goes into.

        Args:
            features_B1D: camera features of the frames.
            slots: each frame's slot in its stream.
            stores: for each stream one store per round and block.
        """
        x_B1D = self.token_norm(features_B1D)
        pose: Tensor | None = None
        for number in range(ROUNDS):
            y_B1D = self.condition(x_B1D, pose)
            for index, block in enumerate(self.trunk):
                kept = [streams[number][index] for streams in stores]
                y_B1D = block.step_each(y_B1D, slots, kept)
            pose = self.update(y_B1D, pose)
        assert pose is not None
        return pose

    def forward(self, features_BTD: Tensor, *, frame_causal: bool = False) -> Tensor:
        """Return the raw pose after each round, [rounds, B, T, 9], before ``activate``."""
        frames = features_BTD.shape[1]
        mask = frame_causal_mask(frames, 1, features_BTD.device) if frame_causal else None
        x_BTD = self.token_norm(features_BTD)
        pose: Tensor | None = None
        rounds = []
        for _ in range(ROUNDS):
            y_BTD = self.condition(x_BTD, pose)
            for block in self.trunk:
                y_BTD = block(y_BTD, mask=mask)
            pose = self.update(y_BTD, pose)
            rounds.append(pose)
        return torch.stack(rounds)


def activate(raw_pose: Tensor) -> Tensor:
    """Reported pose encoding: the field of view is cut at zero, the rest is linear."""
    return torch.cat([raw_pose[..., :7], F.relu(raw_pose[..., 7:])], dim=-1)
