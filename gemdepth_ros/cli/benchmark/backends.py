"""Which backends a stream can be given."""

from __future__ import annotations

from typing import get_args

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.inference.config import Backend


def check_backend(name: str) -> None:
    """Refuse a backend that there is not.

    Raises:
        ConfigError: there is no such backend.
    """
    if name not in get_args(Backend):
        raise ConfigError(f'no backend {name!r}; known: {", ".join(get_args(Backend))}')
