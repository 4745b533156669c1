"""The state of a run on disk: written in one piece, the last two kept."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import Any

import torch

from gemdepth_ros.errors import TrainingError, WeightsError

KEPT = 2
# What torch.load says of a damaged file, depending on where the damage is.
_DAMAGED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)
_NAME = re.compile(r'^checkpoint_(\d{8})\.pt$')


def saved_steps(folder: Path) -> list[int]:
    """Return the steps of all checkpoints in a run's folder, ascending."""
    names = (_NAME.match(path.name) for path in folder.glob('checkpoint_*.pt'))
    return sorted(int(name[1]) for name in names if name)


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return where the state after ``step`` steps lies."""
    return folder / f'checkpoint_{step:08d}.pt'


def save_checkpoint(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write a checkpoint under a name that no reader sees until it is whole; drop old ones.

    Raises:
        TrainingError: it cannot be written; nothing is left of it.
    """
    path = checkpoint_path(folder, step)
    part = path.with_suffix('.part')
    kept = saved_steps(folder)
    try:
        with part.open('wb') as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        raise TrainingError(
            f'cannot write {path} ({_first_line(error)}): is the disk full? Make room and go on '
            + (f'with --resume from step {kept[-1]}' if kept else 'anew: no checkpoint yet')
        ) from error
    finally:
        part.unlink(missing_ok=True)
    for old in saved_steps(folder)[:-KEPT]:
        checkpoint_path(folder, old).unlink(missing_ok=True)
    return path


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Return the newest checkpoint's state, or None where there is none.

    Raises:
        WeightsError: it is damaged.
    """
    steps = saved_steps(folder)
    if not steps:
        return None
    path = checkpoint_path(folder, steps[-1])
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
    except _DAMAGED as error:
        raise _damaged(path, _first_line(error)) from None
    if not isinstance(state, dict):
        raise _damaged(path, f'it holds a {type(state).__name__}')
    return state


def _damaged(path: Path, reason: str) -> WeightsError:
    return WeightsError(f'cannot read {path} ({reason}): remove it to go on from the one before')


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
