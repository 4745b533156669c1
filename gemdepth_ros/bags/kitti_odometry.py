"""A sequence of KITTI's odometry benchmark: image_0 .. image_3, calib.txt, poses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemdepth_ros.bags.kitti_files import (
    CAMERA_HEIGHT_M,
    NOMINAL_RATE_HZ,
    FrameFiles,
    KittiOptions,
    camera_folders,
    camera_of_projection,
    check_ascending,
    check_covers,
    choose_camera,
    matrices_3x4,
    numbered_files,
    read_calibration,
    read_image,
    read_numbers,
    read_poses,
    read_scan,
    relative_stamps_ns,
    sample_image,
)
from gemdepth_ros.bags.recording import (
    PoseSample,
    Recording,
    Rig,
    SensorFrame,
    base_from_level_camera,
    pose_samples,
    project_to_depth,
)
from gemdepth_ros.errors import BagError

if TYPE_CHECKING:
    from pathlib import Path

    from gemdepth_ros.interfaces import Float64Array

LOOKED_FOR = 'an odometry sequence: calib.txt and image_0/ .. image_3/'

_IMAGE_FOLDERS = 'image_{}'


def matches(folder: Path) -> bool:
    """Return whether the folder looks like an odometry sequence."""
    return (folder / 'calib.txt').is_file() and bool(camera_folders(folder, _IMAGE_FOLDERS))


def open_sequence(folder: Path, options: KittiOptions) -> Recording:
    """Open an odometry sequence.

    Files: ``calib.txt`` (P0: .. P3:, optional Tr:; unlabelled rows are P0, P1, ...) and
    ``image_K/N.png``; optional ``velodyne/N.bin``, ``times.txt`` (seconds; 10 Hz without it) and
    ``poses.txt`` or ``../../poses/NAME.txt`` (world from camera 0, 3x4).
    """
    camera_number, images = choose_camera(folder, _IMAGE_FOLDERS, options.camera)
    scans = numbered_files(folder / 'velodyne', ('.bin',))
    numbers = list(images)

    matrices = _calibration(folder / 'calib.txt')
    name = f'P{camera_number}'
    if name not in matrices:
        raise BagError(f'{folder / "calib.txt"} has no {name}, which image_{camera_number} needs')
    _, sample = sample_image(images, options)
    stated, camera_from_camera0 = camera_of_projection(matrices[name][:3], sample)
    camera = options.corrected(stated)
    height_m = CAMERA_HEIGHT_M if options.camera_height_m is None else options.camera_height_m
    base_from_camera = base_from_level_camera(height_m)
    base_from_camera0 = base_from_camera @ camera_from_camera0
    camera_from_lidar = camera_from_camera0 @ matrices['Tr'] if 'Tr' in matrices else None
    has_lidar = bool(scans) and camera_from_lidar is not None
    rig = Rig(
        camera,
        base_from_camera,
        None if camera_from_lidar is None else base_from_camera @ camera_from_lidar,
    )
    stamps_ns = relative_stamps_ns(
        folder / 'times.txt', numbers, options.base_time_ns, NOMINAL_RATE_HZ
    )
    check_ascending(stamps_ns, folder)

    def load(index: int) -> SensorFrame:
        number = numbers[index]
        image = read_image(images[number])
        if camera_from_lidar is None:
            return SensorFrame(stamps_ns[index], image)
        beside = FrameFiles(options.tolerant)
        points = beside.read(scans.get(number), read_scan)
        if points is None:
            return SensorFrame(stamps_ns[index], image, damage=tuple(beside.damage))
        depth_m = project_to_depth(points, camera_from_lidar, camera)
        return SensorFrame(stamps_ns[index], image, points, stamps_ns[index], depth_m)

    return Recording(
        name=f'KITTI odometry sequence {folder}, camera {camera_number}',
        rig=rig,
        frame_count=len(numbers),
        load=load,
        poses=_poses(folder, numbers, stamps_ns, base_from_camera0),
        has_lidar=has_lidar,
        has_depth=has_lidar,
    )


def _calibration(path: Path) -> dict[str, Float64Array]:
    """Return the 4x4 matrices of calib.txt by name."""
    entries = read_calibration(path)
    if entries:
        names, rows = list(entries), [entry.tolist() for entry in entries.values()]
    else:
        rows = read_numbers(path)
        names = [f'P{index}' for index in range(len(rows))]
    return dict(zip(names, matrices_3x4(rows, path), strict=True))


def _poses(
    folder: Path, numbers: list[int], stamps_ns: list[int], base_from_camera0: Float64Array
) -> tuple[PoseSample, ...]:
    candidates = (
        folder / 'poses.txt',
        folder.resolve().parents[1] / 'poses' / f'{folder.resolve().name}.txt',
    )
    path = next((item for item in candidates if item.is_file()), None)
    if path is None:
        return ()
    world_from_camera0 = read_poses(path)
    check_covers(path, len(world_from_camera0), numbers)
    return pose_samples(stamps_ns, world_from_camera0[numbers], base_from_camera0)
