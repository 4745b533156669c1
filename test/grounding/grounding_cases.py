"""The questions of the benchmark, small enough to be tests too: each returns rows of a table."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import grounding_kitti as kitti
import numpy as np
from grounding_worlds import CAMERA_FROM_LIDAR, World, abs_rel, nees
from scipy.stats import chi2, norm, qmc

from gemdepth_ros.grounding import (
    CameraMounting,
    CoarseDisparity,
    GroundingConfig,
    GroundingEstimator,
    GroundingInput,
    LidarScan,
)
from gemdepth_ros.grounding.config import (
    FilterConfig,
    GroundPlaneConfig,
    LidarConfig,
    OdometryConfig,
    ParallaxConfig,
    SkyConfig,
)
from gemdepth_ros.grounding.tilt import MotionPitch
from gemdepth_ros.interfaces import GroundingState

Row = dict[str, Any]
CLASSES: dict[str, Any] = {
    'ground_plane': GroundPlaneConfig,
    'lidar': LidarConfig,
    'odometry': OdometryConfig,
    'parallax': ParallaxConfig,
    'sky': SkyConfig,
}
PARALLAX: dict[str, Any] = {'height': 188, 'width': 621, 'grid_step': 2}
# Errors that the synthetic measurements have and their standard deviations state.
EXACT_PITCH_RAD = math.radians(0.05)
ALIGNED_DEG = 0.02
RUNS = 40
STEP_M = 0.86  # of the street's camera from frame to frame


def config(*names: str, independent: bool = False, **changes: dict[str, Any]) -> GroundingConfig:
    """Configuration with these sources; ``independent``: errors are new in every frame."""
    chosen = {name: CLASSES[name](enabled=True, **changes.get(name, {})) for name in names}
    memory = FilterConfig()
    if independent:  # the synthetic truth neither drifts nor repeats its errors
        memory = FilterConfig(correlation_s=0.0, scale_drift=1e-4, shift_drift=1e-4)
    return GroundingConfig(filter=memory, **chosen)


def run(inputs: Iterable[GroundingInput], settings: GroundingConfig) -> list[GroundingState]:
    """States over a clip."""
    estimator = GroundingEstimator(settings)
    return [estimator.update(frame) for frame in inputs]


def world_run(world: World, settings: GroundingConfig) -> tuple[GroundingState, Any, Any]:
    """Last state, truth and last frame of a synthetic drive."""
    estimator = GroundingEstimator(settings)
    state, frame = GroundingState(), None
    for given, seen in world.inputs():
        frame = seen
        state = estimator.update(given)
    return state, world.truth(), frame


@lru_cache
def _draws(count: int) -> np.ndarray:
    """Standard normal errors [count, 7], their distribution spread evenly over the runs."""
    return np.asarray(norm.ppf(qmc.LatinHypercube(7, rng=4).random(count)))


def stated_errors(world: World, runs: int = RUNS) -> World:
    """Give mounting, calibration and odometry the errors that their standard deviations state.

    Over ``runs`` seeds each error has the stated spread, by a Latin hypercube: otherwise the
    verdict would depend on the luck of forty draws.
    """
    pitch, height, roll, factor, sky, turned, yawed = _draws(runs)[world.seed % runs]
    tracks = 'parallax' in world.sources
    return replace(
        world,
        pitch_error_rad=float(pitch * world.pitch_std_rad),
        height_error_m=float(height * world.height_std_m),
        roll_error_rad=float(roll * math.radians(0.2)),
        odometry_factor=1.0 + 0.01 * float(factor),
        sky_error=0.01 * float(sky),
        lidar_turned_deg=float(turned * ALIGNED_DEG),
        lidar_yawed_deg=float(yawed * ALIGNED_DEG),
        odometry_noise_m=0.05 * STEP_M if tracks else 0.0,
    )


FLAT = {
    'ground_plane': {'road_std_deg': 0.0, 'motion_pitch': False, 'unchecked_pitch_std_deg': 0.0}
}
# The street's patches keep their shape and its poses are exact.
EXACT_TRACKS = {
    'baseline_std': 0.002,
    'track_bias_px': 0.03,
    'scale_bias': 0.0,
    'mover_bias': 0.0,
}
ALIGNED = {'lidar': {'rotation_std_deg': ALIGNED_DEG}}

SOURCES: dict[str, tuple[World, GroundingConfig]] = {
    'lidar, 64 rings': (
        World(sources=('lidar',)),
        config('lidar', independent=True, **ALIGNED),
    ),
    'lidar, 16 rings': (
        World(sources=('lidar',), beams=16),
        config('lidar', independent=True, **ALIGNED),
    ),
    'lidar, 1 ring below the horizon': (
        World(sources=('lidar',), beams=3),
        config('lidar', independent=True, **ALIGNED),
    ),
    'ground plane, pitch to 0.05 deg': (
        World(sources=('ground_plane',), pitch_std_rad=EXACT_PITCH_RAD),
        config('ground_plane', independent=True, **FLAT),
    ),
    'ground plane, pitch to 0.2 deg': (
        World(sources=('ground_plane',)),
        config('ground_plane', independent=True, **FLAT),
    ),
    'ground plane, pitch to 0.2 deg, sky': (
        World(sources=('ground_plane', 'sky')),
        config('ground_plane', 'sky', independent=True, **FLAT),
    ),
    'parallax + odometry': (
        World(sources=('parallax', 'odometry'), **PARALLAX),
        config(
            'parallax',
            'odometry',
            independent=True,
            parallax=EXACT_TRACKS,
        ),
    ),
}
# The shipped noise counts an error of the predicted length in both sources, because nobody knows
# that they looked at the same steps. Here they did, it cancels, and too much is stated.
TWICE_COUNTED: dict[str, tuple[World, GroundingConfig]] = {
    'parallax + odometry, predicted steps 3 % off': (
        World(sources=('parallax', 'odometry'), pose_noise_m=0.03 * STEP_M, **PARALLAX),
        config('parallax', 'odometry', independent=True),
    ),
}


def synthetic(seeds: int = 10) -> list[Row]:
    """AbsRel of recovered depth at 5 .. 60 m after 12 frames."""
    rows = []
    for name, (world, settings) in SOURCES.items():
        errors, stds, metric, exact = [], [], 0, []
        for seed in range(seeds):
            state, truth, frame = world_run(replace(world, seed=seed), settings)
            exact.append(abs_rel(state, truth, frame.depth_m))
            state, truth, frame = world_run(stated_errors(replace(world, seed=seed)), settings)
            errors.append(abs_rel(state, truth, frame.depth_m))
            stds.append(state.depth_std_at_20m)
            metric += state.metric
        rows.append(
            {
                'source': name,
                'worst, exact inputs': max(exact),
                'mean, inputs as wrong as stated': float(np.mean(errors)),
                'worst': max(errors),
                'stated std at 20 m': float(np.median(stds)),
                'metric': f'{metric}/{seeds}',
            }
        )
    return rows


def consistency(seeds: int = RUNS) -> list[Row]:
    """Mean NEES of (1/s, t/s) over seeds with its 95 % bounds."""
    rows = []
    for name, (world, settings) in {**SOURCES, **TWICE_COUNTED}.items():
        values = []
        for seed in range(seeds):
            state, truth, _ = world_run(stated_errors(replace(world, seed=seed), seeds), settings)
            if math.isfinite(state.scale):
                values.append(nees(state, truth))
        low, high = chi2.ppf((0.025, 0.975), 2 * len(values)) / len(values)
        mean = float(np.mean(values))
        verdict = 'within' if low <= mean <= high else 'cautious' if mean < low else 'too sure'
        rows.append(
            {
                'source': name,
                'runs': len(values),
                'mean NEES': mean,
                '95 % bounds': f'{low:.2f} .. {high:.2f}',
                'verdict': verdict,
            }
        )
    return rows


def synthetic_world(seeds: int = 4) -> list[Row]:
    """The package's synthetic world (kerbs, bends, traffic), with the shipped settings."""
    table = {
        'lidar, 16 rings': (World(sources=('lidar',), beams=16), config('lidar')),
        'lidar, 1 ring': (World(sources=('lidar',), beams=3), config('lidar')),
        'ground plane, pitch to 0.05 deg': (
            World(sources=('ground_plane',), pitch_std_rad=EXACT_PITCH_RAD),
            config('ground_plane', ground_plane={'unchecked_pitch_std_deg': 0.0}),
        ),
        'ground plane, pitch to 0.2 deg, sky': (
            World(sources=('ground_plane', 'sky')),
            config('ground_plane', 'sky', ground_plane={'unchecked_pitch_std_deg': 0.0}),
        ),
        'parallax + odometry': (
            World(sources=('parallax', 'odometry'), **PARALLAX),
            config('parallax', 'odometry'),
        ),
    }
    rows = []
    for name, (world, settings) in table.items():
        errors, stds, metric = [], [], 0
        for seed in range(seeds):
            given = replace(world, place='world', seed=seed)
            state, truth, frame = world_run(given, settings)
            metric += state.metric
            if math.isfinite(state.scale):
                errors.append(abs_rel(state, truth, frame.depth_m))
                stds.append(state.depth_std_at_20m)
        rows.append(
            {
                'source': name,
                'AbsRel mean': float(np.mean(errors)) if errors else math.nan,
                'AbsRel worst': max(errors, default=math.nan),
                'stated std at 20 m': float(np.median(stds)) if stds else math.nan,
                'metric': f'{metric}/{seeds}',
            }
        )
    return rows


