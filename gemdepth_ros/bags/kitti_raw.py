"""A drive of KITTI's raw data: <date>/<date>_drive_NNNN_sync with the calibration one level up."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gemdepth_ros.bags.kitti_files import (
    CAMERA_HEIGHT_M,
    FrameFiles,
    KittiOptions,
    camera_folders,
    camera_of_projection,
    check_ascending,
    check_covers,
    choose_camera,
    numbered_files,
    read_calibration,
    read_image,
    read_scan,
    sample_image,
)
from gemdepth_ros.bags.oxts import read_oxts, world_from_imu
from gemdepth_ros.bags.recording import (
    PoseSample,
    Recording,
    Rig,
    SensorFrame,
    base_from_level_camera,
    pose_samples,
    project_to_depth,
)
from gemdepth_ros.bags.stamps import parse_time_ns
from gemdepth_ros.errors import BagError
from gemdepth_ros.geometry.se3 import from_parts

if TYPE_CHECKING:
    from pathlib import Path

    from gemdepth_ros.interfaces import Float64Array, PinholeIntrinsics, UInt8Array

LOOKED_FOR = 'a raw drive: image_02/data/ (00 .. 03) with calib_cam_to_cam.txt one level up'

_IMAGE_FOLDERS = 'image_{:02d}/data'


class _Calibration(NamedTuple):
    camera: PinholeIntrinsics
    camera_from_lidar: Float64Array | None
    lidar_from_imu: Float64Array | None


def matches(folder: Path) -> bool:
    """Return whether the folder looks like a raw drive."""
    return bool(camera_folders(folder, _IMAGE_FOLDERS))


def open_drive(folder: Path, options: KittiOptions) -> Recording:
    """Open a synchronised and rectified drive of the raw data.

    Files: ``image_0K/data/N.png`` and ``image_0K/timestamps.txt``; optional
    ``velodyne_points/data/N.bin`` and ``oxts/data/N.txt`` with their timestamps; in the folder
    above ``calib_cam_to_cam.txt``, ``calib_velo_to_cam.txt``, ``calib_imu_to_velo.txt``. Scans
    that KITTI lost stay missing. Times are read as UTC.
    """
    if folder.resolve().name.endswith('_extract'):
        raise BagError(f'the images of {folder} are not rectified; use the *_sync drive')
    camera_number, images = choose_camera(folder, _IMAGE_FOLDERS, options.camera)
    scans = numbered_files(folder / 'velodyne_points' / 'data', ('.bin',))
    numbers = list(images)
    _, sample = sample_image(images, options)
    calibration = _read_calibration(folder, camera_number, sample, options)
    camera_from_lidar = calibration.camera_from_lidar
    has_lidar = bool(scans) and camera_from_lidar is not None
    stamps_ns = _stamps_ns(folder / f'image_{camera_number:02d}', numbers)
    scan_stamps_ns = _scan_stamps_ns(folder / 'velodyne_points', list(scans)) if has_lidar else {}

    def load(index: int) -> SensorFrame:
        number = numbers[index]
        image = read_image(images[number])
        if camera_from_lidar is None:
            return SensorFrame(stamps_ns[index], image)
        beside = FrameFiles(options.tolerant)
        points = beside.read(scans.get(number), read_scan)
        if points is None:
            return SensorFrame(stamps_ns[index], image, damage=tuple(beside.damage))
        depth_m = project_to_depth(points, camera_from_lidar, calibration.camera)
        return SensorFrame(stamps_ns[index], image, points, scan_stamps_ns[number], depth_m)

    height_m = CAMERA_HEIGHT_M if options.camera_height_m is None else options.camera_height_m
    rig = _rig(calibration, height_m)
    return Recording(
        name=f'KITTI raw drive {folder}, camera {camera_number}',
        rig=rig,
        frame_count=len(numbers),
        load=load,
        poses=_poses(folder, numbers, rig, calibration),
        has_lidar=has_lidar,
        has_depth=has_lidar,
    )


def _read_calibration(
    folder: Path, camera_number: int, image: UInt8Array, options: KittiOptions
) -> _Calibration:
    path = _calibration_file(folder, 'calib_cam_to_cam.txt')
    if path is None:
        raise BagError(
            f'calib_cam_to_cam.txt is missing in {folder.resolve().parent}; unpack the '
            'calibration of that day there'
        )
    cameras = read_calibration(path)
    name = f'P_rect_{camera_number:02d}'
    if name not in cameras or 'R_rect_00' not in cameras:
        raise BagError(f'{path} has no {name} or no R_rect_00')
    camera, camera_from_camera0 = camera_of_projection(cameras[name].reshape(3, 4), image)
    # Rectified camera 0 from camera 0 as it is mounted.
    rectification = from_parts(cameras['R_rect_00'].reshape(3, 3), np.zeros(3))
    camera0_from_lidar = _read_rigid(folder, 'calib_velo_to_cam.txt')
    return _Calibration(
        options.corrected(camera),
        None
        if camera0_from_lidar is None
        else camera_from_camera0 @ rectification @ camera0_from_lidar,
        _read_rigid(folder, 'calib_imu_to_velo.txt'),
    )


def _rig(calibration: _Calibration, height_m: float) -> Rig:
    base_from_camera = base_from_level_camera(height_m)
    camera_from_lidar = calibration.camera_from_lidar
    return Rig(
        calibration.camera,
        base_from_camera,
        None if camera_from_lidar is None else base_from_camera @ camera_from_lidar,
    )


def _read_rigid(folder: Path, name: str) -> Float64Array | None:
    path = _calibration_file(folder, name)
    if path is None:
        return None
    entries = read_calibration(path)
    if entries.get('R', np.empty(0)).size != 9 or entries.get('T', np.empty(0)).size != 3:
        raise BagError(f'{path} must hold R: (9 numbers) and T: (3 numbers)')
    return from_parts(entries['R'].reshape(3, 3), entries['T'])


def _calibration_file(folder: Path, name: str) -> Path | None:
    places = (folder.resolve().parent / name, folder / name)
    return next((place for place in places if place.is_file()), None)


def _stamps_ns(folder: Path, numbers: list[int]) -> list[int]:
    """Return the times of frames: the lines of timestamps.txt with their numbers."""
    lines = _lines(folder / 'timestamps.txt')
    check_covers(folder / 'timestamps.txt', len(lines), numbers)
    stamps_ns = [parse_time_ns(lines[number]) for number in numbers]
    check_ascending(stamps_ns, folder / 'timestamps.txt')
    return stamps_ns


def _scan_stamps_ns(folder: Path, numbers: list[int]) -> dict[int, int]:
    """Return the times of scans; where some are lost, their lines may be there or not."""
    lines = _lines(folder / 'timestamps.txt')
    if len(lines) == len(numbers):
        return dict(zip(numbers, map(parse_time_ns, lines), strict=True))
    return dict(zip(numbers, _stamps_ns(folder, numbers), strict=True))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text('utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BagError(f'cannot read {path}: {error}') from error


def _poses(
    folder: Path, numbers: list[int], rig: Rig, calibration: _Calibration
) -> tuple[PoseSample, ...]:
    records = numbered_files(folder / 'oxts' / 'data', ('.txt',))
    if not records or rig.base_from_lidar is None or calibration.lidar_from_imu is None:
        return ()
    missing = [number for number in numbers if number not in records]
    if missing:
        raise BagError(f'{folder / "oxts" / "data"} has no record of frame {missing[0]}')
    return pose_samples(
        _stamps_ns(folder / 'oxts', numbers),
        world_from_imu(read_oxts(records[number] for number in numbers)),
        rig.base_from_lidar @ calibration.lidar_from_imu,
    )
