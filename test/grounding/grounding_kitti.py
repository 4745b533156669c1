"""Real clips as inputs of the estimator: disparity with a known affine, thinned sensors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from gemdepth_ros.grounding import (
    CameraMounting,
    CoarseDisparity,
    GroundingInput,
    LidarScan,
    OdometrySample,
)
from gemdepth_ros.interfaces import Float32Array, Float64Array, GroundingState, PinholeIntrinsics

CAMERA = PinholeIntrinsics(1242, 375, 721.5377, 721.5377, 609.5593, 172.854)
CAMERA_HEIGHT_M = 1.65
CAMERA_FROM_LIDAR = np.array(
    [
        [0.000234773698, -0.999944155, -0.0105634778, 0.0570524479],
        [0.0104494074, 0.0105653536, -0.999889574, -0.0754667185],
        [0.999945389, 0.000124365378, 0.010451303, -0.269386912],
        [0, 0, 0, 1],
    ]
)
INTERVAL_NS = 100_000_000
START_NS = 1_000_000_000
FRAMES = 78
STANDSTILL = 60  # from this frame on the vehicle moves less than two centimetres per frame
HOLE_PX = 12  # disparity is filled from the nearest LiDAR point within this distance
GRID_STEP = 4


@dataclass(frozen=True)
class Recipe:
    """What is made of the traffic clip.

    Attributes:
        sensor: ``1 %``, ``16 rings``, ``1 ring`` or empty: no LiDAR.
        noise: independent error of disparity, as a part of 1/Z.
        smooth: error that is the same over about 150 px, as a part of 1/Z.
        turned_deg: error of the LiDAR's transform.
        odometry_factor: the odometry's distances, as a part of the true ones.
    """

    sensor: str = ''
    noise: float = 0.0
    smooth: float = 0.0
    turned_deg: float = 0.0
    odometry_factor: float = 1.0
    parallax: bool = False
    seed: int = 0
    frames: int = FRAMES
    mounting: CameraMounting | None = None

    def affine(self) -> tuple[float, float]:
        random = np.random.default_rng([self.seed, 7])
        scale = float(np.exp(random.uniform(-1, 4)))
        return scale, float(random.uniform(-0.5, 0.5) * 0.1 * scale)


FACTOR = 3.0  # metres per session unit of the clip's poses


def traffic(folder: Path, recipe: Recipe) -> Iterator[tuple[GroundingInput, Float64Array]]:
    """Inputs with the depth of the frame's LiDAR points that the sensor did not get."""
    random = np.random.default_rng([recipe.seed, 8])
    scale, shift = recipe.affine()
    poses = np.loadtxt(folder / 'poses.txt').reshape(-1, 3, 4)
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_rotvec([math.radians(recipe.turned_deg), 0, 0]).as_matrix()
    for index in range(recipe.frames):
        depth = cv2.imread(str(folder / f'depth/{index:06d}.png'), cv2.IMREAD_UNCHANGED) / 256.0
        inverse = filled_inverse_depth(depth)
        inverse *= 1.0 + _errors(random, inverse.shape, recipe)
        values = (scale * inverse + shift).astype(np.float32)[::GRID_STEP, ::GRID_STEP]
        stamp = START_NS + index * INTERVAL_NS
        world_from_camera = np.eye(4)
        world_from_camera[:3] = poses[index]
        session = world_from_camera.copy()
        session[:3, 3] /= FACTOR
        odom = world_from_camera.copy()
        odom[:3, 3] *= recipe.odometry_factor
        scan = None
        if recipe.sensor:
            points = np.fromfile(folder / f'lidar/{index:06d}.bin', np.float32).reshape(-1, 4)
            points = thinned(points, recipe.sensor, random)
            depth = without(depth, points)
            scan = LidarScan(points, turned @ CAMERA_FROM_LIDAR, stamp)
        gray = None
        if recipe.parallax:
            gray = cv2.imread(str(folder / f'image_02/{index:06d}.png'), cv2.IMREAD_GRAYSCALE)
        yield (
            GroundingInput(
                stamp,
                CoarseDisparity.decimated(values, GRID_STEP),
                CAMERA,
                image_gray=gray,
                session_from_camera=session,
                lidar=scan,
                odometry=(OdometrySample(stamp, odom),),
                mounting=recipe.mounting,
            ),
            depth[(depth > 5) & (depth < 60)],
        )


def filled_inverse_depth(depth: Float64Array) -> Float64Array:
    """Inverse depth of the nearest LiDAR point; NaN far from all."""
    known = depth > 0
    distance, label = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(int(label.max()) + 1)
    table[label[known]] = 1.0 / depth[known]
    inverse = table[label]
    inverse[distance > HOLE_PX] = np.nan
    return inverse


