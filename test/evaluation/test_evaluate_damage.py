"""Damaged inputs: one clear line each, and what can be evaluated still is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_worlds import START_NS, TINY, known, recording, write_bag

from gemdepth_ros.bags.from_recording import DEPTH_TOPIC, IMAGE_TOPIC, ODOMETRY_TOPIC
from gemdepth_ros.bags.images import image_message
from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.bags.writer import BagWriter, Storage
from gemdepth_ros.cli.evaluation.run import evaluate_source
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.errors import GemDepthError
from gemdepth_ros.evaluation.result import EvaluationResult

IMAGE_TYPE = 'sensor_msgs/msg/Image'


def evaluate(source: Path, output: Path, settings: EvaluationSettings = TINY) -> EvaluationResult:
    return evaluate_source(source, settings, output, make_predictor=known())


def fails(source: Path, output: Path, settings: EvaluationSettings = TINY) -> str:
    with pytest.raises(GemDepthError) as caught:
        evaluate(source, output, settings)
    text = str(caught.value)
    assert '\n' not in text
    return text


def changed_bag(
    source: Path, target: Path, without: tuple[str, ...] = (), move_ns: int = 0
) -> Path:
    """Copy a bag without some topics; truth's stamps may be moved."""
    with BagReader(source) as reader, BagWriter(target, Storage.MCAP) as writer:
        for topic in reader.topics.values():
            if topic.name not in without:
                writer.add_topic(topic.name, topic.message_type)
        for item in reader.messages():
            if item.topic in without:
                continue
            if move_ns and item.topic in (DEPTH_TOPIC, ODOMETRY_TOPIC):
                item.message.header.stamp.sec += move_ns // 10**9
            writer.write(item.topic, item.message, item.stamp_ns)
    return target


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp('damage') / 'bag', 12)


