"""Streams of Video Depth Anything: one frame in, one map out, without poses."""

from gemdepth_ros.inference.vda.engine import VdaStreamEngine
from gemdepth_ros.inference.vda.sliding import VdaSlidingEngine

__all__ = ['VdaSlidingEngine', 'VdaStreamEngine']
