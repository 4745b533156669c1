"""Small clips and a predictor that reads ahead like the real one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from gemdepth_ros.interfaces import Float32Array, Float64Array, UInt8Array


@dataclasses.dataclass(frozen=True, eq=False)
class FakeResult:
    index: int
    disparity: Float32Array
    camera_from_world: Float64Array
    intrinsics: Float64Array
    window: int = 0


def disparity_of(image: UInt8Array) -> Float32Array:
    """A disparity that tells which image it came from."""
    return (image[..., 0].astype(np.float32) + 1) / 7


def result_for(index: int, image: UInt8Array) -> FakeResult:
    pose = np.eye(4)
    pose[0, 3] = index
    return FakeResult(index, disparity_of(image), pose, np.eye(3))


def fake_predictor(images: Iterable[UInt8Array], ahead: int) -> Iterator[FakeResult]:
    """Give each result only when ``ahead`` more images were read."""
    waiting: list[tuple[int, UInt8Array]] = []
    for index, image in enumerate(images):
        waiting.append((index, image))
        if len(waiting) > ahead:
            yield result_for(*waiting.pop(0))
    while waiting:
        yield result_for(*waiting.pop(0))


def image_of(index: int, height: int = 48, width: int = 64) -> UInt8Array:
    """A flat grey image with a bright square that moves."""
    image = np.full((height, width, 3), 40, np.uint8)
    left = (3 * index) % (width - 12)
    image[10:22, left : left + 12] = (200, 120, 60)
    return image


def write_video(path: Path, count: int, height: int = 48, width: int = 64) -> Path:
    fourcc = cv2.VideoWriter.fourcc(*('MJPG' if path.suffix == '.avi' else 'mp4v'))
    writer = cv2.VideoWriter(str(path), fourcc, 10.0, (width, height))
    assert writer.isOpened()
    for index in range(count):
        writer.write(cv2.cvtColor(image_of(index, height, width), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def write_images(folder: Path, names: Iterable[str], height: int = 48, width: int = 64) -> Path:
    folder.mkdir(exist_ok=True)
    for index, name in enumerate(names):
        image = cv2.cvtColor(image_of(index, height, width), cv2.COLOR_RGB2BGR)
        assert cv2.imwrite(str(folder / name), image)
    return folder
