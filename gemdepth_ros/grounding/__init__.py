"""From affine-invariant disparity to metres: numbers, never images."""

from gemdepth_ros.grounding.config import GroundingConfig
from gemdepth_ros.grounding.estimator import GroundingEstimator
from gemdepth_ros.grounding.inputs import (
    CameraMounting,
    CoarseDisparity,
    GroundingInput,
    LidarScan,
    OdometrySample,
)

__all__ = [
    'CameraMounting',
    'CoarseDisparity',
    'GroundingConfig',
    'GroundingEstimator',
    'GroundingInput',
    'LidarScan',
    'OdometrySample',
]
