"""Placing files by hand, finding weights by name or path, and checksum records."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gemdepth_ros.errors import WeightsError
from gemdepth_ros.hub import (
    WeightsEntry,
    add_file,
    cache_folder,
    find_entry,
    locate,
    read_record,
    record_path,
    verify,
    weights_path,
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / 'by_hand.pth'
    path.write_bytes(b'weights' * 1000)
    return path


def test_added_file_is_found_by_name(entry: WeightsEntry, source: Path) -> None:
    path = add_file(entry, source)
    assert path == weights_path(entry) == locate('gemdepth-vitl')
    assert path.read_bytes() == source.read_bytes()
    record = verify(path)
    assert (record.repo, record.revision, record.hub_sha256) == ('', '', '')
    assert not list(path.parent.glob('*.part'))


def test_adding_twice_is_harmless_but_another_file_is_refused(
    entry: WeightsEntry, source: Path
) -> None:
    add_file(entry, source)
    add_file(entry, source)
    source.write_bytes(b'other')
    with pytest.raises(WeightsError, match='already has another file'):
        add_file(entry, source)
    assert verify(weights_path(entry)).size == 7000


def test_adding_the_cached_file_itself_gives_it_a_record(entry: WeightsEntry) -> None:
    path = weights_path(entry)
    path.parent.mkdir(parents=True)
    path.write_bytes(b'copied here by hand')
    add_file(entry, path)
    assert verify(path).size == 19


@pytest.mark.parametrize('content', [None, b''])
def test_adding_nothing_is_refused(
    entry: WeightsEntry, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / 'nothing.pth'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match='not a file with content'):
        add_file(entry, path)


def test_name_that_was_never_fetched_says_what_to_run(entry: WeightsEntry) -> None:
    with pytest.raises(WeightsError) as error:
        locate('gemdepth-vitl')
    text = str(error.value)
    assert 'gemdepth-ros weights get gemdepth-vitl' in text
    assert 'gemdepth-ros weights add gemdepth-vitl FILE' in text
    assert '\n' not in text


def test_path_needs_no_record(source: Path) -> None:
    assert locate(source) == source


def test_path_with_a_record_is_checked(entry: WeightsEntry, source: Path) -> None:
    path = add_file(entry, source)
    path.write_bytes(b'shorter')
    with pytest.raises(WeightsError, match='7 bytes, its record says 7000'):
        locate(path)


def test_neither_name_nor_path(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match='does not exist, and no catalogue name'):
        locate('gemdepth-vitx')
    with pytest.raises(WeightsError, match='is a folder'):
        locate(tmp_path)


def test_unknown_entry_lists_the_known() -> None:
    with pytest.raises(WeightsError, match='known: gemdepth-tiny, gemdepth-vitl'):
        find_entry('vda')


def test_cache_folder_defaults_to_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('GEMDEPTH_ROS_CACHE')
    monkeypatch.setenv('HOME', '/home/somebody')
    assert cache_folder() == Path('/home/somebody/.cache/gemdepth_ros')


def test_unwritable_cache_is_one_line(
    entry: WeightsEntry, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('GEMDEPTH_ROS_CACHE', str(source))  # a file where a folder should be
    with pytest.raises(WeightsError, match='set GEMDEPTH_ROS_CACHE'):
        add_file(entry, source)


@pytest.mark.parametrize(
    'text',
    [
        'not json',
        '[]',
        '{"sha256": "00"}',
        '[' * 30_000,
        'x' * 100_000,
        json.dumps({'sha256': 'a' * 64, 'size': -1, 'repo': '', 'revision': '',
                    'hub_sha256': '', 'date': '', 'licence': ''}),
        json.dumps({'sha256': '../x', 'size': 1, 'repo': '', 'revision': '',
                    'hub_sha256': '', 'date': '', 'licence': ''}),
        json.dumps({'sha256': 'a' * 64, 'size': 1, 'repo': 5, 'revision': '',
                    'hub_sha256': '', 'date': '', 'licence': ''}),
    ],
)  # fmt: skip
def test_damaged_record_is_named(entry: WeightsEntry, source: Path, text: str) -> None:
    path = add_file(entry, source)
    record_path(path).write_text(text)
    with pytest.raises(WeightsError, match='record') as error:
        read_record(path)
    assert str(record_path(path)) in str(error.value)


def test_verify_without_record(source: Path) -> None:
    with pytest.raises(WeightsError, match='no checksum record'):
        verify(source)


def test_import_is_light() -> None:
    """Neither torch nor ROS nor the hub's client comes in with the package."""
    code = (
        'import sys, gemdepth_ros.hub; '
        "print(sorted({'torch', 'rclpy', 'huggingface_hub', 'cv2'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == '[]'
