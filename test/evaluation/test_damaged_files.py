"""One damaged file or message costs its own frame, and no other."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from evaluation_worlds import START_NS, TINY, known, write_bag

from gemdepth_ros.bags.from_recording import ODOMETRY_TOPIC
from gemdepth_ros.bags.images import image_message
from gemdepth_ros.bags.messages import odometry_message
from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.bags.writer import BagWriter
from gemdepth_ros.cli.evaluation.open_source import open_evaluation_source
from gemdepth_ros.cli.evaluation.run import evaluate_source
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.evaluation.source import Findings, SourceFrame, usable_frames
from gemdepth_ros.errors import BagError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'bags'))
from kitti_fakes import write_clip, write_odometry_sequence, write_raw_drive

FRAMES, DAMAGED = 5, 1
STANDING = [(49.0, 8.4, 110.0, 0.0, 0.0, 0.0)] * FRAMES


def read(source: Path, settings: EvaluationSettings = TINY) -> tuple[list[SourceFrame], Findings]:
    opened = open_evaluation_source(source, settings, source.parent / 'work')
    findings = Findings()
    return list(usable_frames(opened.open(findings), findings, None)), findings


def without_one() -> list[int]:
    return [index for index in range(FRAMES) if index != DAMAGED]


def write_maps(folder: Path) -> Path:
    """Maps of 10 m, 11 m, ... for frames 0, 1, ..."""
    folder.mkdir()
    for index in range(FRAMES):
        np.save(folder / f'{index:06d}.npy', np.full((36, 64), 10.0 + index, np.float32))
    return folder


def write_masks(folder: Path) -> Path:
    folder.mkdir()
    for index in range(FRAMES):
        cv2.imwrite(str(folder / f'{index:06d}.png'), np.full((36, 64), index, np.uint8))
    return folder


def write_pose_lines(path: Path) -> Path:
    """KITTI's lines: frame i is at x = i."""
    lines = [f'1 0 0 {index} 0 1 0 0 0 0 1 0' for index in range(FRAMES)]
    path.write_text('\n'.join(lines))
    return path


def write_folder(folder: Path) -> Path:
    folder.mkdir()
    for index in range(FRAMES):
        cv2.imwrite(str(folder / f'{index:06d}.png'), np.full((36, 64, 3), index, np.uint8))
    return folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


@pytest.mark.parametrize('sensors', [False, True])
def test_maps_and_poses_stay_with_their_images_after_a_damaged_one(
    tmp_path: Path, sensors: bool
) -> None:
    with BagWriter(tmp_path / 'bag') as writer:
        writer.add_topic('/image', 'sensor_msgs/msg/Image')
        writer.add_topic('/odom', 'nav_msgs/msg/Odometry')
        for index in range(FRAMES):
            stamp = START_NS + index * 10**8
            message = image_message(np.zeros((36, 64, 3), np.uint8), 'rgb8', stamp, 'camera')
            if index == DAMAGED:
                message.data = message.data[:10]
            writer.write('/image', message, stamp)
            odometry = odometry_message(np.eye(4), np.zeros(6), stamp, 'odom', 'camera')
            writer.write('/odom', odometry, stamp + 1)
    maps, poses = write_maps(tmp_path / 'maps'), write_pose_lines(tmp_path / 'poses.txt')
    masks = write_masks(tmp_path / 'masks')
    settings = replace(TINY, ground_truth=(str(maps), str(poses)), masks=str(masks))
    if sensors:
        settings = replace(settings, overrides=('grounding.odometry.enabled=true',))
    frames, findings = read(tmp_path / 'bag', settings)
    assert [frame.index for frame in frames] == without_one()
    for frame in frames:
        assert bool(frame.readings.odometry) == sensors
        number = round((frame.video.stamp_ns - START_NS) / 1e8)
        assert frame.truth_m is not None
        assert frame.truth_m[0, 0] == 10 + number
        assert frame.world_from_camera is not None
        assert frame.world_from_camera[0, 3] == number
        assert frame.moving is not None
        assert frame.moving.any() == (number > 0)
    assert (findings.frames, findings.unusable) == (FRAMES, 1)


