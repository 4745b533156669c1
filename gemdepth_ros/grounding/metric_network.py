"""Metres from the network itself, where its weights were trained to give them.

The stream hands on the inverse of the network's depth, so ``1/Z = disparity``: scale 1, shift 0.
How far that is off is the same in every frame, so it is an opinion that never averages out.
"""

from __future__ import annotations

import numpy as np

from gemdepth_ros.grounding.config import MetricNetworkConfig
from gemdepth_ros.grounding.fusion import Opinion


def metric_network_opinion(config: MetricNetworkConfig) -> Opinion:
    """What metric weights say about (1 / s, t / s), with the stated standard deviations."""
    covariance = np.diag([config.relative_std**2, config.inverse_depth_std**2])
    return Opinion('metric_network', 'affine', np.array([1.0, 0.0]), covariance)
