"""Download of a catalogue entry: resumable, checked, recorded.

``hf_hub_download`` is not used: in current huggingface_hub its temporary file belongs to one call
and is deleted when that call fails, so a transfer of gigabytes that breaks off starts again from
nothing. Here the hub's client states the file (``get_hf_file_metadata``) and transfers it
(``http_get``, with its retries and its progress bar) into a part file that outlives the process.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gemdepth_ros.errors import DependencyError, WeightsError
from gemdepth_ros.hub.cache import (
    entry_lock,
    new_record,
    placing_by_hand,
    require_space,
    store,
    verify_entry,
    weights_path,
)
from gemdepth_ros.hub.catalogue import WeightsEntry
from gemdepth_ros.hub.records import SHA256, record_path, sha256_of, verify

_COMMIT = re.compile(r'[0-9a-f]{40}')
_REASONS = {
    # The hub answers 401 for a repository that does not exist, too.
    401: 'it is not there, or needs a login (hf auth login)',
    403: 'access is refused; accept the terms on the model page and log in (hf auth login)',
    404: 'there is no such file',
    429: 'too many requests; try again later',
}


@dataclass(frozen=True)
class RemoteFile:
    """What the hub says about a file.

    Attributes:
        url: address of exactly this version of the file.
        commit: commit of the repository, 40 hexadecimal digits.
        etag: the hub's name of the content; for large files their SHA-256.
        size: length [byte].
    """

    url: str
    commit: str
    etag: str
    size: int

    @property
    def sha256(self) -> str:
        """Digest that the hub states, or '' where it states none."""
        return self.etag if SHA256.fullmatch(self.etag) else ''


def download(entry: WeightsEntry, endpoint: str | None = None) -> Path:
    """Fetch the file of a catalogue entry into the cache, or find it there.

    A transfer that broke off continues where it stopped, also in a later process. The finished
    file is compared with the SHA-256 that the hub states, and its record is written.

    Args:
        entry: what to fetch.
        endpoint: address of the hub; None: ``$HF_ENDPOINT``, else huggingface.co.

    Returns:
        Path of the checked file.

    Raises:
        WeightsError: in one line, what went wrong and how to place the file by hand.
        DependencyError: the hub's client is not installed.
    """
    if entry.bundled:
        verify_entry(entry)
        return weights_path(entry)
    target = weights_path(entry)
    with entry_lock(entry):
        if target.is_file():
            return _already_here(entry, target)
        remote = _ask_hub(entry, endpoint)
        part = _part_of(target, remote)
        require_space(target.parent, remote.size - _size_of(part))
        _transfer(entry, remote, part)
        record = new_record(
            entry,
            _checked_digest(entry, remote, part),
            remote.size,
            commit=remote.commit,
            hub_sha256=remote.sha256,
        )
        store(part, target, record)
    return target


def _already_here(entry: WeightsEntry, target: Path) -> Path:
    if not record_path(target).is_file():
        raise WeightsError(
            f'{target} is there without a checksum record; move it away and run '
            f"'gemdepth-ros weights add {entry.name} FILE', or delete it"
        )
    verify(target)
    return target


def _ask_hub(entry: WeightsEntry, endpoint: str | None) -> RemoteFile:
    """Ask for commit, entity tag and size, and accept them only in the form they must have."""
    _require_client()
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url

    base = (endpoint or constants.ENDPOINT).rstrip('/')
    if urlsplit(base).scheme not in ('http', 'https') or not urlsplit(base).hostname:
        raise WeightsError(f'the hub address {base!r} is not a web address; check HF_ENDPOINT')

    def url_at(revision: str) -> str:
        return hf_hub_url(entry.repo, entry.filename, revision=revision, endpoint=base)

    url = url_at(entry.revision)
    with _failures_in_one_line(entry, url):
        stated = get_hf_file_metadata(url, library_name='gemdepth_ros')
    commit, etag, size = stated.commit_hash or '', stated.etag or '', stated.size or 0
    if not _COMMIT.fullmatch(commit) or not etag or size < 1:
        raise WeightsError(
            f'{url} does not answer like a Hugging Face hub (commit {commit!r}, tag {etag!r}, '
            f'{size} bytes); check HF_ENDPOINT and proxies, or {placing_by_hand(entry)}'
        )
    # The commit in the address: a push between two attempts cannot mix two files.
    return RemoteFile(url_at(commit), commit, etag, size)


def _part_of(target: Path, remote: RemoteFile) -> Path:
    """Return the part file of this content, and delete those of other contents."""
    name = hashlib.sha256(remote.etag.encode()).hexdigest()[:16]  # a tag may hold any character
    part = target.with_name(f'{target.name}.{name}.part')
    for old in target.parent.glob(f'{target.name}.*.part'):
        if old != part:
            old.unlink()
    if _size_of(part) > remote.size:
        part.unlink()
    return part


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _transfer(entry: WeightsEntry, remote: RemoteFile, part: Path) -> None:
    """Append what ``part`` lacks of the remote file, for as long as attempts bring it further.

    Which failures ``http_get`` itself tries again differs between its versions.
    """
    with _failures_in_one_line(entry, remote.url, part, remote.size):
        before = -1
        while before < _size_of(part) < remote.size:
            before = _size_of(part)
            try:
                _append(remote, part, entry.filename)
            except _transport_errors():
                if _size_of(part) > remote.size:  # old clients append where a Range is ignored
                    part.unlink()
                if not before < _size_of(part) < remote.size:
                    raise


def _append(remote: RemoteFile, part: Path, displayed_filename: str) -> None:
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # unlisted

    # No compression on the way: the positions of a resumed transfer are those of the file.
    plain = {'Accept-Encoding': 'identity'}
    with part.open('ab') as file:
        http_get(
            remote.url,
            file,
            resume_size=file.tell(),
            headers=build_hf_headers(library_name='gemdepth_ros') | plain,
            expected_size=remote.size,
            displayed_filename=displayed_filename,
        )


def _checked_digest(entry: WeightsEntry, remote: RemoteFile, part: Path) -> str:
    digest = sha256_of(part)
    if remote.sha256 and digest != remote.sha256:
        part.unlink()
        raise WeightsError(
            f'{entry.repo}/{entry.filename} arrived with SHA-256 {digest}, the hub states '
            f'{remote.sha256}; the damaged copy was deleted, run the command again'
        )
    return digest


def _require_client() -> None:
    try:
        import huggingface_hub  # noqa: F401
    except ImportError as error:
        raise DependencyError(
            f'downloading weights needs huggingface_hub ({error}); pip install huggingface_hub'
        ) from error


def _transport_errors() -> tuple[type[BaseException], ...]:
    """Return what a transfer can raise: ``OSError``, and the errors of the HTTP library in use.

    That library is requests, httpx or httpx2, by version of the hub's client, whose own error
    derives from the library's.
    """
    from huggingface_hub.errors import HfHubHTTPError

    return (*HfHubHTTPError.__bases__, OSError)


@contextlib.contextmanager
def _failures_in_one_line(
    entry: WeightsEntry, url: str, part: Path | None = None, size: int = 0
) -> Iterator[None]:
    """Turn what the hub, the network or the disk does wrong into one ``WeightsError``."""
    try:
        yield
    except _transport_errors() as error:
        kept = ''
        if part is not None and _size_of(part):
            kept = f' ({_size_of(part)} of {size} bytes are kept: the same command continues)'
        raise WeightsError(
            f'cannot download {url}: {_reason(error)}{kept}; {placing_by_hand(entry)}'
        ) from error


def _reason(error: BaseException) -> str:
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return 'offline mode is set (HF_HUB_OFFLINE)'
    status = getattr(getattr(error, 'response', None), 'status_code', None)
    if status is not None:
        return f'HTTP {status}, {_REASONS.get(status, "the hub refused")}'
    if isinstance(error, OSError) and isinstance(error.strerror, str):
        return error.strerror
    first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if first_line.startswith('Consistency check failed'):
        return 'the transfer broke off'
    return f'no connection ({first_line})'
