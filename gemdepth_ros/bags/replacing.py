"""Replacing a bag: the old one lies beside the new one until that is finished."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import yaml

from gemdepth_ros.errors import BagError

if TYPE_CHECKING:
    from pathlib import Path

_METADATA = 'metadata.yaml'
_SQLITE_SIDE_FILES = ('-journal', '-wal', '-shm')
_LARGEST_METADATA = 50_000_000  # bytes; that of a bag with very many files and topics is far less


def set_aside(path: Path) -> Path:
    """Move a bag aside, to be brought back by ``bring_back`` or removed when it is replaced.

    Returns:
        Where it lies now.

    Raises:
        BagError: ``path`` holds what is not a bag, or cannot be moved.
    """
    check_is_bag(path)
    aside = _aside(path)
    try:
        path.rename(aside)
    except OSError as error:
        raise BagError(f'cannot replace bag {path}: {error}') from error
    return aside


def bring_back(path: Path) -> None:
    """Undo what a writer that was killed left: half a bag, and the one that it was to replace.

    Raises:
        BagError: ``path`` holds what is not a bag.
    """
    aside = _aside(path)
    if not aside.exists():
        return
    if (path / _METADATA).exists():  # it was killed after the new bag was finished
        shutil.rmtree(aside)
        return
    if path.exists():
        check_is_bag(path)
        shutil.rmtree(path)
    aside.rename(path)


def check_is_bag(path: Path) -> None:
    """Refuse anything that is not a bag, so that only bags are ever removed.

    A bag is a folder of what its metadata.yaml names; without one (a writer was killed), of a
    storage file with the folder's name. An empty folder passes.

    Raises:
        BagError: with what does not belong to a bag.
    """
    if not path.is_dir() or path.is_symlink():
        raise BagError(f'{path} is not a bag folder; it is not overwritten')
    named = _named(path)
    names = (item.name for item in path.iterdir())
    foreign = sorted(name for name in names if not _belongs(name, path, named))
    if foreign:
        raise BagError(
            f'{path} holds {foreign[0]!r}, which is no part of a bag of that name; it is not '
            'removed: choose another name, or remove it yourself'
        )


def _aside(path: Path) -> Path:
    return path.with_name(f'.{path.name}.replaced')


def _belongs(name: str, path: Path, named: set[str] | None) -> bool:
    """Whether a file is one of the bag in a folder.

    Args:
        name: of the file.
        path: the folder.
        named: what its metadata.yaml names; None without one.
    """
    for end in _SQLITE_SIDE_FILES:
        name = name.removesuffix(end)
    if named is None:
        own = rf'{re.escape(path.name)}(_\d+)?\.(mcap|db3)(\.zstd)?'
        return re.fullmatch(own, name) is not None
    return name in named or f'{name}.zstd' in named  # a player unpacks file.db3.zstd beside it


def _named(path: Path) -> set[str] | None:
    """The files that metadata.yaml names, and itself; None without one."""
    metadata = path / _METADATA
    if not metadata.is_file():
        return None
    if metadata.stat().st_size > _LARGEST_METADATA:
        raise BagError(f'{metadata} is larger than that of any bag; {path} is not removed')
    try:
        loaded = yaml.safe_load(metadata.read_text())
        files = loaded['rosbag2_bagfile_information']['relative_file_paths']
        return {_METADATA, *map(str, files)}
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        raise BagError(f'{metadata} is not that of a bag; {path} is not removed') from None
