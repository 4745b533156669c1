"""What is known of weights by their name: how far their depth is off, and their largest input."""

from __future__ import annotations

import logging
from dataclasses import replace

from gemdepth_ros.hub.catalogue import CATALOGUE
from gemdepth_ros.pipeline.config import NetworkConfig, PipelineConfig

logger = logging.getLogger(__name__)


def depth_error_of(config: NetworkConfig) -> float:
    """Return the relative error of the weights' own depth: what they state, or more if told so.

    0 when they state none and nobody measured one.
    """
    entry = CATALOGUE.get(config.weights)
    return max(config.depth_error, 0.0 if entry is None else entry.depth_error)


def motion_error_of(config: NetworkConfig) -> float:
    """Return the relative error of the weights' own motion; see ``depth_error_of``."""
    entry = CATALOGUE.get(config.weights)
    return max(config.motion_error, 0.0 if entry is None else entry.motion_error)


def fitted_to_weights(config: PipelineConfig) -> PipelineConfig:
    """Return the configuration with an input no larger than the weights were made for.

    A node that is started with nothing said has the published network's input size and the small
    weights of the package, which give nonsense at several times the size of their training.
    """
    entry, streaming = CATALOGUE.get(config.network.weights), config.streaming
    if entry is None or not entry.max_input_size:
        return config
    if streaming.input_size <= entry.max_input_size:
        return config
    logger.warning(
        'streaming.input_size %d is more than %s was trained for: %d is used',
        streaming.input_size,
        entry.name,
        entry.max_input_size,
    )
    return replace(config, streaming=replace(streaming, input_size=entry.max_input_size))
