"""Sizes of the Video Depth Anything networks (arXiv 2501.12375), the siblings of GemDepth."""

from __future__ import annotations

from dataclasses import dataclass

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.model.config import (
    MOTION_GROUPS,
    PRESETS,
    VIT_LARGE,
    VIT_SMALL,
    EncoderConfig,
    GemDepthConfig,
)

VIT_BASE = EncoderConfig(width=768, depth=12, heads=12, levels=(2, 5, 8, 11))


@dataclass(frozen=True)
class VdaConfig:
    """Encoder and temporal depth head alone: no poses, no spatio-temporal transformer.

    Attributes:
        encoder: image encoder.
        features: channels of the depth head's fusion path.
        out_channels: channels of the four projected levels.
        metric: whether the weights give depth in metres instead of affine-invariant disparity.
            The tensors of the two kinds have the same names and shapes.
    """

    encoder: EncoderConfig = VIT_SMALL
    features: int = 64
    out_channels: tuple[int, int, int, int] = (48, 96, 192, 384)
    metric: bool = False

    def __post_init__(self) -> None:
        if self.encoder.width % self.encoder.heads:
            raise ConfigError(
                f'width {self.encoder.width} must be divisible by the encoder heads '
                f'({self.encoder.heads})'
            )
        mixed = (*self.out_channels[2:], self.features)
        if any(channels % MOTION_GROUPS for channels in mixed):
            raise ConfigError(
                f'features and the last two out_channels must be divisible by {MOTION_GROUPS}, '
                f'got {self.features} and {self.out_channels}'
            )


ModelConfig = GemDepthConfig | VdaConfig

_SIZES: dict[str, tuple[EncoderConfig, int, tuple[int, int, int, int]]] = {
    'small': (VIT_SMALL, 64, (48, 96, 192, 384)),
    'base': (VIT_BASE, 128, (96, 192, 384, 768)),
    'large': (VIT_LARGE, 256, (256, 512, 1024, 1024)),
}
VDA_PRESETS: dict[str, VdaConfig] = {
    f'{family}-{size}': VdaConfig(*shape, metric=metric)
    for family, metric in (('vda', False), ('vda-metric', True))
    for size, shape in _SIZES.items()
}


def all_presets() -> dict[str, ModelConfig]:
    """Return the presets of both families by name."""
    return {**PRESETS, **VDA_PRESETS}


def model_config(name: str) -> ModelConfig:
    """Return the configuration of a preset of either family.

    Raises:
        ConfigError: there is no such preset.
    """
    presets = all_presets()
    if name not in presets:
        raise ConfigError(f'unknown network {name!r}; known: {", ".join(sorted(presets))}')
    return presets[name]


def preset_name(config: ModelConfig) -> str:
    """Return the name of the preset that a configuration is, or an empty one."""
    return next((name for name, known in all_presets().items() if known == config), '')


def metric_sibling(preset: str) -> str:
    """Return the metric preset of the same size, for a preset of this family."""
    return preset.replace('vda-', 'vda-metric-', 1) if preset in VDA_PRESETS else preset
