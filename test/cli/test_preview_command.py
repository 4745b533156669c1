"""`gemdepth-ros preview`: a bag becomes a video that plays."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from gemdepth_ros.bags.images import image_message
from gemdepth_ros.bags.writer import BagWriter
from gemdepth_ros.cli import main as command_line
from gemdepth_ros.errors import ConfigError, ImageError
from gemdepth_ros.media.preview_video import PreviewVideo
from gemdepth_ros.media.video_output import VideoOutput

FRAMES = 4
NETWORK = ('--preset', 'tiny', '--input-size', '28', '--window', '2', '--device', 'cpu')


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('bags') / 'drive'
    with BagWriter(folder) as writer:
        writer.add_topic('/camera/image', 'sensor_msgs/msg/Image')
        for index in range(FRAMES):
            image = np.full((32, 96, 3), 50 * index, np.uint8)
            stamp_ns = 10**9 + index * 10**8
            writer.write('/camera/image', image_message(image, 'rgb8', stamp_ns, 'c'), stamp_ns)
    return folder


def frames_of(video: Path) -> tuple[list[np.ndarray], float]:
    capture = cv2.VideoCapture(str(video))
    found = []
    while True:
        good, frame = capture.read()
        if not good:
            return found, capture.get(cv2.CAP_PROP_FPS)
        found.append(frame)


def test_a_bag_becomes_a_video(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = tmp_path / 'out.mp4'
    assert command_line.main(['preview', str(bag), '-o', str(video), *NETWORK]) == 0
    frames, rate_hz = frames_of(video)
    assert len(frames) == FRAMES
    assert rate_hz == pytest.approx(10.0)
    assert frames[0].shape == (32 + 32 + 28, 96, 3)  # image, depth, text
    assert f'{FRAMES} frames' in capsys.readouterr().out
    assert [file.name for file in tmp_path.iterdir()] == ['out.mp4']


def test_a_video_that_is_there_stays(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = tmp_path / 'out.mp4'
    video.write_text('mine')
    assert command_line.main(['preview', str(bag), '-o', str(video), *NETWORK]) == 1
    assert '--force' in capsys.readouterr().err
    assert video.read_text() == 'mine'
    words = ['--force', '--max-frames', '2', '--rate', '5']
    assert command_line.main(['preview', str(bag), '-o', str(video), *NETWORK, *words]) == 0
    frames, rate_hz = frames_of(video)
    assert len(frames) == 2
    assert rate_hz == pytest.approx(5.0)


@pytest.mark.parametrize(
    ('name', 'words'),
    [('out.gif', '.avi or .mp4'), ('no/such/out.mp4', 'must be an existing folder')],
)
def test_wrong_outputs_are_one_line(
    bag: Path, tmp_path: Path, name: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ['preview', str(bag), '-o', str(tmp_path / name), *NETWORK]
    assert command_line.main(command) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count('\n') == 1
    assert list(tmp_path.iterdir()) == []


def test_high_images_stand_side_by_side(tmp_path: Path) -> None:
    video = PreviewVideo(tmp_path / 'v.avi', 10.0)
    image = np.full((41, 61, 3), 200, np.uint8)
    disparity = np.linspace(0, 1, 41 * 61, dtype=np.float32).reshape(41, 61)
    video.add(image, disparity, 'a text that is much too long for a picture of this width')
    video.close()
    frames, _ = frames_of(tmp_path / 'v.avi')
    assert frames[0].shape == (40 + 28, 120, 3)
    assert abs(frames[0][:40, :60].mean() - 200) < 5


def test_a_suffix_without_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'v\.webm'):
        VideoOutput([tmp_path / 'v.webm'], 10.0)


@contextmanager
def files_end_after(size: int) -> Iterator[None]:
    """Let writes fail beyond a size [bytes], as they do on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_on_a_full_disk_the_video_that_is_there_stays(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = tmp_path / 'out.mp4'
    video.write_text('mine')
    command = ['preview', str(bag), '-o', str(video), '--force', *NETWORK]
    with files_end_after(1000):
        assert command_line.main(command) == 1
    error = capsys.readouterr().err
    assert 'is the disk full?' in error
    assert video.read_text() == 'mine'
    assert [file.name for file in tmp_path.iterdir()] == ['out.mp4']


def write_noise(file: Path, frames: int, rate_hz: float = 10.0) -> None:
    random = np.random.default_rng(0)
    video = VideoOutput([file], rate_hz)
    for _ in range(frames):
        video.add(random.integers(0, 255, (48, 64, 3), np.uint8))
    video.close()


@pytest.mark.parametrize('suffix', ['.mp4', '.avi'])
@pytest.mark.parametrize('share', [0.3, 0.8])
def test_a_video_that_was_cut_off_is_an_error(tmp_path: Path, suffix: str, share: float) -> None:
    whole = tmp_path / f'whole{suffix}'
    write_noise(whole, 20)
    with (
        files_end_after(int(share * whole.stat().st_size)),
        pytest.raises(ImageError, match=r'written whole \(20 frames\): is the disk full'),
    ):
        write_noise(tmp_path / f'cut{suffix}', 20)


@pytest.mark.parametrize('suffix', ['.mp4', '.avi'])
@pytest.mark.parametrize(('frames', 'rate_hz'), [(1, 10.0), (2, 0.4), (7, 29.97), (301, 119.3)])
def test_whole_videos_are_none(tmp_path: Path, suffix: str, frames: int, rate_hz: float) -> None:
    write_noise(tmp_path / f'v{suffix}', frames, rate_hz)
    assert len(frames_of(tmp_path / f'v{suffix}')[0]) == frames
