"""The folder of a demonstration: nothing of anybody else's is deleted or overwritten."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from gemdepth_ros.errors import ConfigError

MARKER = '.gemdepth-demo'
"""Lies in the folder from the start, so that a demonstration that failed is known as well."""
PROCESSES = ('node', 'recorder', 'player')
"""Names of the processes, each of which writes ``logs/NAME.log``."""
_SUMMARY_KEYS = {'required_share', 'frames', 'topics', 'exit_codes', 'problems'}


def claim(folder: Path) -> None:
    """Make a folder the demonstration's own, before anything is written into it.

    Args:
        folder: new, empty, or of an earlier demonstration.

    Raises:
        ConfigError: it holds something else, or cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()) and not _is_ours(folder):
            raise ConfigError(
                f'{folder} is not empty and holds no earlier demonstration: name a new folder '
                'with --output'
            )
        (folder / MARKER).touch()
    except OSError as error:
        raise ConfigError(
            f'cannot use {folder} for the demonstration: {error.strerror or error}; '
            'name another folder with --output'
        ) from error


def _is_ours(folder: Path) -> bool:
    return (folder / MARKER).is_file() or _has_our_summary(folder / 'summary.json')


def _has_our_summary(file: Path) -> bool:
    """Return whether a demonstration wrote it; earlier versions left no marker."""
    if not file.is_file():
        return False
    try:
        content = json.loads(file.read_text('utf-8'))
    except ValueError:  # of somebody else's
        return False
    return isinstance(content, dict) and content.keys() >= _SUMMARY_KEYS


def clear_logs(logs: Path) -> None:
    """Make the folder of the logs, without those of the run before; other files stay.

    Args:
        logs: folder.
    """
    logs.mkdir(parents=True, exist_ok=True)
    for name in PROCESSES:
        (logs / f'{name}.log').unlink(missing_ok=True)
    if (logs / 'ros').is_dir():  # ROS_LOG_DIR, see settings
        shutil.rmtree(logs / 'ros')
