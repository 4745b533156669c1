"""Strict reading of a small YAML file: whatever is unknown, missing or doubled is named."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.interfaces import Float64Array
from gemdepth_ros.launching.rig_geometry import vector_of

LARGEST_FILE = 1 << 20  # bytes
FRAME = re.compile(r'[^\s/][^\s]*')
_MISSING = object()


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which would silently keep the last of two equal keys."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        doubled = [key for key in keys if keys.count(key) > 1]
        if doubled:
            raise ConfigError(f'{doubled[0]!r} is there twice')
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file of plain values.

    Raises:
        ConfigError: it cannot be read, is no YAML, is too large, or has a key twice.
    """
    try:
        data = path.read_bytes()
        if len(data) > LARGEST_FILE:
            raise ConfigError(f'{len(data)} bytes are too many for a rig description')
        return yaml.load(data, Loader=_StrictLoader)
    except OSError as error:
        raise ConfigError(f'cannot read the rig {path}: {error.strerror}') from None
    except (yaml.YAMLError, ConfigError, ValueError, RecursionError, TypeError) as error:
        reason = ' '.join(str(error).split())
        raise ConfigError(f'rig {path}: {reason}') from None


class Section:
    """A mapping of the file and the place where it stands."""

    def __init__(self, where: str, values: Any) -> None:
        """Take a part of the file.

        Raises:
            ConfigError: it is no mapping with words as keys.
        """
        if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
            raise ConfigError(f'{where} must be a mapping of names, got {_short(values)}')
        self.where = where
        self._values: dict[str, Any] = values

    def only(self, *known: str) -> Section:
        """Refuse any other key."""
        unknown = [key for key in self._values if key not in known]
        if unknown:
            raise ConfigError(
                f'{self.where} has an unknown entry {unknown[0]!r}; known: {", ".join(known)}'
            )
        return self

    def section(self, name: str) -> Section:
        """Return a mapping in this one."""
        return Section(self._place(name), self._get(name))

    def parts(self, name: str) -> Iterator[tuple[str, Section]]:
        """Yield the mappings of a mapping; none when it is not there."""
        if name in self._values:
            for key in (part := self.section(name))._values:
                yield key, part.section(key)

    def vector(self, name: str) -> Float64Array:
        """Return three finite numbers; zeros when they are not there."""
        value = self._values.get(name, [0.0, 0.0, 0.0])
        if not (isinstance(value, list) and len(value) == 3 and all(map(_is_number, value))):
            raise ConfigError(f'{self._place(name)} must be three numbers, got {_short(value)}')
        return vector_of(value)

    def number(self, name: str, default: float) -> float:
        """Return a finite number."""
        value = self._values.get(name, default)
        if not _is_number(value):
            raise ConfigError(f'{self._place(name)} must be a number, got {_short(value)}')
        return float(value)

    def word(self, name: str, default: str, shape: re.Pattern[str] | None = None) -> str:
        """Return a text of one line; empty only where that is the default."""
        value = self._values.get(name, default)
        good = isinstance(value, str) and value.isprintable() and bool(value or not default)
        if not good or (value and shape is not None and not shape.fullmatch(value)):
            raise ConfigError(f'{self._place(name)} cannot be {_short(value)}')
        return str(value)

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return one of the choices, the first by default; YAML reads true as a boolean."""
        value = self._values.get(name, choices[0])
        value = str(value).lower() if isinstance(value, bool) else value
        if value not in choices:
            raise ConfigError(
                f'{self._place(name)} must be one of {", ".join(choices)}, got {_short(value)}'
            )
        return str(value)

    def frame(self, name: str, default: Any = _MISSING) -> str:
        """Return a frame name."""
        value = self._get(name) if default is _MISSING else self._values.get(name, default)
        self.check_frame(value, self._place(name))
        return str(value)

    def check_frame(self, value: Any, place: str = '') -> None:
        """Refuse what is no frame name."""
        if not isinstance(value, str) or not FRAME.fullmatch(value):
            raise ConfigError(
                f"{place or self.where} must be a frame name without spaces or leading '/', got "
                f'{_short(value)}'
            )

    def _get(self, name: str) -> Any:
        if name not in self._values:
            raise ConfigError(f'{self._place(name)} is missing')
        return self._values[name]

    def _place(self, name: str) -> str:
        separator = ': ' if self.where.startswith('rig ') and ': ' not in self.where else '.'
        return f'{self.where}{separator}{name}'


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'
