"""Several cameras in one process, over one network."""

from __future__ import annotations

import time

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from ros_harness import PATIENCE_S, SECOND, wait_for  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from test_node_process import SMALL, end, real_node, slow_node  # noqa: E402

from gemdepth_ros.errors import ConfigError  # noqa: E402
from gemdepth_ros.msg import Status  # noqa: E402
from gemdepth_ros.ros.nodes import NodeGroup  # noqa: E402

CAMERAS = ('front', 'rear')


def topics(name):
    return [f'/{camera}/depth_node/{name}' for camera in CAMERAS]


class Rig:
    """Two cameras and a listener to both nodes."""

    def __init__(self, world):
        self.listener = world.listener()
        for topic in topics('status'):
            self.listener.listen(topic, Status)
        for topic in topics('relative/depth'):
            self.listener.listen(topic, Image)
        self.cameras = [
            world.camera(info=False, name=f'{name}_camera', topic=f'/{name}/image')
            for name in CAMERAS
        ]
        world.start()
        for camera in self.cameras:
            wait_for(camera.matched, what='the node listening')

    def send(self, stamp_ns, which=(0, 1)):
        for index in which:
            self.cameras[index].send(
                stamp_ns, size=(96, 128), frame_id=f'{CAMERAS[index]}_optical'
            )

    def newest(self, camera):
        messages = self.listener.messages[topics('status')[camera]]
        return messages[-1] if messages else Status()


def test_two_cameras_over_one_real_network(world):
    with real_node(*SMALL, before=('--cameras', *CAMERAS, '--batch-wait-ms', '200')) as child:
        rig = Rig(world)
        time.sleep(1.0)
        for number in range(1, 4):
            rig.send(number * SECOND // 10)
            for camera in (0, 1):
                wait_for(lambda c=camera, n=number: rig.newest(c).frames_processed == n)
        for camera, topic in enumerate(topics('relative/depth')):
            wait_for(lambda t=topic: len(rig.listener.messages[t]) == 3)
            assert {m.header.frame_id for m in rig.listener.messages[topic]} == {
                f'{CAMERAS[camera]}_optical'
            }
            assert rig.newest(camera).window_frames == 2
        code, errors, _ = end(child)
    assert (code, 'Traceback' in errors) == (0, False)
    assert errors.count('on cpu in float32') == 1, 'one network, said once'


def test_a_silent_camera_does_not_stop_the_other(world):
    with slow_node(0.01, before=('--cameras', *CAMERAS)) as child:
        rig = Rig(world)
        for number in range(1, 6):
            rig.send(number * SECOND // 10, which=(0,))
            wait_for(lambda n=number: rig.newest(0).frames_processed == n, what='the front one')
        assert rig.newest(1).frames_received == 0
        assert end(child)[0] == 0


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (('--cameras', 'front', 'front'), 'name each camera once'),
        (('--cameras', '2nd'), "a camera must be a namespace such as front, got '2nd'"),
        (('--cameras', 'front', '--batch-wait-ms', '-1'), '--batch-wait-ms must be >= 0'),
    ],
)
def test_impossible_cameras_end_the_process_in_one_line(arguments, words):
    with slow_node(0.0, before=arguments) as child:
        _, errors = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 1
    assert words in errors
    assert 'Traceback' not in errors


def test_a_namespace_of_a_launch_file_is_named_as_the_cause():
    class Node:
        def __init__(self, **_):
            pass

        def get_fully_qualified_name(self):
            return '/robot/depth_node'  # __ns overrides what the constructor was given

    with pytest.raises(ConfigError, match='give neither __ns nor __node'):
        NodeGroup(Node).create(('front', 'rear'), 0.0, lambda config: None)
