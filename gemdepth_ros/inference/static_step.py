"""The causal step as a pure function of tensors whose shapes never change.

What ``CausalSegment.step`` does with slices as long as the stream is old is done here with all
slots and a mask over slot numbers, so that one compiled, captured or exported graph serves every
frame. The module holds the network itself, not a copy of it, and no state.

Shape suffixes: T slots, P tokens of a frame in an attention, S = T * P keys, L patches, C
channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gemdepth_ros.inference.encoded import StreamGrid
from gemdepth_ros.model import GemDepth, GemDepthConfig
from gemdepth_ros.model.camera_head import ROUNDS, activate
from gemdepth_ros.model.layers.block import Block
from gemdepth_ros.model.layers.rope import RopeTables
from gemdepth_ros.model.pose_encoding import PoseInputs, neutral_pose_inputs, pose_inputs
from gemdepth_ros.model.spatio_temporal import PAIRS
from gemdepth_ros.model.temporal_attention import ATTENTIONS, MotionModule

MOTION_MODULES = 4


def store_names(config: GemDepthConfig) -> list[str]:
    """Names of a segment's key-value stores, in the order in which a step needs them."""
    camera = [f'camera_{r}_{b}' for r in range(ROUNDS) for b in range(config.camera_head_depth)]
    mixing = [f'{kind}_{i}' for i in range(PAIRS) for kind in ('spatial', 'time')]
    motion = [f'motion_{i}_{j}' for i in range(MOTION_MODULES) for j in range(ATTENTIONS)]
    return ['global', *camera, *mixing, *motion]


class Extended(NamedTuple):
    """Keys and values of all slots, and which of the keys may be seen."""

    k_BNSH: Tensor
    v_BNSH: Tensor
    visible_S: Tensor


class Stores(Protocol):
    """The stores of one step, in the order of ``store_names``."""

    def extend(self, k_BNPH: Tensor, v_BNPH: Tensor) -> Extended:
        """Put the new frame into its slot of the next store; return all of that store."""


class _Slots:
    """The new frame's slot among all slots, and masks made of it."""

    def __init__(self, slot_1: Tensor, slots: int) -> None:
        numbers_T = torch.arange(slots, device=slot_1.device)
        self.slot_1, self.is_new_T = slot_1, numbers_T == slot_1
        self._seen_T = numbers_T <= slot_1

    def visible(self, tokens: int) -> Tensor:
        """Keys of the new frame and of earlier ones, bool [T * tokens]."""
        return self._seen_T.repeat_interleave(tokens)


class _PureStores:
    """Leaves the given tensors alone and remembers what belongs into the new slot."""

    def __init__(self, slots: _Slots, caches: Sequence[Tensor]) -> None:
        self._slots, self._caches = slots, iter(caches)
        self.new: list[Tensor] = []

    def extend(self, k_BNPH: Tensor, v_BNPH: Tensor) -> Extended:
        """Return keys and values in which the new frame stands in its slot."""
        self.new += [k_BNPH, v_BNPH]
        k_BNSH, v_BNSH = (self._with(next(self._caches), new) for new in (k_BNPH, v_BNPH))
        return Extended(k_BNSH, v_BNSH, self._slots.visible(k_BNPH.shape[2]))

    def _with(self, cache_BNSH: Tensor, new_BNPH: Tensor) -> Tensor:
        by_slot = cache_BNSH.to(new_BNPH.dtype).unflatten(2, (-1, new_BNPH.shape[2]))
        is_new = self._slots.is_new_T[:, None, None]
        return torch.where(is_new, new_BNPH[:, :, None], by_slot).flatten(2, 3)


class _StoresInPlace:
    """Writes the new slot into the given tensors."""

    def __init__(self, slots: _Slots, caches: Sequence[Tensor]) -> None:
        self._slots, self._caches = slots, iter(caches)
        self.new: list[Tensor] = []

    def extend(self, k_BNPH: Tensor, v_BNPH: Tensor) -> Extended:
        """Write the new frame's slot; return the tensors."""
        k_BNSH, v_BNSH = (self._written(next(self._caches), new) for new in (k_BNPH, v_BNPH))
        return Extended(k_BNSH, v_BNSH, self._slots.visible(k_BNPH.shape[2]))

    def _written(self, cache_BNSH: Tensor, new_BNPH: Tensor) -> Tensor:
        by_slot = cache_BNSH.unflatten(2, (-1, new_BNPH.shape[2]))
        by_slot.index_copy_(2, self._slots.slot_1, new_BNPH[:, :, None].to(cache_BNSH.dtype))
        return cache_BNSH.to(new_BNPH.dtype)


