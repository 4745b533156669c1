"""Seeded initial weights: what an untrained network starts from.

Every part contributes from the start (no zero gains), depth is positive and varied, and the first
predicted pose is near the identity with a plausible field of view, so that an untrained network
exercises everything that a trained one does. Its output means nothing.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from gemdepth_ros.model.camera_head import POSE_WIDTH, ROUNDS
from gemdepth_ros.model.gemdepth import GemDepth
from gemdepth_ros.model.network import DepthNetwork

INITIAL_FOV_RAD = 1.0


def initialize(model: DepthNetwork, seed: int = 0) -> None:
    """Fill all weights of ``model`` in place, reproducibly, from ``seed``.

    Args:
        model: network whose parameters are on the CPU and in float32.
        seed: any integer.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and not _is_token(name):
            fan_in = _fan_in(name, parameter)
            nn.init.trunc_normal_(parameter, std=1 / math.sqrt(fan_in), generator=generator)
        elif _is_token(name):
            nn.init.normal_(parameter, std=0.02, generator=generator)
        elif name.endswith('bias'):
            nn.init.zeros_(parameter)
        elif not name.endswith('gamma'):  # layer scales keep the constructor's value
            nn.init.ones_(parameter)
    if isinstance(model, GemDepth):
        _initialize_pose(model, generator)
    _initialize_output(model.head.output_conv3)


def _initialize_output(output: nn.Conv2d) -> None:
    """Rectified inputs, positive weights and bias: disparity is positive at every place."""
    assert output.bias is not None
    with torch.no_grad():
        output.weight.abs_()
    nn.init.constant_(output.bias, 1.0)


def _is_token(name: str) -> bool:
    return name.rsplit('.', 1)[-1].endswith(('token', 'tokens', 'pos_embed'))


def _fan_in(name: str, parameter: torch.Tensor) -> int:
    """Inputs per output; a transposed convolution with stride = kernel has one tap each."""
    if name.startswith(('head.resizes.0', 'head.resizes.1')):
        return parameter.shape[0]
    return parameter[0].numel()


def _initialize_pose(model: GemDepth, generator: torch.Generator) -> None:
    """Start from the identity rotation; every round adds a quarter of it."""
    fc2 = model.camera_head.pose_branch.fc2
    nn.init.normal_(fc2.weight, std=0.1 / math.sqrt(fc2.in_features), generator=generator)
    start = torch.zeros(POSE_WIDTH)
    start[6] = 1.0 / ROUNDS
    start[7:] = INITIAL_FOV_RAD / ROUNDS
    with torch.no_grad():
        fc2.bias.copy_(start)
