"""The beginning of an mcap file that was cut off is a whole bag again."""

from __future__ import annotations

from pathlib import Path

import pytest
from evaluation_worlds import write_bag

from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.bags.salvage import salvage_mcap
from gemdepth_ros.errors import BagError


def counted(path: Path) -> dict[str, int]:
    with BagReader(path) as reader:
        messages = sum(1 for _ in reader.messages())
        counts = {name: topic.message_count for name, topic in reader.topics.items()}
    assert messages == sum(counts.values())
    return counts


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp('salvage') / 'bag', 300)


@pytest.mark.parametrize('share', [0.5, 0.9, 0.9999, 1.0])
def test_everything_before_the_cut(bag: Path, tmp_path: Path, share: float) -> None:
    content = next(bag.glob('*.mcap')).read_bytes()
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes(content[: int(share * len(content))])
    count = salvage_mcap(cut, tmp_path / 'whole')
    whole, found = counted(bag), counted(tmp_path / 'whole')
    assert found.keys() == whole.keys()
    assert sum(found.values()) == count
    assert count >= 0.3 * sum(whole.values())
    if share == 1.0:
        assert found == whole


def test_compressed_chunks(tmp_path: Path) -> None:
    from evaluation_worlds import recording

    from gemdepth_ros.bags.from_recording import write_recording

    write_recording(recording(100), tmp_path / 'bag', compress=True)
    content = next((tmp_path / 'bag').glob('*.mcap')).read_bytes()
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes(content[: int(0.7 * len(content))])
    assert salvage_mcap(cut, tmp_path / 'whole') > 0


@pytest.mark.parametrize('content', [b'', b'no bag at all', b'\x89MCAP0\r\n'])
def test_nothing_to_save_is_one_line(tmp_path: Path, content: bytes) -> None:
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes(content)
    with pytest.raises(BagError, match='before its first message'):
        salvage_mcap(cut, tmp_path / 'whole')
    assert not (tmp_path / 'whole').exists()
