"""Sizes of the network; every shape of the module follows from this one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gemdepth_ros.errors import ConfigError

PoseInjection = Literal['always', 'never']

PATCH_SIZE = 14
MAX_FRAMES = 32  # rows of the temporal tables in the depth head
MOTION_GROUPS = 32  # of the group norm in the depth head's motion modules


@dataclass(frozen=True)
class EncoderConfig:
    """DINOv2 encoder.

    Attributes:
        width: channels of a token.
        depth: number of blocks.
        heads: attention heads per block.
        levels: blocks (0-based) whose outputs feed the depth head.
    """

    width: int
    depth: int
    heads: int
    levels: tuple[int, int, int, int]

    def __post_init__(self) -> None:
        ascending = tuple(sorted(set(self.levels))) == self.levels
        if (
            len(self.levels) != 4
            or not ascending
            or not 0 <= self.levels[0] <= self.levels[-1] < self.depth
        ):
            raise ConfigError(
                f'levels must be four ascending blocks of 0..{self.depth - 1}, got {self.levels}'
            )


VIT_SMALL = EncoderConfig(width=384, depth=12, heads=6, levels=(2, 5, 8, 11))
VIT_TINY = EncoderConfig(width=128, depth=12, heads=2, levels=(2, 5, 8, 11))
VIT_LARGE = EncoderConfig(width=1024, depth=24, heads=16, levels=(4, 11, 17, 23))


@dataclass(frozen=True)
class GemDepthConfig:
    """GemDepth network (arXiv 2605.10525).

    Attributes:
        encoder: image encoder; its width is also that of GEM and ASTT.
        heads: spatial attention heads n; GEM has n / 2 and the time blocks 4 n.
        camera_head_heads: heads of the camera head's blocks.
        camera_head_depth: number of the camera head's blocks.
        features: channels of the depth head's fusion path.
        out_channels: channels of the four projected levels.
        pose_injection: whether the predicted poses are given to ASTT ('always'), or the neutral
            pose ('never').
    """

    encoder: EncoderConfig = VIT_LARGE
    heads: int = 32
    camera_head_heads: int = 16
    camera_head_depth: int = 4
    features: int = 256
    out_channels: tuple[int, int, int, int] = (256, 512, 1024, 1024)
    pose_injection: PoseInjection = 'always'

    def __post_init__(self) -> None:
        if self.heads < 2 or self.heads % 2:
            raise ConfigError(f'heads must be even and positive, got {self.heads}')
        width = self.encoder.width
        for divisor, what in (
            (2 * self.heads, 'twice the heads'),  # two RoPE halves of every spatial head
            (4 * self.heads, 'the time heads'),
            (self.encoder.heads, 'the encoder heads'),
        ):
            if width % divisor:
                raise ConfigError(f'width {width} must be divisible by {what} ({divisor})')
        if (2 * width) % self.camera_head_heads:
            raise ConfigError(
                f'twice the width ({2 * width}) must be divisible by camera_head_heads '
                f'({self.camera_head_heads})'
            )
        mixed = (*self.out_channels[2:], self.features)
        if any(channels % MOTION_GROUPS for channels in mixed):
            raise ConfigError(
                f'features and the last two out_channels must be divisible by {MOTION_GROUPS}, '
                f'got {self.features} and {self.out_channels}'
            )
        if self.pose_injection not in ('always', 'never'):
            raise ConfigError(
                f"pose_injection must be 'always' or 'never', got {self.pose_injection!r}"
            )

    @classmethod
    def preset(cls, name: str) -> GemDepthConfig:
        """Return a named configuration.

        ``vitl`` is the published network, ``small`` the size of the reference data, ``tiny`` what
        fits into the package with its weights.
        """
        if name not in PRESETS:
            raise ConfigError(f'unknown network {name!r}; known: {", ".join(sorted(PRESETS))}')
        return PRESETS[name]


PRESETS = {
    'vitl': GemDepthConfig(),
    'small': GemDepthConfig(
        encoder=VIT_SMALL, heads=12, features=64, out_channels=(48, 96, 192, 384)
    ),
    'tiny': GemDepthConfig(
        encoder=VIT_TINY,
        heads=4,
        camera_head_depth=2,
        features=64,
        out_channels=(32, 48, 64, 128),
    ),
}
