"""Cost of the depth products and clouds per frame, in milliseconds.

    python benchmarks/bench_products.py [--size 375 1242] [--repeat 50] [--threads 1]
                                        [--device cpu] [--json PATH]

The scene is the synthetic street with exact depth, turned into disparity with 1 % of noise.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from gemdepth_ros.geometry.calibration import Calibration
from gemdepth_ros.geometry.intrinsics import matrix_of
from gemdepth_ros.geometry.point_cloud import organized_cloud, unproject
from gemdepth_ros.geometry.voxel_cloud import VoxelCloud
from gemdepth_ros.interfaces import GroundingState
from gemdepth_ros.pipeline.clouds import points_clear, points_mark
from gemdepth_ros.pipeline.config import ProductsConfig
from gemdepth_ros.pipeline.products import (
    as_array,
    at_image_size,
    depth_std,
    inverse_depth,
    metric_depth,
)
from gemdepth_ros.pipeline.products_config import CostmapClouds, DepthNoise, EdgeFilter
from gemdepth_ros.pipeline.self_mask import hide
from gemdepth_ros.pipeline.surfaces import flying_pixels, normal_image, normals
from gemdepth_ros.ros import heap
from gemdepth_ros.synthetic import SyntheticDrive

SCALE, SHIFT = 20.0, 1.0
CAMERA_HEIGHT_M = 1.65
Case = Callable[[], object]


def cases(height: int, width: int, device: torch.device) -> dict[str, Case]:
    """Return what is measured, by name."""
    frame = SyntheticDrive(1, height, width, seed=0).render(0)
    rng = np.random.default_rng(0)
    exact = SCALE / frame.depth_m + SHIFT
    noisy = exact * (1 + 0.01 * rng.standard_normal(exact.shape))
    disparity = torch.from_numpy(noisy.astype(np.float32)).to(device)
    small = at_image_size(disparity, (height // 14 * 14, width // 14 * 14))
    state = GroundingState(metric=True, scale=SCALE, shift=SHIFT)
    depth = metric_depth(disparity, state, ProductsConfig())
    inverse = inverse_depth(disparity, state)
    covariance = np.diag([(0.02 / SCALE) ** 2, 0.001**2])
    mask = torch.zeros((height, width), dtype=torch.bool, device=device)
    mask[-height // 8 :] = True
    edges, clouds, camera = EdgeFilter(), CostmapClouds(), frame.camera
    facing = normals(inverse, camera, edges)
    holes = hide(depth, flying_pixels(inverse, camera, edges))
    on_host, image_rgb = as_array(depth), np.ascontiguousarray(frame.image_rgb)
    base_from_camera = np.eye(4)
    base_from_camera[:3] = [[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, CAMERA_HEIGHT_M]]
    points = unproject(on_host, camera)[::2, ::2].reshape(-1, 3)
    colours = frame.image_rgb[::2, ::2].reshape(-1, 3)
    k = matrix_of(camera)
    d = np.array([-0.3, 0.1, 0.001, -0.001, 0.0])
    calibration = Calibration(width, height, 'plumb_bob', k, d, np.eye(3), k)

    def std() -> object:
        return depth_std(disparity, depth, SCALE, covariance, DepthNoise())

    return {
        'disparity to the image size': lambda: at_image_size(small, (height, width)),
        'depth in metres': lambda: metric_depth(disparity, state, ProductsConfig()),
        'standard deviation of depth': std,
        'flying pixels': lambda: flying_pixels(inverse, camera, edges),
        'self-mask': lambda: hide(depth, mask),
        'normals, edges left out': lambda: normals(inverse, camera, edges),
        'normals of filtered depth': lambda: normals(1 / holes, camera),
        'normals as an image': lambda: normal_image(facing),
        'depth to the host': lambda: as_array(depth),
        'organised cloud, every 2nd': lambda: organized_cloud(
            on_host, image_rgb, camera, 2, metric=True
        ),
        'points_mark': lambda: points_mark(on_host, camera, base_from_camera, clouds),
        'points_clear': lambda: points_clear(on_host, camera, base_from_camera, clouds),
        'accumulate, every 2nd (cli)': _accumulating(points, colours),
        'rectification maps (once)': calibration.rectification_maps,
    }


def _accumulating(points: np.ndarray, colours: np.ndarray) -> Case:
    """One frame more, one metre on, in one growing cloud."""
    cloud = VoxelCloud(0.1, 5_000_000)
    place = np.zeros(3)

    def add() -> None:
        place[2] += 1.0
        cloud.add(points + place, colours)

    return add


def measure(case: Case, repeat: int, device: torch.device) -> dict[str, float]:
    """Return median, mean and 99th percentile of the time that ``case`` takes [ms]."""
    times = []
    for index in range(-3, repeat):
        started = time.perf_counter()
        case()
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        if index >= 0:
            times.append((time.perf_counter() - started) * 1e3)
    return {
        'median_ms': round(statistics.median(times), 3),
        'mean_ms': round(statistics.fmean(times), 3),
        'p99_ms': round(float(np.percentile(times, 99)), 3),
    }


def main() -> int:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, nargs=2, default=(375, 1242), metavar=('H', 'W'))
    parser.add_argument('--repeat', type=int, default=50)
    parser.add_argument('--threads', type=int, default=1, help='of torch')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--json', type=Path, help='write the numbers to this file')
    options = parser.parse_args()
    heap.keep_freed_memory()  # as the node does
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    height, width = options.size
    with torch.inference_mode():
        results = {
            name: measure(case, options.repeat, device)
            for name, case in cases(height, width, device).items()
        }
    print(f'{width}x{height}, {device}, {options.threads} threads, {options.repeat} times, ms')
    print(f'{"":32}{"median":>9}{"mean":>9}{"p99":>9}')
    for name, row in results.items():
        print(f'{name:32}{row["median_ms"]:9.2f}{row["mean_ms"]:9.2f}{row["p99_ms"]:9.2f}')
    if options.json:
        document = {
            'height': height,
            'width': width,
            'device': str(device),
            'threads': options.threads,
            'repeat': options.repeat,
            'machine': platform.machine(),
            'torch': torch.__version__,
            'results': results,
        }
        options.json.write_text(json.dumps(document, indent=1) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