def masked_attention(q_BNPH: Tensor, all_slots: Extended) -> Tensor:
    """Attention of P queries to the visible keys, [B, P, C]."""
    k_BNSH, v_BNSH, visible_S = all_slots
    if q_BNPH.shape[2] == 1:  # fused kernels are made for many queries
        weights = (q_BNPH * q_BNPH.shape[-1] ** -0.5) @ k_BNSH.transpose(-1, -2)
        weights = weights.masked_fill(~visible_S, -math.inf)
        mixed = weights.softmax(-1) @ v_BNSH
    else:
        mask_1S = visible_S[None]
        mixed = F.scaled_dot_product_attention(q_BNPH, k_BNSH, v_BNSH, attn_mask=mask_1S)
    return mixed.transpose(1, 2).flatten(2)


class StaticStep(nn.Module):
    """One frame of a causal stream: encoder levels and kept tensors in, disparity and pose out.

    Args:
        model: the network.
        grid: what its input size fixes.
        slots: capacity of the stores.
        in_place: write the new slot into the given stores, and return disparity and pose alone;
            else leave them untouched and return the new slot's keys and values as well.
    """

    def __init__(
        self, model: GemDepth, grid: StreamGrid, slots: int, *, in_place: bool = False
    ) -> None:
        super().__init__()
        self.model = model
        self._rows, self._columns, self._count = grid.rows, grid.columns, slots
        self._in_place = in_place
        for name, tables in (('geometry', grid.geometry_rope), ('spatial', grid.spatial_rope)):
            self.register_buffer(f'{name}_cos', tables.cos_PH, persistent=False)
            self.register_buffer(f'{name}_sin', tables.sin_PH, persistent=False)

    def forward(
        self, levels: Sequence[Tensor], slot_1: Tensor, encodings_1T9: Tensor, *caches: Tensor
    ) -> tuple[Tensor, ...]:
        """Take one frame.

        Args:
            levels: the encoder's four levels of the frame, each [1, L, C].
            slot_1: its slot, int64 [1].
            encodings_1T9: pose encodings of the segment; those of slots before it count.
            caches: keys and values of every store in the order of ``store_names``, each
                [B, N, T * P, H]; slots before it count.

        Returns:
            Disparity [1, H, W], pose encoding [1, 1, 9]; and unless ``in_place``, for every
            store the new slot's keys and values, [B, N, P, H].
        """
        slots = _Slots(slot_1, self._count)
        kind = _StoresInPlace if self._in_place else _PureStores
        stores = kind(slots, caches)
        feature_1D = self._camera_feature(levels[3], slots, stores)
        encoding_119 = self._pose(feature_1D[None].to(encodings_1T9.dtype), stores)
        pose_11C = self._pose_feature(encoding_119, encodings_1T9, slots)
        tokens_1LC = self.model.astt.embed(levels[3][None], pose_11C, slot_1)[0]
        disparity = self._disparity(levels, tokens_1LC, slots, stores)
        if self._in_place:
            encodings_1T9.index_copy_(1, slot_1, encoding_119)
        return (disparity, encoding_119, *stores.new)

    def _rope(self, name: str) -> RopeTables:
        return RopeTables(self.get_buffer(f'{name}_cos'), self.get_buffer(f'{name}_sin'))

    def _camera_feature(self, patches_1LC: Tensor, slots: _Slots, stores: Stores) -> Tensor:
        """GEM: the frame block, and the camera token's look at all frames, [1, 2 C]."""
        geometry, rope = self.model.geometry, self._rope('geometry')
        row_1 = (slots.slot_1 > 0).long()  # the first frame has special tokens of its own
        special = (geometry.camera_token, geometry.register_token)
        special_1SC = torch.cat([tokens.index_select(1, row_1)[:, 0] for tokens in special], 1)
        tokens_1PC = torch.cat([special_1SC, patches_1LC], dim=1)
        tokens_1PC = tokens_1PC.to(geometry.frame_block.norm1.weight.dtype)
        tokens_1PC = geometry.frame_block(tokens_1PC, rope)
        seen = stores.extend(*geometry.global_key_value(tokens_1PC, rope))
        block, camera_11C = geometry.global_block, tokens_1PC[:, :1]
        q_1N1H = block.attn.query(block.norm1(camera_11C))
        mixed_11C = block.finish(camera_11C, block.attn.proj(masked_attention(q_1N1H, seen)))
        return torch.cat([camera_11C, mixed_11C], dim=-1)[:, 0]

    def _pose(self, feature_11D: Tensor, stores: Stores) -> Tensor:
        """Refine the camera feature in rounds; return the pose encoding [1, 1, 9]."""
        head = self.model.camera_head
        x_11D = head.token_norm(feature_11D)
        pose: Tensor | None = None
        for _ in range(ROUNDS):
            y_11D = head.condition(x_11D, pose)
            for block in head.trunk:
                y_11D = _block_step(block, y_11D, stores)
            pose = head.update(y_11D, pose)
        assert pose is not None
        return activate(pose)

    def _pose_feature(self, encoding_119: Tensor, encodings_1T9: Tensor, slots: _Slots) -> Tensor:
        """``GemDepth.inject_pose`` for the new frame, [1, 1, C]."""
        model = self.model
        seen_1T9 = torch.where(slots.is_new_T[:, None], encoding_119, encodings_1T9)
        if model.config.pose_injection == 'always':
            inputs = pose_inputs(seen_1T9, frame_causal=True)
        else:
            inputs = neutral_pose_inputs(seen_1T9)
        inputs = PoseInputs(*(part.index_select(1, slots.slot_1) for part in inputs))
        rotation, translation, scale = model.pose_features(inputs)
        return rotation + translation + scale

    def _disparity(
        self, levels: Sequence[Tensor], tokens_1LC: Tensor, slots: _Slots, stores: Stores
    ) -> Tensor:
        """ASTT and the depth head, [1, H, W]."""
        model, rows, columns = self.model, self._rows, self._columns
        for spatial, time in zip(model.astt.spatial_blocks, model.astt.time_blocks, strict=True):
            tokens_1LC = _block_step(spatial, tokens_1LC, stores, self._rope('spatial'))
            tokens_1LC = _block_step(time, tokens_1LC.transpose(0, 1), stores).transpose(0, 1)

        def mix(index: int, maps: Tensor) -> Tensor:
            return _motion_step(model.head.motion_modules[index], maps, slots, stores)

        map3 = model.head.level_map(2, levels[2], rows, columns)
        map4 = model.head.level_map(3, tokens_1LC, rows, columns)
        path3 = model.head.coarse(map3, map4, rows, columns, mix)
        return model.head.fine(levels[0], levels[1], path3, rows, columns)


