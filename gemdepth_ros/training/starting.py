"""The network that training starts from.

An untrained network of ``model.initialization`` exercises every part, which is good for tests:
disparity starts eight times too large and every step of the last layers moves it by as much as the
scene varies. docs/training.md has figures of what the changes here do.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import nn

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.model.build import build_gemdepth
from gemdepth_ros.model.dinov2 import TABLE_SIDE
from gemdepth_ros.model.gemdepth import GemDepth
from gemdepth_ros.training.config import TrainingConfig

STARTING_GAIN = 0.5


def starting_network(config: TrainingConfig, initial: Path | None) -> GemDepth:
    """Return the network in training mode, in float32 on the CPU.

    Args:
        config: the training.
        initial: weights to start from (published names), or None for seeded new ones.
    """
    if initial is None and config.network == 'auto':
        raise ConfigError('network is auto, which needs weights to start from (--init)')
    model = build_gemdepth(config.network, initial, seed=config.seed)
    model.train().requires_grad_(True)
    if initial is None:
        smooth_positions(model)
        open_gains(model)
        wake_pose_features(model, config.seed)
        calm_head(model, config.seed)
    model.encoder.pos_embed.requires_grad_(not config.fixed_positions)
    return model


def smooth_positions(model: GemDepth) -> None:
    """Set the encoder's position table to a two-dimensional sinusoid.

    A table that is learned at one grid of patches is sampled at a few of its points only, and
    means nothing at another grid; a smooth one means the same at all of them. Wave lengths run
    from twice the picture to about a patch at the sizes that are trained.
    """
    table = model.encoder.pos_embed
    width = table.shape[-1]
    place = torch.linspace(-1, 1, TABLE_SIDE)
    rates = math.pi / 2 * torch.logspace(0, math.log2(12), width // 4, base=2)
    waves_SC = torch.cat([(place[:, None] * rates).sin(), (place[:, None] * rates).cos()], dim=1)
    rows = waves_SC[:, None].expand(-1, TABLE_SIDE, -1)
    columns = waves_SC[None].expand(TABLE_SIDE, -1, -1)
    with torch.no_grad():
        table[0, 1:] = torch.cat([rows, columns], dim=-1).flatten(0, 1)
        table[0, 0] = 0.0


def open_gains(model: GemDepth) -> None:
    """Let the blocks that see motion speak from the start.

    The published layer scale of 0.01 keeps a pretrained encoder's features as they are while new
    blocks learn; without such an encoder it only delays what the poses are learned from.
    """
    for part in (model.geometry, model.camera_head):
        for name, parameter in part.named_parameters():
            if name.endswith('gamma'):
                nn.init.constant_(parameter, STARTING_GAIN)


def wake_pose_features(model: GemDepth, seed: int) -> None:
    """Give the pose encoders biases.

    The first frame's translation is exactly zero. Without biases so is what its encoder makes of
    it, and the LayerNorm behind (eps 1e-6) then multiplies the gradient by a thousand.
    """
    generator = torch.Generator().manual_seed(seed + 1)
    for name, parameter in model.pose_features.named_parameters():
        if '.layers.' in name and name.endswith('bias'):
            nn.init.uniform_(parameter, -0.5, 0.5, generator=generator)


def calm_head(model: GemDepth, seed: int) -> None:
    """Start with small maps, silent motion modules (as published) and disparity near its bias, 1.

    Adam moves every weight by the learning rate whatever the gradient, so what a step does to the
    output grows with the maps that the last layers weigh.
    """
    generator = torch.Generator().manual_seed(seed + 2)
    head = model.head
    with torch.no_grad():
        for reduce in head.reduce:
            reduce.weight.mul_(0.4)  # type: ignore[operator]
        for motion in head.motion_modules:
            motion.proj_out.weight.zero_()
        head.output_conv1.weight.mul_(0.5)
        head.output_conv3.weight.normal_(0, 0.1, generator=generator)