def lidar_alignment(beams: int, off_deg: float, seeds: int = RUNS) -> Row:
    """The shipped filter against a transform that is off by draws of what is stated."""
    stated = max(off_deg, LidarConfig().rotation_std_deg / 10)
    settings = config('lidar', lidar={'rotation_std_deg': stated})
    values, errors, refused = [], [], 0
    for seed in range(seeds):
        world = stated_errors(World(sources=('lidar',), beams=beams, seed=seed), seeds)
        turned, yawed = world.lidar_turned_deg, world.lidar_yawed_deg
        world = replace(
            world,
            lidar_turned_deg=turned / ALIGNED_DEG * off_deg,
            lidar_yawed_deg=yawed / ALIGNED_DEG * off_deg,
        )
        state, truth, frame = world_run(world, settings)
        if not math.isfinite(state.scale):
            refused += 1
            continue
        values.append(nees(state, truth))
        errors.append(abs_rel(state, truth, frame.depth_m))
    return {
        'rows of points': beams,
        'off by [deg], as stated': off_deg,
        'refused': f'{refused}/{seeds}',
        'mean NEES': float(np.mean(values)),
        'AbsRel worst': float(np.max(errors)),
    }


def alignment() -> list[Row]:
    """All of ``lidar_alignment``."""
    return [lidar_alignment(beams, off) for beams in (64, 16, 3) for off in (0.0, 0.1, 0.3)]


