"""Read a tree of frozen dataclasses as a flat list of described values. No ROS types."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from gemdepth_ros.errors import ConfigError

C = TypeVar('C')


@dataclass(frozen=True)
class ConfigField:
    """One value of a configuration.

    Attributes:
        name: dotted path, ``streaming.window``.
        kind: bool, int, float or str.
        default: its default.
        help: text of the dataclass's docstring, unit included.
        choices: allowed values; empty when not limited to a list.
        minimum: smallest allowed value, or None.
        maximum: largest allowed value, or None.
        live: whether a change takes effect at run time.
    """

    name: str
    kind: type
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    live: bool = False


def config_fields(config_type: type, prefix: str = '') -> Iterator[ConfigField]:
    """Yield the fields of a configuration dataclass, nested ones with dotted names.

    Ranges stand in a field's metadata (``min``, ``max``), or by name in the class's ``RANGES``.
    What is outside is refused whatever the other values are; the class itself checks.
    """
    hints = get_type_hints(config_type)
    texts = attribute_texts(config_type)
    ranges: Mapping[str, tuple[float, float | None]] = getattr(config_type, 'RANGES', {})
    for entry in dataclasses.fields(config_type):
        hint = hints[entry.name]
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            yield from config_fields(hint, f'{prefix}{entry.name}.')
            continue
        choices = tuple(map(str, get_args(hint))) if get_origin(hint) is Literal else ()
        low, high = ranges.get(entry.name, (entry.metadata.get('min'), entry.metadata.get('max')))
        yield ConfigField(
            name=prefix + entry.name,
            kind=str if choices else hint,
            default=entry.default,
            help=texts.get(entry.name, ''),
            choices=choices,
            minimum=low,
            maximum=high,
            live=entry.metadata.get('live', False),
        )


def build_config(config_type: type[C], values: Mapping[str, Any], prefix: str = '') -> C:
    """Return a configuration from dotted names.

    Raises:
        ConfigError: a value is out of range or contradicts another one.
    """
    hints = get_type_hints(config_type)
    arguments = {}
    for entry in dataclasses.fields(config_type):  # type: ignore[arg-type]
        name, hint = prefix + entry.name, hints[entry.name]
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            arguments[entry.name] = build_config(hint, values, f'{name}.')
        else:
            arguments[entry.name] = values[name]
    return config_type(**arguments)


def coerced(field: ConfigField, value: Any) -> Any:
    """Return a parameter's value in the field's own type.

    YAML writes ``30`` where 30.0 is meant and reads the word ``true`` as a boolean.

    Raises:
        ConfigError: the value has another type.
    """
    if field.kind is float and type(value) is int:
        return float(value)
    if field.choices and isinstance(value, bool):
        return str(value).lower()
    if type(value) is not field.kind:
        raise ConfigError(f'{field.name} must be a {field.kind.__name__}, got {value!r}')
    return value


def check_fields(config: Any) -> None:
    """Check choices and ranges of a flat configuration dataclass; for its ``__post_init__``.

    Raises:
        ConfigError: a value is not one of the choices or is out of range.
    """
    for entry in config_fields(type(config)):
        value = getattr(config, entry.name)
        if entry.choices and value not in entry.choices:
            raise ConfigError(
                f'{entry.name} must be one of {", ".join(entry.choices)}, got {value!r}'
            )
        low, high = entry.minimum, entry.maximum
        if low is not None and high is not None and not low <= value <= high:
            raise ConfigError(f'{entry.name} must be {low}..{high}, got {value}')


def attribute_texts(config_type: type) -> dict[str, str]:
    """Return the texts of a Google docstring's ``Attributes:`` section by name."""
    _, _, section = (inspect.getdoc(config_type) or '').partition('Attributes:\n')
    entries = re.findall(r'^ {4}(\w+): (.*(?:\n {8}.*)*)', section, re.MULTILINE)
    return {name: re.sub(r'\s+', ' ', text.replace('``', '')) for name, text in entries}
