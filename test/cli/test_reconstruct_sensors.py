"""``reconstruct`` takes metres from the LiDAR and the odometry of a bag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

torch = pytest.importorskip('torch')
pytest.importorskip('rosbags')

from reconstruct_oracle import (  # noqa: E402
    AXES,
    BASE_FROM_CAMERA,
    HEIGHT_M,
    filled_inverse_depth,
    oracle,
    street_bag,
    street_truth,
)

from gemdepth_ros.bags.clouds import lidar_message  # noqa: E402
from gemdepth_ros.bags.from_recording import write_recording  # noqa: E402
from gemdepth_ros.bags.kitti import open_kitti  # noqa: E402
from gemdepth_ros.bags.messages import odometry_message  # noqa: E402
from gemdepth_ros.bags.reader import BagMessage, TopicSummary  # noqa: E402
from gemdepth_ros.cli.main import main  # noqa: E402
from gemdepth_ros.cli.reconstruction.sensors import (  # noqa: E402
    SensorFeed,
    SensorTopics,
    choose_topics,
)
from gemdepth_ros.errors import BagError  # noqa: E402
from gemdepth_ros.geometry.transform_tree import TransformTree  # noqa: E402
from gemdepth_ros.model import GemDepth, GemDepthConfig  # noqa: E402
from gemdepth_ros.model.checkpoint import published_state  # noqa: E402
from gemdepth_ros.model.config import PRESETS  # noqa: E402
from gemdepth_ros.pipeline import network as network_module  # noqa: E402
from gemdepth_ros.synthetic import SyntheticDrive, SyntheticFrame  # noqa: E402

CLOUD, ODOMETRY = 'sensor_msgs/msg/PointCloud2', 'nav_msgs/msg/Odometry'
Run = Callable[..., int]


@pytest.fixture(scope='module')
def street() -> list[SyntheticFrame]:
    drive = SyntheticDrive(12, 94, 310, seed=1)
    return [drive.render(index) for index in range(12)]


@pytest.fixture
def reconstruct(
    tiny_model: GemDepth,
    tiny_config: GemDepthConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Run the command with a network that knows the truth."""
    monkeypatch.setitem(PRESETS, 'small', tiny_config)
    weights = tmp_path / 'weights.pth'
    torch.save(published_state(tiny_model), weights)

    def run(source: Path, truth: object, *words: str) -> int:
        monkeypatch.setattr(network_module, 'StreamSession', oracle(truth))
        out = str(tmp_path / 'cloud.ply')
        fixed = ['--weights', str(weights), '--preset', 'small', '--device', 'cpu', '--force']
        return main(['reconstruct', str(source), '-o', out, *fixed, *words])

    return run


def points_of(path: Path) -> np.ndarray:
    head, body = path.read_bytes().split(b'end_header\n', 1)
    assert b'comment unit: metres' in head
    kinds = {'float': '<f4', 'uchar': 'u1'}
    rows = [line.split()[1:] for line in head.decode().splitlines() if line[:8] == 'property']
    named = np.frombuffer(body, [(name, kinds[kind]) for kind, name in rows])
    return np.stack([named[axis] for axis in 'xyz'], axis=-1).astype(np.float64)


def world_points(frames: list[SyntheticFrame]) -> np.ndarray:
    """All that the LiDAR measured, where it was: x forward, y left, z up of the first camera."""
    placed = []
    for frame in frames:
        optical = frame.lidar_points(94)[:, :3] @ AXES[:3, :3]
        world = optical @ frame.world_from_camera[:3, :3].T + frame.world_from_camera[:3, 3]
        placed.append(world @ AXES[:3, :3].T)
    return np.concatenate(placed)


def distances(points: np.ndarray, truth: np.ndarray) -> np.ndarray:
    found: np.ndarray = cKDTree(truth).query(points)[0]
    return found


