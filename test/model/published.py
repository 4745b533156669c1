"""A whole published state for tests: what is used, what never is, and the fixed tables."""

from __future__ import annotations

import torch
from torch import Tensor

from gemdepth_ros.model import GemDepth
from gemdepth_ros.model.checkpoint import UNUSED_BUFFER, checkpoint_layout, published_state
from gemdepth_ros.model.config import MAX_FRAMES


def whole_state(model: GemDepth) -> dict[str, Tensor]:
    """Every tensor that a published checkpoint of this size holds, with this network's values."""
    layout = checkpoint_layout(model.config)
    state = {n: t.clone() for n, t in published_state(model).items()}
    state |= {name: torch.randn(shape) for name, shape in layout.unused.items()}
    state |= {name: table.clone() for name, table in layout.tables.items()}
    return state | {UNUSED_BUFFER: torch.zeros(1, MAX_FRAMES, model.config.encoder.width)}


def images(clips: int, frames: int, height: int = 56, width: int = 70, seed: int = 0) -> Tensor:
    """Normalised noise [B, T, 3, H, W]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(clips, frames, 3, height, width, generator=generator)