def traffic_lidar(folder: Path, frames: int = kitti.FRAMES) -> list[Row]:
    """Recovered depth against the LiDAR points that the sensor did not get."""
    if not folder.is_dir():
        return []
    rows = []
    qualities = (('exact', 0.0, 0.0), ('3 % noise', 0.03, 0.0), ('3 % + 5 % smooth', 0.03, 0.05))
    for sensor in ('1 %', '16 rings', '1 ring'):
        for quality, noise, smooth in qualities:
            recipe = kitti.Recipe(sensor, noise, smooth, frames=frames)
            errors, states = traffic_errors(folder, recipe, config('lidar'))
            rows.append(
                {
                    'sensor': sensor,
                    'disparity': quality,
                    'AbsRel clip': float(np.nanmean(errors)),
                    'worst frame': float(np.nanmax(errors)),
                    'standstill': float(np.nanmax([0.0, *errors[kitti.STANDSTILL :]])),
                    'stated std at 20 m': states[-1].depth_std_at_20m,
                    'metric': f'{sum(s.metric for s in states)}/{len(states)}',
                }
            )
    return rows


def traffic_errors(
    folder: Path, recipe: kitti.Recipe, settings: GroundingConfig
) -> tuple[list[float], list[GroundingState]]:
    estimator = GroundingEstimator(settings)
    errors, states = [], []
    for given, depth in kitti.traffic(folder, recipe):
        state = estimator.update(given)
        errors.append(kitti.abs_rel(state, recipe.affine(), depth))
        states.append(state)
    return errors, states


