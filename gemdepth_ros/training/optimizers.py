"""What moves the weights: optimiser, learning rate, running mean."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.training.config import OptimizerConfig

SMALLEST_SIDE = 16
"""Of a matrix that Muon may move; narrower ones (pose inputs) are no mixing of features."""


class Optimizers:
    """Several optimisers as one; each keeps its own largest learning rate."""

    def __init__(self, parts: list[torch.optim.Optimizer]) -> None:
        self.parts = parts
        self.largest = [[group['lr'] for group in part.param_groups] for part in parts]

    def set_rate(self, share: float) -> None:
        """Set all learning rates to a share of their largest."""
        for part, rates in zip(self.parts, self.largest, strict=True):
            for group, rate in zip(part.param_groups, rates, strict=True):
                group['lr'] = rate * share

    def step(self) -> None:
        """Move the weights."""
        for part in self.parts:
            part.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        """Return the state of all parts."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Go back to a state."""
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


def make_optimizer(model: nn.Module, config: OptimizerConfig) -> Optimizers:
    """Return AdamW for all weights, or Muon for matrices and AdamW for the rest.

    AdamW: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (ICLR 2019); only
    matrices decay. Muon: Jordan et al., "Muon: An optimizer for hidden layers in neural networks"
    (2024), momentum made orthogonal, here scaled to AdamW's usual size of a step.
    """
    mixing: list[Tensor] = []
    decayed: list[Tensor] = []
    kept: list[Tensor] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.dim() < 2 or name.endswith(('token', 'tokens', 'pos_embed')):
            kept.append(parameter)
        elif _is_mixing(parameter) and config.kind == 'muon':
            mixing.append(parameter)
        else:
            decayed.append(parameter)
    groups = [
        {'params': decayed, 'weight_decay': config.weight_decay},
        {'params': kept, 'weight_decay': 0.0},
    ]
    parts: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, config.beta2), fused=True)
    ]
    if mixing:
        parts.append(_muon(mixing, config))
    return Optimizers(parts)


def _is_mixing(parameter: Tensor) -> bool:
    return parameter.dim() == 2 and min(parameter.shape) > SMALLEST_SIDE


def _muon(parameters: list[Tensor], config: OptimizerConfig) -> torch.optim.Optimizer:
    if not hasattr(torch.optim, 'Muon'):
        raise ConfigError(
            f"optimizer.kind 'muon' needs PyTorch >= 2.9, this is {torch.__version__}: use 'adamw'"
        )
    return torch.optim.Muon(
        parameters,
        lr=config.matrix_rate,
        weight_decay=config.weight_decay,
        adjust_lr_fn='match_rms_adamw',
    )


def rate_share(config: OptimizerConfig, step: int, total: int) -> float:
    """Return the part of the largest learning rate: linear warm-up, then half a cosine.

    Args:
        config: optimiser.
        step: number of the step, from 0.
        total: steps of the whole training.
    """
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(total - config.warmup_steps, 1)
    wave = 0.5 * (1 + math.cos(math.pi * done))
    return config.final_share + (1 - config.final_share) * wave


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