class StaticEncoder(nn.Module):
    """The encoder for one input size, with its position table as a constant."""

    positions_1LC: Tensor

    def __init__(self, model: GemDepth, grid: StreamGrid) -> None:
        super().__init__()
        self.model = model
        self.register_buffer('positions_1LC', grid.encoder_positions_1LC, persistent=False)

    def forward(self, image_13HW: Tensor) -> tuple[Tensor, ...]:
        """Encode one normalised frame: four levels, each [1, L, C]."""
        return tuple(self.model.encode(image_13HW, self.positions_1LC))


def _block_step(
    block: Block, x_BPC: Tensor, stores: Stores, rope: RopeTables | None = None
) -> Tensor:
    """``Block.step`` over all slots."""
    q_BNPH, k_BNPH, v_BNPH = block.attn.query_key_value(block.norm1(x_BPC), rope)
    mixed_BPC = masked_attention(q_BNPH, stores.extend(k_BNPH, v_BNPH))
    return block.finish(x_BPC, block.attn.proj(mixed_BPC))


def _motion_step(module: MotionModule, maps_1CHW: Tensor, slots: _Slots, stores: Stores) -> Tensor:
    """``MotionModule.step`` over all slots."""
    tokens_S1C = module.enter(maps_1CHW).transpose(0, 1)
    for norm, attention in zip(module.attention_norms, module.attentions, strict=True):
        z = norm(tokens_S1C) + attention.positions(slots.slot_1)
        q, k, v = (attention.heads(x) for x in attention.project(z))
        mixed = masked_attention(q, stores.extend(k, v))
        tokens_S1C = tokens_S1C + attention.to_out(mixed)
    return module.leave(maps_1CHW, tokens_S1C.transpose(0, 1))
