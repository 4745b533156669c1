"""Settings of an evaluation to the configuration of the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.errors import ConfigError
from gemdepth_ros.pipeline.config import PipelineConfig
from gemdepth_ros.ros.config_fields import ConfigField, build_config, config_fields

_OWN_OPTIONS = {
    'network.weights': '--weights',
    'network.preset': '--preset',
    'network.device': '--device',
    'network.dtype': '--dtype',
    'streaming.mode': '--mode',
    'streaming.window': '--window',
    'streaming.input_size': '--input-size',
}
_WORDS = {'true': True, 'false': False}


def pipeline_config(settings: EvaluationSettings) -> PipelineConfig:
    """Return the configuration that the settings describe.

    Raises:
        ConfigError: an override names nothing, or a value is out of range.
    """
    known = {field.name: field for field in config_fields(PipelineConfig)}
    values: dict[str, Any] = {name: field.default for name, field in known.items()}
    values |= {
        'network.weights': settings.weights,
        'network.preset': settings.preset,
        'network.device': settings.device,
        'network.dtype': settings.dtype,
        'streaming.mode': 'sliding' if settings.mode == 'offline' else settings.mode,
        'streaming.window': settings.window,
        'streaming.input_size': settings.input_size,
        # Depth is judged up to the cap, so it must not be cut before.
        'products.max_depth_m': max(settings.max_depth_m, known['products.max_depth_m'].default),
    }
    for name, text in split_overrides(settings.overrides):
        if name in _OWN_OPTIONS:
            raise ConfigError(f'--set {name}: use {_OWN_OPTIONS[name]}')
        if name not in known:
            raise ConfigError(f'--set {name}: no such value; docs/node.md lists them')
        values[name] = _parsed(known[name], text)
    return build_config(PipelineConfig, values)


def split_overrides(overrides: Sequence[str]) -> list[tuple[str, str]]:
    """Return (name, text) of each ``name=text``.

    Raises:
        ConfigError: one has no equals sign.
    """
    pairs = []
    for override in overrides:
        name, equals, text = override.partition('=')
        if not equals:
            raise ConfigError(f'--set takes section.field=value, got {override!r}')
        pairs.append((name.strip(), text.strip()))
    return pairs


def _parsed(field: ConfigField, text: str) -> Any:
    if field.kind is bool:
        if text.lower() not in _WORDS:
            raise ConfigError(f'--set {field.name}: true or false, got {text!r}')
        return _WORDS[text.lower()]
    try:
        return field.kind(text)
    except ValueError as error:
        raise ConfigError(f'--set {field.name}: not a {field.kind.__name__}: {text!r}') from error
