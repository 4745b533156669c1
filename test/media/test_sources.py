"""Videos, image folders and single images as clips."""

from __future__ import annotations

import contextlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from media_fakes import image_of, write_images, write_video

from gemdepth_ros.errors import ConfigError, ImageError
from gemdepth_ros.media import open_source


@pytest.mark.parametrize('name', ['clip.mp4', 'clip.avi'])
def test_video_gives_rgb_frames_with_ascending_stamps(tmp_path: Path, name: str) -> None:
    source = open_source(write_video(tmp_path / name, 7))
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(7))
    assert source.stated_frames == 7
    assert source.frame_rate_hz == pytest.approx(10)
    assert [frame.stamp_ns for frame in frames] == pytest.approx(
        [index * 100_000_000 for index in range(7)], abs=1000
    )
    for frame in frames:
        assert frame.image_rgb.dtype == np.uint8
        assert frame.image_rgb.shape == (48, 64, 3)
        error = frame.image_rgb.astype(int) - image_of(frame.index)
        assert np.abs(error).mean() < 6  # lossy, but red stays red
    assert len(list(source)) == 7  # a clip can be read again


def test_given_rate_replaces_that_of_the_video(tmp_path: Path) -> None:
    source = open_source(write_video(tmp_path / 'clip.mp4', 3), frame_rate_hz=4.0)
    assert [frame.stamp_ns for frame in source] == [0, 250_000_000, 500_000_000]


def test_folder_is_sorted_by_number(tmp_path: Path) -> None:
    names = ['2.png', '10.png', '1.png', 'B3.PNG', 'a3.jpg']
    folder = write_images(tmp_path / 'images', names)
    (folder / 'notes.txt').write_text('not an image')
    (folder / '.hidden.png').write_bytes(b'not an image either')
    (folder / 'sub').mkdir()
    frames = list(open_source(folder, frame_rate_hz=20))
    assert [frame.name for frame in frames] == ['1.png', '2.png', '10.png', 'a3.jpg', 'B3.PNG']
    assert [frame.stamp_ns for frame in frames] == [
        0,
        50_000_000,
        100_000_000,
        150_000_000,
        200_000_000,
    ]
    assert np.array_equal(frames[0].image_rgb, image_of(2))


def test_single_image_is_a_clip_of_one(tmp_path: Path) -> None:
    # OpenCV itself would open frame_01.png as a numbered sequence.
    folder = write_images(tmp_path / 'images', ['frame_01.png', 'frame_02.png'])
    frames = list(open_source(folder / 'frame_01.png'))
    assert [frame.name for frame in frames] == ['frame_01.png']


@pytest.mark.parametrize(
    'image',
    [
        np.full((5, 6), 77, np.uint8),
        np.full((5, 6, 4), 77, np.uint8),
        np.full((5, 6), 77 * 257, np.uint16),
    ],
    ids=['grey', 'transparent', 'sixteen bits'],
)
def test_other_pixel_forms_become_rgb(tmp_path: Path, image: np.ndarray) -> None:
    path = tmp_path / 'image.png'
    cv2.imwrite(str(path), image)
    (frame,) = open_source(path)
    assert frame.image_rgb.shape == (5, 6, 3)
    assert (frame.image_rgb == 77).all()


def test_images_of_two_sizes_are_refused(tmp_path: Path) -> None:
    folder = write_images(tmp_path / 'images', ['0.png'])
    cv2.imwrite(str(folder / '1.png'), np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(ImageError, match=r'1\.png is 30x20, but the clip began with 64x48'):
        list(open_source(folder))


def test_what_can_be_decoded_is_given_where_that_is_asked_for(tmp_path: Path) -> None:
    folder = write_images(tmp_path / 'images', ['0.png', '1.png', '2.png', '3.png'])
    (folder / '1.png').write_bytes(b'no image')
    cv2.imwrite(str(folder / '2.png'), np.zeros((20, 30, 3), np.uint8))
    errors: list[ImageError] = []
    frames = list(open_source(folder).readable(errors.append))
    assert [(frame.index, frame.name) for frame in frames] == [
        (0, '0.png'),
        (2, '2.png'),
        (3, '3.png'),
    ]
    assert frames[1].image_rgb.shape == (20, 30, 3)
    assert frames[1].stamp_ns == 200_000_000
    (error,) = errors
    assert '1.png' in str(error)
    video = open_source(write_video(tmp_path / 'clip.avi', 3))
    assert len(list(video.readable(errors.append))) == 3


@pytest.mark.parametrize('content', [b'', b'\x89PNG\r\n', b'x' * 300])
def test_damaged_image_is_named(tmp_path: Path, content: bytes) -> None:
    folder = write_images(tmp_path / 'images', ['0.png'])
    (folder / '1.png').write_bytes(content)
    frames = iter(open_source(folder))
    assert next(frames).index == 0
    with pytest.raises(ImageError, match=r'1\.png'):
        next(frames)


def test_truncated_image_does_not_crash(tmp_path: Path) -> None:
    folder = write_images(tmp_path / 'images', ['0.png'])
    whole = (folder / '0.png').read_bytes()
    for length in range(0, len(whole) - 1, 7):
        (folder / '0.png').write_bytes(whole[:length])
        with contextlib.suppress(ImageError):
            list(open_source(folder))


@pytest.mark.parametrize('content', [b'', b'hello', bytes(5000)])
def test_file_that_is_no_video(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / 'clip.mp4'
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r'clip\.mp4') as error:
        list(open_source(path))
    assert '\n' not in str(error.value)


def test_video_that_was_cut_gives_what_can_be_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / 'clip.avi', 20)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    frames = list(open_source(path))
    assert 5 < len(frames) < 20
    stamps = [frame.stamp_ns for frame in frames]
    assert stamps == sorted(set(stamps))


def test_addresses_and_patterns_are_not_opened(tmp_path: Path) -> None:
    write_images(tmp_path / 'images', ['000.png', '001.png'])
    for text in ('http://127.0.0.1:9/clip.mp4', str(tmp_path / 'images' / '%03d.png'), '0'):
        with pytest.raises(ImageError, match='no video file or image folder'):
            open_source(Path(text))


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match='no images in'):
        open_source(tmp_path)


@pytest.mark.parametrize('rate', [-1.0, float('nan'), float('inf')])
def test_impossible_rate(tmp_path: Path, rate: float) -> None:
    with pytest.raises(ConfigError, match='frame rate'):
        open_source(write_images(tmp_path / 'images', ['0.png']), rate)
