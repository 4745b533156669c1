"""A JSON document with one long list, written entry by entry."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path


class JsonListWriter:
    """Write ``{header..., "frames": [one line per entry], footer...}`` in constant memory.

    The file is valid JSON once ``close`` has run.
    """

    def __init__(self, path: Path, header: Mapping[str, object]) -> None:
        self._file = path.open('w', encoding='utf-8')
        self._first = True
        self._file.write('{\n')
        for name, value in header.items():
            self._file.write(f'{json.dumps(name)}: {_text(value)},\n')
        self._file.write('"frames": [')

    def add(self, entry: Mapping[str, object]) -> None:
        """Append one entry to the list."""
        self._file.write(('\n' if self._first else ',\n') + _text(entry))
        self._first = False

    def close(self, footer: Mapping[str, object]) -> None:
        """End the list, write the last fields, close the file."""
        self._file.write('\n]')
        for name, value in footer.items():
            self._file.write(f',\n{json.dumps(name)}: {_text(value)}')
        self._file.write('\n}\n')
        self._file.close()


def _text(value: object) -> str:
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)


def _finite(value: object) -> object:
    """Replace what JSON cannot say (infinity, not a number) by null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
