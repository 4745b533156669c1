"""A training configuration from YAML: every key is known, every value has its type."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.training.config import TrainingConfig

C = TypeVar('C')


def load_config(path: str | Path) -> TrainingConfig:
    """Read a configuration file.

    Raises:
        ConfigError: no such file, no YAML, an unknown key, or a value that is impossible.
    """
    path = Path(path).expanduser()
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'cannot read {path}: {error}') from None
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f'{path} is no YAML: {str(error).splitlines()[0]}') from None
    return from_mapping(TrainingConfig, values, str(path))


def from_mapping(kind: type[C], values: Any, where: str) -> C:
    """Build a dataclass from a mapping of its fields' names.

    Args:
        kind: the dataclass.
        values: what YAML gave.
        where: name for messages.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f'{where} must be a mapping, got {values!r}')
    hints = get_type_hints(kind)
    unknown = [str(key) for key in values if key not in hints]
    if unknown:
        raise ConfigError(f'{where}: unknown {", ".join(unknown)}; known: {", ".join(hints)}')
    missing = [
        entry.name
        for entry in dataclasses.fields(kind)  # type: ignore[arg-type]
        if entry.name not in values
        and entry.default is dataclasses.MISSING
        and entry.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f'{where}: {", ".join(missing)} missing')
    arguments = {
        str(key): _value(hints[key], value, f'{where}: {key}') for key, value in values.items()
    }
    return kind(**arguments)


def _value(hint: Any, value: Any, where: str) -> Any:
    """Return ``value`` as the type ``hint`` says, or raise ConfigError."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_mapping(hint, value, where)
    origin, inner = get_origin(hint), get_args(hint)
    if origin is tuple:
        if not isinstance(value, list):
            raise ConfigError(f'{where} must be a list, got {value!r}')
        return tuple(_value(inner[0], part, f'{where}[{i}]') for i, part in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f'{where} must be a mapping, got {value!r}')
        return {
            _value(inner[0], key, where): _value(inner[1], part, f'{where}: {key}')
            for key, part in value.items()
        }
    choices = inner or (NoneType,)
    if inner and value not in choices:
        raise ConfigError(f'{where} must be one of {", ".join(map(str, choices))}, got {value!r}')
    return value if inner else _plain(hint, value, where)


def _plain(kind: type, value: Any, where: str) -> Any:
    """Check a bool, int, float or str; an integer will do for a float."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is float and isinstance(value, str):  # YAML 1.1 reads 1e-3 as text
        try:
            return float(value)
        except ValueError:
            raise ConfigError(f'{where} must be a number, got {value!r}') from None
    if type(value) is not kind:
        raise ConfigError(f'{where} must be of type {kind.__name__}, got {value!r}')
    return value
