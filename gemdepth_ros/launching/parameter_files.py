"""What parameter files say for one node, read as ROS reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from gemdepth_ros.errors import ConfigError

PARAMETERS = 'ros__parameters'


def parameters_in_files(files: Iterable[str], full_name: str) -> dict[str, Any]:
    """Return the parameters of a node by their dotted names.

    Files that name a node alike are merged, a later one first. Of the names that mean this node,
    such as ``/**`` and its own, the one that was written last counts most.

    Args:
        files: YAML, in the order in which they are given to the node.
        full_name: of the node, with its namespace.

    Raises:
        ConfigError: a file cannot be read or is no YAML.
    """
    by_node: dict[str, dict[str, Any]] = {}
    for file in files:
        for name, values in _nodes('', _content(Path(file))):
            by_node.setdefault(name, {}).update(_flat('', values))
    result: dict[str, Any] = {}
    for name, values in by_node.items():
        if _pattern(name).fullmatch(full_name):
            result |= values
    return result


def _content(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text(encoding='utf-8'))
    except OSError as error:
        raise ConfigError(f'cannot read the parameter file {file}: {error.strerror}') from None
    except (yaml.YAMLError, ValueError) as error:
        reason = ' '.join(str(error).split())
        raise ConfigError(f'parameter file {file}: {reason}') from None


def _nodes(name: str, tree: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (name of a node, its values); namespaces may be nested."""
    if not isinstance(tree, dict):
        return  # the node itself says what is wrong with it
    for key, part in tree.items():
        if key == PARAMETERS and isinstance(part, dict):
            yield name, part
        elif key != PARAMETERS:
            yield from _nodes(f'{name}/{str(key).strip("/")}', part)


def _flat(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in values.items():
        name = f'{prefix}{key}'
        result |= _flat(f'{name}.', value) if isinstance(value, dict) else {name: value}
    return result


def _pattern(name: str) -> re.Pattern[str]:
    """``*`` stands for one part of a node's name, ``**`` for any number of them."""
    text = re.escape(name).replace(r'/\*\*', r'(/\w+)*')
    return re.compile(text.replace(r'/\*', r'/\w+'))
