"""From one camera image to depth, cloud and motion; every driver uses this one object."""

from gemdepth_ros.pipeline.config import (
    GroundingConfig,
    NetworkConfig,
    PipelineConfig,
    ProductsConfig,
)
from gemdepth_ros.pipeline.pipeline import DepthPipeline

__all__ = [
    'DepthPipeline',
    'GroundingConfig',
    'NetworkConfig',
    'PipelineConfig',
    'ProductsConfig',
]