def other_size(path: Path) -> None:
    cv2.imwrite(str(path), np.zeros((40, 64, 3), np.uint8))


@pytest.mark.parametrize('damage', [cut, other_size])
def test_an_image_of_a_folder(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder = write_folder(tmp_path / 'images')
    damage(folder / f'{DAMAGED:06d}.png')
    settings = replace(TINY, ground_truth=(str(write_maps(tmp_path / 'maps')),))
    frames, findings = read(folder, settings)
    assert [frame.index for frame in frames] == without_one()
    assert [frame.truth_m[0, 0] for frame in frames] == [10, 12, 13, 14]  # type: ignore[index]
    assert (findings.frames, findings.unusable) == (FRAMES, 1)
    assert sum('are left out' in note for note in findings.notes) == 1


def test_a_folder_without_any_good_image_is_one_line(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / 'images')
    for path in folder.iterdir():
        cut(path)
    with pytest.raises(BagError, match=r'none of the 5 images can be decoded; .*000000\.png'):
        read(folder)


def test_files_of_truth_beside_a_folder(tmp_path: Path) -> None:
    folder, maps = write_folder(tmp_path / 'images'), write_maps(tmp_path / 'maps')
    masks = write_masks(tmp_path / 'masks')
    for damaged in (1, 3):
        cut(maps / f'{damaged:06d}.npy')
    cut(masks / f'{DAMAGED:06d}.png')
    settings = replace(TINY, ground_truth=(str(maps),), masks=str(masks))
    frames, findings = read(folder, settings)
    assert [frame.truth_m is None for frame in frames] == [False, True, False, True, False]
    assert [frame.moving is None for frame in frames] == [False, True, False, False, False]
    assert (findings.frames, findings.unusable) == (FRAMES, 0)
    said = '\n'.join(findings.notes)
    assert 'depth maps that cannot be read are left out (2); the first: ' in said
    assert 'masks that cannot be read are left out (1); the first: ' in said
    assert '000003' not in said


@pytest.mark.parametrize('content', [b'PK\x03\x04 an archive', b'', b'words'])
def test_a_map_that_is_none(tmp_path: Path, content: bytes) -> None:
    folder, maps = write_folder(tmp_path / 'images'), write_maps(tmp_path / 'maps')
    (maps / f'{DAMAGED:06d}.npy').write_bytes(content)
    np.save(maps / '000000.npy', np.array([['a', 'b']]))
    frames, findings = read(folder, replace(TINY, ground_truth=(str(maps),)))
    assert [frame.truth_m is None for frame in frames] == [True, True, False, False, False]
    assert any('are left out (2)' in note for note in findings.notes)


def test_a_depth_image_of_a_tum_folder(tmp_path: Path) -> None:
    folder = tmp_path / 'tum'
    folder.mkdir()
    for name in ('rgb', 'depth'):
        (folder / name).mkdir()
        lines = []
        for index in range(FRAMES):
            pixels = np.full((36, 64), 5000, np.uint16) if name == 'depth' else np.zeros((36, 64))
            cv2.imwrite(str(folder / name / f'{index}.png'), pixels)
            lines.append(f'{100 + index}.0 {name}/{index}.png')
        (folder / f'{name}.txt').write_text('\n'.join(lines))
    cut(folder / 'depth' / f'{DAMAGED}.png')
    frames, findings = read(folder)
    assert [frame.truth_m is None for frame in frames] == [
        index == DAMAGED for index in range(FRAMES)
    ]
    assert any('depth maps that cannot be read are left out (1)' in n for n in findings.notes)


KITTI: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    'clip': (lambda root: write_clip(root / 'clip', FRAMES), 'image_02', 'lidar'),
    'raw': (
        lambda root: write_raw_drive(root, STANDING),
        'image_02/data',
        'velodyne_points/data',
    ),
    'odometry': (
        lambda root: write_odometry_sequence(root, np.tile(np.eye(4)[:3], (FRAMES, 1, 1))),
        'image_2',
        'velodyne',
    ),
}


