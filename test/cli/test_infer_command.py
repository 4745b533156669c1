"""``gemdepth-ros infer`` from end to end: the small network once, else a tiny one in its place."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')

from gemdepth_ros.cli.main import main  # noqa: E402
from gemdepth_ros.inference import WindowConfig, WindowedPredictor  # noqa: E402
from gemdepth_ros.media import open_source, read_disparity  # noqa: E402
from gemdepth_ros.model import GemDepth, GemDepthConfig, build_gemdepth  # noqa: E402
from gemdepth_ros.model.config import PRESETS  # noqa: E402

QUICK = ('--preset', 'small', '--input-size', '70', '--window', '8', '--device', 'cpu')
COUNT = 12


@pytest.fixture(scope='module')
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of a square that moves over a fixed texture."""
    path = tmp_path_factory.mktemp('clip') / 'clip.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10.0, (160, 90))
    texture = np.random.default_rng(0).integers(0, 120, (9, 16, 3)).astype(np.uint8)
    ground = cv2.resize(texture, (160, 90), interpolation=cv2.INTER_CUBIC)
    for index in range(COUNT):
        image = ground.copy()
        image[30:60, 4 * index : 4 * index + 30] = (40, 160, 220)
        writer.write(image)
    writer.release()
    return path


@pytest.fixture
def tiny_preset(monkeypatch: pytest.MonkeyPatch, tiny_config: GemDepthConfig) -> None:
    """Let ``small`` mean a network of half a million parameters."""
    monkeypatch.setitem(PRESETS, 'small', tiny_config)


def index_of(folder: Path) -> dict:
    return json.loads((folder / 'index.json').read_text())