def test_truncated_mcap_is_evaluated_to_the_cut(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', 250)
    file = next(bag.glob('*.mcap'))
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    result = evaluate(bag, tmp_path / 'out')
    assert 60 < result.source.processed < 200
    assert result.protocols[0].mean.abs_rel == 0
    (note,) = result.notes
    assert 'cannot open bag' in note
    assert 'messages are evaluated' in note


def test_mcap_cut_before_its_first_message(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', 3)
    file = next(bag.glob('*.mcap'))
    file.write_bytes(file.read_bytes()[:60])
    assert 'before its first message' in fails(bag, tmp_path / 'out')


def test_damaged_sqlite(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', 60, storage=Storage.SQLITE3)
    file = next(bag.glob('*.db3'))
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    assert str(bag) in fails(bag, tmp_path / 'out')


def test_missing_image_topic(bag: Path, tmp_path: Path) -> None:
    other = changed_bag(bag, tmp_path / 'other', without=(IMAGE_TOPIC,))
    assert 'no image topic' in fails(other, tmp_path / 'out')
    assert '/nowhere' in fails(bag, tmp_path / 'out', replace(TINY, topic='/nowhere'))


def test_missing_truth_topic(bag: Path, tmp_path: Path) -> None:
    text = fails(bag, tmp_path / 'out', replace(TINY, ground_truth=('/nowhere',)))
    assert 'no topic /nowhere; it has' in text
    other = changed_bag(bag, tmp_path / 'other', without=(DEPTH_TOPIC,))
    result = evaluate(other, tmp_path / 'out')
    assert result.protocols == ()
    assert result.trajectory is not None
    assert any('no true depth' in note for note in result.notes)
    named = evaluate(bag, tmp_path / 'named', replace(TINY, ground_truth=(DEPTH_TOPIC,)))
    assert named.trajectory is None
    assert named.protocols[0].mean.abs_rel == 0


def test_a_topic_that_is_no_truth(bag: Path, tmp_path: Path) -> None:
    settings = replace(TINY, ground_truth=('/camera/camera_info',))
    assert 'no depth, cloud or pose' in fails(bag, tmp_path / 'out', settings)


def test_truth_without_overlap(bag: Path, tmp_path: Path) -> None:
    moved = changed_bag(bag, tmp_path / 'moved', move_ns=1000 * 10**9)
    result = evaluate(moved, tmp_path / 'out')
    assert result.truth.depth_frames == result.truth.pose_frames == 0
    assert any('no true depth belongs to any frame' in note for note in result.notes)
    assert any('no true poses' in note for note in result.notes)
    assert result.temporal[0].name == 'self_consistency'


def test_empty_bag(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'nothing') as writer:
        del writer
    assert 'no image topic' in fails(tmp_path / 'nothing', tmp_path / 'out')
    with BagWriter(tmp_path / 'empty') as writer:
        writer.add_topic('/image', IMAGE_TYPE)
    assert 'no messages of /image' in fails(tmp_path / 'empty', tmp_path / 'out')


def test_mixed_sizes_are_left_out(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as writer:
        writer.add_topic('/image', IMAGE_TYPE)
        for index in range(10):
            size = (40, 64, 3) if index in (4, 5) else (36, 64, 3)
            stamp = START_NS + index * 10**8
            message = image_message(np.full(size, index, np.uint8), 'rgb8', stamp, 'camera')
            writer.write('/image', message, stamp)
    result = evaluate(tmp_path / 'bag', tmp_path / 'out')
    assert (result.source.processed, result.source.unusable) == (8, 2)
    assert any('number 4 with 64x40' in note for note in result.notes)


def test_images_that_cannot_be_decoded_are_left_out(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as writer:
        writer.add_topic('/image', IMAGE_TYPE)
        for index in range(6):
            stamp = START_NS + index * 10**8
            pixels = np.full((36, 64, 3), index, np.uint8)
            message = image_message(pixels, 'rgb8', stamp, 'camera')
            if index == 3:
                message.data = message.data[:10]
            writer.write('/image', message, stamp)
    result = evaluate(tmp_path / 'bag', tmp_path / 'out')
    assert (result.source.frames, result.source.processed, result.source.unusable) == (6, 5, 1)
    assert any('cannot be decoded' in note for note in result.notes)


def test_damaged_truth_message_costs_its_frame(tmp_path: Path) -> None:
    source = write_bag(tmp_path / 'bag', 6)
    target = tmp_path / 'damaged'
    with BagReader(source) as reader, BagWriter(target) as writer:
        for topic in reader.topics.values():
            writer.add_topic(topic.name, topic.message_type)
        for item in reader.messages():
            if item.topic == DEPTH_TOPIC and item.message.header.stamp.nanosec == 200_000_000:
                item.message.encoding = 'strange'
            writer.write(item.topic, item.message, item.stamp_ns)
    result = evaluate(target, tmp_path / 'out')
    assert result.truth.depth_frames == 5
    assert any('the first: a depth image is 32FC1' in note for note in result.notes)


def test_no_static_transform(bag: Path, tmp_path: Path) -> None:
    other = changed_bag(bag, tmp_path / 'other', without=('/tf_static',))
    result = evaluate(other, tmp_path / 'out')
    assert result.trajectory is None
    assert any('/tf_static has no way' in note for note in result.notes)
    assert result.protocols[0].mean.abs_rel == 0


@pytest.mark.parametrize(
    ('names', 'complaint'),
    [
        (('/no/such/file.txt',), 'no folder, no file and no topic'),
        (('auto', '/camera/depth'), 'stand alone'),
    ],
)
def test_impossible_truth(
    bag: Path, tmp_path: Path, names: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(GemDepthError, match=complaint):
        evaluate(bag, tmp_path / 'out', replace(TINY, ground_truth=names))


def test_nothing_there(tmp_path: Path) -> None:
    assert 'there is nothing at' in fails(tmp_path / 'nowhere', tmp_path / 'out')


def test_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / 'notes').mkdir()
    assert 'no images in' in fails(tmp_path / 'notes', tmp_path / 'out')


def test_several_possible_truths_ask(tmp_path: Path) -> None:
    world = recording(2)
    depth = world.load(0).depth_m
    assert depth is not None
    with BagWriter(tmp_path / 'bag') as writer:
        for topic in ('/image', '/left/depth', '/right/depth'):
            writer.add_topic(topic, IMAGE_TYPE)
        rgb = image_message(np.zeros((36, 64, 3), np.uint8), 'rgb8', START_NS, 'camera')
        writer.write('/image', rgb, START_NS)
        for topic in ('/left/depth', '/right/depth'):
            writer.write(topic, image_message(depth, '32FC1', START_NS, 'camera'), START_NS)
    text = fails(tmp_path / 'bag', tmp_path / 'out')
    assert '--ground-truth /left/depth or /right/depth' in text
    settings = replace(TINY, ground_truth=('/left/depth',))
    assert evaluate(tmp_path / 'bag', tmp_path / 'out', settings).truth.depth_frames == 1
