"""What the node promises, seen from another process over real DDS."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from lifecycle_msgs.srv import ChangeState, GetState  # noqa: E402
from nav_msgs.msg import Odometry, Path  # noqa: E402
from rcl_interfaces.srv import DescribeParameters, SetParameters  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import ReliabilityPolicy  # noqa: E402
from ros_harness import FRAME, SECOND, intrinsics, published_by, wait_for  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, PointCloud2  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from test_frames import transform  # noqa: E402
from test_node_process import end, slow_node  # noqa: E402
from test_node_sensors import LATCHED  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from gemdepth_ros.msg import RelativePoses, Status  # noqa: E402

NODE = '/depth_node'
METRIC = (
    *('-p', 'grounding.manual.enabled:=true', '-p', 'grounding.manual.scale:=500.0'),
    *('-p', 'grounding.manual.translation_factor:=2.0', '-p', 'tf_mode:=camera'),
)
STAMPED = {
    f'{NODE}/depth/image_rect': Image,
    f'{NODE}/depth/camera_info': CameraInfo,
    f'{NODE}/points': PointCloud2,
    f'{NODE}/depth/preview': Image,
    f'{NODE}/odometry': Odometry,
    f'{NODE}/path': Path,
    f'{NODE}/keyframe_poses': RelativePoses,
    f'{NODE}/status': Status,
}
RELATIVE = {f'{NODE}/relative/{name}': Image for name in ('depth', 'disparity', 'normals')} | {
    f'{NODE}/relative/camera_info': CameraInfo,
    f'{NODE}/relative/points': PointCloud2,
}
OTHERS = {
    f'{NODE}/depth/std': Image,
    f'{NODE}/points_mark': PointCloud2,
    f'{NODE}/points_clear': PointCloud2,
    '/tf': TFMessage,
    '/diagnostics': DiagnosticArray,
}
INPUTS = {'/image': Image, '/camera_info': CameraInfo}
SIZE = (48, 64)


def type_name(message_type):
    package, folder, _ = message_type.__module__.split('.', 2)
    return f'{package}/{folder}/{message_type.__name__}'


class Client:
    """Another process's view of the node."""

    def __init__(self, world):
        self.reliable, self.best_effort = world.listener(), world.listener()
        for topic, kind in {**STAMPED, **RELATIVE, **OTHERS}.items():
            self.reliable.listen(topic, kind)
        for topic, kind in STAMPED.items():
            self.best_effort.listen(topic, kind, reliable=False)
        self.static = self.reliable.create_publisher(TFMessage, '/tf_static', LATCHED)
        self.camera = world.camera()
        world.start()
        wait_for(self.camera.matched, what='the node listening')
        entry = transform('base_link', FRAME, (1, 0, 1.5))
        self.static.publish(TFMessage(transforms=[entry]))

    def call(self, kind, name, request):
        client = self.reliable.create_client(kind, f'{NODE}/{name}')
        wait_for(client.service_is_ready, what=name)
        future = client.call_async(request)
        wait_for(future.done, what=name)
        return future.result()

    def published(self):
        """(topic, type) of everything that the node publishes."""
        return published_by(self.reliable, 'depth_node')

    def subscription_type(self, topic):
        """The type that the node itself subscribes, once its name has been discovered."""
        infos = self.reliable.get_subscriptions_info_by_topic(topic)
        return next((i.topic_type for i in infos if i.node_name == 'depth_node'), None)

    def newest(self, topic):
        return self.reliable.messages[topic][-1]

    def state(self):
        return self.call(GetState, 'get_state', GetState.Request()).current_state.label


@pytest.fixture
def client(world):
    with slow_node(0.0, *METRIC) as child:
        yield Client(world)
        code, errors, _ = end(child)
    assert (code, 'Traceback' in errors) == (0, False)


