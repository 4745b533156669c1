"""Frozen dataclasses to JSON and back; NaN is null."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.evaluation.result import FORMAT_VERSION, EvaluationResult

T = TypeVar('T')


def to_plain(value: Any) -> Any:
    """Return a value of dataclasses, tuples and numbers as JSON has it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def from_plain(kind: type[T], plain: Any) -> T:
    """Return a dataclass of ``kind`` from what `to_plain` made of it.

    Raises:
        ConfigError: something is missing or has another type; the text names it.
    """
    return typing.cast('T', _decode(kind, plain, kind.__name__))


def write_result(result: EvaluationResult, path: Path) -> None:
    """Write a result as JSON, all or nothing.

    Raises:
        ConfigError: the file cannot be written.
    """
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        with temporary.open('w', encoding='utf-8') as file:
            # Part by part: the plain copy of a long recording's frames is large.
            for number, part in enumerate(dataclasses.fields(result)):
                file.write('{\n' if number == 0 else ',\n')
                _write_part(file, part.name, getattr(result, part.name))
            file.write('\n}\n')
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ConfigError(f'cannot write {path}: {error.strerror or error}') from error


def _write_part(file: typing.TextIO, name: str, value: Any) -> None:
    file.write(f'{json.dumps(name)}: ')
    for piece in json.JSONEncoder(indent=1, allow_nan=False).iterencode(to_plain(value)):
        file.write(piece)


def read_result(path: Path) -> EvaluationResult:
    """Read what `write_result` wrote.

    Raises:
        ConfigError: the file is missing, damaged, or of another version.
    """
    try:
        plain = json.loads(path.read_text('utf-8'))
    except OSError as error:
        raise ConfigError(f'cannot read result {path}: {error.strerror or error}') from error
    except ValueError as error:
        raise ConfigError(f'{path} is no result: it is not JSON ({error})') from error
    version = plain.get('version') if isinstance(plain, dict) else None
    if version != FORMAT_VERSION:
        raise ConfigError(
            f'{path} is a result of version {version}, but this program reads version '
            f'{FORMAT_VERSION}; evaluate again'
        )
    try:
        return from_plain(EvaluationResult, plain)
    except ConfigError as error:
        raise ConfigError(f'{path} is damaged: {error}') from error


def _decode(kind: Any, plain: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(typing.cast('type', kind), plain, where)
    if origin in (typing.Union, types.UnionType):
        inner = next(item for item in arguments if item is not type(None))
        return None if plain is None else _decode(inner, plain, where)
    if origin is tuple:
        return _decode_tuple(arguments, plain, where)
    if kind is float and (plain is None or _is_number(plain)):
        return math.nan if plain is None else float(plain)
    if kind in (int, bool, str) and type(plain) is kind:
        return plain
    raise ConfigError(f'{where} is {plain!r:.60}, not {kind}')


def _decode_dataclass(kind: type, plain: Any, where: str) -> Any:
    if not isinstance(plain, dict):
        raise ConfigError(f'{where} is {plain!r:.60}, not an object')
    hints = typing.get_type_hints(kind)
    names = {f.name for f in dataclasses.fields(kind)}
    if names != plain.keys():
        wrong = sorted(names ^ plain.keys())[0]
        raise ConfigError(f'{where}.{wrong} is {"missing" if wrong in names else "unknown"}')
    return kind(**{name: _decode(hints[name], plain[name], f'{where}.{name}') for name in names})


def _decode_tuple(arguments: tuple[Any, ...], plain: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(plain, list):
        raise ConfigError(f'{where} is {plain!r:.60}, not a list')
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_decode(arguments[0], item, f'{where}[]') for item in plain)
    if len(arguments) != len(plain):
        raise ConfigError(f'{where} has {len(plain)} entries, not {len(arguments)}')
    pairs = zip(arguments, plain, strict=True)
    return tuple(_decode(inner, item, f'{where}[]') for inner, item in pairs)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
