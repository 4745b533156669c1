"""What the arguments of ``gemdepth-ros reconstruct`` mean to its parts."""

from __future__ import annotations

import argparse
import math

from gemdepth_ros.cli.reconstruction import DEFAULT_MAX_DEPTH_M, DEFAULT_VOXEL_M
from gemdepth_ros.cli.reconstruction.builder import BuildSettings
from gemdepth_ros.cli.reconstruction.recording import SourceOptions
from gemdepth_ros.cli.reconstruction.sensors import NOT_WANTED, SensorTopics
from gemdepth_ros.errors import ConfigError
from gemdepth_ros.grounding.config import (
    GroundingConfig,
    LidarConfig,
    ManualConfig,
    OdometryConfig,
    ParallaxConfig,
)
from gemdepth_ros.inference.config import StreamingConfig
from gemdepth_ros.pipeline.config import NetworkConfig, PipelineConfig, ProductsConfig
from gemdepth_ros.pipeline.products_config import EdgeFilter


def check_metres(args: argparse.Namespace) -> None:
    """Refuse wishes that contradict each other.

    Raises:
        ConfigError: half of the metres is given, two origins are, or the weights are random.
    """
    if (args.scale is None) != (args.translation_factor is None):
        raise ConfigError(
            'metres need both --scale and --translation-factor: depth and motion have factors of '
            'their own'
        )
    if args.scale is None and args.shift:
        raise ConfigError(f'--shift {args.shift:g} belongs to --scale, which is not given')
    named = [
        f'--{name}'
        for name in ('lidar', 'odometry')
        if getattr(args, name) not in ('', NOT_WANTED)
    ]
    if args.scale is not None and named:
        raise ConfigError(f'--scale takes metres on your word: leave out {" and ".join(named)}')
    wants = '--scale' if args.scale is not None else ' and '.join(named)
    if wants and not args.weights:
        raise ConfigError(f'random weights give no metres: {wants} needs --weights')


def source_options(args: argparse.Namespace) -> SourceOptions:
    """Return what is to be read; no sensors where they cannot or need not give metres."""
    sensors = (args.lidar, args.odometry)
    if args.scale is not None or not args.weights:
        sensors = (NOT_WANTED, NOT_WANTED)
    given = tuple(args.intrinsics) if args.intrinsics else None
    return SourceOptions(args.rate, args.topic, given, *sensors)


def grounding_of(args: argparse.Namespace, sensors: SensorTopics) -> GroundingConfig:
    """Return the sources of metres: the user's word, or the sensors of the recording.

    Depth and motion must both be known. What LiDAR or odometry leaves open, parallax closes.
    """
    if args.scale is not None:
        manual = ManualConfig(True, args.scale, args.shift, args.translation_factor)
        return GroundingConfig(manual=manual)
    if not sensors.wanted:
        return GroundingConfig()
    return GroundingConfig(
        lidar=LidarConfig(enabled=bool(sensors.lidar)),
        odometry=OdometryConfig(enabled=bool(sensors.odometry)),
        parallax=ParallaxConfig(enabled=not (sensors.lidar and sensors.odometry)),
    )


def origin(args: argparse.Namespace, sensors: SensorTopics) -> str:
    """Return where metres come from, in words."""
    if args.scale is not None:
        return '--scale, --shift and --translation-factor'
    both = sensors.lidar and sensors.odometry
    return ' and '.join(
        sensors.wanted if both else (*sensors.wanted, 'the parallax of the images')
    )


def pipeline_config(args: argparse.Namespace, grounding: GroundingConfig) -> PipelineConfig:
    """Return the configuration of the pipeline."""
    return PipelineConfig(
        network=NetworkConfig(args.preset, args.weights, args.device, args.dtype),
        streaming=StreamingConfig(mode=args.mode, window=args.window, input_size=args.input_size),
        grounding=grounding,
        products=ProductsConfig(max_depth_m=args.max_depth or DEFAULT_MAX_DEPTH_M),
    )


def build_settings(args: argparse.Namespace, metric: bool) -> BuildSettings:
    """Return what is kept of each frame."""
    return BuildSettings(
        metric=metric,
        voxel=args.voxel or (DEFAULT_VOXEL_M if metric else 0.0),
        max_depth=args.max_depth or (DEFAULT_MAX_DEPTH_M if metric else 0.0),
        max_voxels=args.max_voxels,
        step=args.step,
        normals=args.normals,
        edges=EdgeFilter() if metric else EdgeFilter(plane_distance_m=math.inf),
    )
