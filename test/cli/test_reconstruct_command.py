"""``gemdepth-ros reconstruct``: the cloud of a known street, and the command from end to end."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('rosbags')

from gemdepth_ros.bags.images import image_message  # noqa: E402
from gemdepth_ros.bags.messages import camera_info_message  # noqa: E402
from gemdepth_ros.bags.writer import BagWriter, Storage  # noqa: E402
from gemdepth_ros.cli.main import main  # noqa: E402
from gemdepth_ros.cli.reconstruction import bag_frames  # noqa: E402
from gemdepth_ros.cli.reconstruction.builder import BuildSettings, CloudBuilder  # noqa: E402
from gemdepth_ros.cli.reconstruction.recording import SourceOptions, open_recording  # noqa: E402
from gemdepth_ros.interfaces import (  # noqa: E402
    EgoMotion,
    GroundingState,
    PinholeIntrinsics,
    PipelineOutput,
    ResetReason,
    VideoFrame,
)
from gemdepth_ros.model import GemDepth, GemDepthConfig  # noqa: E402
from gemdepth_ros.model.checkpoint import published_state  # noqa: E402
from gemdepth_ros.model.config import PRESETS  # noqa: E402
from gemdepth_ros.synthetic import SyntheticDrive, SyntheticFrame  # noqa: E402

CAMERA_HEIGHT_M = 1.65
COUNT, HEIGHT, WIDTH = 6, 60, 80
CAMERA = PinholeIntrinsics(WIDTH, HEIGHT, 70.0, 71.0, 39.0, 29.0)
QUICK = ('--preset', 'small', '--input-size', '56', '--window', '3', '--device', 'cpu')
QUICK += ('--min-count', '1')
METRES = ('--scale', '30', '--shift', '0.5', '--translation-factor', '2')
SETTINGS = BuildSettings(True, 0.25, 25.0, 10**6, 1, normals=True)


def known(
    frame: SyntheticFrame, *, metric: bool = True, **motion: object
) -> tuple[VideoFrame, PipelineOutput]:
    """The frame with the output that a perfect pipeline would give."""
    values = {
        'odom_from_camera': frame.world_from_camera,
        'covariance': np.eye(6),
        'metric': metric,
        'lost': False,
        'window': None,
    }
    reset = motion.pop('reset', None)
    depth = np.where(frame.depth_m <= 80, frame.depth_m, np.inf).astype(np.float32)
    output = PipelineOutput(
        stamp_ns=frame.stamp_ns,
        frame_id='camera',
        camera=frame.camera,
        camera_is_predicted=False,
        predicted_fov_deg=(80.0, 30.0),
        network_size=(56, 70),
        window_frames=1,
        disparity=None,
        relative_depth=None if metric else depth / 7,
        depth_m=depth if metric else None,
        cloud=None,
        preview_rgb=None,
        motion=EgoMotion(**{**values, **motion}),  # type: ignore[arg-type]
        grounding=GroundingState(metric=metric),
        reset=reset,  # type: ignore[arg-type]
        processing_ms=1.0,
    )
    return VideoFrame(frame.image_rgb, frame.stamp_ns, camera=frame.camera), output


@pytest.fixture(scope='module')
def street() -> list[SyntheticFrame]:
    drive = SyntheticDrive(8, 94, 310, seed=1)
    return [drive.render(index) for index in range(8)]


def road_of(builder: CloudBuilder) -> tuple[np.ndarray, np.ndarray]:
    """Heights and normals of the points between the wheels' tracks."""
    assert builder.cloud is not None
    xyz, _, normals = builder.cloud.points(min_count=2)
    assert normals is not None
    between = (np.abs(xyz[:, 1]) < 1.5) & (xyz[:, 0] > 5) & (xyz[:, 0] < 14)
    low = between & (np.abs(xyz[:, 2] + CAMERA_HEIGHT_M) < 0.5)
    return xyz[low, 2], normals[low]


def test_a_known_street_is_rebuilt_upright(street: list[SyntheticFrame]) -> None:
    """Frames from eight places give one flat road, 1.65 m below the first camera, facing up."""
    builder = CloudBuilder(SETTINGS)
    for frame in street:
        builder.add(*known(frame))
    assert (builder.used, builder.left_out, builder.breaks) == (8, 0, 0)
    heights, normals = road_of(builder)
    assert len(heights) > 200
    assert abs(np.median(heights) + CAMERA_HEIGHT_M) < 0.02
    assert np.percentile(np.abs(heights + CAMERA_HEIGHT_M), 95) < 0.1
    up = normals[np.linalg.norm(normals, axis=1) > 0.5]
    assert np.median(up[:, 2]) > 0.99


def test_frames_without_metres_or_lost_are_left_out(street: list[SyntheticFrame]) -> None:
    builder = CloudBuilder(SETTINGS)
    builder.add(*known(street[0], metric=False))
    builder.add(*known(street[1], lost=True))
    assert builder.cloud is None
    assert (builder.used, builder.left_out) == (0, 2)


