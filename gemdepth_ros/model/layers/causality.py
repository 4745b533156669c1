"""Masks under which a frame sees itself and earlier frames only."""

from __future__ import annotations

import torch
from torch import Tensor


def frame_causal_mask(frames: int, tokens_per_frame: int, device: torch.device) -> Tensor:
    """Boolean mask [F * L, F * L], True where the query's frame is not before the key's."""
    frame = torch.arange(frames, device=device).repeat_interleave(tokens_per_frame)
    return frame[:, None] >= frame[None, :]