def _errors(random: np.random.Generator, shape: tuple[int, ...], recipe: Recipe) -> Float64Array:
    errors = np.zeros(shape)
    if recipe.noise:
        errors += recipe.noise * random.normal(size=shape)
    if recipe.smooth:
        field = cv2.GaussianBlur(random.normal(size=shape), (0, 0), 75)
        errors += recipe.smooth * field / field.std()
    return errors


def thinned(points: Float32Array, sensor: str, random: np.random.Generator) -> Float32Array:
    if sensor == '1 %':
        return points[random.random(len(points)) < 0.01]
    elevation = np.degrees(np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1])))
    if sensor == '1 ring':
        return points[np.abs(elevation + 1.0) < 0.2]
    assert sensor == '16 rings'
    return points[np.rint((elevation + 24.8) / (26.8 / 63)).astype(int) % 4 == 0]


def without(depth: Float64Array, points: Float32Array) -> Float64Array:
    """Depth image without the pixels on which the sensor's points fall."""
    seen = points[:, :3] @ CAMERA_FROM_LIDAR[:3, :3].T + CAMERA_FROM_LIDAR[:3, 3]
    column = np.rint(CAMERA.fx * seen[:, 0] / seen[:, 2] + CAMERA.cx).astype(int)
    row = np.rint(CAMERA.fy * seen[:, 1] / seen[:, 2] + CAMERA.cy).astype(int)
    inside = (column >= 0) & (row >= 0) & (column < CAMERA.width) & (row < CAMERA.height)
    kept = depth.copy()
    kept[row[inside], column[inside]] = 0.0
    return kept


def abs_rel(state: GroundingState, affine: tuple[float, float], depth: Float64Array) -> float:
    """AbsRel of the depth that the state gives for the true disparity at these points."""
    scale, shift = affine
    recovered = state.scale / (scale / depth + shift - state.shift)
    return float(np.abs(recovered / depth - 1.0).mean())


# --- the clip at speed: no depth was recorded with it ---

ODOMETRY_CAMERA = PinholeIntrinsics(1226, 370, 707.0912, 707.0912, 601.8873, 183.1104)
MAX_INVERSE_STD = 0.003  # [1/m] of one pixel of multi-view inverse depth
FLOW_STD_PX = 0.3


def speed_clip(
    folder: Path, frames: int, affine: tuple[float, float], factor: float, pose_noise: float = 0.0
) -> Iterator[tuple[GroundingInput, Float64Array]]:
    """Inputs with the multi-view depth that their disparity was made from.

    Dense flow to the next frame and the recorded poses give inverse depth; none is used where its
    standard deviation is large (near the direction of motion).
    """
    random = np.random.default_rng(3)
    poses = np.tile(np.eye(4), (51, 1, 1))
    poses[:, :3] = np.loadtxt(folder / 'poses.txt').reshape(-1, 3, 4)
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    images = [
        cv2.imread(str(folder / f'image_0/{i:06d}.png'), cv2.IMREAD_GRAYSCALE)
        for i in range(frames + 1)
    ]
    walked = np.zeros(3)
    for index in range(frames):
        pair = flow.calc(images[index], images[index + 1], None)
        relative = np.linalg.inv(poses[index + 1]) @ poses[index]
        inverse = _triangulated(pair, relative)
        values = (affine[0] * inverse + affine[1]).astype(np.float32)[::GRID_STEP, ::GRID_STEP]
        session = poses[index].copy()
        walked = walked + random.normal(size=3) * pose_noise
        session[:3, 3] = session[:3, 3] / factor + walked / factor
        stamp = START_NS + index * INTERVAL_NS
        yield (
            GroundingInput(
                stamp,
                CoarseDisparity.decimated(values, GRID_STEP),
                ODOMETRY_CAMERA,
                image_gray=images[index],
                session_from_camera=session,
                odometry=(OdometrySample(stamp, poses[index]),),
            ),
            1.0 / inverse[np.isfinite(inverse) & (inverse > 1 / 60) & (inverse < 1 / 5)],
        )


def _triangulated(flow: Float32Array, second_from_first: Float64Array) -> Float64Array:
    camera = ODOMETRY_CAMERA
    height, width = flow.shape[:2]
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    rays = np.stack(
        [
            (columns - camera.cx) / camera.fx,
            (rows - camera.cy) / camera.fy,
            np.ones(flow.shape[:2]),
        ],
        axis=-1,
    )
    turned = rays @ second_from_first[:3, :3].T
    x = rays[..., :2] + flow / np.array([camera.fx, camera.fy])
    t = second_from_first[:3, 3]
    motion = x - turned[..., :2] / turned[..., 2:]
    direction = (t[:2] - x * t[2]) / turned[..., 2:]
    reach = np.linalg.norm(direction, axis=-1)
    inverse = (motion * direction).sum(axis=-1) / np.maximum(reach, 1e-9) ** 2
    inverse[reach * camera.fx < FLOW_STD_PX / MAX_INVERSE_STD] = np.nan
    inverse[(inverse < 0) | (inverse > 1)] = np.nan
    return inverse