def test_the_contract(client):
    """One process for all of it: starting one takes longer than asking it."""
    check_names_and_types(client)
    stamps = [100 * SECOND + i * SECOND // 2 for i in range(1, 5)]
    for number, stamp_ns in enumerate(stamps):
        client.camera.send(stamp_ns, grey=99, size=SIZE)
        clouds = client.reliable.messages[f'{NODE}/points']
        wait_for(lambda n=number, c=clouds: len(c) == n + 1, what='a cloud')
    check_stamps_and_frames(client, stamps)
    check_sizes(client)
    check_metres(client)
    check_tree(client)
    check_parameters(client)
    check_services(client)


def check_names_and_types(client):
    expected = {**STAMPED, **RELATIVE, **OTHERS}
    wait_for(lambda: set(expected) <= set(client.published()), what='discovery')
    published = client.published()
    for topic, kind in expected.items():
        assert published[topic] == type_name(kind), topic
    others = set(published) - set(expected)
    assert {t for t in others if t.startswith('/tf') or 'map' in t} == set()
    for topic, kind in INPUTS.items():
        wait_for(lambda t=topic: client.subscription_type(t), what='the name of the subscriber')
        assert client.subscription_type(topic) == type_name(kind)
    for topic in STAMPED:
        (info,) = client.reliable.get_publishers_info_by_topic(topic)
        assert info.qos_profile.reliability == ReliabilityPolicy.RELIABLE, topic


def check_stamps_and_frames(client, stamps):
    frames = {
        f'{NODE}/odometry': 'gemdepth_odom',
        f'{NODE}/path': 'gemdepth_odom',
        f'{NODE}/status': FRAME,
    }
    for topic in STAMPED:
        for listener in (client.reliable, client.best_effort):
            wait_for(lambda h=listener, t=topic: h.messages[t], what=topic)
            found = [s for s in listener.stamps(topic) if s]
            assert set(found) <= set(stamps), topic
            assert found == sorted(found), topic
        frame = client.newest(topic).header.frame_id
        assert frame == frames.get(topic, FRAME), topic
    for topic in (f'{NODE}/depth/image_rect', f'{NODE}/depth/camera_info'):
        wait_for(lambda t=topic: client.reliable.stamps(t) == stamps, what=topic)


def check_sizes(client):
    depth = client.newest(f'{NODE}/depth/image_rect')
    info = client.newest(f'{NODE}/depth/camera_info')
    cloud = client.newest(f'{NODE}/points')
    assert (depth.height, depth.width, depth.encoding, depth.step) == (*SIZE, '32FC1', 4 * SIZE[1])
    assert len(depth.data) == depth.height * depth.step
    assert (info.height, info.width) == SIZE
    camera = intrinsics(SIZE)
    assert (info.k[0], info.k[2], info.k[4], info.k[5]) == (
        *(camera.fx, camera.cx),
        *(camera.fy, camera.cy),
    )
    assert list(info.p[:3]) == list(info.k[:3])
    assert not any(info.d)
    assert (cloud.height, cloud.width, cloud.is_dense) == (SIZE[0] // 2, SIZE[1] // 2, False)
    assert [f.name for f in cloud.fields] == ['x', 'y', 'z', 'rgb']
    assert len(cloud.data) == cloud.row_step * cloud.height


def check_metres(client):
    for topic in RELATIVE:
        assert client.reliable.messages[topic] == [], topic
    wait_for(lambda: client.newest(f'{NODE}/status').frames_processed == 4, what='the last status')
    status = client.newest(f'{NODE}/status')
    assert status.metric
    assert (status.frames_received, status.frames_dropped, status.frames_pending) == (4, 0, 0)
    assert client.newest(f'{NODE}/odometry').child_frame_id == f'{FRAME}_gemdepth'


def check_tree(client):
    parents = {FRAME: {'base_link'}}
    for message in client.reliable.messages['/tf']:
        for entry in message.transforms:
            parents.setdefault(entry.child_frame_id, set()).add(entry.header.frame_id)
    assert all(len(names) == 1 for names in parents.values()), parents
    assert {name for names in parents.values() for name in names} == {'base_link', 'gemdepth_odom'}


def check_parameters(client):
    request = DescribeParameters.Request(names=['stale_after_s', 'streaming.window'])
    live, fixed = client.call(DescribeParameters, 'describe_parameters', request).descriptors
    assert '[s]' in live.description
    assert live.floating_point_range[0].to_value == 3600.0
    assert 'frames per window' in fixed.description
    assert 'read while configuring' in fixed.additional_constraints
    changes = [
        Parameter('stale_after_s', value=9.0).to_parameter_msg(),
        Parameter('streaming.window', value=4).to_parameter_msg(),
    ]
    taken, refused = client.call(
        SetParameters, 'set_parameters', SetParameters.Request(parameters=changes)
    ).results
    assert taken.successful
    assert 'streaming.window is read while configuring' in refused.reason


def check_services(client):
    assert client.call(Trigger, 'reset', Trigger.Request()).success
    assert client.state() == 'active'
    for transition, state in (
        (4, 'inactive'),
        (2, 'unconfigured'),
        (1, 'inactive'),
        (3, 'active'),
    ):
        request = ChangeState.Request()
        request.transition.id = transition
        assert client.call(ChangeState, 'change_state', request).success
        assert client.state() == state
