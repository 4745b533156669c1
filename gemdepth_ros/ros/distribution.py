"""Libraries that a ROS distribution has and pip has not: used where they are, never needed."""

from __future__ import annotations

import functools
import importlib
from typing import Any


@functools.lru_cache(maxsize=8)
def installed(module: str) -> Any | None:
    """Return a module of the distribution, or None where there is none that can be loaded.

    The search is made once; it is too slow for every message.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, AttributeError):  # it is not there, or was made for another numpy
        return None
