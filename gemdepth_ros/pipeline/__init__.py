"""From one camera image to depth, cloud and motion; every driver uses this one object."""

from typing import TYPE_CHECKING

from gemdepth_ros.grounding.config import GroundingConfig, ManualConfig
from gemdepth_ros.lazy_exports import lazy_exports
from gemdepth_ros.pipeline.config import (
    MountingConfig,
    NetworkConfig,
    PipelineConfig,
    ProductsConfig,
)

if TYPE_CHECKING:
    from gemdepth_ros.pipeline.pipeline import DepthPipeline
    from gemdepth_ros.pipeline.readings import SensorReadings

__all__ = [
    'DepthPipeline',
    'GroundingConfig',
    'ManualConfig',
    'MountingConfig',
    'NetworkConfig',
    'PipelineConfig',
    'ProductsConfig',
    'SensorReadings',
]

__getattr__ = lazy_exports(
    __name__,
    {
        'DepthPipeline': 'gemdepth_ros.pipeline.pipeline',
        'SensorReadings': 'gemdepth_ros.pipeline.readings',
    },
)
