"""A weights file that is written in one piece and that others may read."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from gemdepth_ros.errors import WeightsError

METADATA = {'format': 'pt'}


def save_weights(
    tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = METADATA
) -> None:
    """Write tensors as safetensors, with the access rights that any new file here gets.

    The name appears when the file is whole; one of the same name is replaced. On failure nothing
    is left, and an older file stays as it was.

    Args:
        tensors: contiguous, on any device, by name.
        path: the file.
        metadata: strings for its header.

    Raises:
        WeightsError: it cannot be written.
    """
    part = path.with_name(f'{path.name}.part')
    try:
        mode = _mode_of_new(part)
        try:
            save_file(dict(tensors), part, dict(metadata) if metadata is not None else None)
            # safetensors 0.8 makes files that nobody but their owner reads, whatever the umask.
            if stat.S_IMODE(part.stat().st_mode) != mode:
                part.chmod(mode)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f'cannot write {path}: {error}') from None


def _mode_of_new(path: Path) -> int:
    """Make an empty file and return its access rights.

    The umask itself can be read only by changing it, for all threads.
    """
    path.unlink(missing_ok=True)
    path.touch()
    return stat.S_IMODE(path.stat().st_mode)