def traffic_parallax(folder: Path, frames: int = kitti.FRAMES) -> list[Row]:
    """Parallax where most of what is seen moves, at 2 m/s and less."""
    if not folder.is_dir():
        return []
    rows = []
    for seed in range(3):
        recipe = kitti.Recipe(parallax=True, noise=0.03, seed=seed, frames=frames)
        errors, states = traffic_errors(folder, recipe, config('parallax', 'odometry'))
        metric = np.array([s.metric for s in states])
        stds = np.array([s.depth_std_at_20m for s in states])
        rows.append(
            {
                'seed': seed,
                'metric frames': f'{metric.sum()}/{len(metric)}',
                'AbsRel where metric': float(np.mean(np.array(errors)[metric]))
                if metric.any()
                else math.nan,
                'worst where metric': float(np.max(np.array(errors)[metric]))
                if metric.any()
                else math.nan,
                'stated std there': float(np.mean(stds[metric])) if metric.any() else math.nan,
                'refusals': sum('movers' in m for s in states for m in s.messages),
            }
        )
    return rows


def speed_parallax(folder: Path, frames: int = 40) -> list[Row]:
    """Scale and shift from tracks and odometry on real images at speed."""
    if not folder.is_dir():
        return []
    rows = []
    for noise in (0.0, 0.03):
        affine, factor = (8.0, 0.3), 2.5
        estimator = GroundingEstimator(config('parallax', 'odometry'))
        errors, states = [], []
        for given, depth in kitti.speed_clip(folder, frames, affine, factor, noise):
            state = estimator.update(given)
            states.append(state)
            errors.append(kitti.abs_rel(state, affine, depth))
        last = states[-1]
        known = [e for e in errors if math.isfinite(e)]
        rows.append(
            {
                'noise of predicted step': f'{noise:.2f} m',
                'AbsRel last': errors[-1],
                'AbsRel clip': float(np.mean(known)),
                'scale': last.scale / affine[0],
                'shift error at 20 m': (last.shift - affine[1]) / last.scale * 20.0,
                'factor': last.translation_factor / factor,
                'stated std at 20 m': last.depth_std_at_20m,
                'metric from frame': next(i for i, s in enumerate(states) if s.metric),
            }
        )
    return rows


def motion_pitch(folder: Path) -> list[Row]:
    """Pitch of the camera against its motion, with recorded poses and with noisy ones."""
    if not folder.is_dir():
        return []
    poses = np.tile(np.eye(4), (51, 1, 1))
    poses[:, :3] = np.loadtxt(folder / 'poses.txt').reshape(-1, 3, 4)
    rows = []
    for noise in (0.0, 0.01, 0.02):
        random = np.random.default_rng(0)
        motion = MotionPitch()
        for pose in poses:
            seen = pose.copy()
            seen[:3, 3] += random.normal(size=3) * noise
            motion.add(seen, lost=False)
        evidence = motion.evidence
        angles = np.degrees(motion.angles)
        assert evidence is not None
        rows.append(
            {
                'noise of position': f'{noise:.2f} m',
                'steps': len(angles),
                'median [deg]': math.degrees(evidence.angle),
                'spread of steps [deg]': float(angles.std()),
                'stated std of pitch [deg]': math.degrees(evidence.std),
            }
        )
    return rows


