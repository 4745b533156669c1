"""GEM, part one: camera tokens that look at their own frame, then at all frames of the clip.

Shape suffixes: B clips, T frames, P = 5 + L tokens of a frame, L patches, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gemdepth_ros.model.layers.block import Block
from gemdepth_ros.model.layers.causality import frame_causal_mask
from gemdepth_ros.model.layers.rope import RopeTables, rope_tables

REGISTER_TOKENS = 4
SPECIAL_TOKENS = 1 + REGISTER_TOKENS  # camera, registers


class GeometryEmbedding(nn.Module):
    """One attention block within each frame, one over all frames of the clip."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.head_width = width // heads
        # Row 0 is for the first frame of a clip (the reference), row 1 for all others.
        self.camera_token = nn.Parameter(torch.randn(1, 2, 1, width) * 1e-6)
        self.register_token = nn.Parameter(torch.randn(1, 2, REGISTER_TOKENS, width) * 1e-6)
        self.frame_block = Block(width, heads, eps=1e-5, layer_scale=0.01, qk_norm=True)
        self.global_block = Block(width, heads, eps=1e-5, layer_scale=0.01, qk_norm=True)

    def _camera_features_of_clips(
        self, tokens_BTPC: Tensor, rope: RopeTables, mask_TPTP: Tensor | None
    ) -> Tensor:
        block, camera_BTC = self.global_block, tokens_BTPC[:, :, 0]
        k_BNSH, v_BNSH = block.attn.key_value(block.norm1(tokens_BTPC.flatten(1, 2)), rope)
        q_BNTH = block.attn.query(block.norm1(camera_BTC))
        mask_TS = None if mask_TPTP is None else mask_TPTP[:: tokens_BTPC.shape[2]]
        mixed_BTC = block.finish(camera_BTC, block.attn.attend(q_BNTH, k_BNSH, v_BNSH, mask_TS))
        return torch.cat([camera_BTC, mixed_BTC], dim=-1)

    def rope(self, rows: int, columns: int, device: torch.device) -> RopeTables:
        """Position tables of one frame's tokens."""
        return rope_tables(rows, columns, self.head_width, special=SPECIAL_TOKENS, device=device)

    def frame_tokens(self, patches_FLC: Tensor, first: bool, rope: RopeTables) -> Tensor:
        """Add the special tokens and attend within each frame: [F, P, C].

        Args:
            patches_FLC: the encoder's last level of F frames.
            first: whether the frames stand first in their clip.
            rope: tables of one frame.
        """
        row = 0 if first else 1
        special_1SC = torch.cat([self.camera_token[:, row], self.register_token[:, row]], dim=1)
        special_FSC = special_1SC.expand(len(patches_FLC), -1, -1)
        tokens_FPC = torch.cat([special_FSC, patches_FLC], dim=1)
        return self.frame_block(tokens_FPC.to(self.frame_block.norm1.weight.dtype), rope)

    def global_key_value(self, tokens_FPC: Tensor, rope: RopeTables) -> tuple[Tensor, Tensor]:
        """Keys and values of frames in the global block, each [F, N, P, H].

        They carry no temporal position, so they depend on the frame alone (and on whether it
        stands first) and can be kept.
        """
        return self.global_block.attn.key_value(self.global_block.norm1(tokens_FPC), rope)

    def camera_features(self, camera_QC: Tensor, k_1NSH: Tensor, v_1NSH: Tensor) -> Tensor:
        """Camera features [Q, 2 C] of frames whose camera tokens look at the given keys.

        Args:
            camera_QC: camera tokens after the frame block.
            k_1NSH: keys of all tokens of the visible frames.
            v_1NSH: values of the same.
        """
        block, camera_1QC = self.global_block, camera_QC[None]
        # The camera token stands at (0, 0), where the rotary embedding is the identity.
        q_1NQH = block.attn.query(block.norm1(camera_1QC))
        mixed_1QC = block.finish(camera_1QC, block.attn.attend(q_1NQH, k_1NSH, v_1NSH))
        return torch.cat([camera_QC, mixed_1QC[0]], dim=-1)

    def forward(
        self,
        patches_BTLC: Tensor,
        rows: int,
        columns: int,
        *,
        frame_causal: bool = False,
        camera_only: bool = False,
    ) -> Tensor:
        """Return camera features [B, T, 2 C]: frame block and global block, concatenated.

        Args:
            patches_BTLC: the encoder's last level.
            rows: patch rows.
            columns: patch columns.
            frame_causal: every frame sees itself and earlier frames only.
            camera_only: compute the global block for the camera tokens alone. Nothing else of it
                is ever used, so the result is the same; the plain form is the one to compare with.
        """
        clips, frames = patches_BTLC.shape[:2]
        rope = self.rope(rows, columns, patches_BTLC.device)
        parts = [self.frame_tokens(patches_BTLC[:, 0], True, rope)[:, None]]
        if frames > 1:
            later = self.frame_tokens(patches_BTLC[:, 1:].flatten(0, 1), False, rope)
            parts.append(later.unflatten(0, (clips, frames - 1)))
        tokens_BTPC = torch.cat(parts, dim=1)
        mask = None
        if frame_causal:
            mask = frame_causal_mask(frames, tokens_BTPC.shape[2], patches_BTLC.device)
        if camera_only:
            return self._camera_features_of_clips(tokens_BTPC, rope.repeated(frames), mask)
        mixed = self.global_block(tokens_BTPC.flatten(1, 2), rope.repeated(frames), mask)
        mixed_BTPC = mixed.unflatten(1, (frames, -1))
        return torch.cat([tokens_BTPC[:, :, 0], mixed_BTPC[:, :, 0]], dim=-1)
