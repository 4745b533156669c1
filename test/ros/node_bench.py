"""A running node, a camera and listeners: the bench of the tests over DDS."""

from __future__ import annotations

from types import MappingProxyType

from diagnostic_msgs.msg import DiagnosticArray
from fake_pipeline import FakePipeline
from nav_msgs.msg import Odometry
from ros_harness import SECOND, wait_for
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from gemdepth_ros.msg import RelativePoses, Status

NODE = '/depth_node'
RELATIVE = {
    f'{NODE}/relative/depth': Image,
    f'{NODE}/relative/disparity': Image,
    f'{NODE}/relative/camera_info': CameraInfo,
    f'{NODE}/relative/points': PointCloud2,
}
METRIC = {
    f'{NODE}/depth/image_rect': Image,
    f'{NODE}/depth/camera_info': CameraInfo,
    f'{NODE}/points': PointCloud2,
}
ALWAYS = {
    f'{NODE}/odometry': Odometry,
    f'{NODE}/keyframe_poses': RelativePoses,
    f'{NODE}/status': Status,
    '/diagnostics': DiagnosticArray,
}


class Bench:
    """A running node, a camera and a listener to everything asked for."""

    def __init__(self, world, topics=(), delay_s=0.0, camera=MappingProxyType({}), **parameters):
        self.world = world
        self.node = world.depth_node(
            lambda config: FakePipeline(config, delay_s=delay_s),
            status_period_s=0.1,
            **parameters,
        )
        self.listener = world.listener()
        for topic, message_type in {**ALWAYS, **dict(topics)}.items():
            self.listener.listen(topic, message_type)
        self.camera = world.camera(**camera) if camera is not None else None
        world.start()
        world.on_executor(self.node.autostart)
        if self.camera is not None:
            wait_for(self.camera.matched, what='the camera being heard')
        wait_for(self._heard, what='the outputs being heard')
        self.stamp_ns = 100 * SECOND

    def _heard(self):
        outputs = self.node._outputs._publishers
        listened = set(self.listener.messages) - {'/diagnostics'}
        return all(
            publisher.get_subscription_count() > 0
            for publisher in outputs.values()
            if publisher.topic_name in listened
        )

    @property
    def pipeline(self):
        return self.world.pipelines[-1]

    @property
    def counts(self):
        return self.node._snapshot().counts

    def send(self, step_s=0.1, wait=True, **arguments):
        """Publish the next image; wait until it has found its way out."""
        self.stamp_ns += round(step_s * SECOND)
        before = self.counts.received
        self.camera.send(self.stamp_ns, **arguments)
        if wait:
            wait_for(lambda: self.counts.received > before and self.counts.pending == 0)
        return self.stamp_ns

    def diagnosis(self):
        """The next diagnostic of the node."""
        seen = len(self.listener.messages['/diagnostics'])
        wait_for(lambda: len(self.listener.messages['/diagnostics']) > seen)
        return self.listener.messages['/diagnostics'][-1].status[0]

    def status(self):
        """The newest status, once it agrees with the node's own counts."""
        messages = self.listener.messages[f'{NODE}/status']

        def current():
            counts, newest = self.counts, messages[-1] if messages else Status()
            return (newest.frames_received, newest.frames_processed, newest.frames_pending) == (
                counts.received,
                counts.processed,
                counts.pending,
            )

        wait_for(current)
        return messages[-1]
