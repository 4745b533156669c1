"""The network that training starts from, and what moves its weights."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.model.build import build_gemdepth
from gemdepth_ros.model.dinov2 import TABLE_SIDE
from gemdepth_ros.model.gemdepth import GemDepth
from gemdepth_ros.training.config import OptimizerConfig, TrainingConfig

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


def make_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter, ICLR 2019); only matrices decay."""
    decayed: list[Tensor] = []
    kept: list[Tensor] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            plain = parameter.dim() < 2 or name.endswith(('token', 'tokens', 'pos_embed'))
            (kept if plain else decayed).append(parameter)
    groups = [
        {'params': decayed, 'weight_decay': config.weight_decay},
        {'params': kept, 'weight_decay': 0.0},
    ]
    return torch.optim.AdamW(
        groups, lr=config.learning_rate, betas=(0.9, config.beta2), fused=True
    )


def learning_rate(config: OptimizerConfig, step: int, total: int) -> float:
    """Linear warm-up, then half a cosine to ``final_share`` of the largest.

    Args:
        config: optimiser.
        step: number of the step, from 0.
        total: steps of the whole training.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(total - config.warmup_steps, 1)
    wave = 0.5 * (1 + math.cos(math.pi * done))
    return config.learning_rate * (config.final_share + (1 - config.final_share) * wave)


class RunningMean:
    """Exponential mean of the weights: decay min(d, (1 + n) / (10 + n)) at the n-th update."""

    def __init__(self, parameters: list[Tensor], decay: float) -> None:
        self.decay = decay
        self.source = parameters
        self.mean = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after step ``step``."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.mean, [p.detach() for p in self.source], 1 - decay)

    @torch.no_grad()
    def exchange(self) -> None:
        """Swap the weights with their mean; a second call swaps them back."""
        for mean, parameter in zip(self.mean, self.source, strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(mean)
            mean.copy_(kept)
