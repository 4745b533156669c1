"""GemDepth and its sibling: stateless modules, presets and strict loading of published weights."""

from gemdepth_ros.model.build import build_gemdepth, build_network
from gemdepth_ros.model.config import GemDepthConfig
from gemdepth_ros.model.gemdepth import GemDepth, GemDepthOutput
from gemdepth_ros.model.network import DepthNetwork, is_metric
from gemdepth_ros.model.vda import VdaOutput, VideoDepthAnything
from gemdepth_ros.model.vda_config import ModelConfig, VdaConfig, model_config, preset_name

__all__ = [
    'DepthNetwork',
    'GemDepth',
    'GemDepthConfig',
    'GemDepthOutput',
    'ModelConfig',
    'VdaConfig',
    'VdaOutput',
    'VideoDepthAnything',
    'build_gemdepth',
    'build_network',
    'is_metric',
    'model_config',
    'preset_name',
]
