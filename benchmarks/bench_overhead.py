"""What the node itself does to a frame, stage by stage, in milliseconds of its thread's CPU time.

    python benchmarks/bench_overhead.py [--size 375 1242] [--repeat 100] [--json PATH]

Stages: the image callback, decoding (by our own code, and by cv_bridge where it is installed), the
network's preprocessing, metric depth with its filter, making the cloud, and publishing depth and
cloud to one subscription. CPU time of the thread is counted, so that other programs disturb it
little; what a thread waits for (the middleware, the device) is not in it. Memory is kept as the
node keeps it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import torch
from sensor_msgs.msg import Image, PointCloud2

from gemdepth_ros.geometry.point_cloud import organized_cloud
from gemdepth_ros.inference.preprocessing import network_size, preprocess
from gemdepth_ros.interfaces import GroundingState, PinholeIntrinsics
from gemdepth_ros.pipeline.config import ProductsConfig
from gemdepth_ros.pipeline.host_depth import filtered_metric_depth
from gemdepth_ros.pipeline.latest_queue import LatestQueue
from gemdepth_ros.pipeline.products import as_array, at_image_size, metric_depth
from gemdepth_ros.ros import conversions, heap
from gemdepth_ros.ros.camera_input import CameraInput
from gemdepth_ros.ros.node_config import NodeConfig
from gemdepth_ros.ros.statistics import NodeStatistics

Case = Callable[[], object]
METRES = GroundingState(metric=True, scale=500.0, shift=1.0)


def stages(node: Any, height: int, width: int) -> dict[str, Case]:
    """Return what is measured, by name."""
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (height, width, 3), np.uint8)
    images = {e: conversions.image_message(rgb, e, 0, 'cam') for e in ('rgb8', 'bgr8')}
    camera_input = CameraInput(node, NodeConfig(), LatestQueue(), NodeStatistics())
    camera = PinholeIntrinsics(width, height, 721.5, 721.5, width / 2, height / 2)
    size = network_size(height, width, 518)
    disparity = torch.linspace(2.0, 100.0, size[0])[:, None].expand(size).contiguous()
    config = ProductsConfig()

    def depth(*, filtered: bool) -> Any:
        full = at_image_size(disparity, (height, width))
        if filtered:
            return filtered_metric_depth(as_array(full), METRES, camera, config)
        return as_array(metric_depth(full, METRES, config))

    depth_m = depth(filtered=True)
    depth_topic, cloud_topic = (
        publisher(node, Image, 'depth'),
        publisher(node, PointCloud2, 'points'),
    )
    result: dict[str, Case] = {
        'callback': lambda: camera_input._on_image(images['rgb8'], {}),
        'decode rgb8': lambda: conversions.image_to_rgb(images['rgb8']),
        'decode bgr8': lambda: conversions.image_to_rgb(images['bgr8']),
        **with_cv_bridge(images),
        f'preprocess to {size[1]}x{size[0]}': lambda: preprocess(rgb, size),
        'metric depth': lambda: depth(filtered=False),
        'metric depth, edges filtered': lambda: depth(filtered=True),
        'publish depth 32FC1': lambda: depth_topic.publish(
            conversions.depth_message(depth_m, '32FC1', 0, 'cam')
        ),
        'make and publish cloud, every 2nd pixel': lambda: cloud_topic.publish(
            conversions.cloud_message(
                organized_cloud(depth_m, rgb, camera, 2, metric=True), 0, 'cam'
            )
        ),
    }
    return result


def publisher(node: Any, kind: type, topic: str) -> Any:
    """Return a publisher that has a listener."""
    node.create_subscription(kind, topic, lambda _message: None, 1)
    return node.create_publisher(kind, topic, 5)


def with_cv_bridge(images: dict[str, Any]) -> dict[str, Case]:
    """Return the decoding by cv_bridge, where it is installed."""
    if importlib.util.find_spec('cv_bridge') is None:
        return {}
    from cv_bridge import CvBridge

    bridge = CvBridge()
    return {
        f'decode {encoding} (cv_bridge)': lambda m=message: bridge.imgmsg_to_cv2(m, 'rgb8')
        for encoding, message in images.items()
    }


def measure(case: Case, repeat: int) -> dict[str, float]:
    """Return median and 99th percentile of the CPU time that ``case`` takes [ms]."""
    for _ in range(5):
        case()
    times = []
    for _ in range(repeat):
        started = time.thread_time()
        case()
        times.append((time.thread_time() - started) * 1e3)
    median, p99 = np.percentile(times, (50, 99))
    return {'median_ms': round(float(median), 3), 'p99_ms': round(float(p99), 3)}


def main() -> int:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, nargs=2, default=(375, 1242), metavar=('H', 'W'))
    parser.add_argument('--repeat', type=int, default=100)
    parser.add_argument('--json', type=Path, help='write the numbers to this file')
    options = parser.parse_args()
    heap.keep_freed_memory()  # as the node does
    torch.set_num_threads(1)
    rclpy.init()
    node = rclpy.create_node('bench_overhead')
    height, width = options.size
    results = {n: measure(c, options.repeat) for n, c in stages(node, height, width).items()}
    node.destroy_node()
    rclpy.try_shutdown()
    print(f'{width}x{height}, {options.repeat} repetitions, ms of CPU time, one thread; load '
          f'{os.getloadavg()[0]:.1f}')  # fmt: skip
    print(f'{"":42}{"median":>8}{"p99":>8}')
    for name, row in results.items():
        print(f'{name:42}{row["median_ms"]:8.3f}{row["p99_ms"]:8.3f}')
    if importlib.util.find_spec('cv_bridge') is None:
        print('cv_bridge is not installed: its rows are missing')
    if options.json:
        document = {'height': height, 'width': width, 'results': results}
        options.json.write_text(json.dumps(document, indent=1) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