def test_results_are_those_of_the_predictor(
    video: Path, tmp_path: Path, small_model: GemDepth, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'out'
    assert main(['infer', str(video), '-o', str(out), *QUICK]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert 'seeded' in first
    assert 'mean nothing' in first

    index = index_of(out)
    assert index['complete'] is True
    assert index['trained'] is False
    assert (index['network'], index['window'], index['input_size']) == ('small', 8, 70)
    assert [entry['index'] for entry in index['frames']] == list(range(COUNT))
    poses = json.loads((out / 'poses.json').read_text())['frames']
    assert len(poses) == COUNT

    predictor = WindowedPredictor(small_model, WindowConfig.preset(8))
    images = (frame.image_rgb for frame in open_source(video))
    for expected, entry, pose in zip(
        predictor.stream(images, 70), index['frames'], poses, strict=True
    ):
        found = read_disparity(out / entry['file'], entry['unit'])
        assert found.shape == (90, 160)
        assert np.abs(found - expected.disparity).max() <= entry['unit'] / 2 * 1.001
        np.testing.assert_allclose(pose['camera_from_world'], expected.camera_from_world)
        assert pose['window'] == expected.window

    capture = cv2.VideoCapture(str(out / 'comparison.mp4'))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == COUNT
    assert capture.get(cv2.CAP_PROP_FRAME_WIDTH) == 320


@pytest.mark.usefixtures('tiny_preset')
def test_npz_of_an_image_folder_cut_short(video: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / 'images', tmp_path / 'out'
    folder.mkdir()
    for frame in open_source(video):
        cv2.imwrite(str(folder / f'{frame.index}.png'), frame.image_rgb[..., ::-1])
    words = ['infer', str(folder), '-o', str(out), *QUICK, '--format', 'npz', '--no-video']
    assert main([*words, '--max-frames', '10', '--rate', '5']) == 0
    index = index_of(out)
    assert [entry['name'] for entry in index['frames']] == [f'{i}.png' for i in range(10)]
    assert index['frames'][3]['stamp_ns'] == 600_000_000
    assert read_disparity(out / index['frames'][9]['file']).dtype == np.float32
    assert not list(out.glob('comparison.*'))


@pytest.mark.usefixtures('tiny_preset')
def test_weights_file_is_named(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from gemdepth_ros.model.checkpoint import published_state

    path, out = tmp_path / 'given.pth', tmp_path / 'out'
    torch.save(published_state(build_gemdepth('small', seed=3)), path)
    words = ['infer', str(video), '-o', str(out), *QUICK, '--weights', str(path)]
    assert main([*words, '--preset', 'small', '--max-frames', '1', '--no-video']) == 0
    assert capsys.readouterr().out.startswith('weights: given.pth sha256:')
    assert index_of(out)['trained'] is True


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        (['nothing.mp4', '-o', 'out'], 'no video file or image folder at nothing.mp4'),
        (['http://127.0.0.1:9/a.mp4', '-o', 'out'], 'no video file or image folder'),
        (['CLIP', '-o', 'full'], 'not empty'),
        (['CLIP', '-o', 'out', '--weights', 'nothing.pth'], "weights 'nothing.pth'"),
        (['CLIP', '-o', 'out', '--weights', 'gemdepth-vitl'], 'weights get gemdepth-vitl'),
        (['CLIP', '-o', 'out', '--weights', 'junk.pth'], 'junk.pth'),
        (['CLIP', '-o', 'out', '--device', 'cuda:99'], 'cuda:99'),
        (['CLIP', '-o', 'out', '--dtype', 'int8'], 'int8'),
        (['CLIP', '-o', 'out', '--rate', '0'], 'frame rate'),
        (['full', '-o', 'out'], 'no images in full'),
    ],
)
def test_what_a_user_can_get_wrong_is_one_line(
    video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('GEMDEPTH_ROS_CACHE', str(tmp_path / 'cache'))
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'mine.txt').write_text('keep')
    (tmp_path / 'junk.pth').write_bytes(b'junk')
    words = [str(video) if word == 'CLIP' else word for word in words]
    assert main(['infer', *words, *QUICK[:4]]) == 1
    error = capsys.readouterr().err.strip()
    assert expected in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    'words',
    [['--input-size', '13'], ['--max-frames', '0'], ['--window', '12'], ['--preset', 'huge']],
)
def test_impossible_numbers_are_refused_by_the_parser(video: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(['infer', str(video), '-o', 'out', *words])
    assert stop.value.code == 2


@pytest.mark.usefixtures('tiny_preset')
def test_cut_video_is_noted(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'cut.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10.0, (160, 90))
    for frame in open_source(video):
        writer.write(frame.image_rgb)
    writer.release()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    assert main(['infer', str(path), '-o', str(tmp_path / 'out'), *QUICK, '--no-video']) == 0
    assert 'could be decoded; it may be cut short' in capsys.readouterr().out


def test_real_predictor_keeps_few_frames_alive(tmp_path: Path, tiny_model: GemDepth) -> None:
    """60 frames, windows of 8: never more images alive than two windows."""
    from gemdepth_ros.media import MediaFrame, ResultFolder, write_results

    alive = most = 0

    class Watched(np.ndarray):
        def __del__(self) -> None:
            nonlocal alive
            alive -= self.base is None

    def clip():  # type: ignore[no-untyped-def]
        nonlocal alive, most
        for index in range(60):
            image = Watched((20, 28, 3), np.uint8)
            image[:] = 4 * index
            alive += 1
            most = max(most, alive)
            yield MediaFrame(index, image, index)

    predictor = WindowedPredictor(tiny_model, WindowConfig.preset(8))
    with ResultFolder(tmp_path / 'out', 'png16', 10.0, {}) as results:
        write_results(clip(), lambda images: predictor.stream(images, 28), results, 16)
    assert results.count == 60
    assert most <= 16


@pytest.mark.usefixtures('tiny_preset')
@pytest.mark.parametrize(
    ('failure', 'expected'),
    [
        (OSError(28, 'No space left on device'), 'No space left on device'),
        (torch.OutOfMemoryError('CUDA out of memory'), '--window 16 or 8'),
    ],
)
def test_full_disk_and_full_gpu_are_one_line(
    video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: Exception,
    expected: str,
) -> None:
    def fail(*values: object) -> dict[str, object]:
        raise failure

    monkeypatch.setattr('gemdepth_ros.media.disparity_files.DisparityWriter.write', fail)
    out = tmp_path / 'out'
    assert main(['infer', str(video), '-o', str(out), *QUICK]) == 1
    error = capsys.readouterr().err.strip()
    assert expected in error
    assert len(error.splitlines()) == 1
    assert index_of(out)['complete'] is False
