"""Which backends this version of the package can time."""

from __future__ import annotations

from gemdepth_ros.cli.benchmark.cases import EAGER
from gemdepth_ros.errors import ConfigError


def check_backend(name: str) -> None:
    """Refuse a backend that the stream cannot be given.

    Raises:
        ConfigError: there is no such backend.
    """
    if name != EAGER:
        raise ConfigError(f'no backend {name!r} here; known: {EAGER}')