def test_lidar_and_odometry_of_a_bag_give_metres(
    reconstruct: Run, street: list[SyntheticFrame], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    source = street_bag(tmp_path / 'bag', street)
    assert reconstruct(source, street_truth(street), '--voxel', '0.2', '--max-depth', '20') == 0
    said = capsys.readouterr().out
    assert 'metres from /lidar/points and /wheels/odometry' in said
    points = points_of(tmp_path / 'cloud.ply')
    assert len(points) > 3000
    off = distances(points, world_points(street))
    assert np.median(off) < 0.15
    assert np.percentile(off, 90) < 0.5
    road = points[(np.abs(points[:, 1]) < 1.5) & (points[:, 0] > 5) & (points[:, 0] < 12)]
    assert abs(np.median(road[:, 2]) + HEIGHT_M) < 0.05
    # The drive is there at its true length: eleven steps, and 20 m ahead of the last.
    travelled = street[-1].world_from_camera[2, 3]
    assert travelled + 15 < points[:, 0].max() < travelled + 21


def test_without_odometry_parallax_gives_the_motion_its_metres(
    reconstruct: Run, street: list[SyntheticFrame], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    drive = SyntheticDrive(10, 188, 621, seed=1)
    frames = [drive.render(index) for index in range(10)]
    source = street_bag(tmp_path / 'bag', frames, odometry=False)
    assert reconstruct(source, street_truth(frames), '--voxel', '0.2', '--max-depth', '20') == 0
    assert 'and the parallax of the images' in capsys.readouterr().out
    off = distances(points_of(tmp_path / 'cloud.ply'), world_points(frames))
    assert np.median(off) < 0.25


def test_a_lidar_that_cannot_be_placed_is_named(
    reconstruct: Run, street: list[SyntheticFrame], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    source = street_bag(tmp_path / 'bag', street, transforms=False)
    assert reconstruct(source, street_truth(street), '--max-frames', '4') == 1
    said = capsys.readouterr()
    assert said.out.count("/tf_static has no way from 'lidar' to 'camera'") == 1
    assert 'no frame of' in said.err


def test_what_the_sources_complain_of_is_said_at_the_end(
    reconstruct: Run, street: list[SyntheticFrame], tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    empty = [replace(frame, depth_m=np.full_like(frame.depth_m, np.inf)) for frame in street[:4]]
    source = street_bag(tmp_path / 'bag', empty)
    assert reconstruct(source, street_truth(street)) == 1
    assert 'lidar: the cloud is empty (4 frames)' in capsys.readouterr().err


def test_wishes_that_contradict_each_other(
    street: list[SyntheticFrame], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = street_bag(tmp_path / 'bag', street[:2])
    words = ['reconstruct', str(source), '-o', str(tmp_path / 'cloud.ply')]
    assert main([*words, '--weights', 'none', '--lidar', '/lidar/points']) == 1
    assert '--lidar needs --weights' in capsys.readouterr().err
    given = ['--weights', 'w', '--scale', '3', '--translation-factor', '2']
    assert main([*words, *given, '--odometry', '/wheels/odometry']) == 1
    assert 'leave out --odometry' in capsys.readouterr().err


def test_topics_are_chosen_or_asked_for() -> None:
    names = {'/lidar/points': CLOUD, '/depth_node/points': CLOUD, '/odom': ODOMETRY}
    topics = {name: TopicSummary(name, kind, 1, False) for name, kind in names.items()}
    assert choose_topics(topics, '', '', pytest.fail) == SensorTopics('/lidar/points', '/odom')
    assert choose_topics(topics, 'none', '', pytest.fail) == SensorTopics('', '/odom')
    given = choose_topics(topics, '/depth_node/points', 'none', pytest.fail)
    assert given == SensorTopics('/depth_node/points', '')
    with pytest.raises(BagError, match=r'no topic /gone of type sensor_msgs/msg/PointCloud2'):
        choose_topics(topics, '/gone', '', pytest.fail)
    topics['/radar'] = TopicSummary('/radar', CLOUD, 1, False)
    notes: list[str] = []
    assert choose_topics(topics, '', '', notes.append).lidar == ''
    assert 'choose with --lidar: /lidar/points, /radar' in notes[0]


def feed_of(notes: list[str]) -> SensorFeed:
    tree = TransformTree()
    tree.add('camera', 'lidar', np.eye(4))
    return SensorFeed(SensorTopics('/points', ''), tree, notes.append)


def scan(stamp_ns: int) -> BagMessage:
    points = np.zeros((2, 4), np.float32)
    return BagMessage('/points', CLOUD, stamp_ns, lidar_message(points, stamp_ns, 'lidar'))


def test_each_scan_goes_to_its_nearest_image_once() -> None:
    """A camera at 10 Hz with scans at 5 Hz, 30 ms late; then a pile of scans at once."""
    feed = feed_of([])
    feed.add(scan(130))
    assert feed.readings(100, 200, 'camera').lidar.stamp_ns == 130  # type: ignore[union-attr]
    assert feed.readings(200, 300, 'camera').lidar is None
    feed.add(scan(330))
    feed.add(scan(430))
    assert feed.readings(300, 400, 'camera').lidar.stamp_ns == 330  # type: ignore[union-attr]
    assert feed.readings(400, 500, 'camera').lidar.stamp_ns == 430  # type: ignore[union-attr]
    for late in range(100):
        feed.add(scan(600 + late))
    assert len(feed._scans) == 4


def test_odometry_of_a_bag_knows_where_the_camera_is() -> None:
    """By the child_frame_id of each message; a mounting that the user states stays untouched."""
    notes: list[str] = []
    tree = TransformTree()
    tree.add('base', 'camera', BASE_FROM_CAMERA)
    feed = SensorFeed(SensorTopics('', '/odom'), tree, notes.append)

    def add(stamp_ns: int, child: str) -> None:
        message = odometry_message(np.eye(4), np.zeros(6), stamp_ns, 'odom', child)
        feed.add(BagMessage('/odom', ODOMETRY, stamp_ns, message))

    add(90, 'base')
    add(95, '/base')
    found = feed.readings(100, 200, 'camera')
    assert [sample.stamp_ns for sample in found.odometry] == [90, 95]
    for sample in found.odometry:
        np.testing.assert_allclose(sample.odom_from_camera, BASE_FROM_CAMERA)
    assert found.mounting is None
    assert not notes
    for stamp_ns in (190, 195):
        add(stamp_ns, 'wheel')
    lost = feed.readings(200, 300, 'camera').odometry
    assert [sample.base_from_camera for sample in lost] == [None, None]
    assert len(notes) == 1
    assert "no way from 'camera' to 'wheel' (its child_frame_id)" in notes[0]


def test_a_damaged_cloud_is_noted_and_left_out() -> None:
    notes: list[str] = []
    feed = feed_of(notes)
    damaged = scan(100)
    damaged.message.data = damaged.message.data[:5]
    for _ in range(2):
        feed.add(damaged)
    assert feed.readings(100, 200, 'camera').lidar is None
    assert len(notes) == 1
    assert 'does not fit' in notes[0]


@pytest.mark.parametrize('value', [0.0, float('nan'), float('inf')])
def test_an_odometry_without_an_orientation_is_noted_and_left_out(value: float) -> None:
    notes: list[str] = []
    feed = SensorFeed(SensorTopics('', '/odom'), TransformTree(), notes.append)
    for stamp_ns in (90, 95):
        pose = np.eye(4)
        pose[0, 3] = stamp_ns
        message = odometry_message(pose, np.zeros(6), stamp_ns, 'odom', 'camera')
        if stamp_ns == 90:
            turn = message.pose.pose.orientation
            unknown = replace(turn, x=value, y=value, z=value, w=value)
            message = replace(
                message,
                pose=replace(message.pose, pose=replace(message.pose.pose, orientation=unknown)),
            )
        for _ in range(2):
            feed.add(BagMessage('/odom', ODOMETRY, stamp_ns, message))
    (note, *_) = notes
    assert len(notes) == 1
    assert note.startswith('/odom: messages that cannot be read are left out; the first: ')
    found = feed.readings(100, 200, 'camera').odometry
    assert [sample.stamp_ns for sample in found] == [95, 95]


def test_a_kitti_clip_becomes_a_cloud_in_metres(
    reconstruct: Run, shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shared / 'data/kitti_traffic'
    if not folder.is_dir():
        pytest.skip('no data/kitti_traffic beside the repository')
    count = 10
    clip = open_kitti(folder)
    short = replace(clip, frame_count=count, poses=clip.poses[:count])
    write_recording(short, tmp_path / 'bag')
    rig, truth, measured = clip.rig, {}, []
    assert rig.base_from_lidar is not None
    for index in range(count):
        frame = clip.load(index)
        base = clip.poses[index].odom_from_base
        pose = np.linalg.inv(rig.base_from_camera) @ base @ rig.base_from_camera
        assert frame.depth_m is not None
        assert frame.points_xyzi is not None
        truth[frame.stamp_ns] = (filled_inverse_depth(frame.depth_m), pose)
        lidar = pose @ np.linalg.inv(rig.base_from_camera) @ rig.base_from_lidar
        world = frame.points_xyzi[:, :3] @ lidar[:3, :3].T + lidar[:3, 3]
        measured.append(world @ AXES[:3, :3].T)
    assert reconstruct(tmp_path / 'bag', truth, '--voxel', '0.2') == 0
    assert 'metres from /lidar/points and /ground_truth/odometry' in capsys.readouterr().out
    points = points_of(tmp_path / 'cloud.ply')
    assert len(points) > 5000
    off = distances(points, np.concatenate(measured))
    assert np.median(off) < 0.12
    assert np.percentile(off, 90) < 0.3
