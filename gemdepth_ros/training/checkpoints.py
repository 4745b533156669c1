"""The state of a run on disk: written in one piece, the last two kept."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import torch

from gemdepth_ros.errors import WeightsError

KEPT = 2
_NAME = re.compile(r'^checkpoint_(\d{8})\.pt$')


def saved_steps(folder: Path) -> list[int]:
    """Return the steps of all checkpoints in a run's folder, ascending."""
    names = (_NAME.match(path.name) for path in folder.glob('checkpoint_*.pt'))
    return sorted(int(name[1]) for name in names if name)


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return where the state after ``step`` steps lies."""
    return folder / f'checkpoint_{step:08d}.pt'


def save_checkpoint(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write a checkpoint under a name that no reader sees until it is whole; drop old ones."""
    path = checkpoint_path(folder, step)
    part = path.with_suffix('.part')
    with part.open('wb') as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    for old in saved_steps(folder)[:-KEPT]:
        checkpoint_path(folder, old).unlink(missing_ok=True)
    return path


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Return the newest checkpoint's state, or None where there is none.

    Raises:
        WeightsError: it cannot be read.
    """
    steps = saved_steps(folder)
    if not steps:
        return None
    path = checkpoint_path(folder, steps[-1])
    try:
        state: dict[str, Any] = torch.load(path, map_location='cpu', weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        first_line = str(error).splitlines()[0]
        raise WeightsError(
            f'cannot read {path} ({first_line}): remove it to go on from the one before'
        ) from None
    return state
