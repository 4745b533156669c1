"""Motion module of the depth head: attention over time at every location of a feature map.

Shape suffixes: B clips, T frames, S locations, C channels, N heads, H channels per head.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from gemdepth_ros.model.config import MAX_FRAMES
from gemdepth_ros.model.layers.causality import frame_causal_mask
from gemdepth_ros.model.layers.sinusoid import interleaved_sinusoid

HEADS = 8
ATTENTIONS = 2
GROUPS = 32


class TemporalAttention(nn.Module):
    """Attention over slots; the slot's position enters queries, keys and values alike."""

    position: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(width, width, bias=False)
        self.to_v = nn.Linear(width, width, bias=False)
        self.to_out = nn.Linear(width, width)
        self.register_buffer('position', interleaved_sinusoid(MAX_FRAMES, width), persistent=False)

    @staticmethod
    def heads(x_STC: Tensor) -> Tensor:
        """[S, T, C] -> [S, N, T, H]."""
        return x_STC.unflatten(-1, (HEADS, -1)).transpose(1, 2)

    def attend(self, q_STC: Tensor, k_STC: Tensor, v_STC: Tensor, mask: Tensor | None) -> Tensor:
        """Attend at each location from the queries' frames to the keys' frames."""
        out = F.scaled_dot_product_attention(
            self.heads(q_STC), self.heads(k_STC), self.heads(v_STC), attn_mask=mask
        )
        return self.to_out(out.transpose(1, 2).flatten(2))

    def forward(self, x_STC: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend over the T frames that stand in slots 0..T-1."""
        z = x_STC + self.position[: x_STC.shape[1]].to(x_STC.dtype)
        return self.attend(self.to_q(z), self.to_k(z), self.to_v(z), mask)


class GatedFeedForward(nn.Module):
    """GEGLU: ``Linear(value * gelu(gate))``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 8 * width)
        self.out = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., C] to [..., C]."""
        value, gate = self.proj(x).chunk(2, dim=-1)
        return self.out(value * F.gelu(gate))


class MotionModule(nn.Module):
    """One transformer block over time, added to the feature map."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width, eps=1e-6)
        self.proj_in = nn.Linear(width, width)
        self.attention_norms = nn.ModuleList(
            nn.LayerNorm(width, eps=1e-5) for _ in range(ATTENTIONS)
        )
        self.attentions = nn.ModuleList(TemporalAttention(width) for _ in range(ATTENTIONS))
        self.feed_forward_norm = nn.LayerNorm(width, eps=1e-5)
        self.feed_forward = GatedFeedForward(width)
        self.proj_out = nn.Linear(width, width)
        # A fresh module passes its input through unchanged.
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def enter(self, maps_FCHW: Tensor) -> Tensor:
        """Normalise each frame's map and project: tokens [F, S, C]."""
        return self.proj_in(self.norm(maps_FCHW).flatten(2).transpose(1, 2))

    def leave(self, maps_FCHW: Tensor, tokens_FSC: Tensor) -> Tensor:
        """Feed forward, project, and add to the maps."""
        tokens_FSC = tokens_FSC + self.feed_forward(self.feed_forward_norm(tokens_FSC))
        added = self.proj_out(tokens_FSC).transpose(1, 2)
        return maps_FCHW + added.unflatten(2, maps_FCHW.shape[-2:])

    def forward(self, maps_FCHW: Tensor, frames: int, *, frame_causal: bool = False) -> Tensor:
        """Mix maps of B clips of ``frames`` frames, [B * T, C, H, W]."""
        mask = frame_causal_mask(frames, 1, maps_FCHW.device) if frame_causal else None
        tokens_FSC = self.enter(maps_FCHW)
        clips, locations = len(tokens_FSC) // frames, tokens_FSC.shape[1]
        tokens_STC = tokens_FSC.unflatten(0, (clips, frames)).transpose(1, 2).flatten(0, 1)
        for norm, attention in zip(self.attention_norms, self.attentions, strict=True):
            tokens_STC = tokens_STC + attention(norm(tokens_STC), mask)
        tokens_FSC = tokens_STC.unflatten(0, (clips, locations)).transpose(1, 2).flatten(0, 1)
        return self.leave(maps_FCHW, tokens_FSC)
