"""Tiny KITTI folders with known content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 24, 16
FOCAL, CX, CY = 20.0, 11.25, 7.25
BASELINE_M = 0.5

# Velodyne axes (x forward, y left, z up) to camera axes (x right, y down, z forward).
AXES = '0 -1 0 0 0 -1 1 0 0'


def projection(offset_m: float) -> str:
    """KITTI's P of a camera ``offset_m`` to the right of camera 0."""
    return f'{FOCAL} 0 {CX} {-FOCAL * offset_m} 0 {FOCAL} {CY} 0 0 0 1 0'


def write_image(path: Path, value: int, *, colour: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # OpenCV's order: blue, green, red.
    pixel = (value, value + 1, value + 2) if colour else value
    shape = (HEIGHT, WIDTH, 3) if colour else (HEIGHT, WIDTH)
    assert cv2.imwrite(str(path), np.broadcast_to(np.uint8(pixel), shape))


def write_scan(path: Path, points: Sequence[Sequence[float]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.array(points, '<f4').tofile(path)


def write_raw_drive(
    root: Path, records: Sequence[Sequence[float]], *, scans: Sequence[int] | None = None
) -> Path:
    """Write <root>/2011_09_26/2011_09_26_drive_0009_sync, cameras 0 and 2.

    The LiDAR sits 0.3 m behind camera 0 and 0.1 m above; the IMU 0.8 m behind the LiDAR, 0.3 m
    to its right and 0.9 m below. One point lies 10 m before camera 0, on its axis.
    """
    day = root / '2011_09_26'
    drive = day / '2011_09_26_drive_0009_sync'
    drive.mkdir(parents=True)
    (day / 'calib_cam_to_cam.txt').write_text(
        'calib_time: 09-Jan-2012 13:57:47\ncorner_dist: 9.95e-02\n'
        f'K_02: 99 0 50 0 99 50 0 0 1\nD_02: -0.3 0.1 0 0 0\n'
        f'R_rect_00: 1 0 0 0 1 0 0 0 1\nP_rect_00: {projection(0.0)}\n'
        f'P_rect_02: {projection(BASELINE_M)}\n'
    )
    (day / 'calib_velo_to_cam.txt').write_text(
        f'calib_time: 15-Mar-2012 11:37:16\nR: {AXES}\nT: 0 -0.1 -0.3\ndelta_f: 0 0\n'
    )
    (day / 'calib_imu_to_velo.txt').write_text(
        'calib_time: 25-May-2012 16:47:16\nR: 1 0 0 0 1 0 0 0 1\nT: -0.8 -0.3 -0.9\n'
    )
    count = len(records)
    times = [f'2011-09-26 13:02:25.{index}00000001' for index in range(count)]
    for folder in ('image_00', 'image_02', 'oxts', 'velodyne_points'):
        (drive / folder).mkdir()
        (drive / folder / 'timestamps.txt').write_text('\n'.join(times) + '\n')
    # A scan is taken while the camera looks ahead, an OXTS record a little later.
    late = [time[:-9] + f'{index}20000001' for index, time in enumerate(times)]
    (drive / 'oxts' / 'timestamps.txt').write_text('\n'.join(late) + '\n')
    (drive / 'oxts' / 'data').mkdir()
    for index, record in enumerate(records):
        write_image(drive / f'image_00/data/{index:010d}.png', 10 + index, colour=False)
        write_image(drive / f'image_02/data/{index:010d}.png', 20 + index, colour=True)
        numbers = [*record, *[0.0] * 24]
        (drive / f'oxts/data/{index:010d}.txt').write_text(
            ' '.join(f'{x:.14f}' for x in numbers) + '\n'
        )
    for index in range(count) if scans is None else scans:
        write_scan(drive / f'velodyne_points/data/{index:010d}.bin', [(10.3, 0, -0.1, 0.5)])
    return drive


def write_odometry_sequence(
    root: Path, poses: np.ndarray, *, labelled: bool = True, times: bool = True
) -> Path:
    """Write <root>/sequences/07 with cameras 0 and 2, and <root>/poses/07.txt.

    Args:
        root: of the benchmark.
        poses: world from camera 0, [N, 3, 4].
        labelled: whether rows of calib.txt have names; without names there is no LiDAR.
        times: whether times.txt is there.
    """
    sequence = root / 'sequences' / '07'
    rows = [projection(offset) for offset in (0.0, 2 * BASELINE_M, BASELINE_M, 0.0)]
    if labelled:
        rows = [f'P{index}: {row}' for index, row in enumerate(rows)]
        axes = AXES.split()
        rows.append(f'Tr: {" ".join(axes[:3])} 0 {" ".join(axes[3:6])} 0 {" ".join(axes[6:])} -1')
    for index in range(len(poses)):
        write_image(sequence / f'image_0/{index:06d}.png', 10 + index, colour=False)
        write_image(sequence / f'image_2/{index:06d}.png', 20 + index, colour=True)
        if labelled:
            write_scan(sequence / f'velodyne/{index:06d}.bin', [(11.0, 0.0, 0.0, 0.25)])
    (sequence / 'calib.txt').write_text('\n'.join(rows))
    if times:
        lines = [f'{0.1 * index:.6e}' for index in range(len(poses))]
        (sequence / 'times.txt').write_text('\n'.join(lines))
    (root / 'poses').mkdir()
    np.savetxt(root / 'poses' / '07.txt', poses.reshape(-1, 12), fmt='%.9e')
    return sequence


def write_clip(folder: Path, frames: int) -> Path:
    """Write a clip with scans and depth maps: 10 m on the axis in scans, 5 m all over in maps."""
    a = AXES.split()
    transform = ', '.join([*a[:3], '0', *a[3:6], '0', *a[6:], '0', '0', '0', '0', '1'])
    folder.mkdir(parents=True)
    (folder / 'calib.yaml').write_text(
        f'K: [[{FOCAL}, 0, {CX}], [0, {FOCAL}, {CY}], [0, 0, 1]]\nT_cam_velo: [{transform}]\n'
    )
    (folder / 'depth').mkdir()
    for index in range(frames):
        write_image(folder / f'image_02/{index:06d}.png', 20 + index, colour=True)
        write_scan(folder / f'lidar/{index:06d}.bin', [(10.0, 0.0, 0.0, 0.5)])
        depth = np.full((HEIGHT, WIDTH), 5 * 256, np.uint16)
        assert cv2.imwrite(str(folder / f'depth/{index:06d}.png'), depth)
    return folder
