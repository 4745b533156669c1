"""The package's own messages are known everywhere, and alike."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from gemdepth_ros.bags import typestore
from gemdepth_ros.bags.message_definitions import FALLBACK_DEFINITIONS
from gemdepth_ros.bags.stamps import header_message, parse_time_ns
from gemdepth_ros.errors import BagError

MSG_FOLDER = Path(__file__).parents[2] / 'msg'


def hashes(definitions: dict[str, str]) -> dict[str, str]:
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in definitions.items():
        store.register(get_types_from_msg(text, f'gemdepth_ros/msg/{name}'))
    return {name: store.hash_rihs01(f'gemdepth_ros/msg/{name}') for name in definitions}


def test_fallback_texts_are_the_files_in_msg() -> None:
    files = {path.stem: path.read_text() for path in MSG_FOLDER.glob('*.msg')}
    assert hashes(FALLBACK_DEFINITIONS) == hashes(files)


def test_definitions_come_from_the_source_tree_the_share_folder_or_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert typestore.package_definitions()['Status'] == (MSG_FOLDER / 'Status.msg').read_text()

    installed = tmp_path / 'lib' / 'site-packages' / 'gemdepth_ros' / 'bags' / 'typestore.py'
    monkeypatch.setattr(typestore, '__file__', str(installed))
    monkeypatch.setattr(typestore.sys, 'prefix', str(tmp_path / 'nothing'))
    monkeypatch.setenv('AMENT_PREFIX_PATH', '')
    assert typestore.package_definitions() == FALLBACK_DEFINITIONS

    share = tmp_path / 'prefix' / 'share' / 'gemdepth_ros' / 'msg'
    shutil.copytree(MSG_FOLDER, share)
    (share / 'Status.msg').write_text('bool only_here\n')
    prefixes = os.pathsep.join([str(tmp_path / 'other'), str(tmp_path / 'prefix')])
    monkeypatch.setenv('AMENT_PREFIX_PATH', prefixes)
    assert typestore.package_definitions()['Status'] == 'bool only_here\n'


def test_own_message_survives_serialization() -> None:
    store = typestore.message_store()
    name = 'gemdepth_ros/msg/RelativePoses'
    message = store.types[name](
        header=header_message(12_000_000_034, 'camera'),
        stamps=[],
        poses=[],
        scale=2.0,
        scale_std=0.5,
        metric=True,
    )
    read = store.deserialize_cdr(store.serialize_cdr(message, name), name)
    assert read == message


def test_times_of_people_are_read_to_the_nanosecond() -> None:
    assert parse_time_ns('1970-01-01') == 0
    assert parse_time_ns('2011-09-26 13:02:25.964389445\n') == 1_317_042_145_964_389_445
    assert parse_time_ns('2011-09-26T00:00:00.5') == 1_316_995_200_500_000_000
    for text in ('', 'yesterday', '2011-09-26 13:02:25.x'):
        with pytest.raises(BagError, match='as a time'):
            parse_time_ns(text)
