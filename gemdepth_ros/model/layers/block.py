"""The pre-norm transformer block that every part of the network is made of."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gemdepth_ros.model.layers.attention import Attention
from gemdepth_ros.model.layers.key_value import KeyValueStore
from gemdepth_ros.model.layers.parts import in_parts
from gemdepth_ros.model.layers.rope import RopeTables


class LayerScale(nn.Module):
    """A learned gain per channel of what is added to the residual stream."""

    def __init__(self, width: int, initial: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), initial))

    def forward(self, x: Tensor, added: Tensor) -> Tensor:
        """Return ``x + gamma * added`` in one pass."""
        return torch.addcmul(x, self.gamma, added)


class PlainSum(nn.Module):
    """The residual sum of a block without layer scale."""

    def forward(self, x: Tensor, added: Tensor) -> Tensor:
        """Return ``x + added``."""
        return x + added


class Mlp(nn.Module):
    """Two linear layers with an exact (erf) GELU between them."""

    def __init__(self, width: int, hidden: int, out: int | None = None) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, out or width)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., width] to [..., out]."""
        return self.fc2(F.gelu(self.fc1(x.to(self.fc1.weight.dtype))))


class Block(nn.Module):
    """``x += LS1(attention(norm1(x))); x += LS2(mlp(norm2(x)))``, MLP ratio 4.

    ``x`` has the precision of the norms (``precision.set_precision`` keeps it in float32), the
    projections round what they are given to theirs.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        eps: float,
        layer_scale: float | None = None,
        qk_norm: bool = False,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attn = Attention(width, heads, qk_norm=qk_norm)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = Mlp(width, 4 * width)
        self.ls1, self.ls2 = (
            PlainSum() if layer_scale is None else LayerScale(width, layer_scale) for _ in range(2)
        )

    def forward(
        self, x_BPC: Tensor, rope: RopeTables | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Transform tokens [B, P, C] that attend to each other."""
        return self.finish(x_BPC, self.attn(self.norm1(x_BPC), rope, mask))

    def step(
        self, x_BPC: Tensor, slot: int, store: KeyValueStore, rope: RopeTables | None = None
    ) -> Tensor:
        """Transform one frame's tokens, which attend to themselves and to earlier frames."""
        q_BNPH, k_BNPH, v_BNPH = self.attn.query_key_value(self.norm1(x_BPC), rope)
        return self.finish(x_BPC, self.attn.attend(q_BNPH, *store.extend(slot, k_BNPH, v_BNPH)))

    def step_each(
        self, x_B1C: Tensor, slots: Sequence[int], stores: Sequence[KeyValueStore]
    ) -> Tensor:
        """``step`` of one token in each of several streams; the weights are read once.

        Args:
            x_B1C: one token per stream.
            slots: the frame's slot in each stream.
            stores: each stream's keys and values.
        """
        q_BN1H, k_BN1H, v_BN1H = self.attn.query_key_value(self.norm1(x_B1C))
        parts = zip(slots, stores, q_BN1H.split(1), k_BN1H.split(1), v_BN1H.split(1), strict=True)
        mixed = [self.attn.mix(q, *store.extend(slot, k, v)) for slot, store, q, k, v in parts]
        return self.finish(x_B1C, self.attn.proj(torch.cat(mixed)))

    def finish(self, x_BPC: Tensor, attended_BPC: Tensor) -> Tensor:
        """Add attention's result and the MLP to the residual stream."""
        x_BPC = self.ls1(x_BPC, attended_BPC)
        # The sum is new, so nobody else sees that the result is put in its place.
        tokens = in_parts(self._feed_forward, x_BPC.flatten(0, 1), self.mlp.fc1.out_features)
        return tokens.unflatten(0, x_BPC.shape[:2])

    def _feed_forward(self, x_SC: Tensor) -> Tensor:
        return self.ls2(x_SC, self.mlp(self.norm2(x_SC)))
