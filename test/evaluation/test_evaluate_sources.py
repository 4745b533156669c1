"""Every kind of source is opened with its truth."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from evaluation_worlds import (
    CAMERA,
    HEIGHT,
    PERIOD_NS,
    START_NS,
    TINY,
    WIDTH,
    known,
    true_depth,
    true_pose,
    write_bag,
)
from scipy.spatial.transform import Rotation

from gemdepth_ros.bags.from_recording import IMAGE_TOPIC
from gemdepth_ros.bags.images import image_message
from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.bags.writer import BagWriter
from gemdepth_ros.cli.evaluation.association import NearestStamped
from gemdepth_ros.cli.evaluation.open_source import open_evaluation_source
from gemdepth_ros.cli.evaluation.pipeline_settings import pipeline_config
from gemdepth_ros.cli.evaluation.run import evaluate_source
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.evaluation.source import Findings
from gemdepth_ros.cli.evaluation.truth_files import FrameKey, pose_file
from gemdepth_ros.errors import BagError, ConfigError, GemDepthError
from gemdepth_ros.evaluation.result import EvaluationResult

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'bags'))
from kitti_fakes import write_clip, write_odometry_sequence, write_raw_drive

FRAMES = 6
NEARER = 4  # of TUM's depth, whose 16 bits end at 13 m


def evaluate(source: Path, output: Path, settings: EvaluationSettings = TINY) -> EvaluationResult:
    return evaluate_source(source, settings, output, make_predictor=known())


def picture(index: int) -> Any:
    return np.random.default_rng(index).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def write_depth(path: Path, index: int, factor: float) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    stored = np.round(true_depth(index) * factor)
    assert stored.max() < 2**16
    cv2.imwrite(str(path), stored.astype(np.uint16))


def tum_line(index: int, seconds: float) -> str:
    pose = true_pose(index)
    numbers = [*pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat()]
    return f'{seconds:.6f} ' + ' '.join(f'{value:.12f}' for value in numbers)


@pytest.fixture
def tum(tmp_path: Path) -> Path:
    """Depth is 8 ms late, and one depth image is missing: pairs by line would drift."""
    folder = tmp_path / 'tum'
    (folder / 'rgb').mkdir(parents=True)
    rgb, depth, poses = ['# color'], ['# depth'], ['# truth']
    for index in range(FRAMES):
        seconds = 1000 + 0.1 * index
        cv2.imwrite(str(folder / f'rgb/{seconds:.6f}.png'), picture(index))
        rgb.append(f'{seconds:.6f} rgb/{seconds:.6f}.png')
        if index != 2:
            name = f'depth/{seconds + 0.008:.6f}.png'
            write_depth(folder / name, index, 5000 / NEARER)
            depth.append(f'{seconds + 0.008:.6f} {name}')
        poses.append(tum_line(index, seconds + 0.002))
    for name, lines in (('rgb', rgb), ('depth', depth), ('groundtruth', poses)):
        (folder / f'{name}.txt').write_text('\n'.join(lines) + '\n')
    return folder


def test_tum_is_joined_by_time(tum: Path, tmp_path: Path) -> None:
    settings = replace(TINY, intrinsics=(CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy))
    result = evaluate(tum, tmp_path / 'out', settings)
    assert result.source.kind == 'TUM RGB-D folder'
    assert (result.truth.depth_frames, result.truth.pose_frames) == (FRAMES - 1, FRAMES)
    aligned = result.protocol('vda')
    assert aligned is not None
    assert aligned.mean.abs_rel < 2e-4  # depth is stored in steps of 0.2 mm
    assert aligned.frames[2].pixels == 0
    assert result.scale is not None
    assert result.scale.mean_ratio == pytest.approx(NEARER, rel=1e-3)
    assert result.trajectory is not None
    assert result.trajectory.errors[0].ate_rmse_m < 1e-6
    strict = replace(settings, tolerance_ms=5.0)
    assert evaluate(tum, tmp_path / 'strict', strict).truth.depth_frames == 0


def test_tum_without_intrinsics_says_so(tum: Path, tmp_path: Path) -> None:
    assert any('--intrinsics' in note for note in evaluate(tum, tmp_path / 'out').notes)


def test_damaged_tum_lists_are_one_line(tum: Path, tmp_path: Path) -> None:
    (tum / 'rgb.txt').write_text('nonsense here\n')
    with pytest.raises(BagError, match=r'line 1 of .*rgb\.txt'):
        evaluate(tum, tmp_path / 'out')


def test_a_video_has_consistency_only(tmp_path: Path) -> None:
    path = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10, (WIDTH, HEIGHT))
    for index in range(FRAMES):
        writer.write(picture(index))
    writer.release()
    result = evaluate(path, tmp_path / 'out')
    assert result.source.kind == 'video'
    assert result.protocols == ()
    assert [score.name for score in result.temporal] == ['self_consistency']


def test_images_with_named_truth(tmp_path: Path) -> None:
    for index in range(FRAMES):
        (tmp_path / 'images').mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f'images/{index + 7:06d}.png'), picture(index))
        write_depth(tmp_path / f'depth/{index + 7:06d}.png', index, 256)
    lines = [' '.join('0' * 12)] * 7
    for index in range(FRAMES):
        lines.append(' '.join(str(value) for value in true_pose(index)[:3].ravel()))
    (tmp_path / 'poses.txt').write_text('\n'.join(lines))
    named = (str(tmp_path / 'depth'), str(tmp_path / 'poses.txt'))
    settings = replace(TINY, ground_truth=named)
    result = evaluate(tmp_path / 'images', tmp_path / 'out', settings)
    assert result.truth.depth == 'depth maps in depth'
    assert result.truth.depth_frames == FRAMES
    metric = result.protocol('metric')
    assert metric is not None
    assert metric.mean.abs_rel < 1e-3  # 256 steps per metre
    assert result.trajectory is not None
    assert result.trajectory.errors[0].ate_rmse_m < 1e-9


@pytest.mark.parametrize(
    ('changes', 'complaint'),
    [
        ({'masks': 'nowhere'}, 'no folder and no topic'),
        ({'masks': '/moving'}, 'needs a bag'),
        ({'ground_truth': ('/depth',)}, 'needs a bag'),
    ],
)
def test_truth_that_the_source_cannot_have(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    cv2.imwrite(str(tmp_path / '0.png'), picture(0))
    with pytest.raises(GemDepthError, match=complaint):
        evaluate(tmp_path, tmp_path / 'out', replace(TINY, **changes))


def test_masks_of_a_bag(tmp_path: Path) -> None:
    with BagReader(write_bag(tmp_path / 'bag', 3)) as reader, BagWriter(tmp_path / 'new') as new:
        for topic in reader.topics.values():
            new.add_topic(topic.name, topic.message_type)
        new.add_topic('/moving', 'sensor_msgs/msg/Image')
        for item in reader.messages():
            new.write(item.topic, item.message, item.stamp_ns)
            if item.topic == IMAGE_TOPIC:
                mask = np.zeros((HEIGHT, WIDTH), np.uint8)
                mask[5] = 1
                new.write(
                    '/moving', image_message(mask, 'mono8', item.stamp_ns, 'c'), item.stamp_ns
                )
    result = evaluate(
        tmp_path / 'new', tmp_path / 'out', replace(TINY, masks='/moving', topic=IMAGE_TOPIC)
    )
    assert result.truth.mask_frames == 3
    assert result.protocols[0].moving is not None


def test_truth_of_another_size_takes_the_prediction_to_it(tmp_path: Path) -> None:
    for index in range(3):
        (tmp_path / 'images').mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f'images/{index:06d}.png'), picture(index))
        (tmp_path / 'depth').mkdir(exist_ok=True)
        flat = np.full((HEIGHT // 2, WIDTH // 2), 5.0, np.float32)
        np.save(tmp_path / f'depth/{index:06d}.npy', flat)
    settings = replace(TINY, ground_truth=(str(tmp_path / 'depth'),))
    result = evaluate(tmp_path / 'images', tmp_path / 'out', settings)
    assert result.protocols[0].frames[0].pixels == HEIGHT * WIDTH // 4


@pytest.mark.parametrize(
    ('sizes', 'with_truth'),
    [
        ([2, 0, 2, 0, 2, 0], 3),  # depth at half the rate and half the size
        ([2, 2, 2, 1, 1, 1], 3),
        ([1, 1, 1, 2, 2, 2], 3),
    ],
)
def test_truth_that_comes_and_goes_in_sizes(
    tmp_path: Path, sizes: list[int], with_truth: int
) -> None:
    lines = []
    for folder in ('images', 'depth'):
        (tmp_path / folder).mkdir()
    for index, part in enumerate(sizes):
        cv2.imwrite(str(tmp_path / f'images/{index:06d}.png'), picture(index))
        if part:
            np.save(tmp_path / f'depth/{index:06d}.npy', true_depth(index)[::part, ::part])
        lines.append(' '.join(str(value) for value in true_pose(index)[:3].ravel()))
    (tmp_path / 'poses.txt').write_text('\n'.join(lines))
    settings = replace(TINY, ground_truth=(str(tmp_path / 'depth'), str(tmp_path / 'poses.txt')))
    result = evaluate(tmp_path / 'images', tmp_path / 'out', settings)
    assert result.truth.depth_frames == with_truth
    assert result.temporal[0].name == 'tae'
    assert result.temporal[0].pairs == len(sizes) - 1
    left_out = sum(part > 0 for part in sizes) - with_truth
    said = [note for note in result.notes if 'of another size' in note]
    assert len(said) == (left_out > 0)


STANDING = [(49.0, 8.4, 110.0, 0.0, 0.0, 0.0)] * 4


@pytest.mark.parametrize('kind', ['KITTI raw drive', 'KITTI odometry sequence'])
def test_kitti_layouts(tmp_path: Path, kind: str) -> None:
    if kind == 'KITTI raw drive':
        folder = write_raw_drive(tmp_path, STANDING)
    else:
        folder = write_odometry_sequence(tmp_path, np.tile(np.eye(4)[:3], (4, 1, 1)))
    source = open_evaluation_source(folder, TINY, tmp_path / 'work')
    assert source.kind == kind
    assert source.pose_truth == 'poses of the recording'
    frames = list(source.open(Findings()))
    assert len(frames) == source.count == 4
    for frame in frames:
        assert frame.video.camera is not None
        assert frame.truth_m is not None
        assert np.nansum(frame.truth_m) == pytest.approx(10, abs=0.1)
        assert frame.world_from_camera is not None
        assert frame.readings.lidar is not None
        (moved,) = frame.readings.odometry
        np.testing.assert_allclose(moved.odom_from_camera, frame.world_from_camera)
        assert frame.readings.mounting is None  # what the user states of the height stays


@pytest.mark.parametrize('kind', ['clip', 'raw', 'odometry'])
def test_stated_intrinsics_win_over_kittis(tmp_path: Path, kind: str) -> None:
    """In the truth that is projected as well, as with a bag."""
    if kind == 'clip':
        folder = write_clip(tmp_path / 'clip', 2)
        shutil.rmtree(folder / 'depth')
    elif kind == 'raw':
        folder = write_raw_drive(tmp_path, STANDING)
    else:
        folder = write_odometry_sequence(tmp_path, np.tile(np.eye(4)[:3], (2, 1, 1)))
    plain = next(open_evaluation_source(folder, TINY, tmp_path / 'work').open(Findings()))
    camera = plain.video.camera
    assert camera is not None
    assert plain.truth_m is not None
    stated = (camera.fx, camera.fy, camera.cx - 2, camera.cy + 1)
    settings = replace(TINY, intrinsics=stated)
    frame = next(open_evaluation_source(folder, settings, tmp_path / 'work').open(Findings()))
    assert frame.video.camera == replace(camera, cx=camera.cx - 2, cy=camera.cy + 1)
    assert frame.truth_m is not None
    (before,) = np.argwhere(np.isfinite(plain.truth_m))
    (after,) = np.argwhere(np.isfinite(frame.truth_m))
    assert (after - before).tolist() == [1, -2]
    np.testing.assert_array_equal(frame.truth_m[tuple(after)], plain.truth_m[tuple(before)])


def test_a_clip_has_one_camera(tmp_path: Path) -> None:
    folder = write_clip(tmp_path / 'clip', 2)
    source = open_evaluation_source(folder, replace(TINY, camera=2), tmp_path / 'work')
    assert len(list(source.open(Findings()))) == 2
    with pytest.raises(BagError, match=r'clip of camera 2 and has no camera 3'):
        open_evaluation_source(folder, replace(TINY, camera=3), tmp_path / 'work')


def test_benchmark_depth_beside_a_raw_drive_comes_first(tmp_path: Path) -> None:
    folder = write_raw_drive(tmp_path, STANDING)
    benchmark = folder / 'proj_depth' / 'groundtruth' / 'image_02'
    images = sorted((folder / 'image_02' / 'data').glob('*.png'))
    image = cv2.imread(str(images[0]))
    assert image is not None
    benchmark.mkdir(parents=True)
    stored = np.full(image.shape[:2], 512, np.uint16)
    cv2.imwrite(str(benchmark / images[1].name), stored)
    source = open_evaluation_source(folder, TINY, tmp_path / 'work')
    assert 'depth benchmark' in source.depth_truth
    frames = list(source.open(Findings()))
    assert frames[0].truth_m is None
    assert frames[1].truth_m is not None
    assert float(frames[1].truth_m[0, 0]) == 2.0


def test_poses_by_time(tmp_path: Path) -> None:
    path = tmp_path / 'poses.tum'
    path.write_text('# seconds\n' + '\n'.join(tum_line(i, 100 + 0.1 * i) for i in range(5)))
    find = pose_file(path, 20_000_000)
    found = find(FrameKey(0, 0, 100_210_000_000))
    np.testing.assert_allclose(found, true_pose(2), atol=1e-9)
    assert find(FrameKey(0, 0, 100_250_000_000)) is None


@pytest.mark.parametrize('content', ['', '1 2 3\n', '1 0 0 0 0 0 0 0\n', 'a b c d e f g h\n'])
def test_no_pose_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / 'poses.txt'
    path.write_text(content)
    with pytest.raises(BagError, match=r'poses\.txt'):
        pose_file(path, 1)


def test_nearest_stamp_with_little_memory() -> None:
    stream = ((stamp, stamp) for stamp in range(0, 100_000, 10))
    near = NearestStamped(stream, 4)
    found = [near.find(stamp) for stamp in (0, 13, 15, 26, 99_000)]
    assert found == [0, 10, None, 30, 99_000]
    assert len(near._near) < 5


def test_streams_that_never_meet_end_quietly() -> None:
    near = NearestStamped(iter([(10**12, 'late')]), 5)
    assert near.find(0) is None
    assert near.find(10**12) == 'late'
    assert NearestStamped(iter([]), 5).find(0) is None


def test_settings_reach_the_pipeline() -> None:
    settings = replace(
        TINY,
        overrides=('grounding.lidar.enabled=true', 'mounting.height_m=1.6', 'network.threads=1'),
        mode='causal',
    )
    config = pipeline_config(settings)
    assert config.grounding.lidar.enabled
    assert config.mounting.height_m == 1.6
    assert config.network.threads == 1
    assert config.streaming.mode == 'causal'


@pytest.mark.parametrize(
    ('override', 'complaint'),
    [
        ('grounding.lidar.enabled', 'section.field=value'),
        ('no.such=1', 'no such value'),
        ('streaming.window=3', 'use --window'),
        ('grounding.lidar.enabled=maybe', 'true or false'),
        ('mounting.height_m=high', 'not a float'),
        ('mounting.height_m=-1', 'must be > 0'),
    ],
)
def test_wrong_settings_are_one_line(override: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        pipeline_config(replace(TINY, overrides=(override,)))


@pytest.mark.parametrize(
    'changes',
    [
        {'mode': 'backwards'},
        {'crop': 'round'},
        {'protocols': ('best',)},
        {'protocols': ()},
        {'tolerance_ms': -1.0},
        {'mode': 'offline', 'simulated_latency_ms': 5.0},
    ],
)
def test_impossible_wishes_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(GemDepthError):
        replace(TINY, **changes)


def test_sensors_of_a_bag_give_metres_when_asked(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', 5, lidar=True)
    overrides = ('grounding.lidar.enabled=true', 'network.allow_untrained_metric=true')
    settings = replace(TINY, overrides=overrides)
    source = open_evaluation_source(bag, settings, tmp_path / 'work')
    frames = list(source.open(Findings()))
    assert all(frame.readings.lidar is not None for frame in frames)
    assert frames[0].video.stamp_ns == START_NS
    assert frames[1].video.stamp_ns == START_NS + PERIOD_NS
    spelled = replace(settings, overrides=('grounding.lidar.enabled = True', overrides[1]))
    source = open_evaluation_source(bag, spelled, tmp_path / 'work')
    assert all(frame.readings.lidar is not None for frame in source.open(Findings()))
    plain = open_evaluation_source(bag, TINY, tmp_path / 'work')
    assert all(frame.readings.lidar is None for frame in plain.open(Findings()))