def wrong_inputs(seeds: int = 5) -> list[Row]:
    """What is done with inputs that are wrong beyond their stated standard deviations."""
    plane = World(sources=('ground_plane',), frames=40)
    checked = World(sources=('ground_plane', 'parallax', 'odometry'), **PARALLAX)
    both = config('ground_plane', 'parallax', 'odometry')
    moving = config('ground_plane')
    standing = config('ground_plane', ground_plane={'motion_pitch': False})
    trusted = config('ground_plane', **FLAT)
    degree = math.radians(1.0)
    half = replace(checked, sources=('parallax', 'odometry'))
    lidar = World(sources=('lidar',), lidar_turned_deg=1.0)
    table = {
        'pitch +1 deg, alone, trusted blindly': (_pitched(plane, degree), trusted),
        'pitch +1 deg, alone, vehicle stands': (_pitched(plane, degree), standing),
        'pitch +1 deg, motion checks it': (_pitched(plane, degree), moving),
        'pitch -1 deg, motion checks it': (_pitched(plane, -degree), moving),
        'pitch +1 deg, beside parallax + odometry': (_pitched(checked, degree), both),
        'height +10 %, stated 1 %, alone': (replace(plane, height_error_m=0.165), moving),
        'height +10 %, stated 10 %, alone': (
            replace(plane, height_error_m=0.165, height_std_m=0.165),
            moving,
        ),
        'height +10 %, beside parallax + odometry': (replace(checked, height_error_m=0.165), both),
        'odometry at half distance, parallax alone': (
            replace(half, odometry_factor=0.5),
            config('parallax', 'odometry'),
        ),
        'odometry at half distance, beside ground plane': (
            replace(checked, odometry_factor=0.5),
            both,
        ),
        'odometry at half the frame rate': (
            replace(half, odometry_every=2),
            config('parallax', 'odometry'),
        ),
        'LiDAR +1 deg, 64 rings': (lidar, config('lidar')),
        'LiDAR +1 deg, 16 rings': (replace(lidar, beams=16), config('lidar')),
        'LiDAR +1 deg, 1 ring': (replace(lidar, beams=3), config('lidar')),
    }
    return [_wrong(name, *case, seeds) for name, case in table.items()]


def _pitched(world: World, error_rad: float) -> World:
    return replace(world, pitch_error_rad=error_rad)


def _wrong(name: str, world: World, settings: GroundingConfig, seeds: int) -> Row:
    errors, stds, metric, messages = [], [], 0, []
    wrong = 0
    for seed in range(seeds):
        state, truth, frame = world_run(replace(world, seed=seed), settings)
        metric += state.metric
        messages += state.messages
        if math.isfinite(state.scale):
            errors.append(abs_rel(state, truth, frame.depth_m))
            stds.append(state.depth_std_at_20m)
            wrong += state.metric and errors[-1] > 3 * state.depth_std_at_20m
    return {
        'input': name,
        'AbsRel worst': max(errors, default=math.nan),
        'stated std at 20 m': float(np.median(stds)) if stds else math.nan,
        'metric': f'{metric}/{seeds}',
        'metric and beyond 3 sigma': f'{wrong}/{seeds}',
        'says': messages[-1] if messages else '',
    }


def wrong_lidar(folder: Path, frames: int = 30) -> list[Row]:
    """A LiDAR whose transform is turned about the camera's x axis."""
    if not folder.is_dir():
        return []
    rows = []
    for sensor in ('1 %', '16 rings', '1 ring'):
        for turned in (1.0, -1.0, 0.3):
            recipe = kitti.Recipe(sensor, 0.03, turned_deg=turned, frames=frames)
            errors, states = traffic_errors(folder, recipe, config('lidar'))
            metric = np.array([s.metric for s in states])
            messages = [m for s in states for m in s.messages]
            rows.append(
                {
                    'sensor': sensor,
                    'turned [deg]': turned,
                    'metric frames': f'{metric.sum()}/{len(metric)}',
                    'worst AbsRel where metric': float(np.max(np.array(errors)[metric]))
                    if metric.any()
                    else math.nan,
                    'stated std at 20 m': states[-1].depth_std_at_20m,
                    'frames refused': sum('lidar' in m for m in messages),
                    'says': messages[-1] if messages else '',
                }
            )
    return rows


