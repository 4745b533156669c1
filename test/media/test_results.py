"""A whole clip through a predictor into a folder, and how much of it is ever in memory."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from media_fakes import disparity_of, fake_predictor, image_of

from gemdepth_ros.errors import ConfigError, DependencyError, InferenceError
from gemdepth_ros.media import (
    FrameTap,
    MediaFrame,
    ResultFolder,
    check_folder,
    read_disparity,
    write_results,
)
from gemdepth_ros.media.comparison_video import ComparisonVideo


def clip(count: int, height: int = 48, width: int = 64) -> Iterator[MediaFrame]:
    for index in range(count):
        yield MediaFrame(index, image_of(index, height, width), index * 10**8, f'{index}.png')


def results_in(folder: Path, **options: object) -> ResultFolder:
    return ResultFolder(folder, 'png16', 10.0, {'source': 'clip'}, **options)  # type: ignore[arg-type]


def test_whole_clip(tmp_path: Path) -> None:
    with results_in(tmp_path / 'out') as results:
        read = write_results(clip(25), lambda images: fake_predictor(images, 9), results, 16)
    assert read == results.count == 25
    index = json.loads((tmp_path / 'out' / 'index.json').read_text())
    assert (index['count'], index['complete'], index['source']) == (25, True, 'clip')
    assert [entry['name'] for entry in index['frames']] == [f'{i}.png' for i in range(25)]
    for entry in index['frames']:
        found = read_disparity(tmp_path / 'out' / entry['file'], entry['unit'])
        expected = disparity_of(image_of(entry['index']))
        assert np.abs(found - expected).max() <= entry['unit'] / 2
    assert len(json.loads((tmp_path / 'out' / 'poses.json').read_text())['frames']) == 25
    assert len((tmp_path / 'out' / 'poses.tum').read_text().splitlines()) == 2 + 25
    capture = cv2.VideoCapture(str(results.video_path))
    frames = []
    while (got := capture.read())[0]:
        frames.append(got[1])
    assert len(frames) == 25
    assert frames[0].shape == (48, 128, 3)
    left = cv2.cvtColor(frames[7][:, :64], cv2.COLOR_BGR2RGB).astype(int)
    assert np.abs(left - image_of(7)).mean() < 10


@pytest.mark.parametrize('video', [True, False])
def test_a_long_clip_keeps_few_frames_alive(tmp_path: Path, video: bool) -> None:
    """400 frames: neither images nor disparities collect anywhere, whatever the length."""
    alive: weakref.WeakSet[object] = weakref.WeakSet()
    most = 0

    class Watched(np.ndarray):
        """A plain array whose lifetime can be watched."""

    def watched_clip() -> Iterator[MediaFrame]:
        nonlocal most
        for index in range(400):
            image = Watched((8, 10, 3), np.uint8)  # owns its pixels: a view keeps it alive
            image[:] = index % 251
            alive.add(_Holder(image))
            most = max(most, len(alive))
            yield MediaFrame(index, image, index)

    class _Holder:
        """Lives as long as its image: the image itself cannot be hashed."""

        def __init__(self, image: np.ndarray) -> None:
            image.holder = self  # type: ignore[attr-defined]

    gc.disable()  # reference counts alone must do: no cycles
    try:
        with results_in(tmp_path / 'out', video=video) as results:
            write_results(watched_clip(), lambda images: fake_predictor(images, 30), results, 64)
    finally:
        gc.enable()
    assert results.count == 400
    assert 30 <= most <= 33


def test_without_a_video_waiting_frames_have_no_pixels() -> None:
    tap = FrameTap(clip(3), capacity=4, keep_images=False)
    images = list(tap.images())
    assert len(tap) == 3
    assert images[1].shape == (48, 64, 3)
    assert tap.take(0).image_rgb.size == 0


def test_predictor_that_reads_everything_first_is_stopped(tmp_path: Path) -> None:
    with results_in(tmp_path / 'out') as results, pytest.raises(RuntimeError, match='too far'):
        write_results(clip(400), lambda images: fake_predictor(images, 399), results, 64)


def test_results_out_of_order_or_missing_are_bugs(tmp_path: Path) -> None:
    with results_in(tmp_path / 'a') as results, pytest.raises(RuntimeError, match='frame 5 came'):
        write_results(clip(9), lambda images: list(fake_predictor(images, 2))[5:], results, 16)
    with results_in(tmp_path / 'b') as results, pytest.raises(RuntimeError, match='no result'):
        write_results(clip(9), lambda images: list(fake_predictor(images, 2))[:7], results, 16)


def test_interrupted_run_leaves_readable_files(tmp_path: Path) -> None:
    def interrupted(images: Iterator[np.ndarray]) -> Iterator[object]:
        for result in fake_predictor(images, 2):
            if result.index == 4:
                raise KeyboardInterrupt
            yield result

    with pytest.raises(KeyboardInterrupt), results_in(tmp_path / 'out') as results:
        write_results(clip(9), interrupted, results, 16)  # type: ignore[arg-type]
    index = json.loads((tmp_path / 'out' / 'index.json').read_text())
    assert (index['count'], index['complete'], len(index['frames'])) == (4, False, 4)
    assert json.loads((tmp_path / 'out' / 'poses.json').read_text())['frames'][3]['index'] == 3
    assert cv2.VideoCapture(str(results.video_path)).get(cv2.CAP_PROP_FRAME_COUNT) == 4


def test_output_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    def broken(images: Iterator[np.ndarray]) -> Iterator[object]:
        for result in fake_predictor(images, 2):
            if result.index == 3:
                result.disparity[0, 0] = np.nan
            yield result

    with pytest.raises(InferenceError, match='frame 3'), results_in(tmp_path / 'out') as results:
        write_results(clip(9), broken, results, 16)  # type: ignore[arg-type]


def test_folder_with_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'mine.txt').write_text('keep')
    clip_path = tmp_path.parent / 'clip.mp4'
    with pytest.raises(ConfigError, match='not empty'):
        check_folder(tmp_path, clip_path, overwrite=False)
    with pytest.raises(ConfigError, match='is a file'):
        check_folder(tmp_path / 'mine.txt', clip_path, overwrite=True)
    check_folder(tmp_path, clip_path, overwrite=True)
    check_folder(tmp_path / 'new', tmp_path, overwrite=False)


def test_results_never_go_where_the_input_is(tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / 'disparity', tmp_path / 'disparity' / '000000.png'):
        with pytest.raises(ConfigError, match='holds the input'):
            check_folder(tmp_path, source, overwrite=True)


def test_overwriting_removes_old_results_and_nothing_else(tmp_path: Path) -> None:
    with results_in(tmp_path) as results:
        write_results(clip(6), lambda images: fake_predictor(images, 2), results, 16)
    (tmp_path / 'mine.txt').write_text('keep')
    (tmp_path / 'disparity' / 'mine.png').write_bytes(b'keep')
    with results_in(tmp_path, overwrite=True, video=False) as results:
        write_results(clip(2), lambda images: fake_predictor(images, 2), results, 16)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'disparity', 'index.json', 'mine.txt', 'poses.json', 'poses.tum'
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / 'disparity').iterdir()) == [
        '000000.png', '000001.png', 'mine.png'
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('width', 'height', 'expected'),
    [(65, 49, (128, 48)), (64, 48, (128, 48)), (1, 1, (4, 2)), (4000, 100, (3840, 48))],
)
def test_video_of_any_size(
    tmp_path: Path, width: int, height: int, expected: tuple[int, int]
) -> None:
    video = ComparisonVideo(tmp_path, 10.0)
    image = np.zeros((height, width, 3), np.uint8)
    for _ in range(3):
        video.add(image, np.ones((height, width), np.float32))
    video.close()
    assert video.path is not None
    capture = cv2.VideoCapture(str(video.path))
    good, frame = capture.read()
    assert good
    assert (frame.shape[1], frame.shape[0]) == expected


def test_video_without_frames_is_no_file(tmp_path: Path) -> None:
    video = ComparisonVideo(tmp_path, 10.0)
    video.close()
    assert not list(tmp_path.iterdir())


def test_fallback_and_absence_of_encoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = cv2.VideoWriter
    works = {'MJPG'}

    class Picky:
        fourcc = staticmethod(lambda *code: ''.join(code))

        def __new__(cls, path: str, code: str, rate: float, size: tuple[int, int]) -> object:
            good = code in works
            return real(path, real.fourcc(*code), rate, size) if good else real()

    monkeypatch.setattr(cv2, 'VideoWriter', Picky)
    video = ComparisonVideo(tmp_path, 10.0)
    video.add(image_of(0), disparity_of(image_of(0)))
    video.close()
    assert video.path == tmp_path / 'comparison.avi'
    works.clear()
    with pytest.raises(DependencyError, match='no video encoder'):
        ComparisonVideo(tmp_path, 10.0).add(image_of(0), disparity_of(image_of(0)))
