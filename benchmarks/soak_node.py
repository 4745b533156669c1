"""The node for ten minutes at 10 Hz of 1242x375: memory, frames accounted for, own overhead.

    python benchmarks/soak_node.py [--seconds 600] [--rate 10] [--size 375 1242] [--json PATH]
    python benchmarks/soak_node.py --outputs depth/image_rect
    python benchmarks/soak_node.py --seconds 30 --rate 60 --network-ms 300

The node runs in a process of its own with everything but the network: decoding, preprocessing,
grounding (manual), depth image, clouds, odometry, all published to a listener. A stub stands for
the network and answers at once, so the latency in ~/status is the node's own overhead. With
--network-ms it takes that time, as when images come faster than it works; the overhead is the
latency without it and, in that case, without the one frame that an image may wait. The exit code
is 1 when a limit is exceeded: memory +2 %, a frame that is unaccounted for, overhead p99 15 ms.
What nobody listens to costs nothing: --outputs says what is heard, as bytes that are only counted.
Memory counts from one minute after the start (or a third of the run): until then the allocator
finds its size. It needs a sourced ROS 2 and `FASTRTPS_DEFAULT_PROFILES_FILE` as scripts/env.sh
sets it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from gemdepth_ros.interfaces import PinholeIntrinsics
from gemdepth_ros.msg import Status
from gemdepth_ros.ros.conversions import camera_info_message, image_message

MEMORY_GROWTH, OVERHEAD_MS = 0.02, 15.0
START_S = 120.0  # until the node answers, on a busy machine
HEARD = 0.9  # of the outputs, at least; the listener begins while the node is at work already
SETTLE_S = 60  # until the allocator has found its size; memory is noted once a second
PARAMETERS = {
    'grounding.manual.enabled': True,
    'grounding.manual.scale': 500.0,
    'grounding.manual.shift': 1.0,
    'grounding.manual.translation_factor': 1.0,
    'network.allow_untrained_metric': True,
    'mounting.height_m': 1.65,
    'tf_mode': 'camera',
}
OUTPUTS = {
    'depth/image_rect': Image,
    'points': PointCloud2,
    'points_mark': PointCloud2,
    'points_clear': PointCloud2,
}


class Rig(Node):
    """The camera, and who listens to the outputs.

    Args:
        size: (height, width) of the images [px].
        outputs: topics to listen to.
    """

    def __init__(self, size: tuple[int, int], outputs: list[str]) -> None:
        super().__init__('soak_rig')
        reliable = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        self.images = self.create_publisher(Image, 'image', reliable)
        self.infos = self.create_publisher(CameraInfo, 'camera_info', reliable)
        self.statuses: list[Any] = []
        self.heard = dict.fromkeys(outputs, 0)
        self.create_subscription(Status, '/depth_node/status', self._on_status, 50)
        for topic in outputs:
            kind = OUTPUTS[topic]
            # Raw: they are counted, and what a listener makes of them is not the node's work.
            self.create_subscription(
                kind, f'/depth_node/{topic}', self._counter(topic), 5, raw=True
            )
        height, width = size
        self._camera = PinholeIntrinsics(width, height, 721.5, 721.5, width / 2, height / 2)
        texture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        self._message = image_message(texture, 'rgb8', 0, 'camera_optical')

    def send(self) -> None:
        """Publish an image of this moment."""
        now = self.get_clock().now()
        self.infos.publish(camera_info_message(self._camera, now.nanoseconds, 'camera_optical'))
        self._message.header.stamp = now.to_msg()
        self.images.publish(self._message)

    @property
    def newest(self) -> Any:
        """The newest status."""
        return self.statuses[-1] if self.statuses else Status()

    def _on_status(self, message: Any) -> None:
        if not self.statuses or message.frames_processed > self.newest.frames_processed:
            self.statuses.append(message)
        else:
            self.statuses[-1] = message

    def _counter(self, topic: str) -> Any:
        def count(_message: Any) -> None:
            self.heard[topic] += 1

        return count


def resident_kib(pid: int) -> int:
    """Return the resident memory of a process [KiB]."""
    text = Path(f'/proc/{pid}/status').read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith('VmRSS')))


def drive(rig: Rig, child: subprocess.Popen[bytes], seconds: float, rate_hz: float) -> list[int]:
    """Send images for some time; return the node's memory over it [KiB]."""
    wait(lambda: rig.images.get_subscription_count() > 0, START_S)
    wait(lambda: all(rig.count_publishers(f'/depth_node/{t}') for t in rig.heard), START_S)
    time.sleep(2)  # the outputs find their listener
    memory, next_s = [], time.monotonic()
    for number in range(round(seconds * rate_hz)):
        rig.send()
        if number % max(round(rate_hz), 1) == 0:
            memory.append(resident_kib(child.pid))
        next_s += 1 / rate_hz
        time.sleep(max(next_s - time.monotonic(), 0))
    sent = round(seconds * rate_hz)
    wait(lambda: rig.newest.frames_received >= sent and not rig.newest.frames_pending, 30)
    return memory


