"""A safetensors file whose tensors are read when they are asked for.

Reading all of it first would hold every weight twice while a network is loaded: once as in the
file, once as on the device. On a board whose memory is just enough that is what fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from gemdepth_ros.errors import WeightsError

# The file is mapped into memory, and what was read of a mapping stays resident as long as it is
# open: it is opened anew after so much.
BYTES_PER_MAPPING = 64 << 20


class TensorFile(Mapping[str, Tensor]):
    """Names to tensors of a ``.safetensors`` file.

    A tensor is a view of the file; whoever keeps it keeps the mapping.

    Raises:
        WeightsError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: Any = None
        self._read_bytes = 0
        self._names = tuple(self._file().keys())
        self._known = frozenset(self._names)

    def _file(self) -> Any:
        if self._opened is None or self._read_bytes > BYTES_PER_MAPPING:
            self._opened, self._read_bytes = None, 0
            try:
                self._opened = safe_open(self._path, framework='pt')
            except (SafetensorError, OSError, ValueError) as error:
                raise WeightsError(f'cannot read {self._path} as safetensors: {error}') from None
        return self._opened

    def __getitem__(self, name: str) -> Tensor:
        """Return a tensor; KeyError if the file has none of this name."""
        if name not in self._known:
            raise KeyError(name)
        try:
            tensor: Tensor = self._file().get_tensor(name)
        except (SafetensorError, OSError, ValueError) as error:
            raise WeightsError(
                f'cannot read {name} of {self._path} as safetensors: {error}'
            ) from None
        self._read_bytes += tensor.nbytes
        return tensor

    def __iter__(self) -> Iterator[str]:
        """Names, in the file's order."""
        return iter(self._names)

    def __len__(self) -> int:
        """Number of tensors."""
        return len(self._names)
