"""The one configuration tree; ROS parameters, YAML and flags are ways to fill it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.inference.config import StreamingConfig


@dataclass(frozen=True)
class NetworkConfig:
    """Which network, which weights, where and in which precision.

    Attributes:
        preset: ``vitl`` (published) or ``small``.
        weights: path of a ``.safetensors`` or ``.pth`` file; empty: seeded random weights, whose
            output means nothing and says so.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
        threads: CPU threads of the network; 0 leaves the library's choice.
    """

    preset: str = 'small'
    weights: str = ''
    device: str = 'auto'
    dtype: Literal['auto', 'float32', 'bfloat16', 'float16'] = 'auto'
    threads: int = 0

    def __post_init__(self) -> None:
        if self.dtype not in ('auto', 'float32', 'bfloat16', 'float16'):
            raise ConfigError(
                f'dtype must be auto, float32, bfloat16 or float16, got {self.dtype!r}'
            )
        if self.threads < 0:
            raise ConfigError(f'threads must be >= 0, got {self.threads}')


@dataclass(frozen=True)
class GroundingConfig:
    """How disparity becomes metres: ``Z = scale / (disparity - shift)``.

    Attributes:
        source: ``none`` (depth stays relative) or ``manual`` (scale and shift are given).
        scale: s [m * disparity], > 0.
        shift: t, in units of disparity.
        translation_factor: metres per session unit of the motion; NaN when unknown.
    """

    source: Literal['none', 'manual'] = 'none'
    scale: float = math.nan
    shift: float = 0.0
    translation_factor: float = math.nan

    def __post_init__(self) -> None:
        if self.source not in ('none', 'manual'):
            raise ConfigError(f"grounding source must be 'none' or 'manual', got {self.source!r}")
        if self.source == 'manual' and not (math.isfinite(self.scale) and self.scale > 0):
            raise ConfigError(f'manual grounding needs a finite scale > 0, got {self.scale}')
        if self.source == 'manual' and not math.isfinite(self.shift):
            raise ConfigError(f'manual grounding needs a finite shift, got {self.shift}')
        factor = self.translation_factor
        if not (math.isnan(factor) or (math.isfinite(factor) and factor > 0)):
            raise ConfigError(f'translation_factor must be finite and > 0, got {factor}')


@dataclass(frozen=True)
class ProductsConfig:
    """Depth images and clouds.

    Attributes:
        max_depth_m: metric depth beyond this is +Inf [m].
        min_depth_m: metric depth nearer than this is unknown (NaN) [m].
        cloud_decimation: keep every n-th row and column in clouds.
    """

    max_depth_m: float = 80.0
    min_depth_m: float = 0.1
    cloud_decimation: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.min_depth_m < self.max_depth_m:
            raise ConfigError(
                'need 0 < min_depth_m < max_depth_m, got '
                f'{self.min_depth_m} and {self.max_depth_m}'
            )
        if self.cloud_decimation < 1:
            raise ConfigError(f'cloud_decimation must be >= 1, got {self.cloud_decimation}')


@dataclass(frozen=True)
class PipelineConfig:
    """Everything that turns images into depth, clouds and motion."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    streaming: StreamingConfig = field(default_factory=StreamingConfig)
    grounding: GroundingConfig = field(default_factory=GroundingConfig)
    products: ProductsConfig = field(default_factory=ProductsConfig)

    def __post_init__(self) -> None:
        if self.streaming.lookahead:
            raise ConfigError(
                f'lookahead must be 0 in a live pipeline, got {self.streaming.lookahead}: '
                'its newest frame is answered at once; use StreamSession for delayed answers'
            )
