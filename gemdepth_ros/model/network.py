"""The two families of networks that share encoder and depth head."""

from __future__ import annotations

from gemdepth_ros.model.gemdepth import GemDepth
from gemdepth_ros.model.vda import VideoDepthAnything
from gemdepth_ros.model.vda_config import ModelConfig, VdaConfig

DepthNetwork = GemDepth | VideoDepthAnything


def empty_network(config: ModelConfig) -> DepthNetwork:
    """Return the network of a configuration, its weights not yet meaningful."""
    return VideoDepthAnything(config) if isinstance(config, VdaConfig) else GemDepth(config)


def is_metric(model: DepthNetwork) -> bool:
    """Whether the network's maps are depth in metres instead of disparity."""
    return isinstance(model, VideoDepthAnything) and model.config.metric
