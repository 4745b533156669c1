"""Frames with a known answer: exact disparity bent by an affine, noise and gross outliers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol

import cv2
import numpy as np
from grounding_street import FlatStreet
from scipy.spatial.transform import Rotation

from gemdepth_ros.grounding import (
    CameraMounting,
    CoarseDisparity,
    GroundingInput,
    LidarScan,
    OdometrySample,
)
from gemdepth_ros.grounding.inputs import tilt_of
from gemdepth_ros.interfaces import Float64Array, GroundingState
from gemdepth_ros.synthetic import CAMERA_HEIGHT_M, SyntheticDrive, SyntheticFrame

# Sensor (x forward, y left, z up) to optical axes, in the same place.
CAMERA_FROM_LIDAR = np.array(
    [[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], np.float64
)
BASE_FROM_CAMERA = np.linalg.inv(CAMERA_FROM_LIDAR)


class Drive(Protocol):
    """What renders frames by number."""

    def render(self, index: int) -> SyntheticFrame: ...


@dataclass(frozen=True)
class Truth:
    """What the estimator must find."""

    scale: float
    shift: float
    factor: float

    @property
    def linear(self) -> Float64Array:
        return np.array([1 / self.scale, self.shift / self.scale, math.log(self.factor)])


@dataclass(frozen=True)
class World:
    """A drive and what is wrong with its measurements.

    Attributes:
        place: ``street``: the analytic one; ``world``: the package's synthetic world.
    """

    seed: int = 0
    place: str = 'street'
    frames: int = 12
    height: int = 94
    width: int = 310
    grid_step: int = 1
    noise: float = 0.03  # of 1/Z + 1/50 m, at one cell
    outliers: float = 0.05
    sources: tuple[str, ...] = ()
    mounting: CameraMounting | None = None
    beams: int = 64
    lidar_turned_deg: float = 0.0
    lidar_yawed_deg: float = 0.0
    odometry_factor: float = 1.0
    odometry_every: int = 1
    odometry_noise_m: float = 0.0  # random walk of its distance per frame
    pitch_error_rad: float = 0.0
    roll_error_rad: float = 0.0
    height_error_m: float = 0.0
    pose_noise_m: float = 0.0  # random walk per frame
    sky_error: float = 0.0  # of the sky's disparity, as a part of its range
    height_std_m: float = 0.02
    pitch_std_rad: float = math.radians(0.2)
    extra: dict[str, object] = field(default_factory=dict)

    def truth(self) -> Truth:
        random = np.random.default_rng([self.seed, 1])
        scale = float(np.exp(random.uniform(-2, 4)))
        shift = float(random.uniform(-0.5, 0.5) * scale * 0.1)
        return Truth(scale, shift, float(np.exp(random.uniform(-1, 2))))

    def inputs(self) -> Iterator[tuple[GroundingInput, SyntheticFrame]]:
        truth, random = self.truth(), np.random.default_rng([self.seed, 2])
        walked = np.zeros(3)
        for index in range(self.frames):
            size = (self.frames, self.height, self.width)
            frame = rendered(self.place, *size, self.seed % 5, index)
            walked = walked + random.normal(0, 1, 3) * self.pose_noise_m / truth.factor
            yield self._input(frame, index, truth, random, walked), frame

    def _input(
        self,
        frame: SyntheticFrame,
        index: int,
        truth: Truth,
        random: np.random.Generator,
        walked: Float64Array,
    ) -> GroundingInput:
        step = self.grid_step
        inverse = 1.0 / frame.depth_m[::step, ::step].astype(np.float64)
        wrong = random.random(inverse.shape) < self.outliers
        noisy = inverse + random.normal(0, 1, inverse.shape) * self.noise * (inverse + 0.02)
        noisy[wrong] = random.uniform(0.0, 0.5, int(wrong.sum()))
        clear = np.isinf(frame.depth_m[::step, ::step])
        spread = float(np.ptp(np.percentile(inverse, (10, 90))))
        noisy[clear & ~wrong] += self.sky_error * spread
        values = (truth.scale * noisy + truth.shift).astype(np.float32)
        pose = frame.world_from_camera.copy()
        session = pose.copy()
        session[:3, 3] = pose[:3, 3] / truth.factor + walked
        gray = cv2.cvtColor(frame.image_rgb, cv2.COLOR_RGB2GRAY)
        return GroundingInput(
            stamp_ns=frame.stamp_ns,
            disparity=CoarseDisparity.decimated(values, step),
            camera=frame.camera,
            image_gray=gray if 'parallax' in self.sources else None,
            session_from_camera=session,
            lidar=self._lidar(frame),
            odometry=self._odometry(frame, index),
            mounting=self.mounting or self._mounting(frame),
            sky=np.isinf(frame.depth_m[::step, ::step]) if 'sky' in self.sources else None,
            **self.extra,  # type: ignore[arg-type]
        )

    def _lidar(self, frame: SyntheticFrame) -> LidarScan | None:
        if 'lidar' not in self.sources:
            return None
        turned = np.eye(4)
        angles = np.radians([self.lidar_turned_deg, self.lidar_yawed_deg, 0.0])
        turned[:3, :3] = Rotation.from_rotvec(angles).as_matrix()
        points = frame.lidar_points(self.beams)
        return LidarScan(points, turned @ CAMERA_FROM_LIDAR, frame.stamp_ns)

    def _odometry(self, frame: SyntheticFrame, index: int) -> tuple[OdometrySample, ...]:
        if 'odometry' not in self.sources or index % self.odometry_every:
            return ()
        pose = BASE_FROM_CAMERA @ frame.world_from_camera @ CAMERA_FROM_LIDAR
        pose[:3, 3] *= self.odometry_factor
        pose[0, 3] += self._slipped(index)  # x is forward
        return (OdometrySample(frame.stamp_ns, pose),)

    def _slipped(self, index: int) -> float:
        random = np.random.default_rng([self.seed, 5])
        return float(random.normal(size=index + 1).sum()) * self.odometry_noise_m

    def _mounting(self, frame: SyntheticFrame) -> CameraMounting:
        # The street's camera nods: the mounting of this frame is its true tilt plus the errors.
        down = frame.world_from_camera[:3, :3].T @ np.array([0.0, 1.0, 0.0])
        pitch, roll = tilt_of(down)
        return CameraMounting(
            BASE_FROM_CAMERA,
            CAMERA_HEIGHT_M + self.height_error_m,
            self.height_std_m,
            pitch + self.pitch_error_rad,
            self.pitch_std_rad,
            roll + self.roll_error_rad,
            math.radians(0.2),
        )


@lru_cache(maxsize=8)
def _drive(place: str, frames: int, height: int, width: int, seed: int) -> Drive:
    if place == 'street':
        return FlatStreet(height, width, seed)
    return SyntheticDrive(frames, height, width, seed)


@lru_cache(maxsize=160)
def rendered(
    place: str, frames: int, height: int, width: int, seed: int, index: int
) -> SyntheticFrame:
    return _drive(place, frames, height, width, seed).render(index)


def abs_rel(state: GroundingState, truth: Truth, depth: Float64Array) -> float:
    """Mean relative error of recovered depth where the true one is 5 .. 60 m."""
    chosen = depth[(depth > 5) & (depth < 60)].astype(np.float64)
    disparity = truth.scale / chosen + truth.shift
    recovered = state.scale / (disparity - state.shift)
    return float(np.abs(recovered / chosen - 1).mean())


def nees(state: GroundingState, truth: Truth, size: int = 2) -> float:
    """Normalised estimation error squared of the first ``size`` linear parameters."""
    covariance = np.array(state.covariance).reshape(3, 3)[:size, :size]
    log_factor = math.log(state.translation_factor) if size == 3 else 0.0
    estimate = np.array([1 / state.scale, state.shift / state.scale, log_factor])[:size]
    error = estimate - truth.linear[:size]
    return float(error @ np.linalg.solve(covariance, error))


def with_errors(world: World, **changes: object) -> World:
    return replace(world, **changes)  # type: ignore[arg-type]