def plane_trap(seeds: int = 5) -> list[Row]:
    """A camera whose height alone is known, looking down by one degree."""
    rows = []
    for pitch in (-1.0, 0.0, 1.0):
        errors, stds, metric = [], [], 0
        for seed in range(seeds):
            world = World(
                seed=seed,
                sources=('ground_plane',),
                mounting=CameraMounting(height_m=1.65, height_std_m=0.02),
            )
            state, truth, frame = _pitched_run(world, pitch)
            metric += state.metric
            errors.append(abs_rel(state, truth, frame.depth_m))
            stds.append(state.depth_std_at_20m)
        rows.append(
            {
                'true pitch [deg]': pitch,
                'AbsRel': float(np.mean(errors)),
                'stated std at 20 m': float(np.mean(stds)),
                'metric': f'{metric}/{seeds}',
            }
        )
    return rows


def _pitched_run(world: World, pitch_deg: float) -> tuple[GroundingState, Any, Any]:
    """The drive's camera nods by itself; its horizon is shifted to add a constant pitch."""
    estimator = GroundingEstimator(config('ground_plane', **FLAT))
    state, frame = GroundingState(), None
    for given, seen in world.inputs():
        frame = seen
        camera = given.camera
        assert camera is not None
        # Moving the principal point is a pitch, as far as a plane's rows can tell.
        moved = replace(camera, cy=camera.cy + camera.fy * math.tan(math.radians(pitch_deg)))
        state = estimator.update(replace(given, camera=moved, session_from_camera=None))
    return state, world.truth(), frame


BUDGET_MS, BUDGET_WITH_PARALLAX_MS = 5.0, 20.0


def cost(repeats: int = 40) -> list[Row]:
    """Milliseconds of ``update`` on full-size images, coarse grid of every fourth pixel."""
    drive = World(
        height=375,
        width=1242,
        grid_step=4,
        frames=8,
        sources=('lidar', 'parallax', 'odometry', 'sky'),
    )
    inputs = [given for given, _ in drive.inputs()]
    dense = [replace(given, lidar=_large_cloud(given)) for given in inputs]
    table: dict[str, tuple[list[GroundingInput], GroundingConfig]] = {
        'lidar, as rendered': (inputs, config('lidar')),
        'lidar, 120 000 points': (dense, config('lidar')),
        'ground_plane': (inputs, config('ground_plane')),
        'odometry + sky': (inputs, config('odometry', 'sky')),
        'all but parallax': (dense, config('lidar', 'ground_plane', 'odometry', 'sky')),
        'parallax + odometry': (inputs, config('parallax', 'odometry')),
        'all': (dense, config('lidar', 'ground_plane', 'odometry', 'sky', 'parallax')),
    }
    rows = []
    for name, (frames, settings) in table.items():
        estimator = GroundingEstimator(settings)
        times, busy = [], []
        for index in range(repeats):
            given = frames[index % len(frames)]
            if index % len(frames) == 0:
                estimator = GroundingEstimator(settings)
            started, worked = time.perf_counter(), time.process_time()
            estimator.update(given)
            times.append((time.perf_counter() - started) * 1e3)
            busy.append((time.process_time() - worked) * 1e3)
        p50, p95 = np.percentile(times, (50, 95))
        budget = BUDGET_WITH_PARALLAX_MS if settings.parallax.enabled else BUDGET_MS
        rows.append(
            {
                'sources': name,
                'median': float(p50),
                '95 %': float(p95),
                'best': min(times),
                'best, CPU time': min(busy),
                'budget': budget,
                'kept': 'yes' if p50 < budget else 'NO',
            }
        )
    return rows


def _large_cloud(given: GroundingInput) -> LidarScan:
    scan = given.lidar
    assert scan is not None
    points = np.asarray(scan.points)
    behind = points * np.float32(-1)
    copies = np.concatenate([points, behind] * (120_000 // max(2 * len(points), 1) + 1))
    return LidarScan(copies[:120_000], CAMERA_FROM_LIDAR, scan.stamp_ns)


cv2.setNumThreads(2)
__all__ = ['CoarseDisparity', 'config', 'run']
