"""A KITTI clip: one camera, its LiDAR points and depth maps, one calib.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from gemdepth_ros.bags.kitti_files import (
    IMAGE_SUFFIXES,
    NOMINAL_RATE_HZ,
    FrameFiles,
    KittiOptions,
    camera_of_projection,
    check_ascending,
    check_covers,
    numbered_files,
    read_depth,
    read_image,
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

LOOKED_FOR = 'a clip: calib.yaml and image_02/'

_CAMERA = 2  # the only one: calib.yaml describes no other


def matches(folder: Path) -> bool:
    """Return whether the folder looks like a clip."""
    return (folder / 'calib.yaml').is_file() and (folder / 'image_02').is_dir()


def open_clip(folder: Path, options: KittiOptions) -> Recording:
    """Open a clip.

    Files: ``calib.yaml`` (K; optional T_cam_velo, camera_height, frame_rate) and
    ``image_02/N.png``; optional ``lidar/N.bin``, ``depth/N.png``, ``times.txt`` (seconds) and
    ``poses.txt`` (world from camera, 3x4).

    Raises:
        BagError: a file is missing or damaged, or the camera that is asked for is not there.
    """
    if options.camera not in (None, _CAMERA):
        raise BagError(
            f'{folder} is a clip of camera {_CAMERA} and has no camera {options.camera}; leave '
            'out --camera'
        )
    calibration = _read_yaml(folder / 'calib.yaml')
    images = numbered_files(folder / 'image_02', IMAGE_SUFFIXES)
    if not images:
        raise BagError(f'{folder / "image_02"} holds no numbered images')
    scans = numbered_files(folder / 'lidar', ('.bin',))
    depths = numbered_files(folder / 'depth', ('.png',))
    numbers = list(images)
    rig = _rig(folder / 'calib.yaml', calibration, images, options)
    lidar_from_camera = _lidar_transform(calibration)
    rate_hz = float(calibration.get('frame_rate', NOMINAL_RATE_HZ))
    stamps_ns = relative_stamps_ns(folder / 'times.txt', numbers, options.base_time_ns, rate_hz)
    check_ascending(stamps_ns, folder)

    def load(index: int) -> SensorFrame:
        number = numbers[index]
        beside = FrameFiles(options.tolerant)
        points = beside.read(scans.get(number), read_scan)
        depth_m = beside.read(depths.get(number), read_depth)
        # A damaged depth map is not replaced by the scan: it would be truth of another density.
        if number not in depths and points is not None and lidar_from_camera is not None:
            depth_m = project_to_depth(points, lidar_from_camera, rig.camera)
        return SensorFrame(
            stamps_ns[index],
            read_image(images[number]),
            points,
            stamps_ns[index],
            depth_m,
            tuple(beside.damage),
        )

    return Recording(
        name=f'KITTI clip {folder}',
        rig=rig,
        frame_count=len(numbers),
        load=load,
        poses=_poses(folder / 'poses.txt', numbers, stamps_ns, rig),
        has_lidar=bool(scans) and rig.base_from_lidar is not None,
        has_depth=bool(depths) or (bool(scans) and rig.base_from_lidar is not None),
    )


def _rig(
    path: Path, calibration: dict[str, Any], images: dict[int, Path], options: KittiOptions
) -> Rig:
    matrix = np.array(calibration.get('K', ()), np.float64)
    if matrix.shape != (3, 3):
        raise BagError(f'{path} must hold the 3x3 matrix K of the rectified camera')
    projection = np.hstack([matrix, np.zeros((3, 1))])
    sample, pixels = sample_image(images, options)
    camera, _ = camera_of_projection(projection, pixels)
    size = calibration.get('image_size', {'width': camera.width, 'height': camera.height})
    if (size['width'], size['height']) != (camera.width, camera.height):
        raise BagError(
            f'{path} is for {size["width"]}x{size["height"]} images, but {sample.name} is '
            f'{camera.width}x{camera.height}'
        )
    height_m = options.camera_height_m
    if height_m is None:
        height_m = float(calibration.get('camera_height', 0.0))
    base_from_camera = base_from_level_camera(height_m)
    camera_from_lidar = _lidar_transform(calibration)
    return Rig(
        options.corrected(camera),
        base_from_camera,
        None if camera_from_lidar is None else base_from_camera @ camera_from_lidar,
    )


def _lidar_transform(calibration: dict[str, Any]) -> Float64Array | None:
    """Return this camera from the LiDAR, or None when the file does not say."""
    if 'T_cam_velo' not in calibration:
        return None
    return np.array(calibration['T_cam_velo'], np.float64).reshape(4, 4)


def _poses(
    path: Path, numbers: list[int], stamps_ns: list[int], rig: Rig
) -> tuple[PoseSample, ...]:
    if not path.is_file():
        return ()
    world_from_camera = read_poses(path)
    check_covers(path, len(world_from_camera), numbers)
    return pose_samples(stamps_ns, world_from_camera[numbers], rig.base_from_camera)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text('utf-8'))
    except (OSError, yaml.YAMLError) as error:
        raise BagError(f'cannot read {path}: {" ".join(str(error).split())}') from error
    if not isinstance(content, dict):
        raise BagError(f'{path} must hold named values such as K')
    return content
