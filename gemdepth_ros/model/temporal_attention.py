"""Motion module of the depth head: attention over time at every location of a feature map.

Shape suffixes: B clips, T frames, S locations, C channels, N heads, H channels per head.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gemdepth_ros.model.config import MAX_FRAMES, MOTION_GROUPS
from gemdepth_ros.model.layers.attention import softmax_attention
from gemdepth_ros.model.layers.causality import frame_causal_mask
from gemdepth_ros.model.layers.key_value import KeyValueStore
from gemdepth_ros.model.layers.modules import Modules
from gemdepth_ros.model.layers.parts import in_parts
from gemdepth_ros.model.layers.sinusoid import interleaved_sinusoid

HEADS = 8
ATTENTIONS = 2


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

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of the content alone, without a position."""
        return self.to_q(x), self.to_k(x), self.to_v(x)

    def positions(self, slots_T: Tensor) -> Tensor:
        """Position of each slot, [T, C]."""
        return self.position[slots_T].to(self.to_q.weight.dtype)

    def attend(
        self, q_SNQH: Tensor, k_SNTH: Tensor, v_SNTH: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Attend at each location from the queries' frames to the keys' frames, [S, Q, C]."""
        out = softmax_attention(q_SNQH, k_SNTH, v_SNTH, mask)
        return self.to_out(out.transpose(1, 2).flatten(2))

    def forward(self, x_STC: Tensor, slots_T: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend over T frames that stand in the given slots."""
        q, k, v = self.project(x_STC + self.positions(slots_T))
        return self.attend(self.heads(q), self.heads(k), self.heads(v), mask)


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
        self.norm = nn.GroupNorm(MOTION_GROUPS, width, eps=1e-6)
        self.proj_in = nn.Linear(width, width)
        self.attention_norms: Modules[nn.LayerNorm] = Modules(
            nn.LayerNorm(width, eps=1e-5) for _ in range(ATTENTIONS)
        )
        self.attentions: Modules[TemporalAttention] = Modules(
            TemporalAttention(width) for _ in range(ATTENTIONS)
        )
        self.feed_forward_norm = nn.LayerNorm(width, eps=1e-5)
        self.feed_forward = GatedFeedForward(width)
        self.proj_out = nn.Linear(width, width)
        # A fresh module passes its input through unchanged.
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def enter(self, maps_FCHW: Tensor) -> Tensor:
        """Normalise each frame's map and project: tokens [F, S, C]."""
        return self.proj_in(self.norm(maps_FCHW).flatten(2).transpose(1, 2))

    @property
    def widest(self) -> int:
        """Values of one token inside the feed-forward part: projection, gate and product."""
        return self.feed_forward.proj.out_features + 2 * self.feed_forward.out.in_features

    def added(self, tokens: Tensor) -> Tensor:
        """Feed forward and project: what is added to the maps, [..., C]."""
        return self.proj_out(tokens + self.feed_forward(self.feed_forward_norm(tokens)))

    @staticmethod
    def add(maps_FCHW: Tensor, added_FSC: Tensor) -> Tensor:
        """Add tokens to the maps that they came from."""
        return maps_FCHW + added_FSC.transpose(1, 2).unflatten(2, maps_FCHW.shape[-2:])

    def leave(self, maps_FCHW: Tensor, tokens_FSC: Tensor) -> Tensor:
        """Feed forward, project, and add to the maps."""
        return self.add(maps_FCHW, self.added(tokens_FSC))

    def forward(self, maps_FCHW: Tensor, frames: int, *, frame_causal: bool = False) -> Tensor:
        """Mix maps of B clips of ``frames`` frames, [B * T, C, H, W]."""
        mask = frame_causal_mask(frames, 1, maps_FCHW.device) if frame_causal else None
        slots_T = torch.arange(frames, device=maps_FCHW.device)
        tokens_FSC = self.enter(maps_FCHW)
        clips, locations = len(tokens_FSC) // frames, tokens_FSC.shape[1]
        tokens_STC = tokens_FSC.unflatten(0, (clips, frames)).transpose(1, 2).flatten(0, 1)

        def mix(part_STC: Tensor) -> Tensor:
            for norm, attention in zip(self.attention_norms, self.attentions, strict=True):
                part_STC = part_STC + attention(norm(part_STC), slots_T, mask)
            return self.added(part_STC)

        added_STC = in_parts(mix, tokens_STC, frames * self.widest)
        added_FSC = added_STC.unflatten(0, (clips, locations)).transpose(1, 2).flatten(0, 1)
        return self.add(maps_FCHW, added_FSC)

    def mix_window(self, maps_FCHW: Tensor, slots_T: Tensor, target: int | None = None) -> Tensor:
        """Mix one clip whose frames stand in any order.

        Args:
            maps_FCHW: the frames' maps.
            slots_T: slot of each frame.
            target: return this frame alone (its index, not its slot): the second attention and
                all that follows are computed for it only.
        """
        first, second = self.attentions
        tokens_STC = self.enter(maps_FCHW).transpose(0, 1)
        tokens_STC = tokens_STC + first(self.attention_norms[0](tokens_STC), slots_T)
        z = self.attention_norms[1](tokens_STC) + second.positions(slots_T)
        k, v = second.heads(second.to_k(z)), second.heads(second.to_v(z))
        if target is not None:
            kept = slice(target, target + 1)
            maps_FCHW, tokens_STC, z = maps_FCHW[kept], tokens_STC[:, kept], z[:, kept]
        tokens_STC = tokens_STC + second.attend(second.heads(second.to_q(z)), k, v)
        added_STC = in_parts(self.added, tokens_STC, tokens_STC.shape[1] * self.widest)
        return self.add(maps_FCHW, added_STC.transpose(0, 1))

    def step(self, maps_1CHW: Tensor, slot: int, stores: Sequence[KeyValueStore]) -> Tensor:
        """Mix one new frame in ``slot`` with the earlier frames whose keys are in ``stores``."""
        tokens_S1C = self.enter(maps_1CHW).transpose(0, 1)
        for norm, attention, store in zip(
            self.attention_norms, self.attentions, stores, strict=True
        ):
            position = attention.position[slot].to(tokens_S1C.dtype)
            q, k, v = (attention.heads(x) for x in attention.project(norm(tokens_S1C) + position))
            tokens_S1C = tokens_S1C + attention.attend(q, *store.extend(slot, k, v))
        return self.leave(maps_1CHW, tokens_S1C.transpose(0, 1))