def wait(condition: Any, timeout_s: float) -> None:
    """Wait for a condition; end the program when it never comes true."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise SystemExit('soak_node: the node does not answer')
        time.sleep(0.05)


def verdict(rig: Rig, memory: list[int], sent: int, network_ms: float) -> dict[str, Any]:
    """Return the figures; ``failures`` names the limits that are exceeded.

    Args:
        rig: what was heard.
        memory: of the node, once a second [KiB].
        sent: number of images.
        network_ms: of the latency, what is not the node's own [ms].
    """
    latency = np.array([s.latency_ms for s in rig.statuses[10:]]) - network_ms
    last = rig.newest
    accounted = last.frames_processed + last.frames_dropped + last.frames_rejected
    accounted += last.frames_failed + last.frames_pending
    settled = memory[min(SETTLE_S, len(memory) // 3) :]
    share = max(len(settled) // 5, 1)
    before, after = np.median(settled[:share]), np.median(settled[-share:])
    figures = {
        'sent': sent,
        'received': last.frames_received,
        'processed': last.frames_processed,
        'dropped': last.frames_dropped,
        'unaccounted': sent - accounted,
        'heard': rig.heard,
        'overhead_p50_ms': round(float(np.percentile(latency, 50)), 2),
        'overhead_p99_ms': round(float(np.percentile(latency, 99)), 2),
        'overhead_max_ms': round(float(latency.max()), 2),
        'overhead_p50_by_minute_ms': by_minute(rig.statuses[10:], latency),
        'memory_start_mib': round(memory[0] / 1024, 1),
        'memory_before_mib': round(float(before) / 1024, 1),
        'memory_after_mib': round(float(after) / 1024, 1),
        'memory_growth': round(float(after / before - 1), 4),
        'memory_every_20_s_mib': [round(kib / 1024, 1) for kib in memory[::20]],
        'load_average': round(os.getloadavg()[0], 1),
    }
    failures = []
    if figures['unaccounted']:
        failures.append('frames are unaccounted for')
    if figures['memory_growth'] > MEMORY_GROWTH:
        failures.append(f'memory grew by more than {MEMORY_GROWTH:.0%}')
    if min(rig.heard.values()) < HEARD * last.frames_processed:
        failures.append('outputs were not heard: what nobody listens to is not made')
    if not figures['overhead_p99_ms'] <= OVERHEAD_MS:
        failures.append(f'overhead p99 is over {OVERHEAD_MS} ms')
    return {**figures, 'failures': failures}


def by_minute(statuses: list[Any], latency_ms: np.ndarray) -> list[float]:
    """Return the median latency of each minute [ms]: whether the node, or the machine, slows."""
    stamps_s = np.array([s.header.stamp.sec for s in statuses])
    minute = (stamps_s - stamps_s[0]) // 60
    medians = [float(np.median(latency_ms[minute == m])) for m in np.unique(minute)]
    return [round(median, 2) for median in medians]


def run_node(network_ms: float) -> int:
    """The node's process: the real pipeline over a network that takes a stated time."""
    from stub_network import StubNetwork

    from gemdepth_ros.pipeline import DepthPipeline
    from gemdepth_ros.pipeline.known_weights import fitted_to_weights
    from gemdepth_ros.ros.main import main as node_main

    arguments = [a for n, v in PARAMETERS.items() for a in ('-p', f'{n}:={str(v).lower()}')]
    return node_main(
        ['soak_node', '--ros-args', *arguments],
        lambda c: DepthPipeline(fitted_to_weights(c), StubNetwork(network_ms / 1e3)),
    )


def main() -> int:
    """Run node, camera and listener; print the figures; return 1 when a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seconds', type=float, default=600.0)
    parser.add_argument('--rate', type=float, default=10.0, help='images per second')
    parser.add_argument('--size', type=int, nargs=2, default=(375, 1242), metavar=('H', 'W'))
    parser.add_argument('--outputs', nargs='+', choices=OUTPUTS, default=list(OUTPUTS))
    parser.add_argument('--network-ms', type=float, default=0.0, help='what the network takes')
    parser.add_argument('--json', type=Path, help='write the figures to this file')
    parser.add_argument('--node', action='store_true', help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.node:
        return run_node(options.network_ms)
    rclpy.init()
    rig = Rig(tuple(options.size), options.outputs)
    executor = SingleThreadedExecutor()
    executor.add_node(rig)
    stop = threading.Event()
    spinner = threading.Thread(target=lambda: spin(executor, stop))
    spinner.start()
    command = [sys.executable, __file__, '--node', '--network-ms', str(options.network_ms)]
    with subprocess.Popen(command) as child:
        try:
            memory = drive(rig, child, options.seconds, options.rate)
        finally:
            child.send_signal(signal.SIGINT)
            stop.set()
            spinner.join()
    frame_ms = 1e3 / options.rate
    overloaded = options.network_ms > frame_ms
    foreign_ms = options.network_ms + (frame_ms if overloaded else 0.0)
    sent = math.floor(options.seconds * options.rate + 0.5)
    figures = verdict(rig, memory, sent, foreign_ms)
    rclpy.try_shutdown()
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + '\n')
    return 1 if figures['failures'] else 0


def spin(executor: SingleThreadedExecutor, stop: threading.Event) -> None:
    """Spin until told to stop."""
    while not stop.is_set():
        executor.spin_once(timeout_sec=0.1)


if __name__ == '__main__':
    sys.exit(main())