@pytest.mark.parametrize('damaged', [0, DAMAGED])
@pytest.mark.parametrize('kind', KITTI)
def test_an_image_of_kitti(tmp_path: Path, kind: str, damaged: int) -> None:
    """The first as well, whose size the calibration is for."""
    write, images, _ = KITTI[kind]
    folder = write(tmp_path)
    cut(sorted((folder / images).glob('*.png'))[damaged])
    frames, findings = read(folder)
    assert [frame.index for frame in frames] == [i for i in range(FRAMES) if i != damaged]
    assert all(frame.truth_m is not None for frame in frames)
    assert (findings.frames, findings.unusable) == (FRAMES, 1)


@pytest.mark.parametrize('kind', KITTI)
def test_a_scan_of_kitti(tmp_path: Path, kind: str) -> None:
    write, _, scans = KITTI[kind]
    folder = write(tmp_path)
    sorted((folder / scans).glob('*.bin'))[DAMAGED].write_bytes(bytes(20))
    frames, findings = read(folder)
    assert (len(frames), findings.unusable) == (FRAMES, 0)
    for frame in frames:
        assert (frame.readings.lidar is None) == (frame.index == DAMAGED)
        # A clip has depth maps of its own.
        assert (frame.truth_m is None) == (frame.index == DAMAGED and kind != 'clip')
    assert any('scans and depth maps that cannot be read' in note for note in findings.notes)


def test_a_depth_map_of_a_clip_is_not_replaced_by_its_scan(tmp_path: Path) -> None:
    folder = write_clip(tmp_path / 'clip', FRAMES)
    cut(folder / 'depth' / f'{DAMAGED:06d}.png')
    frames, findings = read(folder)
    assert [frame.truth_m is None for frame in frames] == [
        index == DAMAGED for index in range(FRAMES)
    ]
    assert any('left out (1)' in note and '/depth/' in note for note in findings.notes)


def test_kitti_without_any_good_image_is_one_line(tmp_path: Path) -> None:
    folder = write_clip(tmp_path / 'clip', 2)
    for path in (folder / 'image_02').iterdir():
        cut(path)
    with pytest.raises(BagError, match=r'none of the 2 images in .*image_02 can be read'):
        read(folder)


@pytest.mark.parametrize('value', [0.0, float('nan')])
def test_odometry_without_an_orientation(tmp_path: Path, value: float) -> None:
    source = write_bag(tmp_path / 'bag', FRAMES)
    target = tmp_path / 'damaged'
    with BagReader(source) as reader, BagWriter(target) as writer:
        for topic in reader.topics.values():
            writer.add_topic(topic.name, topic.message_type)
        for item in reader.messages():
            if item.topic == ODOMETRY_TOPIC and item.message.header.stamp.nanosec == 10**8:
                turn = item.message.pose.pose.orientation
                turn.x = turn.y = turn.z = turn.w = value
            writer.write(item.topic, item.message, item.stamp_ns)
    settings = replace(TINY, overrides=('grounding.odometry.enabled=true',))
    result = evaluate_source(target, settings, tmp_path / 'out', make_predictor=known())
    assert result.source.processed == FRAMES
    assert result.truth.pose_frames == FRAMES - 1
    assert any(
        f'{ODOMETRY_TOPIC}: messages that cannot be read are left out (1)' in note
        for note in result.notes
    )


def test_a_static_transform_without_an_orientation(tmp_path: Path) -> None:
    source = write_bag(tmp_path / 'bag', 2)
    target = tmp_path / 'damaged'
    with BagReader(source) as reader, BagWriter(target) as writer:
        for topic in reader.topics.values():
            writer.add_topic(topic.name, topic.message_type)
        for item in reader.messages():
            if item.topic == '/tf_static':
                for transform in item.message.transforms:
                    turn = transform.transform.rotation
                    turn.x = turn.y = turn.z = turn.w = 0.0
            writer.write(item.topic, item.message, item.stamp_ns)
    frames, findings = read(target)
    assert [frame.world_from_camera for frame in frames] == [None, None]
    assert all(frame.truth_m is not None for frame in frames)
    assert any('/tf_static' in note and 'has no length' in note for note in findings.notes)
