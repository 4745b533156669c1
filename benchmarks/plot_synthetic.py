"""The pictures of docs/synthetic.md: images with depth, and one frame's whole truth.

python benchmarks/plot_synthetic.py docs/images
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from gemdepth_ros.interfaces import Float32Array, UInt8Array
from gemdepth_ros.media.colormap import colour_map
from gemdepth_ros.synthetic import SyntheticDrive, SyntheticFrame, random_drive

SIZE = 126, 414
STREETS, ROOMS = (0, 4, 7, 10, 11, 15), (0, 1, 5)
FRAME = 7


def depth_picture(frame: SyntheticFrame) -> UInt8Array:
    """Return inverse depth in colours; the sky is farthest."""
    inverse = (1.0 / frame.depth_m).astype(np.float32)
    return colour_map(np.sqrt(inverse), 0.0, float(np.sqrt(np.percentile(inverse, 98))))


def flow_picture(flow: Float32Array) -> UInt8Array:
    """Return flow as hue (direction) and brightness (length)."""
    length, angle = cv2.cartToPolar(flow[..., 0], flow[..., 1], angleInDegrees=True)
    hsv = np.zeros((*length.shape, 3), np.uint8)
    hsv[..., 0], hsv[..., 1] = angle / 2, 230
    hsv[..., 2] = 255 * np.clip(np.sqrt(length / 20.0), 0.0, 1.0)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def with_depth(drive: SyntheticDrive) -> UInt8Array:
    """Return an image above its depth."""
    frame = drive.render(FRAME)
    return np.vstack([frame.image_rgb, depth_picture(frame)])


def truth(drive: SyntheticDrive) -> UInt8Array:
    """Return image, depth, motion mask and flow of one frame, two by two."""
    frame = drive.render(FRAME)
    moving = frame.image_rgb.copy()
    moving[frame.moving] = moving[frame.moving] // 2 + np.array([127, 0, 0], np.uint8)
    upper = np.hstack([frame.image_rgb, depth_picture(frame)])
    return np.vstack([upper, np.hstack([moving, flow_picture(drive.flow(FRAME))])])


def write(path: Path, picture: UInt8Array) -> None:
    """Write a JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(path), bgr, [cv2.IMWRITE_JPEG_QUALITY, 82]):
        raise OSError(f'cannot write {path}')


def main() -> None:
    """Write the pictures to a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path)
    folder = parser.parse_args().folder
    streets = [with_depth(random_drive(seed, 16, *SIZE, indoor_share=0.0)) for seed in STREETS]
    rows = [np.hstack(streets[first : first + 3]) for first in (0, 3)]
    write(folder / 'synthetic_streets.jpg', np.vstack(rows))
    rooms = [with_depth(random_drive(seed, 16, *SIZE, indoor_share=1.0)) for seed in ROOMS]
    write(folder / 'synthetic_rooms.jpg', np.hstack(rooms))
    write(folder / 'synthetic_truth.jpg', truth(SyntheticDrive(16, 188, 621, 0)))


if __name__ == '__main__':
    main()
