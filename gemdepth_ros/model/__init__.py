"""The GemDepth network: stateless modules, presets and strict loading of published weights."""

from gemdepth_ros.model.build import build_gemdepth
from gemdepth_ros.model.config import GemDepthConfig
from gemdepth_ros.model.gemdepth import GemDepth, GemDepthOutput

__all__ = ['GemDepth', 'GemDepthConfig', 'GemDepthOutput', 'build_gemdepth']
