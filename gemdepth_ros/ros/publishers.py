"""The node's output topics: who listens, and what is sent."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Any

from nav_msgs.msg import Odometry, Path
from rclpy.lifecycle import LifecycleNode
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from tf2_msgs.msg import TFMessage

from gemdepth_ros.interfaces import OutputRequest, PipelineOutput
from gemdepth_ros.msg import RelativePoses, Status
from gemdepth_ros.ros import conversions, transforms
from gemdepth_ros.ros.frame_listener import FrameListener
from gemdepth_ros.ros.message_size import oversized
from gemdepth_ros.ros.motion_outputs import ODOMETRY, PATH, TF, MotionOutputs
from gemdepth_ros.ros.node_config import NodeConfig
from gemdepth_ros.ros.qos import check_publisher_overrides, output_qos

METRIC_DEPTH, METRIC_INFO, METRIC_POINTS = '~/depth/image_rect', '~/depth/camera_info', '~/points'
METRIC_STD, POINTS_MARK, POINTS_CLEAR = '~/depth/std', '~/points_mark', '~/points_clear'
METRIC_NORMALS, RELATIVE_NORMALS = '~/normals', '~/relative/normals'
RELATIVE_DEPTH, RELATIVE_INFO = '~/relative/depth', '~/relative/camera_info'
RELATIVE_DISPARITY, RELATIVE_POINTS = '~/relative/disparity', '~/relative/points'
PREVIEW, KEYFRAMES, STATUS = '~/depth/preview', '~/keyframe_poses', '~/status'

TOPICS = {
    METRIC_DEPTH: Image,
    METRIC_INFO: CameraInfo,
    METRIC_POINTS: PointCloud2,
    METRIC_STD: Image,
    METRIC_NORMALS: Image,
    POINTS_MARK: PointCloud2,
    POINTS_CLEAR: PointCloud2,
    RELATIVE_DEPTH: Image,
    RELATIVE_DISPARITY: Image,
    RELATIVE_INFO: CameraInfo,
    RELATIVE_POINTS: PointCloud2,
    RELATIVE_NORMALS: Image,
    PREVIEW: Image,
    ODOMETRY: Odometry,
    PATH: Path,
    KEYFRAMES: RelativePoses,
    TF: TFMessage,
    STATUS: Status,
}


class OutputPublishers:
    """Publish what somebody listens to, always with the capture stamp and the camera's frame.

    A worker that is slow to stop may still publish when the topics are destroyed: then nothing
    is sent, and nobody listens.
    """

    def __init__(
        self, node: LifecycleNode, config: NodeConfig, frames: FrameListener | None = None
    ) -> None:
        """Create the topics.

        Args:
            node: their owner.
            config: what is published; ``odom_frame`` is final.
            frames: what others publish about frames; only tf_mode none needs none.

        Raises:
            ConfigError: a QoS override has an impossible value; no topic is left behind.
        """
        self._node = node
        self._config = config
        self.motion = MotionOutputs(config, frames, self._send, self._wanted)
        self._publishers: dict[str, Any] = {}
        self._lock = threading.Lock()
        with ExitStack() as made:
            made.callback(self.destroy)
            for topic, message_type in TOPICS.items():
                if topic != TF or config.tf_mode != 'none':
                    self._publishers[topic] = _publisher(node, topic, message_type)
            made.pop_all()

    def destroy(self) -> None:
        """Remove the topics."""
        with self._lock:
            for publisher in self._publishers.values():
                self._node.destroy_lifecycle_publisher(publisher)
            self._publishers.clear()

    def request(self) -> OutputRequest:
        """Return what the pipeline should compute for the present listeners."""
        with self._lock:
            return self._request()

    def _request(self) -> OutputRequest:
        return OutputRequest(
            depth=any(map(self._wanted, (METRIC_DEPTH, RELATIVE_DEPTH, RELATIVE_DISPARITY))),
            points=self._wanted(METRIC_POINTS) or self._wanted(RELATIVE_POINTS),
            preview=self._wanted(PREVIEW),
            depth_std=self._wanted(METRIC_STD),
            costmap=self._wanted(POINTS_MARK) or self._wanted(POINTS_CLEAR),
            normals=self._wanted(METRIC_NORMALS) or self._wanted(RELATIVE_NORMALS),
        )

    def publish(self, output: PipelineOutput) -> None:
        """Publish everything but the status."""
        with self._lock:
            if self._publishers:
                self._publish(output)

    def publish_status(self, message: Any) -> None:
        """Publish ~/status."""
        with self._lock:
            if self._publishers:
                self._publishers[STATUS].publish(message)

    def _publish(self, output: PipelineOutput) -> None:
        too_large = oversized(output)
        if too_large:
            self._node.get_logger().warning(too_large, once=True)
        if output.grounding.metric:
            self._publish_metric(output)
        else:
            self._publish_relative(output)
        if output.preview_rgb is not None:
            self._send_image(PREVIEW, output.preview_rgb, 'rgb8', output)
        self._publish_motion(output)

    def _publish_metric(self, output: PipelineOutput) -> None:
        stamp_ns, frame_id = output.stamp_ns, output.frame_id
        if output.depth_m is not None and self._wanted(METRIC_DEPTH):
            encoding = self._config.depth_encoding
            message = conversions.depth_message(output.depth_m, encoding, stamp_ns, frame_id)
            self._publishers[METRIC_DEPTH].publish(message)
        if output.depth_std_m is not None:
            self._send_image(METRIC_STD, output.depth_std_m, '32FC1', output)
        self._send_camera_info(METRIC_INFO, output)
        if output.camera_is_predicted:
            return  # a guessed field of view gives no metres sideways: no cloud
        self._send_cloud(METRIC_POINTS, output)
        self._send_normals(METRIC_NORMALS, output)
        for topic, points in (
            (POINTS_MARK, output.mark_points),
            (POINTS_CLEAR, output.clear_points),
        ):
            if points is not None and self._wanted(topic):
                message = conversions.points_message(points, stamp_ns, frame_id)
                self._publishers[topic].publish(message)

    def _publish_relative(self, output: PipelineOutput) -> None:
        for topic, values in (
            (RELATIVE_DEPTH, output.relative_depth),
            (RELATIVE_DISPARITY, output.disparity),
        ):
            if values is not None and self._wanted(topic):
                self._send_image(topic, values, '32FC1', output)
        self._send_camera_info(RELATIVE_INFO, output)
        self._send_cloud(RELATIVE_POINTS, output)
        self._send_normals(RELATIVE_NORMALS, output)

    def _publish_motion(self, output: PipelineOutput) -> None:
        self.motion.publish(output)
        window = output.motion.window if output.motion else None
        if window is not None and self._wanted(KEYFRAMES):
            scale, scale_std = transforms.metres_per_unit(output)
            self._publishers[KEYFRAMES].publish(
                conversions.window_message(
                    window,
                    output.frame_id,
                    scale,
                    scale_std,
                    transforms.motion_of(output).metric,
                )
            )

    def _send(self, topic: str, message: Any) -> None:
        self._publishers[topic].publish(message)

    def _send_image(self, topic: str, pixels: Any, encoding: str, output: PipelineOutput) -> None:
        message = conversions.image_message(pixels, encoding, output.stamp_ns, output.frame_id)
        self._publishers[topic].publish(message)

    def _send_camera_info(self, topic: str, output: PipelineOutput) -> None:
        if self._wanted(topic):
            self._publishers[topic].publish(
                conversions.camera_info_message(output.camera, output.stamp_ns, output.frame_id)
            )

    def _send_cloud(self, topic: str, output: PipelineOutput) -> None:
        if output.cloud is not None and self._wanted(topic):
            message = conversions.cloud_message(output.cloud, output.stamp_ns, output.frame_id)
            self._publishers[topic].publish(message)

    def _send_normals(self, topic: str, output: PipelineOutput) -> None:
        if output.normals_rgb is not None and self._wanted(topic):
            self._send_image(topic, output.normals_rgb, 'rgb8', output)

    def _wanted(self, topic: str) -> bool:
        publisher = self._publishers.get(topic)
        return bool(publisher is not None and publisher.get_subscription_count() > 0)


def _publisher(node: LifecycleNode, topic: str, message_type: Any) -> Any:
    check_publisher_overrides(node, topic)
    return node.create_lifecycle_publisher(
        message_type,
        topic,
        output_qos(),
        qos_overriding_options=QoSOverridingOptions.with_default_policies(),
    )
