"""One activation of the node: subscriptions, queue and worker, made and ended together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode

from gemdepth_ros.pipeline.latest_queue import LatestQueue
from gemdepth_ros.pipeline.worker import Worker
from gemdepth_ros.ros.calibration import Rectifier
from gemdepth_ros.ros.camera_input import CameraInfoBuffer, CameraInput, QueuedImage
from gemdepth_ros.ros.frame_listener import FrameListener
from gemdepth_ros.ros.frame_processor import FrameProcessor, Pipeline
from gemdepth_ros.ros.node_config import NodeConfig
from gemdepth_ros.ros.publishers import OutputPublishers
from gemdepth_ros.ros.sensor_input import SensorInput
from gemdepth_ros.ros.statistics import NodeStatistics

LOG_PERIOD_S = 5.0  # a camera that sends bad images must not flood the log


class Stream:
    """Everything that exists only while the node is active."""

    def __init__(
        self,
        node: LifecycleNode,
        statistics: NodeStatistics,
        config: Callable[[], NodeConfig],
        pipeline: Pipeline,
        outputs: OutputPublishers,
        on_status: Callable[[], None],
        on_failure: Callable[[Exception], None],
        camera_infos: CameraInfoBuffer,
        frames: FrameListener | None = None,
    ) -> None:
        """Subscribe and start the worker.

        Args:
            node: owner of subscriptions and timer.
            statistics: new ones, for this stream.
            config: the settings of this moment.
            pipeline: used by the worker's thread alone until ``stop``.
            outputs: the topics.
            on_status: publishes ~/status; called after each frame and periodically.
            on_failure: told on the worker's thread what ended the worker.
            camera_infos: calibrations, which outlast the stream.
            frames: static transforms, when the configuration needs them.

        Raises:
            ConfigError: a QoS override has a value that its policy does not know.
        """
        self._statistics = statistics
        self._node = node
        self._config = config
        self._on_status = on_status
        self._queue: LatestQueue[QueuedImage] = LatestQueue()
        with ExitStack() as made:  # undone when a later line raises
            self._input = CameraInput(node, config(), self._queue, self._statistics, camera_infos)
            made.callback(self._input.destroy)
            self._sensors: SensorInput | None = None
            if frames is not None:
                self._sensors = SensorInput(node, frames.frames, config(), pipeline.config)
                made.callback(self._sensors.destroy)
            self._statistics.image_topic = self._input.topic
            self._processor = FrameProcessor(
                pipeline,
                outputs,
                self._statistics,
                Rectifier(config().input_is_rectified, self._input.topic),
                self._find_camera_info,
                self._unwanted,
                self._report,
                lambda: int(node.get_clock().now().nanoseconds),
                self._sensors,
            )
            self.worker = Worker(self._queue, self._work, on_failure, name='depth_worker')
            timer = node.create_timer(
                config().status_period_s, on_status, clock=Clock(clock_type=ClockType.STEADY_TIME)
            )
            made.callback(node.destroy_timer, timer)
            self.worker.start()
            self._made = made.pop_all()

    def reset(self) -> None:
        """Have the worker forget the past before its next frame."""
        self.worker.submit(self._reset)

    def stop(self) -> bool:
        """Unsubscribe and end the worker; return False if its frame took too long.

        The worker then ends after that frame, and throws the result away.
        """
        self._made.close()
        self._statistics.counter.dropped(self.worker.request_stop())
        return self.worker.join(self._config().stop_timeout_s)

    def _work(self, item: QueuedImage, dropped: int) -> None:
        self._processor.process(item, dropped)
        if not self._unwanted():
            self._on_status()

    def _reset(self) -> None:
        self._processor.reset()
        self._on_status()

    def _find_camera_info(self, stamp_ns: int, size: tuple[int, int], frame_id: str) -> Any | None:
        tolerance_s = self._config().camera_info_tolerance_s
        return self._input.find_camera_info(stamp_ns, size, frame_id, tolerance_s)

    def _report(self, problem: str) -> None:
        self._statistics.problem(problem)
        self._node.get_logger().warning(problem, throttle_duration_sec=LOG_PERIOD_S)

    def _unwanted(self) -> bool:
        return self.worker.stopping or not self._node.context.ok()
