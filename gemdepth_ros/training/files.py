"""Files and folders of a run: made or refused in one line, text in one piece and valid JSON."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gemdepth_ros.errors import ConfigError, TrainingError

# No space, no quota, and a file larger than the file system or `ulimit -f` allows.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def make_folder(folder: Path, option: str) -> None:
    """Make a folder and those above it, unless they exist.

    Args:
        folder: the folder.
        option: of the command line, which named it.

    Raises:
        ConfigError: a file is in the way, or the place may not be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f'{option} {folder} is no folder and cannot be made one ({error.strerror}): '
            'give another folder'
        ) from None


def write_text(path: Path, text: str) -> None:
    """Write a text file that is seen whole or not at all; an older one is replaced."""
    part = path.with_name(f'{path.name}.part')
    try:
        part.write_text(text)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def json_values(value: Any) -> Any:
    """Return a value with None for what JSON has no number for: NaN and the infinities."""
    if isinstance(value, dict):
        return {key: json_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@contextmanager
def full_disk_in_one_line(folder: Path) -> Iterator[None]:
    """Turn a full disk into one line; any other error of the system stays what it is.

    Args:
        folder: where the block writes.

    Raises:
        TrainingError: the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise TrainingError(
            f'cannot write to {folder} ({error.strerror}): make room and give the command again, '
            'with --resume'
        ) from error
