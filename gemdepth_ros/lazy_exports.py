"""Names that a package offers without loading what is behind them until they are used.

Configuration values of a package can then be had without the seconds that torch takes to load.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


def lazy_exports(package: str, modules: dict[str, str]) -> Callable[[str], Any]:
    """Return a package's ``__getattr__`` (PEP 562).

    Args:
        package: name of the package, for the error.
        modules: exported name -> full name of the module that defines it.
    """

    def getattr_of_package(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f'module {package!r} has no attribute {name!r}')
        return getattr(importlib.import_module(modules[name]), name)

    return getattr_of_package
