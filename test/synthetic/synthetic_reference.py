"""A second, slow ray caster for the tests: one solid after the other, float64, no culling."""

from __future__ import annotations

import numpy as np

from gemdepth_ros.interfaces import PinholeIntrinsics
from gemdepth_ros.synthetic import SyntheticDrive, SyntheticFrame, WorldConfig
from gemdepth_ros.synthetic.drive import FAR_M
from gemdepth_ros.synthetic.ground import Ground
from gemdepth_ros.synthetic.primitives import CYLINDER, ELLIPSOID


def plain_street() -> WorldConfig:
    """A straight road, level, without traffic."""
    return WorldConfig(
        styles=('rural',),
        bend_share=0.0,
        traffic=1e-3,
        lead_share=0.0,
        bridge_share=0.0,
        nod_deg=(0.0, 0.0),
        weave_m=(0.0, 0.0),
    )


def camera_rays(camera: PinholeIntrinsics, pixel: np.ndarray | None = None) -> np.ndarray:
    """Rays through pixels, 1 long along the optical axis: all, or given columns and rows."""
    if pixel is None:
        pixel = np.stack(np.mgrid[: camera.height, : camera.width][::-1], axis=-1)
    x = (pixel[..., 0] - camera.cx) / camera.fx
    y = (pixel[..., 1] - camera.cy) / camera.fy
    return np.stack([x, y, np.ones_like(x)], axis=-1)


def project(camera: PinholeIntrinsics, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of points in the camera's axes."""
    x, y, z = np.moveaxis(points, -1, 0)
    return camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy


def points_of(frame: SyntheticFrame) -> np.ndarray:
    """Points of all pixels in the world, float64 [H, W, 3]; NaN in the sky."""
    depth = np.where(np.isfinite(frame.depth_m), frame.depth_m, np.nan).astype(np.float64)
    points = camera_rays(frame.camera) * depth[..., None]
    return points @ frame.world_from_camera[:3, :3].T + frame.world_from_camera[:3, 3]


def reference_distance(drive: SyntheticDrive, index: int) -> np.ndarray:
    """Depth of every pixel, float64 [H, W], by trying every solid on every ray."""
    scene, time_s = drive._scene, drive.time_s(index)
    pose = drive._scene_from_camera(time_s)
    rays = camera_rays(drive.camera).reshape(-1, 3) @ pose[:3, :3].T
    best = np.full(len(rays), np.inf)
    if scene.ground is not None:
        best = _march(scene.ground, pose[:3, 3], rays)
    solids = scene.solids
    places = solids.placed(scene.actors.poses(time_s))
    for row, (x, y, z, heading) in enumerate(places):
        turn = np.array(
            [
                [np.cos(heading), -np.sin(heading), 0],
                [np.sin(heading), np.cos(heading), 0],
                [0, 0, 1],
            ]
        )
        origin = (pose[:3, 3] - (x, y, z)) @ turn
        met = _meet(solids.kind[row], origin, rays @ turn, solids.half[row], solids.lean[row])
        best = np.minimum(best, met)
    return best.reshape(drive.camera.height, drive.camera.width)


def _meet(
    kind: int, o: np.ndarray, d: np.ndarray, half: np.ndarray, lean: np.ndarray
) -> np.ndarray:
    if kind == ELLIPSOID:
        near, far = _quadric(o / half, d / half)
    elif kind == CYLINDER:
        near, far = _quadric(o[:2] / half[0], d[:, :2] / half[0])
        near, far = _clip(o, d, [(0, 0, 1), (0, 0, -1)], [half[2]] * 2, near, far)
    else:
        normals = [(1, 0, lean[0]), (-1, 0, lean[0]), (0, 1, lean[1]), (0, -1, lean[1])]
        normals += [(0, 0, 1), (0, 0, -1)]
        sizes = [half[0], half[0], half[1], half[1], half[2], half[2]]
        everywhere = np.full(len(d), np.inf)
        near, far = _clip(o, d, normals, sizes, -everywhere, everywhere)
    return np.where((near <= far) & (near > 0), near, np.inf)


def _quadric(o: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b, c = (d * d).sum(axis=1), d @ o, o @ o - 1.0
    with np.errstate(invalid='ignore'):
        root = np.sqrt(b * b - a * c)
    missed = np.isnan(root)
    return np.where(missed, np.inf, (-b - root) / a), np.where(missed, -np.inf, (-b + root) / a)


def _clip(
    o: np.ndarray,
    d: np.ndarray,
    normals: list[tuple[float, float, float]],
    sizes: list[float],
    near: np.ndarray,
    far: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    for normal, size in zip(normals, sizes, strict=True):
        along, room = d @ normal, size - o @ np.array(normal)
        with np.errstate(divide='ignore'):
            crossing = room / along
        near = np.where(along < 0, np.maximum(near, crossing), near)
        far = np.where(along > 0, np.minimum(far, crossing), far)
    return near, far


def _march(ground: Ground, o: np.ndarray, d: np.ndarray) -> np.ndarray:
    """The ground by its height profile: at the pavement's level, on the road, or between."""
    import torch

    def outside(t: np.ndarray) -> np.ndarray:
        x, y = (torch.from_numpy(o[i] + t * d[:, i]) for i in (0, 1))
        return np.abs(ground.road.locate(x, y)[1].numpy()) > ground.half_width_m

    with np.errstate(divide='ignore', invalid='ignore'):
        top, road = (ground.kerb_m - o[2]) / d[:, 2], -o[2] / d[:, 2]
        down = (d[:, 2] < 0) & (road < FAR_M)
        low, high = np.where(down, top, 1.0), np.where(down, road, 1.0)
        result = np.where(outside(low), low, high)
        kerb = ~outside(low) & outside(high)
        for _ in range(60):
            middle = 0.5 * (low + high)
            out = outside(middle)
            low, high = np.where(out, low, middle), np.where(out, middle, high)
    result = np.where(kerb, middle, result)
    return np.where(down, result, np.inf)
