"""Where weights lie on this machine, and how a weights argument becomes a path."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from gemdepth_ros.errors import WeightsError
from gemdepth_ros.hub.catalogue import CATALOGUE, WeightsEntry, find_entry
from gemdepth_ros.hub.records import (
    ChecksumRecord,
    read_record,
    verify,
    write_record,
)

CACHE_VARIABLE = 'GEMDEPTH_ROS_CACHE'
BUNDLED_FOLDER = Path(__file__).resolve().parents[1] / 'weights'
_SPARE_BYTES = 64 << 20  # left free beside the file itself
_CHUNK_BYTES = 1 << 20


def cache_folder() -> Path:
    """Return the cache: ``$GEMDEPTH_ROS_CACHE``, else ``~/.cache/gemdepth_ros``."""
    chosen = os.environ.get(CACHE_VARIABLE, '').strip()
    return Path(chosen).expanduser() if chosen else Path.home() / '.cache' / 'gemdepth_ros'


def weights_path(entry: WeightsEntry) -> Path:
    """Return where the file of a catalogue entry lies, or would lie."""
    if entry.bundled:
        return BUNDLED_FOLDER / entry.filename
    return cache_folder() / entry.name / entry.filename


def placing_by_hand(entry: WeightsEntry) -> str:
    """Say in one line how the file gets into the cache without this machine's network."""
    return (
        f'to place the file by hand, fetch {entry.filename} from {entry.page} on any machine and '
        f"run 'gemdepth-ros weights add {entry.name} FILE' (it is copied to {weights_path(entry)})"
    )


def missing_weights(entry: WeightsEntry) -> WeightsError:
    """Return the error for weights that are not here."""
    if entry.bundled:
        return WeightsError(
            f'weights {entry.name} belong to this package but {weights_path(entry)} is missing; '
            'install the package again'
        )
    return WeightsError(
        f"weights {entry.name} are not on this machine; run 'gemdepth-ros weights get "
        f"{entry.name}', or {placing_by_hand(entry)}"
    )


def verify_entry(entry: WeightsEntry) -> ChecksumRecord:
    """Check the cached file of a catalogue entry against its record.

    Raises:
        WeightsError: it was never fetched, or does not fit its record.
    """
    path = weights_path(entry)
    if not path.is_file():
        raise missing_weights(entry)
    return verify(path)


def locate(name_or_path: str | Path) -> Path:
    """Return the file behind a weights argument, checked against its record where it has one.

    Args:
        name_or_path: a catalogue name whose file was fetched, or the path of a file. To mean a
            file that is called like a catalogue name, write ``./NAME``.

    Raises:
        WeightsError: there is no such file, or it does not fit its record.
    """
    text = str(name_or_path)
    if text in CATALOGUE:
        entry = find_entry(text)
        verify_entry(entry)
        return weights_path(entry)
    path = Path(text).expanduser()
    if not path.is_file():
        what = 'is a folder' if path.is_dir() else 'does not exist'
        raise WeightsError(
            f'weights {text!r}: {what}, and no catalogue name either '
            f'(known: {", ".join(sorted(CATALOGUE))})'
        )
    if read_record(path) is not None:
        verify(path)
    return path


def add_file(entry: WeightsEntry, source: Path) -> Path:
    """Copy a file that was fetched by other means into the cache and record its checksum.

    Raises:
        WeightsError: ``source`` is no readable file, the disk is too small, the cache already has
            a different file under this name, or the entry is bundled.
    """
    if entry.bundled:
        raise WeightsError(
            f'{entry.name} is part of this package and is not replaced; use {source} by its path'
        )
    if not source.is_file() or source.stat().st_size == 0:
        raise WeightsError(f'cannot add {source}: it is not a file with content')
    target = weights_path(entry)
    with entry_lock(entry):
        draft = target.with_name(f'{target.name}.added.part')
        require_space(target.parent, source.stat().st_size)
        try:
            digest, size = _copy_with_digest(source, draft)
            refuse_other_file(target, digest)
            store(draft, target, new_record(entry, digest, size))
        except OSError as error:
            raise WeightsError(f'cannot copy {source} to {target}: {error.strerror}') from error
        finally:
            draft.unlink(missing_ok=True)
    return target


def refuse_other_file(target: Path, digest: str) -> None:
    """Refuse to replace an intact cached file by one with another digest."""
    record = read_record(target) if target.is_file() else None
    if record is not None and record.sha256 != digest:
        raise WeightsError(
            f'the cache already has another file at {target} (SHA-256 {record.sha256[:12]}..., '
            f'new: {digest[:12]}...); delete it first if the new one is right'
        )


def new_record(
    entry: WeightsEntry,
    digest: str,
    size: int,
    *,
    commit: str = '',
    hub_sha256: str = '',
) -> ChecksumRecord:
    """Return a record of now; without a commit the file counts as placed by hand."""
    return ChecksumRecord(
        sha256=digest,
        size=size,
        repo=entry.repo if commit else '',
        revision=commit,
        hub_sha256=hub_sha256,
        date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds'),
        licence=entry.licence,
    )


def store(draft: Path, target: Path, record: ChecksumRecord) -> None:
    """Move a complete file to its place, with its record.

    The record goes first: whatever interrupts the two steps, a file in its place has a record.
    """
    write_record(target, record)
    os.replace(draft, target)


def require_space(folder: Path, needed_bytes: int) -> None:
    """Raise ``WeightsError`` unless the disk of ``folder`` has room for that many more bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + _SPARE_BYTES:
        needed_gb = (needed_bytes + _SPARE_BYTES) / 1e9
        raise WeightsError(
            f'{folder} has {free / 1e9:.2f} GB free, {needed_gb:.2f} GB are needed; '
            f'make room, or set {CACHE_VARIABLE} to a folder on a larger disk'
        )


@contextlib.contextmanager
def entry_lock(entry: WeightsEntry) -> Iterator[None]:
    """Make the entry's folder and hold it alone; the lock goes with the process that holds it."""
    folder = weights_path(entry).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / '.lock').open('w')
    except OSError as error:
        raise WeightsError(
            f'cannot write to the cache {folder}: {error.strerror}; set {CACHE_VARIABLE} to a '
            f'folder of yours'
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WeightsError(
                f'another process is fetching {entry.name} into {folder}; wait for it'
            ) from None
        yield


def _copy_with_digest(source: Path, target: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with source.open('rb') as read, target.open('wb') as written:
        while chunk := read.read(_CHUNK_BYTES):
            digest.update(chunk)
            written.write(chunk)
            size += len(chunk)
    return digest.hexdigest(), size
