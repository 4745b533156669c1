"""Weights that are part of the package: found without a cache, checked, never downloaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemdepth_ros.cli.main import main
from gemdepth_ros.errors import WeightsError
from gemdepth_ros.hub import add_file, download, find_entry, locate, sha256_of
from gemdepth_ros.hub import cache as cache_module
from gemdepth_ros.hub.records import ChecksumRecord, write_record

TINY = find_entry('gemdepth-tiny')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package folder with a file under the bundled name, and its record."""
    monkeypatch.setattr(cache_module, 'BUNDLED_FOLDER', tmp_path)
    path = tmp_path / TINY.filename
    path.write_bytes(b'weights')
    write_record(path, ChecksumRecord(sha256_of(path), 7, '', '', '', '2026-01-01', 'Apache-2.0'))
    return tmp_path


def test_found_by_name_and_never_fetched(folder: Path) -> None:
    assert locate('gemdepth-tiny') == download(TINY) == folder / TINY.filename


def test_a_damaged_file_is_refused(folder: Path) -> None:
    (folder / TINY.filename).write_bytes(b'weighty')
    with pytest.raises(WeightsError, match='damaged or was exchanged'):
        locate('gemdepth-tiny')


def test_a_missing_file_names_the_remedy(folder: Path) -> None:
    (folder / TINY.filename).unlink()
    with pytest.raises(WeightsError, match='install the package again'):
        locate('gemdepth-tiny')


def test_not_replaced_by_hand(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / 'mine.safetensors'
    other.write_bytes(b'mine')
    with pytest.raises(WeightsError, match=r'use .*mine\.safetensors by its path'):
        add_file(TINY, other)
    assert (folder / TINY.filename).read_bytes() == b'weights'


def test_commands(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['weights', 'get', 'gemdepth-tiny']) == 0
    assert 'part of this package' in capsys.readouterr().out
    assert main(['weights', 'path', 'gemdepth-tiny']) == 0
    assert capsys.readouterr().out.strip() == str(folder / TINY.filename)
    assert main(['weights', 'list']) == 0
