"""The real client of the hub against a small hub on the loopback address."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
from pathlib import Path

import pytest
from fake_hub import COMMIT, FakeHub

from gemdepth_ros.errors import WeightsError
from gemdepth_ros.hub import WeightsEntry, download, read_record, verify, weights_path


def message_of(error: pytest.ExceptionInfo[WeightsError]) -> str:
    text = str(error.value)
    assert '\n' not in text
    return text


def part_files(cache: Path) -> list[Path]:
    return sorted(cache.rglob('*.part'))


def test_file_arrives_checked_and_recorded(hub: FakeHub, entry: WeightsEntry, cache: Path) -> None:
    path = download(entry, endpoint=hub.endpoint)
    assert path == cache / 'gemdepth-vitl' / 'gemdepth.pth'
    assert path.read_bytes() == hub.content
    record = verify(path)
    assert record.repo == 'YuechengLiu/GemDepth'
    assert record.revision == COMMIT
    assert record.sha256 == record.hub_sha256 == hashlib.sha256(hub.content).hexdigest()
    assert record.size == len(hub.content)
    assert 'CC-BY-NC-4.0' in record.licence
    assert record.date.endswith('+00:00')
    assert hub.heads == ['/YuechengLiu/GemDepth/resolve/main/gemdepth.pth']
    # The transfer names the commit, so that a push in between cannot mix two files.
    assert hub.paths == [f'/YuechengLiu/GemDepth/resolve/{COMMIT}/gemdepth.pth']
    assert not part_files(cache)


def test_second_call_asks_nobody(hub: FakeHub, entry: WeightsEntry) -> None:
    download(entry, endpoint=hub.endpoint)
    hub.heads.clear()
    download(entry, endpoint=hub.endpoint)
    assert not hub.heads


def test_broken_connection_resumes_within_the_call(hub: FakeHub, entry: WeightsEntry) -> None:
    hub.break_after = [1_000_000, 500_000]
    path = download(entry, endpoint=hub.endpoint)
    assert path.read_bytes() == hub.content
    assert hub.ranges[0] is None
    assert len(hub.ranges) == 3
    assert all(asked is not None for asked in hub.ranges[1:])


def test_broken_transfer_resumes_in_a_later_call(
    hub: FakeHub, entry: WeightsEntry, cache: Path
) -> None:
    hub.break_after, hub.dead = [1_000_000], True
    with pytest.raises(WeightsError) as error:
        download(entry, endpoint=hub.endpoint)
    text = message_of(error)
    (part,) = part_files(cache)
    kept = part.stat().st_size
    assert 0 < kept <= 1_000_000
    assert f'{kept} of {len(hub.content)} bytes are kept' in text
    assert 'gemdepth-ros weights add gemdepth-vitl FILE' in text
    assert not weights_path(entry).exists()

    hub.ranges.clear()
    hub.dead = False
    path = download(entry, endpoint=hub.endpoint)
    assert hub.ranges == [f'bytes={kept}-']
    assert path.read_bytes() == hub.content
    verify(path)


def test_server_that_ignores_the_range_still_gives_the_right_file(
    hub: FakeHub, entry: WeightsEntry
) -> None:
    hub.break_after = [1_000_000]
    hub.ignore_range = True
    with contextlib.suppress(WeightsError):  # a client older than 2.x fails cleanly first
        download(entry, endpoint=hub.endpoint)
    assert download(entry, endpoint=hub.endpoint).read_bytes() == hub.content


def test_part_of_another_version_is_not_continued(
    hub: FakeHub, entry: WeightsEntry, cache: Path
) -> None:
    hub.break_after, hub.dead = [1_000_000], True
    with pytest.raises(WeightsError):
        download(entry, endpoint=hub.endpoint)
    hub.dead = False
    hub.content = hub.content[::-1]
    hub.etag = hashlib.sha256(hub.content).hexdigest()
    hub.ranges.clear()
    assert download(entry, endpoint=hub.endpoint).read_bytes() == hub.content
    assert hub.ranges == [None]
    assert not part_files(cache)


def test_store_behind_the_hub_gets_the_range_but_not_the_login(
    hub: FakeHub, entry: WeightsEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN', False)
    monkeypatch.setenv('HF_TOKEN', 'hf_not_a_real_login')
    hub.redirect_to = hub.endpoint.replace('127.0.0.1', 'localhost') + '/store/blob'
    hub.break_after = [1_000_000]
    assert download(entry, endpoint=hub.endpoint).read_bytes() == hub.content
    at_store = [i for i, path in enumerate(hub.paths) if path == '/store/blob']
    assert len(at_store) == 2
    assert hub.ranges[at_store[1]] is not None
    assert [hub.logins[i] for i in at_store] == [None, None]
    assert hub.logins[0] == 'Bearer hf_not_a_real_login'


def test_wrong_checksum_leaves_nothing_behind(
    hub: FakeHub, entry: WeightsEntry, cache: Path
) -> None:
    hub.etag = 'a' * 64
    with pytest.raises(WeightsError) as error:
        download(entry, endpoint=hub.endpoint)
    text = message_of(error)
    assert hashlib.sha256(hub.content).hexdigest() in text
    assert 'a' * 64 in text
    assert not part_files(cache)
    assert not weights_path(entry).exists()
    assert read_record(weights_path(entry)) is None


def test_hub_without_a_sha256_is_recorded_as_such(hub: FakeHub, entry: WeightsEntry) -> None:
    hub.etag = '../../etc/passwd'  # whatever a tag holds, no path is made of it
    path = download(entry, endpoint=hub.endpoint)
    assert verify(path).hub_sha256 == ''


@pytest.mark.parametrize(
    ('status', 'expected'),
    [
        (401, 'HTTP 401, it is not there, or needs a login'),
        (403, 'HTTP 403, access is refused'),
        (404, 'HTTP 404, there is no such file'),
        (503, 'HTTP 503, the hub refused'),
    ],
)
def test_refusals_say_why_and_what_to_do(
    hub: FakeHub, entry: WeightsEntry, status: int, expected: str
) -> None:
    hub.status = status
    with pytest.raises(WeightsError) as error:
        download(entry, endpoint=hub.endpoint)
    text = message_of(error)
    assert expected in text
    assert f'{hub.endpoint}/YuechengLiu/GemDepth/resolve/main/gemdepth.pth' in text
    assert (
        f"gemdepth-ros weights add gemdepth-vitl FILE' (it is copied to {weights_path(entry)}"
        in text
    )


def test_no_connection_is_said_in_one_line(entry: WeightsEntry) -> None:
    with pytest.raises(WeightsError) as error:
        download(entry, endpoint='http://127.0.0.1:9')
    text = message_of(error)
    assert 'no connection (' in text
    assert 'gemdepth-ros weights add gemdepth-vitl FILE' in text


def test_offline_mode_is_said(
    hub: FakeHub, entry: WeightsEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    with pytest.raises(WeightsError, match='offline mode is set') as error:
        download(entry, endpoint=hub.endpoint)
    message_of(error)
    assert not hub.heads


def test_server_that_is_no_hub(hub: FakeHub, entry: WeightsEntry) -> None:
    hub.commit = 'main; rm -rf /'
    with pytest.raises(WeightsError, match='does not answer like a Hugging Face hub') as error:
        download(entry, endpoint=hub.endpoint)
    message_of(error)
    assert not hub.paths


def test_address_that_is_none(entry: WeightsEntry) -> None:
    with pytest.raises(WeightsError, match='not a web address'):
        download(entry, endpoint='file:///etc')


def test_full_disk_is_found_before_the_transfer(
    hub: FakeHub, entry: WeightsEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1_000_000

    monkeypatch.setattr('gemdepth_ros.hub.cache.shutil.disk_usage', lambda folder: Usage)
    with pytest.raises(WeightsError, match='GB are needed') as error:
        download(entry, endpoint=hub.endpoint)
    message_of(error)
    assert not hub.paths


def test_two_downloads_do_not_share_a_part_file(
    hub: FakeHub, entry: WeightsEntry, cache: Path
) -> None:
    folder = cache / 'gemdepth-vitl'
    folder.mkdir(parents=True)
    with (folder / '.lock').open('w') as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(WeightsError, match='another process'):
            download(entry, endpoint=hub.endpoint)
    assert not hub.heads


def test_damaged_cached_file_is_refused(hub: FakeHub, entry: WeightsEntry) -> None:
    path = download(entry, endpoint=hub.endpoint)
    content = bytearray(path.read_bytes())
    content[1234] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match='SHA-256') as error:
        download(entry, endpoint=hub.endpoint)
    message_of(error)


def test_cached_file_without_record_is_not_trusted(
    hub: FakeHub, entry: WeightsEntry, cache: Path
) -> None:
    path = weights_path(entry)
    path.parent.mkdir(parents=True)
    path.write_bytes(b'whatever')
    with pytest.raises(WeightsError, match='without a checksum record'):
        download(entry, endpoint=hub.endpoint)


def test_record_is_plain_json(hub: FakeHub, entry: WeightsEntry) -> None:
    path = download(entry, endpoint=hub.endpoint)
    values = json.loads(path.with_name('gemdepth.pth.record.json').read_text())
    assert set(values) == {
        'sha256', 'size', 'repo', 'revision', 'hub_sha256', 'date', 'licence'
    }  # fmt: skip
