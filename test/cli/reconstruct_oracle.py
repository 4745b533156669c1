"""Bags with known answers, and a stream that knows them: all but the network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch

from gemdepth_ros.bags.clouds import lidar_message
from gemdepth_ros.bags.images import image_message
from gemdepth_ros.bags.messages import (
    camera_info_message,
    odometry_message,
    tf_message,
    transform_message,
)
from gemdepth_ros.bags.writer import BagWriter, Storage
from gemdepth_ros.inference.streaming import StreamOutput
from gemdepth_ros.interfaces import Float32Array, Float64Array, VideoFrame, WindowPoses
from gemdepth_ros.synthetic import SyntheticFrame

AFFINE, FACTOR = (8.0, 0.3), 2.5
HEIGHT_M = 1.65
AXES = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
BASE_FROM_CAMERA = AXES.copy()
BASE_FROM_CAMERA[:3, 3] = [0.5, 0.0, HEIGHT_M]
BASE_FROM_LIDAR = np.eye(4)
BASE_FROM_LIDAR[:3, 3] = BASE_FROM_CAMERA[:3, 3]  # as ``lidar_points`` has it: in the camera

Truth = Mapping[int, tuple[Float32Array, Float64Array]]  # stamp: inverse depth, camera's pose


class OracleSession:
    """Stands for ``StreamSession``: disparity and poses are the truth, in units of their own."""

    truth: Truth

    def __init__(self, *_: object) -> None:
        self.reset_counts: dict[object, int] = {}
        self._random = np.random.default_rng(0)

    def step(self, frame: VideoFrame) -> StreamOutput:
        inverse, world_from_camera = self.truth[frame.stamp_ns]
        noise = 1 + 0.02 * self._random.standard_normal(inverse.shape)
        disparity = (AFFINE[0] * inverse * noise + AFFINE[1]).astype(np.float32)
        session = world_from_camera.copy()
        session[:3, 3] /= FACTOR
        window = WindowPoses((frame.stamp_ns,), np.eye(4)[None], session, 1.0)
        return StreamOutput(
            stamp_ns=frame.stamp_ns,
            disparity_HW=torch.from_numpy(disparity),
            session_from_camera=session,
            position_std=0.0,
            rotation_std=0.0,
            lost=False,
            fov_rad=(0.5, 1.4),
            window=window,
            interval_ns=0,
            dropped_before=0,
            age_frames=0,
            segment=0,
            scale=1.0,
            shift=0.0,
            reset=None,
        )


def oracle(truth: Truth) -> type[OracleSession]:
    """A session class that knows this truth."""
    return type('KnowingSession', (OracleSession,), {'truth': truth})


def street_truth(frames: list[SyntheticFrame]) -> Truth:
    return {f.stamp_ns: ((1 / f.depth_m).astype(np.float32), f.world_from_camera) for f in frames}


def street_bag(
    path: Path,
    frames: list[SyntheticFrame],
    *,
    lidar: bool = True,
    odometry: bool = True,
    transforms: bool = True,
    second_cloud: bool = False,
) -> Path:
    """A drive with camera, LiDAR and wheel odometry; scans lie behind their images."""
    clouds = ['/lidar/points'] * lidar + ['/radar/points'] * second_cloud
    with BagWriter(path, Storage.MCAP) as writer:
        writer.add_topic('/tf_static', 'tf2_msgs/msg/TFMessage')
        writer.add_topic('/camera/image_rect', 'sensor_msgs/msg/Image')
        writer.add_topic('/camera/camera_info', 'sensor_msgs/msg/CameraInfo')
        for topic in clouds:
            writer.add_topic(topic, 'sensor_msgs/msg/PointCloud2')
        if odometry:
            writer.add_topic('/wheels/odometry', 'nav_msgs/msg/Odometry')
        start_ns = frames[0].stamp_ns
        fixed = [transform_message(BASE_FROM_CAMERA, start_ns, 'base', 'camera')]
        if transforms:
            fixed.append(transform_message(BASE_FROM_LIDAR, start_ns, 'base', 'lidar'))
        writer.write('/tf_static', tf_message(fixed), start_ns)
        for frame in frames:
            at = frame.stamp_ns
            info = camera_info_message(frame.camera, at, 'camera')
            writer.write('/camera/camera_info', info, at)
            writer.write(
                '/camera/image_rect', image_message(frame.image_rgb, 'rgb8', at, 'camera'), at
            )
            if odometry:
                base = BASE_FROM_CAMERA @ frame.world_from_camera @ np.linalg.inv(BASE_FROM_CAMERA)
                message = odometry_message(base, np.zeros(6), at, 'odom', 'base')
                writer.write('/wheels/odometry', message, at + 1)
            for topic in clouds:
                message = lidar_message(frame.lidar_points(16), at, 'lidar')
                writer.write(topic, message, at + 30_000_000)
    return path


def filled_inverse_depth(depth_m: Float32Array, reach_px: float = 12.0) -> Float32Array:
    """Inverse depth of the nearest measured pixel; NaN far from all."""
    known = np.isfinite(depth_m) & (depth_m > 0)
    distance, label = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(int(label.max()) + 1, np.float32)
    table[label[known]] = 1.0 / depth_m[known]
    inverse = table[label]
    inverse[distance > reach_px] = np.nan
    return inverse
