"""Cost of filling and reading ROS messages, in milliseconds.

    python benchmarks/bench_messages.py [--size 375 1242] [--repeat 200] [--json PATH]

The budget for one message of 1242x375 is 3 ms; the exit code is 1 when a median exceeds it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image, PointCloud2

from gemdepth_ros.geometry.point_cloud import coloured_points
from gemdepth_ros.interfaces import OrganizedCloud, PinholeIntrinsics, UInt8Array
from gemdepth_ros.ros import conversions

BUDGET_MS = 3.0
Case = Callable[[], object]


def cases(height: int, width: int) -> dict[str, Case]:
    """Return what is measured, by name; names that begin with a dot are outside the budget."""
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (height, width, 3), np.uint8)
    depth = random.uniform(1, 80, (height, width)).astype(np.float32)
    xyz = random.normal(size=(height, width, 3)).astype(np.float32)
    cloud = OrganizedCloud(coloured_points(xyz, rgb), True)
    half = OrganizedCloud(coloured_points(xyz[::2, ::2], rgb[::2, ::2]), True)
    camera = PinholeIntrinsics(width, height, 721.5, 721.5, 609.6, 172.9)
    reading: dict[str, Case] = {
        f'read {encoding}': _reader(encoding, rgb)
        for encoding in ('rgb8', 'bgr8', 'rgba8', 'mono8', 'mono16', 'bayer_rggb8', 'yuv422')
    }
    jpeg = CompressedImage(format='jpeg', data=cv2.imencode('.jpg', rgb)[1].tobytes())
    cloud_message = conversions.cloud_message(cloud, 0, 'cam')
    image_message = conversions.image_message(rgb, 'rgb8', 0, 'cam')
    return {
        'fill Image rgb8': lambda: conversions.image_message(rgb, 'rgb8', 0, 'cam'),
        'fill Image 32FC1': lambda: conversions.depth_message(depth, '32FC1', 0, 'cam'),
        'fill Image 16UC1': lambda: conversions.depth_message(depth, '16UC1', 0, 'cam'),
        'fill CameraInfo': lambda: conversions.camera_info_message(camera, 0, 'cam'),
        'fill PointCloud2': lambda: conversions.cloud_message(cloud, 0, 'cam'),
        'fill PointCloud2, every 2nd': lambda: conversions.cloud_message(half, 0, 'cam'),
        **reading,
        'read PointCloud2': lambda: np.frombuffer(cloud_message.data, np.float32),
        '.read CompressedImage (JPEG noise)': lambda: conversions.image_to_rgb(jpeg),
        '.wire Image rgb8': _wire(image_message, Image),
        '.wire PointCloud2': _wire(cloud_message, PointCloud2),
    }


def _reader(encoding: str, rgb: UInt8Array) -> Case:
    """Return the reading of an image with 16 bytes of padding per row."""
    channels = {'rgb8': 3, 'bgr8': 3, 'rgba8': 4, 'mono16': 2, 'yuv422': 2}.get(encoding, 1)
    height, width = rgb.shape[:2]
    rows = np.zeros((height, width * channels + 16), np.uint8)
    message = conversions.image_message(rows, encoding, 0, 'cam')
    message.width = width
    return lambda: conversions.image_to_rgb(message)


def _wire(message: object, kind: type) -> Case:
    return lambda: deserialize_message(serialize_message(message), kind)


def measure(case: Case, repeat: int) -> dict[str, float]:
    """Return median and 99th percentile of the time that ``case`` takes [ms]."""
    for _ in range(5):
        case()
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        case()
        times.append((time.perf_counter() - started) * 1e3)
    median, p99 = np.percentile(times, (50, 99))
    return {'median_ms': round(float(median), 3), 'p99_ms': round(float(p99), 3)}


def main() -> int:
    """Measure, print a table, write JSON; return 1 when a budget is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, nargs=2, default=(375, 1242), metavar=('H', 'W'))
    parser.add_argument('--repeat', type=int, default=200)
    parser.add_argument('--json', type=Path, help='write the numbers to this file')
    options = parser.parse_args()
    height, width = options.size
    results = {n: measure(c, options.repeat) for n, c in cases(height, width).items()}
    print(f'{width}x{height}, {options.repeat} repetitions, ms')
    print(f'{"":38}{"median":>8}{"p99":>8}')
    for name, row in results.items():
        note = '   outside the budget' if name.startswith('.') else ''
        print(f'{name.lstrip("."):38}{row["median_ms"]:8.3f}{row["p99_ms"]:8.3f}{note}')
    over = [n for n, r in results.items() if r['median_ms'] > BUDGET_MS and not n.startswith('.')]
    print(f'over {BUDGET_MS} ms: {", ".join(over) or "none"}')
    if options.json:
        document = {'height': height, 'width': width, 'budget_ms': BUDGET_MS, 'results': results}
        options.json.write_text(json.dumps(document, indent=1) + '\n')
    return 1 if over else 0


if __name__ == '__main__':
    sys.exit(main())
