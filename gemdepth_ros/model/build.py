"""One call from a configuration and weights to a network that is ready to run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gemdepth_ros.errors import WeightsError
from gemdepth_ros.model.checkpoint import as_tensors, load_into, load_state, preset_of
from gemdepth_ros.model.config import PRESETS, GemDepthConfig
from gemdepth_ros.model.gemdepth import GemDepth
from gemdepth_ros.model.initialization import initialize

AUTOMATIC = 'auto'


def build_gemdepth(
    config: GemDepthConfig | str = 'vitl',
    weights: str | Path | Mapping[str, Any] | None = None,
    device: str | torch.device = 'cpu',
    dtype: torch.dtype = torch.float32,
    *,
    seed: int = 0,
) -> GemDepth:
    """Build the network in evaluation mode.

    Args:
        config: a configuration, the name of a preset (``vitl``, ``small``), or ``auto``: the
            preset that the weights fit, and ``small`` without weights.
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
        model = GemDepth(config)
        initialize(model, seed)
        return _ready(model.set_dtype(dtype).to(device))
    state = load_state(weights) if isinstance(weights, str | Path) else as_tensors(weights)
    config = _configuration(config, preset_of(state))
    with torch.device('meta'):
        model = GemDepth(config)
    load_into(model, state, torch.device(device), dtype)
    return _ready(model)


def _configuration(config: GemDepthConfig | str, automatic: str | None) -> GemDepthConfig:
    """Resolve the name of a preset, or ``auto``."""
    if isinstance(config, GemDepthConfig):
        return config
    if config != AUTOMATIC:
        return GemDepthConfig.preset(config)
    if automatic is None:
        raise WeightsError(
            f'the weights fit no preset ({", ".join(PRESETS)}): give the configuration '
            'they are for'
        )
    return GemDepthConfig.preset(automatic)


def _ready(model: GemDepth) -> GemDepth:
    """Set evaluation mode and the memory layout in which convolutions are fastest."""
    model.head.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.eval().requires_grad_(False)