@pytest.mark.parametrize('reason', [ResetReason.GAP, ResetReason.BACKWARD_TIME])
def test_after_a_break_the_cloud_goes_on_from_the_last_pose(
    street: list[SyntheticFrame], reason: ResetReason
) -> None:
    """The pipeline's trajectory goes on after a gap, and starts anew when time jumps back."""
    builder = CloudBuilder(SETTINGS)
    for frame in street[:4]:
        builder.add(*known(frame))
    origin = street[3].world_from_camera if reason is ResetReason.BACKWARD_TIME else np.eye(4)
    for frame in street[4:]:
        pose = np.linalg.inv(origin) @ frame.world_from_camera
        reset = reason if frame is street[4] else None
        builder.add(*known(frame, odom_from_camera=pose, reset=reset))
    assert builder.breaks == 1
    assert builder.cloud is not None
    whole = CloudBuilder(SETTINGS)
    for frame in street:
        whole.add(*known(frame))
    assert whole.cloud is not None
    np.testing.assert_allclose(builder.cloud.points()[0], whole.cloud.points()[0], atol=1e-9)


def test_relative_sizes_come_from_the_first_frame(street: list[SyntheticFrame]) -> None:
    builder = CloudBuilder(BuildSettings(False, 0.0, 0.0, 10**6, 1, normals=False))
    builder.add(*known(street[0], metric=False))
    assert builder.cloud is not None
    depth = street[0].depth_m[street[0].depth_m <= 80] / 7
    assert builder.cloud.voxel_size == pytest.approx(np.median(depth) / 100, rel=1e-3)
    assert builder.cloud.points()[0][:, 0].max() <= 4 * np.median(depth) * (1 + 1e-5)


# --- the command ---


@pytest.fixture
def tiny_preset(monkeypatch: pytest.MonkeyPatch, tiny_config: GemDepthConfig) -> None:
    """Let ``small`` mean a network of half a million parameters."""
    monkeypatch.setitem(PRESETS, 'small', tiny_config)


@pytest.fixture(scope='module')
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    whole = cv2.GaussianBlur(rng.integers(0, 256, (HEIGHT, 2 * WIDTH, 3), np.uint8), (0, 0), 2)
    return [np.ascontiguousarray(whole[:, 3 * i : 3 * i + WIDTH]) for i in range(COUNT)]


@pytest.fixture
def folder(tmp_path: Path, images: list[np.ndarray]) -> Path:
    path = tmp_path / 'images'
    path.mkdir()
    for index, image in enumerate(images):
        cv2.imwrite(str(path / f'{index}.png'), image)
    return path


def bag(path: Path, images: list[np.ndarray], infos: bool = True, topics: int = 1) -> Path:
    with BagWriter(path, Storage.MCAP) as writer:
        names = [f'/camera{k or ""}' for k in range(topics)]
        for name in names:
            writer.add_topic(f'{name}/image_rect', 'sensor_msgs/msg/Image')
            if infos:
                writer.add_topic(f'{name}/camera_info', 'sensor_msgs/msg/CameraInfo')
        for index, image in enumerate(images):
            stamp = 10**18 + index * 10**8
            for name in names:
                message = image_message(image, 'rgb8', stamp, 'front')
                writer.write(f'{name}/image_rect', message, stamp)
                if infos:  # recorded after its image, as often happens
                    info = camera_info_message(CAMERA, stamp, 'front')
                    writer.write(f'{name}/camera_info', info, stamp + 1)
    return path


def vertices(path: Path) -> tuple[np.ndarray, str]:
    head, body = path.read_bytes().split(b'end_header\n', 1)
    header = head.decode('ascii')
    kinds = {'float': '<f4', 'uchar': 'u1'}
    rows = [line.split()[1:] for line in header.splitlines() if line.startswith('property')]
    return np.frombuffer(body, [(name, kinds[kind]) for kind, name in rows]), header


