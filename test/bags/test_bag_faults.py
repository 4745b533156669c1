"""Damaged and missing bags give one clear line, and nothing that is not a bag is removed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from gemdepth_ros.bags.images import image_message
from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.bags.writer import BagWriter, Storage
from gemdepth_ros.errors import BagError


def write_images(path: Path, storage: Storage, count: int = 30) -> Path:
    """Write a bag and return its storage file."""
    random = np.random.default_rng(0)
    with BagWriter(path, storage) as writer:
        writer.add_topic('/image', 'sensor_msgs/msg/Image')
        for index in range(count):
            pixels = random.integers(0, 255, (200, 300), np.uint8)
            writer.write('/image', image_message(pixels, 'mono8', index + 1, 'c'), index + 1)
    return next(item for item in path.iterdir() if item.suffix in ('.mcap', '.db3'))


def read_all(path: Path) -> int:
    with BagReader(path) as reader:
        return sum(1 for _ in reader.messages())


def fails(path: Path) -> str:
    with pytest.raises(BagError) as caught:
        read_all(path)
    text = str(caught.value)
    assert '\n' not in text
    assert str(path) in text
    return text


def test_missing_bag(tmp_path: Path) -> None:
    assert 'does not exist' in fails(tmp_path / 'nothing')


def test_folder_without_a_bag(tmp_path: Path) -> None:
    assert 'no metadata.yaml: it is not a bag folder' in fails(tmp_path)
    (tmp_path / 'notes.txt').write_text('x')
    assert 'is no bag' in fails(tmp_path / 'notes.txt')


def test_missing_metadata(tmp_path: Path) -> None:
    file = write_images(tmp_path / 'bag', Storage.MCAP)
    (tmp_path / 'bag' / 'metadata.yaml').unlink()
    text = fails(tmp_path / 'bag')
    assert file.name in text
    assert 'ros2 bag reindex' in text


@pytest.mark.parametrize('content', ['', 'a: [', 'nothing: 1', 'rosbag2_bagfile_information: 3'])
def test_damaged_metadata(tmp_path: Path, content: str) -> None:
    write_images(tmp_path / 'bag', Storage.MCAP)
    (tmp_path / 'bag' / 'metadata.yaml').write_text(content)
    assert 'cannot open bag' in fails(tmp_path / 'bag')


@pytest.mark.parametrize('storage', list(Storage))
def test_missing_storage_file(tmp_path: Path, storage: Storage) -> None:
    file = write_images(tmp_path / 'bag', storage)
    file.unlink()
    assert file.name in fails(tmp_path / 'bag')


@pytest.mark.parametrize('share', [0.0, 0.00001, 0.3, 0.9, 0.9999])
@pytest.mark.parametrize('storage', list(Storage))
def test_truncated_file(tmp_path: Path, storage: Storage, share: float) -> None:
    file = write_images(tmp_path / 'bag', storage)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    fails(tmp_path / 'bag')


@pytest.mark.parametrize('storage', list(Storage))
def test_overwritten_bytes_in_the_middle(tmp_path: Path, storage: Storage) -> None:
    file = write_images(tmp_path / 'bag', storage)
    content = bytearray(file.read_bytes())
    start = len(content) // 3
    content[start : start + 200_000] = b'\xff' * 200_000
    file.write_bytes(content)
    fails(tmp_path / 'bag')


def test_type_that_nobody_knows(tmp_path: Path) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg('int32 number\n', 'strange_msgs/msg/Number'))
    with BagWriter(tmp_path / 'bag', Storage.SQLITE3, store=store) as writer:
        writer.add_topic('/strange', 'strange_msgs/msg/Number')
        writer.write('/strange', store.types['strange_msgs/msg/Number'](number=7), 1)
    assert read_all(tmp_path / 'bag') == 1
    # Bags of Humble and before hold no definitions.
    with sqlite3.connect(tmp_path / 'bag' / 'bag.db3') as database:
        database.execute('DELETE FROM message_definitions')
    assert 'strange_msgs/msg/Number, which neither' in fails(tmp_path / 'bag')


def test_known_types_need_no_definition_in_the_bag(tmp_path: Path) -> None:
    file = write_images(tmp_path / 'bag', Storage.SQLITE3)
    with sqlite3.connect(file) as database:
        database.execute('DELETE FROM message_definitions')
    assert read_all(tmp_path / 'bag') == 30


def test_a_bag_is_not_overwritten_by_accident(tmp_path: Path) -> None:
    write_images(tmp_path / 'bag', Storage.MCAP)
    with pytest.raises(BagError, match='exists already'), BagWriter(tmp_path / 'bag'):
        pass
    assert read_all(tmp_path / 'bag') == 30
    with BagWriter(tmp_path / 'bag', Storage.SQLITE3, overwrite=True) as writer:
        writer.add_topic('/image', 'sensor_msgs/msg/Image')
    assert read_all(tmp_path / 'bag') == 0
    assert sorted(item.name for item in (tmp_path / 'bag').iterdir()) == [
        'bag.db3',
        'metadata.yaml',
    ]


def test_only_bags_are_removed(tmp_path: Path) -> None:
    precious = tmp_path / 'folder' / 'thesis.tex'
    precious.parent.mkdir()
    precious.write_text('x')
    for path in (precious.parent, precious):
        with pytest.raises(BagError, match=r'not (removed|overwritten)'):
            BagWriter(path, overwrite=True).__enter__()
    assert precious.read_text() == 'x'


def test_settings_are_no_bag(tmp_path: Path) -> None:
    settings = tmp_path / 'config' / 'node.yaml'
    settings.parent.mkdir()
    for name in ('node.yaml', 'metadata.yaml'):
        (settings.parent / name).write_text('x: 1\n')
        with pytest.raises(BagError, match='not removed'):
            BagWriter(settings.parent, overwrite=True).__enter__()
    assert settings.read_text() == 'x: 1\n'


def test_a_folder_of_recordings_is_no_bag(tmp_path: Path) -> None:
    drives = tmp_path / 'drives'
    drives.mkdir()
    (drives / 'a.mcap').write_bytes(b'a')
    with pytest.raises(BagError, match=r"'a\.mcap'.*not removed"):
        BagWriter(drives, overwrite=True).__enter__()
    write_images(tmp_path / 'bag', Storage.MCAP)
    (tmp_path / 'bag' / 'other.mcap').write_bytes(b'a')
    with pytest.raises(BagError, match=r"'other\.mcap'.*not removed"):
        BagWriter(tmp_path / 'bag', overwrite=True).__enter__()


@pytest.mark.parametrize('storage', list(Storage))
def test_the_replaced_bag_comes_back_when_the_new_one_is_not_finished(
    tmp_path: Path, storage: Storage
) -> None:
    write_images(tmp_path / 'bag', storage)

    def interrupted() -> None:
        with BagWriter(tmp_path / 'bag', overwrite=True) as writer:
            writer.add_topic('/other', 'sensor_msgs/msg/Image')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert read_all(tmp_path / 'bag') == 30
    assert [item.name for item in tmp_path.iterdir()] == ['bag']


def test_the_replaced_bag_comes_back_after_a_writer_was_killed(tmp_path: Path) -> None:
    write_images(tmp_path / 'bag', Storage.MCAP)
    killed = BagWriter(tmp_path / 'bag', overwrite=True)
    killed.__enter__()
    assert not (tmp_path / 'bag' / 'metadata.yaml').exists()
    with pytest.raises(BagError, match='exists already'):
        BagWriter(tmp_path / 'bag').__enter__()
    assert read_all(tmp_path / 'bag') == 30
    # Killed between the end of the new bag and the removal of the old one.
    write_images(tmp_path / '.bag.replaced', Storage.MCAP)
    with BagWriter(tmp_path / 'bag', overwrite=True) as writer:
        writer.add_topic('/image', 'sensor_msgs/msg/Image')
    assert read_all(tmp_path / 'bag') == 0
    assert [item.name for item in tmp_path.iterdir()] == ['bag']


def test_an_unfinished_bag_is_removed(tmp_path: Path) -> None:
    def interrupted() -> None:
        with BagWriter(tmp_path / 'bag') as writer:
            writer.add_topic('/image', 'sensor_msgs/msg/Image')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not (tmp_path / 'bag').exists()


def test_misuse_is_named(tmp_path: Path) -> None:
    image = image_message(np.zeros((2, 2), np.uint8), 'mono8', 1, 'c')
    with BagWriter(tmp_path / 'bag') as writer:
        writer.add_topic('/image', 'sensor_msgs/msg/Image')
        with pytest.raises(BagError, match='twice'):
            writer.add_topic('/image', 'sensor_msgs/msg/Image')
        with pytest.raises(BagError, match='unknown message type nobody/msg/Knows'):
            writer.add_topic('/x', 'nobody/msg/Knows')
        with pytest.raises(BagError, match='/y was not announced'):
            writer.write('/y', image, 1)
        with pytest.raises(BagError, match='holds sensor_msgs/msg/Image, not std_msgs/msg/Header'):
            writer.write('/image', image.header, 1)
    with pytest.raises(BagError, match='is not open'):
        writer.write('/image', image, 1)
    with pytest.raises(BagError, match='is not open'):
        _ = BagReader(tmp_path / 'bag').summary
