"""The state of a pipeline as bytes: a long replay that was killed goes on where it stopped.

Weights are not part of it. What is read back can name this package's classes and a few of
numpy's, nothing that runs: a snapshot is data.
"""

from __future__ import annotations

import enum
import io
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.pipeline.pipeline import DepthPipeline

_STATE = ('_session', '_metres', '_products')
_MODEL = 'model'
_FOREIGN = {
    *(('collections', name) for name in ('OrderedDict', 'deque')),
    *(('numpy', name) for name in ('dtype', 'ndarray')),
    ('torch', 'device'),
    # numpy 2 and numpy 1
    *((f'numpy.{core}.multiarray', 'scalar') for core in ('_core', 'core')),
    *((f'numpy.{core}.multiarray', '_reconstruct') for core in ('_core', 'core')),
    *((f'numpy.{core}.numeric', '_frombuffer') for core in ('_core', 'core')),
}


def take_snapshot(pipeline: DepthPipeline) -> bytes:
    """Return everything that the next outputs depend on, but for weights and configuration."""
    buffer = io.BytesIO()
    _Writer(buffer, protocol=5).dump({name: getattr(pipeline, name) for name in _STATE})
    return buffer.getvalue()


def restore_snapshot(pipeline: DepthPipeline, snapshot: bytes) -> None:
    """Put a pipeline of the same weights and configuration where `take_snapshot` found another.

    Raises:
        ConfigError: the bytes are no snapshot of this version.
    """
    model = pipeline._model
    try:
        state = _Reader(io.BytesIO(snapshot), model).load()
        parts = {name: state[name] for name in _STATE}
    # Damaged bytes can make the parser raise anything.
    except Exception as error:
        raise ConfigError(
            f'the saved state of the pipeline cannot be read ({type(error).__name__}: {error}); '
            'start anew'
        ) from error
    for name, part in parts.items():
        setattr(pipeline, name, part)


def rebuilt_tensor(values: npt.NDArray[Any], dtype: str, device: str) -> torch.Tensor:
    """Return the tensor that the writer took apart."""
    kind = getattr(torch, dtype)
    if not isinstance(kind, torch.dtype):
        raise pickle.UnpicklingError(f'{dtype!r} is no element type')
    return torch.from_numpy(np.array(values)).view(kind).to(device)


class _Writer(pickle.Pickler):
    def persistent_id(self, value: Any) -> str | None:
        return _MODEL if isinstance(value, torch.nn.Module) else None

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, enum.Enum):  # some versions of Python ask for getattr
            return type(value), (value.value,)
        if not isinstance(value, torch.Tensor):
            return NotImplemented
        here = value.detach().cpu().contiguous()
        # numpy has no bfloat16: its bits travel as integers.
        bits = here.view(torch.int16) if here.dtype is torch.bfloat16 else here
        name = str(value.dtype).removeprefix('torch.')
        return rebuilt_tensor, (bits.numpy(), name, str(value.device))


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, model: torch.nn.Module) -> None:
        super().__init__(file)
        self._model = model

    def persistent_load(self, identity: Any) -> Any:
        if identity != _MODEL:
            raise pickle.UnpicklingError(f'unknown reference {identity!r}')
        return self._model

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _FOREIGN or (module, name) == (__name__, rebuilt_tensor.__name__):
            return super().find_class(module, name)
        if module == 'torch' and isinstance(kind := getattr(torch, name, None), torch.dtype):
            return kind
        if module.startswith('gemdepth_ros.') and '.' not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f'a snapshot must not name {module}.{name}')
