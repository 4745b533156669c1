"""The one configuration tree; ROS parameters, YAML and flags are ways to fill it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.grounding.config import GroundingConfig
from gemdepth_ros.grounding.pose_chain import PoseChainConfig
from gemdepth_ros.hub.catalogue import GEMDEPTH_TINY
from gemdepth_ros.inference.config import StreamingConfig
from gemdepth_ros.pipeline.products_config import CostmapClouds, DepthNoise, EdgeFilter
from gemdepth_ros.ranges import ABOVE_ZERO, Ranges


@dataclass(frozen=True)
class NetworkConfig:
    """Which network, which weights, where and in which precision.

    Attributes:
        preset: ``auto`` (the one that the weights fit), ``vitl`` (published), ``small``, ``tiny``,
            or one of Video Depth Anything, such as ``vda-small``.
        weights: path of a ``.safetensors`` or ``.pth`` file, or a known name; ``gemdepth-tiny``
            comes with the package, for demonstration, and lowers input_size to 182; empty:
            seeded random weights, whose output means nothing and says so.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
        threads: CPU threads of the network; 0 leaves the library's choice.
        depth_error: relative error of these weights' own depth, as measured (``gemdepth-ros
            evaluate``, AbsRel); it counts in what is stated of metres and in whether there are
            any; weights of the package have theirs, which is the least.
        motion_error: relative error of these weights' own motion, as measured (``gemdepth-ros
            evaluate``, t_rel as a part of 1); it counts in the covariances of the motion and in
            whether it is in metres; weights of the package have theirs, which is the least.
        allow_untrained_metric: let random weights give metres; for tests of what comes after.
    """

    RANGES: ClassVar[Ranges] = {
        'threads': (0, None),
        'depth_error': (0.0, 1.0),
        'motion_error': (0.0, 1.0),
    }

    preset: str = 'auto'
    weights: str = GEMDEPTH_TINY.name
    device: str = 'auto'
    dtype: Literal['auto', 'float32', 'bfloat16', 'float16'] = 'auto'
    threads: int = 0
    depth_error: float = 0.0
    motion_error: float = 0.0
    allow_untrained_metric: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in ('auto', 'float32', 'bfloat16', 'float16'):
            raise ConfigError(
                f'dtype must be auto, float32, bfloat16 or float16, got {self.dtype!r}'
            )
        if self.threads < 0:
            raise ConfigError(f'threads must be >= 0, got {self.threads}')
        for name in ('depth_error', 'motion_error'):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f'{name} must be 0..1, got {getattr(self, name)}')


@dataclass(frozen=True)
class MountingConfig:
    """How the camera sits on the vehicle; NaN: unknown.

    Attributes:
        height_m: of the camera above the ground [m].
        height_std_m: its standard deviation [m].
        pitch_deg: angle of the optical axis below the horizon [deg]; > 0 looks down.
        roll_deg: > 0 when the image's right side hangs lower [deg].
        angle_std_deg: standard deviation of pitch and roll [deg].
    """

    RANGES: ClassVar[Ranges] = {
        'height_m': (ABOVE_ZERO, None),
        'height_std_m': (ABOVE_ZERO, None),
        'angle_std_deg': (ABOVE_ZERO, None),
    }

    height_m: float = math.nan
    height_std_m: float = 0.05
    pitch_deg: float = math.nan
    roll_deg: float = math.nan
    angle_std_deg: float = 0.3

    def __post_init__(self) -> None:
        if self.height_m <= 0:
            raise ConfigError(f'mounting height_m must be > 0, got {self.height_m}')
        for name in ('height_std_m', 'angle_std_deg'):
            if not getattr(self, name) > 0:
                raise ConfigError(f'mounting {name} must be > 0, got {getattr(self, name)}')


@dataclass(frozen=True)
class ProductsConfig:
    """Depth images and clouds.

    Attributes:
        max_depth_m: metric depth beyond this is +Inf [m].
        min_depth_m: metric depth nearer than this is unknown (NaN) [m].
        cloud_decimation: keep every n-th row and column in clouds.
        cloud_normals: clouds carry surface normals (normal_x, normal_y, normal_z).
        self_mask: PNG of the (rectified) image's size, white where the camera sees its own
            vehicle: no depth there; empty: none.
        filter_edges: metric depth between two surfaces is unknown (NaN), not a bridge.
    """

    RANGES: ClassVar[Ranges] = {
        'max_depth_m': (ABOVE_ZERO, None),
        'min_depth_m': (ABOVE_ZERO, None),
        'cloud_decimation': (1, None),
    }

    max_depth_m: float = 80.0
    min_depth_m: float = 0.1
    cloud_decimation: int = 2
    cloud_normals: bool = False
    self_mask: str = ''
    filter_edges: bool = True
    edges: EdgeFilter = field(default_factory=EdgeFilter)
    noise: DepthNoise = field(default_factory=DepthNoise)
    costmap: CostmapClouds = field(default_factory=CostmapClouds)

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
    mounting: MountingConfig = field(default_factory=MountingConfig)
    motion: PoseChainConfig = field(default_factory=PoseChainConfig)
    products: ProductsConfig = field(default_factory=ProductsConfig)

    def __post_init__(self) -> None:
        if self.streaming.lookahead:
            raise ConfigError(
                f'lookahead must be 0 in a live pipeline, got {self.streaming.lookahead}: '
                'its newest frame is answered at once; use StreamSession for delayed answers'
            )
