"""GemDepth: the whole network, in the order of the paper's figure.

Shape suffixes: B clips, T frames, H and W image sides (multiples of 14), L patches, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.model.camera_head import CameraHead, activate
from gemdepth_ros.model.config import MAX_FRAMES, PATCH_SIZE, GemDepthConfig
from gemdepth_ros.model.dinov2 import Dinov2
from gemdepth_ros.model.dpt_head import DptHead
from gemdepth_ros.model.geometry_embedding import GeometryEmbedding
from gemdepth_ros.model.layers.precision import full_precision, set_precision
from gemdepth_ros.model.pose_encoding import (
    PoseFeatures,
    PoseInputs,
    camera_from_world,
    intrinsics,
    neutral_pose_inputs,
    pose_inputs,
    with_neutral_frames,
)
from gemdepth_ros.model.spatio_temporal import SpatioTemporal


@dataclass(frozen=True, eq=False)
class GemDepthOutput:
    """What the network says about a clip.

    Attributes:
        disparity_BTHW: affine-invariant inverse depth >= 0, float32 [B, T, H, W];
            larger is nearer.
        pose_encoding: float32 [B, T, 9]: translation xyz (the clip's own unit), quaternion xyzw
            (not normalised), field of view height and width [rad].
        camera_from_world: float32 [B, T, 4, 4], OpenCV axes; the world is near the first camera.
        intrinsics: float32 [B, T, 3, 3] from the predicted field of view [px of the input].
        pose_rounds: ``pose_encoding`` after each round of refinement, [B, T, 4, 9]; the last one
            is ``pose_encoding``. Only training looks at the others.
    """

    disparity_BTHW: Tensor
    pose_encoding: Tensor
    camera_from_world: Tensor
    intrinsics: Tensor
    pose_rounds: Tensor | None = None


def grid_size(height: int, width: int) -> tuple[int, int]:
    """Patch rows and columns of an image; ConfigError if a side is no multiple of 14."""
    if height % PATCH_SIZE or width % PATCH_SIZE or not (height and width):
        raise ConfigError(
            f'image sides must be positive multiples of {PATCH_SIZE}, got {height}x{width}'
        )
    return height // PATCH_SIZE, width // PATCH_SIZE


def check_frames(frames: int) -> None:
    """Raise ConfigError when a clip is empty or longer than the temporal tables."""
    if not 1 <= frames <= MAX_FRAMES:
        raise ConfigError(f'a clip must have 1..{MAX_FRAMES} frames, got {frames}')


class GemDepth(nn.Module):
    """Encoder, geometry embedding (GEM), spatio-temporal transformer (ASTT), depth head."""

    def __init__(self, config: GemDepthConfig) -> None:
        super().__init__()
        self.config = config
        width = config.encoder.width
        self.encoder = Dinov2(config.encoder)
        self.geometry = GeometryEmbedding(width, config.heads // 2)
        self.camera_head = CameraHead(
            2 * width, config.camera_head_heads, config.camera_head_depth
        )
        self.pose_features = PoseFeatures(width)
        self.astt = SpatioTemporal(width, config.heads)
        self.head = DptHead(width, config.features, config.out_channels)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the bulk of the network."""
        return self.encoder.cls_token.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.encoder.cls_token.device

    def set_dtype(self, dtype: torch.dtype) -> GemDepth:
        """Set the precision of the network.

        The camera head, the pose features and the last convolutions stay in float32: poses need
        more digits than half precision has, and the convolutions overflow in float16. So does the
        transformers' residual stream, see ``set_precision``.
        """
        full = (
            self.camera_head,
            self.pose_features,
            self.encoder.norm,
            self.astt.norm,
            self.head.output_conv2,
            self.head.output_conv3,
        )
        set_precision(self, dtype, full)
        return self

    def inject_pose(
        self,
        encoding_BT9: Tensor,
        *,
        frame_causal: bool = False,
        newest_only: bool = False,
        neutral_BT: Tensor | None = None,
    ) -> Tensor:
        """Sum of the three pose features of each frame, [B, T, C] (or [B, 1, C]).

        Args:
            encoding_BT9: predicted poses.
            frame_causal: the unit of translation is that of the frames so far.
            newest_only: return the last frame's features alone.
            neutral_BT: bool, frames that are given the neutral pose instead (training).
        """
        with full_precision(encoding_BT9.device):
            if self.config.pose_injection == 'always':
                inputs = pose_inputs(encoding_BT9, frame_causal=frame_causal)
            else:
                inputs = neutral_pose_inputs(encoding_BT9)
            if neutral_BT is not None:
                inputs = with_neutral_frames(inputs, neutral_BT)
            if newest_only:
                inputs = PoseInputs(*(part[:, -1:] for part in inputs))
            rotation, translation, scale = self.pose_features(inputs)
        return rotation + translation + scale

    def encode(self, images_FCHW: Tensor, positions_1LC: Tensor | None = None) -> list[Tensor]:
        """Encode frames, each by itself: four levels, each [F, L, C].

        Args:
            images_FCHW: normalised frames.
            positions_1LC: the encoder's ``position_table`` of this size, if it was kept.
        """
        return self.encoder(images_FCHW.to(self.dtype), positions_1LC)

    def forward(
        self, images_BTCHW: Tensor, *, frame_causal: bool = False, chunk: int | None = None
    ) -> GemDepthOutput:
        """Run on clips of 1..32 normalised RGB frames, [B, T, 3, H, W].

        Args:
            images_BTCHW: ImageNet-normalised frames; sides are multiples of 14.
            frame_causal: every frame sees itself and earlier frames only.
            chunk: frames that pass the head's full-resolution part at once; see ``DptHead``.
        """
        clips, frames = images_BTCHW.shape[:2]
        height, width = images_BTCHW.shape[-2:]
        check_frames(frames)
        rows, columns = grid_size(height, width)
        levels_FLC = self.encode(images_BTCHW.flatten(0, 1))
        return self.decode(
            levels_FLC, clips, rows, columns, frame_causal=frame_causal, chunk=chunk
        )

    def decode(
        self,
        levels_FLC: list[Tensor],
        clips: int,
        rows: int,
        columns: int,
        *,
        frame_causal: bool = False,
        camera_only: bool = False,
        neutral_BT: Tensor | None = None,
        chunk: int | None = None,
    ) -> GemDepthOutput:
        """Run all that follows the encoder, on ``clips`` clips of equal length.

        Args:
            levels_FLC: what ``encode`` gives for all frames, clip after clip.
            clips: number of clips B.
            rows: patch rows.
            columns: patch columns.
            frame_causal: every frame sees itself and earlier frames only.
            camera_only: leave out the part of GEM that nothing uses; same result.
            neutral_BT: bool, frames whose pose is withheld from ASTT. Depth then sends no
                gradient into the poses either (training).
            chunk: frames that pass the head's full-resolution part at once; see ``DptHead``.
        """
        frames = len(levels_FLC[3]) // clips
        check_frames(frames)
        patches_BTLC = levels_FLC[3].unflatten(0, (clips, frames))
        features_BTD = self.geometry(
            patches_BTLC, rows, columns, frame_causal=frame_causal, camera_only=camera_only
        )
        pose_dtype = self.camera_head.embed_pose.weight.dtype
        with full_precision(features_BTD.device):
            rounds = self.camera_head(features_BTD.to(pose_dtype), frame_causal=frame_causal)
        rounds = activate(rounds)
        encoding_BT9 = rounds[-1]

        pose_BTC = self.inject_pose(
            encoding_BT9 if neutral_BT is None else encoding_BT9.detach(),
            frame_causal=frame_causal,
            neutral_BT=neutral_BT,
        )
        slots_T = torch.arange(frames, device=patches_BTLC.device)
        tokens_BTLC = self.astt.embed(patches_BTLC, pose_BTC, slots_T)
        mixed_BTLC = self.astt(tokens_BTLC, rows, columns, frame_causal=frame_causal)

        disparity = self.head(
            [*levels_FLC[:3], mixed_BTLC.flatten(0, 1)],
            rows,
            columns,
            frames,
            frame_causal=frame_causal,
            chunk=chunk,
        )
        return GemDepthOutput(
            disparity.unflatten(0, (clips, frames)),
            encoding_BT9,
            camera_from_world(encoding_BT9),
            intrinsics(encoding_BT9, rows * PATCH_SIZE, columns * PATCH_SIZE),
            rounds.permute(1, 2, 0, 3),
        )