def test_a_folder_without_metres_says_so(
    tiny_preset: None, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'cloud.ply'
    assert main(['reconstruct', str(folder), '-o', str(out), *QUICK]) == 0
    said = capsys.readouterr().out
    assert 'units are relative' in said
    assert 'means nothing yet' in said
    assert 'field of view of 6 frames is a guess' in said
    assert '6 frames' in said
    points, header = vertices(out)
    assert len(points) > 100
    assert 'comment unit: relative' in header


def test_an_empty_cloud_is_no_success(
    tiny_preset: None, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'cloud.ply'
    words = ['reconstruct', str(folder), '-o', str(out), *QUICK, '--max-frames', '1']
    assert main([*words, '--min-count', '1000000']) == 1
    error = capsys.readouterr().err
    assert 'the cloud would be empty: none of' in error
    assert 'give --min-count 1' in error
    assert not out.exists()


def test_points_beyond_the_span_are_said(
    tiny_preset: None, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'cloud.ply'
    words = ['reconstruct', str(folder), '-o', str(out), *QUICK, '--min-count', '1']
    assert main([*words, '--max-frames', '1', '--voxel', '1e-9']) == 1
    assert 'points were too far from the first camera' in capsys.readouterr().err


def test_a_bag_in_metres(
    tiny_preset: None, tiny_model: GemDepth, tmp_path: Path, images: list[np.ndarray],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out, weights = tmp_path / 'cloud.ply', tmp_path / 'weights.pth'
    torch.save(published_state(tiny_model), weights)
    source = bag(tmp_path / 'bag', images)
    words = ['reconstruct', str(source), '-o', str(out), *QUICK, *METRES, '--normals']
    words += ['--weights', str(weights), '--preset', 'small']
    assert main([*words, '--max-frames', '4', '--max-depth', '60']) == 0
    said = capsys.readouterr().out
    assert '4 frames' in said
    assert 'relative' not in said
    assert 'guess' not in said
    points, header = vertices(out)
    assert 'comment unit: metres' in header
    assert {'nx', 'ny', 'nz', 'red'} <= set(points.dtype.names or ())
    assert np.isfinite(points['x']).all()
    assert main(words) == 1  # it exists now
    assert 'exists; choose another name, or --force' in capsys.readouterr().err
    assert main([*words, '--force', '--max-frames', '1']) == 0


def test_frames_of_a_bag_have_their_camera(tmp_path: Path, images: list[np.ndarray]) -> None:
    notes: list[str] = []
    found = open_recording(bag(tmp_path / 'bag', images), SourceOptions(), notes.append)
    frames = [frame for frame, _ in found.frames]
    assert found.count == len(frames) == COUNT
    assert notes == []
    for index, frame in enumerate(frames):
        assert frame.camera == CAMERA
        assert frame.frame_id == 'front'
        assert frame.stamp_ns == 10**18 + index * 10**8
        np.testing.assert_array_equal(frame.image_rgb, images[index])


def test_given_intrinsics_win(tmp_path: Path, folder: Path, images: list[np.ndarray]) -> None:
    given = (50.0, 51.0, 40.0, 30.0)
    for source in (folder, bag(tmp_path / 'bag', images)):
        options = SourceOptions(intrinsics=given)
        frame, _ = next(iter(open_recording(source, options, pytest.fail).frames))
        assert frame.camera == PinholeIntrinsics(WIDTH, HEIGHT, *given)


def test_a_bag_without_camera_info_guesses_and_says_so(
    tmp_path: Path, images: list[np.ndarray]
) -> None:
    notes: list[str] = []
    source = bag(tmp_path / 'bag', images, infos=False)
    frames = list(open_recording(source, SourceOptions(), notes.append).frames)
    assert frames[0][0].camera is None
    assert len(notes) == 1
    assert 'no camera_info beside /camera/image_rect' in notes[0]


def test_a_camera_info_of_ros_1_has_capital_letters() -> None:
    old = SimpleNamespace(
        height=6, width=8, distortion_model='plumb_bob', binning_x=0, binning_y=0, roi=None,
        K=[1.0], D=[2.0], R=[3.0], P=[4.0],
    )  # fmt: skip
    new = bag_frames._modern(old)
    assert (new.k, new.d, new.r, new.p, new.height) == ([1.0], [2.0], [3.0], [4.0], 6)
    assert bag_frames._modern(new) is new


def test_of_several_image_topics_one_must_be_chosen(
    tmp_path: Path, images: list[np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    source = bag(tmp_path / 'bag', images, topics=2)
    words = ['reconstruct', str(source), '-o', str(tmp_path / 'cloud.ply')]
    assert main(words) == 1
    assert 'choose with --topic: /camera/image_rect, /camera1/' in capsys.readouterr().err
    assert main([*words, '--topic', '/gone']) == 1
    assert 'no image topic /gone' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['-o', 'cloud.pcd'], 'name it .ply'),
        (['-o', 'gone/cloud.ply'], 'gone must be an existing folder'),
        (['-o', 'cloud.ply', '--scale', '3'], 'both --scale and --translation-factor'),
        (
            ['-o', 'cloud.ply', '--preset', 'small', '--scale', '3', '--translation-factor', '1'],
            'random weights give no metres: --scale needs --weights',
        ),
        (['-o', 'cloud.ply', '--shift', '0.2'], '--shift 0.2 belongs to --scale'),
        (['-o', 'cloud.ply', '--weights', 'w', '--lidar', '/points'], 'has no topic /points'),
        (['-o', 'cloud.ply'], 'no video file or image folder at'),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(['reconstruct', 'clip.mp4', *words]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count('\n') == 1
