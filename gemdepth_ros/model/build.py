"""One call from a configuration and weights to a network that is ready to run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gemdepth_ros.errors import ConfigError, WeightsError
from gemdepth_ros.model.checkpoint import as_tensors, load_into, load_state, preset_of
from gemdepth_ros.model.gemdepth import GemDepth
from gemdepth_ros.model.initialization import initialize
from gemdepth_ros.model.network import DepthNetwork, empty_network
from gemdepth_ros.model.vda_config import ModelConfig, all_presets, metric_sibling, model_config

AUTOMATIC = 'auto'
METRIC_FILE = 'metric_'  # how the names of the published metric weights begin


def build_gemdepth(
    config: ModelConfig | str = 'vitl',
    weights: str | Path | Mapping[str, Any] | None = None,
    device: str | torch.device = 'cpu',
    dtype: torch.dtype = torch.float32,
    *,
    seed: int = 0,
) -> GemDepth:
    """Build a GemDepth network in evaluation mode; see ``build_network``.

    Raises:
        WeightsError: the weights cannot be read or do not fit the configuration.
        ConfigError: there is no such preset, or it is not a GemDepth.
    """
    model = build_network(config, weights, device, dtype, seed=seed)
    if not isinstance(model, GemDepth):
        raise ConfigError(
            'this needs a GemDepth network, which predicts poses; the preset or the weights are '
            'Video Depth Anything'
        )
    return model


def build_network(
    config: ModelConfig | str = 'vitl',
    weights: str | Path | Mapping[str, Any] | None = None,
    device: str | torch.device = 'cpu',
    dtype: torch.dtype = torch.float32,
    *,
    seed: int = 0,
) -> DepthNetwork:
    """Build the network of either family in evaluation mode.

    Args:
        config: a configuration, the name of a preset (``vitl``, ``vda-small``), or ``auto``: the
            preset that the weights fit, and ``small`` without weights. Metric weights of Video
            Depth Anything are then known by the file's name alone, which must begin as the
            published one does (``metric_``).
        weights: a ``.pth`` or ``.safetensors`` file, a mapping of published tensor names to
            arrays or tensors, or None for seeded random weights (whose output means nothing).
        device: where the network runs.
        dtype: float32, bfloat16 or float16; see ``GemDepth.set_dtype`` for what stays float32.
        seed: seed of the random weights.

    Raises:
        WeightsError: the weights cannot be read or do not fit the configuration.
        ConfigError: there is no such preset.
    """
    if weights is None:
        config = _configuration(config, 'small')
        model = empty_network(config)
        initialize(model, seed)
        return _ready(model.set_dtype(dtype).to(device))
    state = load_state(weights) if isinstance(weights, str | Path) else as_tensors(weights)
    config = _configuration(config, _preset(state, weights))
    with torch.device('meta'):
        model = empty_network(config)
    load_into(model, state, torch.device(device), dtype)
    return _ready(model)


def _preset(state: Mapping[str, Any], weights: object) -> str | None:
    """Preset that the weights fit; what is metric is told by the file's name alone."""
    preset = preset_of(state)
    named = isinstance(weights, str | Path) and Path(weights).name.startswith(METRIC_FILE)
    return metric_sibling(preset) if preset and named else preset


def _configuration(config: ModelConfig | str, automatic: str | None) -> ModelConfig:
    """Resolve the name of a preset, or ``auto``."""
    if not isinstance(config, str):
        return config
    if config != AUTOMATIC:
        return model_config(config)
    if automatic is None:
        raise WeightsError(
            f'the weights fit no preset ({", ".join(all_presets())}): give the configuration '
            'they are for'
        )
    return model_config(automatic)


def _ready(model: DepthNetwork) -> DepthNetwork:
    """Set evaluation mode and the memory layout in which convolutions are fastest."""
    model.head.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.eval().requires_grad_(False)
