"""The checksum record beside a weights file, and the check against it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from gemdepth_ros.errors import WeightsError

SHA256 = re.compile(r'[0-9a-f]{64}')
SEEDED = 'seeded'  # instead of a digest, for random weights
_CHUNK_BYTES = 1 << 20
_MAX_RECORD_BYTES = 1 << 16  # a record has a few hundred bytes; anything larger is not ours


@dataclass(frozen=True)
class ChecksumRecord:
    """What was known about a weights file when it came into the cache.

    Attributes:
        sha256: digest of the file, 64 hexadecimal digits.
        size: length of the file [byte].
        repo: repository it came from; empty when it was placed by hand.
        revision: commit of that repository; empty when it was placed by hand.
        hub_sha256: digest that the hub stated; empty when it stated none.
        date: when the record was written, ISO 8601, UTC.
        licence: the terms in a few words.
    """

    sha256: str
    size: int
    repo: str
    revision: str
    hub_sha256: str
    date: str
    licence: str


def record_path(path: Path) -> Path:
    """Return where the record of the file ``path`` lies."""
    return path.with_name(path.name + '.record.json')


def sha256_of(path: Path) -> str:
    """Return the SHA-256 digest of a file, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def write_record(path: Path, record: ChecksumRecord) -> None:
    """Write the record of the file ``path``; it appears whole or not at all."""
    target = record_path(path)
    draft = target.with_name(target.name + '.new')
    draft.write_text(json.dumps(asdict(record), indent=2) + '\n', encoding='utf-8')
    os.replace(draft, target)


def read_record(path: Path) -> ChecksumRecord | None:
    """Return the record of the file ``path``, or None where there is none.

    Raises:
        WeightsError: the record is not one of ours.
    """
    source = record_path(path)
    if not source.is_file():
        return None
    try:
        if source.stat().st_size > _MAX_RECORD_BYTES:
            raise ValueError('far too long')
        values = json.loads(source.read_text(encoding='utf-8'))
        return _record_from(values)
    except (ValueError, RecursionError) as error:
        raise WeightsError(
            f'checksum record {source} is damaged ({error}); delete it and add the file again'
        ) from None


def digest_of(path: Path | None) -> str:
    """Return the digest of weights as their record states it, or of the file itself.

    Args:
        path: of the file; None: there are no weights, and the answer is ``seeded``.
    """
    if path is None:
        return SEEDED
    record = read_record(path)
    return record.sha256 if record else sha256_of(path)


def _record_from(values: object) -> ChecksumRecord:
    if not isinstance(values, dict) or set(values) != {f.name for f in fields(ChecksumRecord)}:
        raise ValueError('its fields are not those of a checksum record')
    size = values['size']
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ValueError('size is not a length')
    if not all(isinstance(value, str) for name, value in values.items() if name != 'size'):
        raise ValueError('a field is not text')
    if not SHA256.fullmatch(values['sha256']):
        raise ValueError('sha256 is not a digest')
    return ChecksumRecord(**values)


def verify(path: Path) -> ChecksumRecord:
    """Check a weights file against the record beside it, size first, then SHA-256.

    Returns:
        The record that the file fits.

    Raises:
        WeightsError: the file or its record is missing, or they differ.
    """
    if not path.is_file():
        raise WeightsError(f'weights file {path} does not exist')
    record = read_record(path)
    if record is None:
        raise WeightsError(
            f'weights file {path} has no checksum record ({record_path(path).name})'
        )
    remedy = 'the file is damaged or was exchanged: delete it and get it again'
    size = path.stat().st_size
    if size != record.size:
        raise WeightsError(f'{path} has {size} bytes, its record says {record.size}; {remedy}')
    digest = sha256_of(path)
    if digest != record.sha256:
        raise WeightsError(
            f'{path} has SHA-256 {digest}, its record says {record.sha256}; {remedy}'
        )
    return record
