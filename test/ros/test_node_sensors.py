"""LiDAR, odometry, IMU and a sky mask over DDS: matched to the image, or one diagnostic each."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from fake_pipeline import FakePipeline  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402
from node_bench import Bench  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from ros_harness import FRAME, SECOND, wait_for  # noqa: E402
from sensor_msgs.msg import Image, Imu, PointCloud2  # noqa: E402
from test_frames import TURN, transform  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from gemdepth_ros.ros.conversions import header, points_message  # noqa: E402
from gemdepth_ros.ros.node import GemDepthNode  # noqa: E402

TOPICS = {'lidar/points': PointCloud2, 'odometry': Odometry, 'imu': Imu, 'sky_mask': Image}
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Robot(Node):
    """Publishes what the sensors would."""

    def __init__(self, context):
        super().__init__('robot', context=context)
        self.topics = {
            topic: self.create_publisher(kind, topic, 50) for topic, kind in TOPICS.items()
        }
        self.static = self.create_publisher(TFMessage, '/tf_static', LATCHED)

    def send(self, topic, message, bench):
        """Publish a message and wait until the node has it."""
        name = {'lidar/points': 'lidar', 'sky_mask': 'sky'}.get(topic, topic)
        wait_for(self.topics[topic].get_subscription_count, what=topic)
        buffer = bench.node._stream._sensors._buffers[name]
        before = buffer.arrived
        self.topics[topic].publish(message)
        wait_for(lambda: buffer.arrived > before, what=topic)

    def place(self, bench, *entries):
        """Publish static transforms and wait until the node has the last of them."""
        self.static.publish(TFMessage(transforms=list(entries)))
        child, parent = entries[-1].child_frame_id, entries[-1].header.frame_id
        frames = bench.node._frames.frames
        wait_for(lambda: frames.between(parent, child) is not None, what='the transform')


@pytest.fixture
def bench(world):
    def make(**parameters):
        robot = world.add(Robot(world.context))
        made = Bench(world, **parameters)
        return made, robot

    return make


def readings(bench):
    bench.send()
    return bench.pipeline.readings[-1]


def cloud(stamp_ns, frame='velodyne'):
    return points_message(np.array([[1, 2, 3], [4, 5, 6]], np.float32), stamp_ns, frame)


def wheels(stamp_ns, x=0.0, frame='wheels', child='base_link'):
    message = Odometry(header=header(stamp_ns, frame), child_frame_id=child)
    message.pose.pose.position.x = x
    message.twist.twist.linear.x = 2.0
    return message


def warnings(bench):
    return bench.diagnosis().message


def test_the_cloud_nearest_to_the_image_comes_with_its_transform(bench):
    bench, robot = bench(grounding__lidar__enabled=True)
    robot.place(bench, transform('velodyne', FRAME, (0, 0, -1), TURN))
    image_ns = bench.stamp_ns + SECOND // 10
    for offset in (-0.14, -0.04, 0.05):
        robot.send('lidar/points', cloud(image_ns + round(offset * SECOND)), bench)
    found = readings(bench).lidar
    assert found.stamp_ns == image_ns - SECOND // 25
    assert found.points['z'].ravel().tolist() == [3, 6]
    np.testing.assert_allclose(found.camera_from_lidar[:3, :3], TURN.T, atol=1e-12)
    np.testing.assert_allclose(found.camera_from_lidar[:3, 3], [0, 0, 1], atol=1e-12)
    assert 'lidar' not in warnings(bench)


def test_each_fault_of_the_lidar_is_one_diagnostic(bench):
    bench, robot = bench(grounding__lidar__enabled=True)
    assert readings(bench).lidar is None
    assert 'lidar (/lidar/points): no message for' in warnings(bench)
    robot.send('lidar/points', cloud(bench.stamp_ns + SECOND // 10), bench)
    assert readings(bench).lidar is None
    text = f"no static transform between '{FRAME}' and 'velodyne': publish it on /tf_static"
    assert text in warnings(bench)
    robot.place(bench, transform('velodyne', FRAME))
    assert readings(bench).lidar is not None
    assert 'lidar' not in warnings(bench)
    bad = cloud(bench.stamp_ns + SECOND // 10)
    bad.fields = bad.fields[:2]
    robot.send('lidar/points', bad, bench)
    assert readings(bench).lidar is None
    assert warnings(bench).count('the cloud has no field z') == 1
    bench.send(step_s=0.9)
    assert '(limit 0.2 s): has it stopped, or another clock?' in warnings(bench)
    assert bench.pipeline.readings[-1].lidar is None
    assert bench.counts.processed == 5, 'depth comes without it'


def test_odometry_since_the_last_image_in_order(bench):
    bench, robot = bench(grounding__odometry__enabled=True)
    robot.place(bench, transform('base_link', FRAME))
    assert readings(bench).odometry == ()
    assert 'odometry (/odometry): no message for' in warnings(bench)
    start = bench.stamp_ns
    for i in (1, 2, 4, 3):  # the third comes late and is dropped
        robot.send('odometry', wheels(start + i * SECOND // 50, x=0.1 * i), bench)
    found = readings(bench).odometry
    assert [s.stamp_ns - start for s in found] == [SECOND // 50, SECOND // 25, 2 * SECOND // 25]
    assert [s.odom_from_base[0, 3] for s in found] == pytest.approx([0.1, 0.2, 0.4])
    assert {s.speed_mps for s in found} == {2.0}
    assert readings(bench).odometry == (), 'each sample is handed over once'
    assert 'odometry' not in warnings(bench)


def test_faults_of_the_odometry(bench):
    bench, robot = bench(grounding__odometry__enabled=True)
    robot.send('odometry', wheels(bench.stamp_ns + SECOND, x=math.nan), bench)
    assert readings(bench).odometry == ()
    assert 'odometry (/odometry): a pose is not finite' in warnings(bench)
    robot.send('odometry', wheels(bench.stamp_ns + 60 * SECOND), bench)
    assert readings(bench).odometry == ()
    assert 'the newest message is 59.90 s away from the image (limit 2.0 s)' in warnings(bench)
    robot.send('odometry', wheels(bench.stamp_ns, frame='gemdepth_odom'), bench)
    assert readings(bench).odometry == ()
    assert "this is the node's own motion (gemdepth_odom)" in warnings(bench)


def test_wheels_in_the_frame_that_the_node_owns_are_used(bench):
    """A driver stamps odom, its TF switched off, while the node publishes odom -> base_link."""
    bench, robot = bench(grounding__odometry__enabled=True, tf_mode='odom_to_base')
    robot.place(bench, transform('base_link', FRAME))
    robot.send('odometry', wheels(bench.stamp_ns + SECOND // 20, frame='odom'), bench)
    assert [sample.speed_mps for sample in readings(bench).odometry] == [2.0]
    assert 'odometry (/odometry)' not in warnings(bench)


@pytest.mark.parametrize('tf_mode', ['none', 'odom_to_base'])
def test_the_nodes_own_output_is_no_measurement(world, tf_mode):
    parameters = {'tf_mode': tf_mode, 'grounding.odometry.enabled': True}
    node = world.add(
        GemDepthNode(
            pipeline_factory=FakePipeline,
            context=world.context,
            parameter_overrides=[Parameter(n, value=v) for n, v in parameters.items()],
            cli_args=['--ros-args', '-r', 'odometry:=/depth_node/odometry'],
        )
    )
    node.autostart()
    sensors = node._stream._sensors
    own = wheels(SECOND, frame='odom')
    sensors._buffers['odometry'].add(SECOND, own)
    assert sensors.readings(SECOND, FRAME, (6, 8)).odometry == ()
    assert sensors.notes['odometry'] == (
        "odometry (/depth_node/odometry): this is the node's own motion, no measurement: remap "
        "odometry to the topic of the vehicle's"
    )


def test_odometry_says_where_the_camera_is_on_what_it_moves(bench):
    """The frames base_footprint -> base_link -> camera; the odometry is that of base_footprint."""
    bench, robot = bench(grounding__odometry__enabled=True)
    optical = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])

    def measured():
        message = wheels(bench.stamp_ns + SECOND // 20, child='/base_footprint')
        message.twist.twist.angular.z = 0.5
        message.twist.covariance[35] = 0.01
        robot.send('odometry', message, bench)
        return readings(bench).odometry

    unplaced = (
        "odometry (/odometry): no static transform between '/base_footprint' and "
        f"'{FRAME}': publish it on /tf_static; until then"
    )
    (sample,) = measured()
    assert sample.base_from_camera is None
    assert sample.speed_mps == 2.0, 'a speed alone is better than nothing'
    assert warnings(bench).count(unplaced) == 1
    assert readings(bench).odometry == ()
    assert unplaced in warnings(bench), 'it is wrong between messages, too'
    robot.place(bench, transform('base_link', FRAME, (1.5, 0, 1), optical))
    robot.place(bench, transform('base_footprint', 'base_link', (0.5, 0, 0.3)))
    (sample,) = measured()
    np.testing.assert_allclose(sample.base_from_camera[:3, 3], [2, 0, 1.3])
    np.testing.assert_allclose(sample.base_from_camera[:3, :3], optical, atol=1e-12)
    assert sample.speed_mps == pytest.approx(math.sqrt(5.0)), '|v + w x r|'
    assert readings(bench).mounting is None, 'of its height above the ground nobody said a word'
    assert 'odometry' not in warnings(bench)


def test_odometry_without_a_child_frame_is_that_of_the_base(bench):
    bench, robot = bench(grounding__odometry__enabled=True, base_frame='chassis')
    robot.send('odometry', wheels(bench.stamp_ns + SECOND // 20, child=''), bench)
    assert readings(bench).odometry[0].base_from_camera is None
    text = "no static transform between 'chassis' (base_frame; the messages have no child_frame_id"
    assert text in warnings(bench)
    robot.place(bench, transform('chassis', FRAME, (2, 0, 1)))
    robot.send('odometry', wheels(bench.stamp_ns + SECOND // 20, child=''), bench)
    assert readings(bench).odometry[0].base_from_camera[0, 3] == 2
    assert 'odometry' not in warnings(bench)


def test_gravity_is_turned_into_the_cameras_axes(bench):
    bench, robot = bench(use_imu=True, grounding__ground_plane__enabled=True)
    # The IMU has x forward and z up; the camera looks along its x.
    optical = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    robot.place(bench, transform('imu', FRAME, rotation=optical))
    message = Imu(header=header(bench.stamp_ns + SECOND // 10, 'imu'))
    message.orientation_covariance[0] = 0.01
    robot.send('imu', message, bench)
    np.testing.assert_allclose(readings(bench).gravity_camera, [0, 1, 0], atol=1e-12)
    message.header.stamp.nanosec += 150_000_000
    message.orientation_covariance[0] = -1.0
    robot.send('imu', message, bench)
    assert readings(bench).gravity_camera is None
    assert 'imu (/imu): the messages have no orientation' in warnings(bench)


def test_a_sky_mask_is_handed_on(bench):
    bench, robot = bench(grounding__sky__enabled=True)
    message = Image(height=6, width=8, encoding='mono8', step=8)
    message.header = header(bench.stamp_ns + SECOND // 10, FRAME)
    message.data = bytes([255] * 24 + [0] * 24)
    robot.send('sky_mask', message, bench)
    sky = readings(bench).sky
    assert sky[:3].all()
    assert not sky[3:].any()
    message.header.stamp.nanosec += 100_000_000
    message.height, message.data = 5, bytes(40)
    robot.send('sky_mask', message, bench)
    assert readings(bench).sky is None
    assert 'sky (/sky_mask): the mask is 8x5 but the image 8x6' in warnings(bench)


def test_the_static_transform_gives_the_mounting(bench):
    bench, robot = bench(base_frame='base_link', base_height_m=0.3)
    assert readings(bench).mounting is None
    assert "no static transform between 'base_link' and" in warnings(bench)
    optical = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    robot.place(bench, transform('base_link', FRAME, (1, 0, 1.2), optical))
    mounting = readings(bench).mounting
    assert mounting.height_m == pytest.approx(1.5)
    assert mounting.base_from_camera[2, 3] == pytest.approx(1.5)
    assert (mounting.pitch_rad, mounting.roll_rad) == pytest.approx((0, 0))


def test_a_bag_that_loops_starts_the_buffers_anew(bench):
    bench, robot = bench(grounding__odometry__enabled=True)
    for _ in range(2):
        bench.stamp_ns = 100 * SECOND
        robot.send('odometry', wheels(bench.stamp_ns + SECOND // 20), bench)
        assert len(readings(bench).odometry) == 1
        bench.stamp_ns += 5 * SECOND
        robot.send('odometry', wheels(bench.stamp_ns), bench)
        bench.send()


def test_nothing_is_subscribed_that_nobody_needs(world):
    bench = Bench(world)
    topics = {s.topic_name for s in bench.node.subscriptions}
    assert topics == {'/image', '/camera_info'}
    bench.send()
    assert bench.pipeline.readings[-1].odometry == ()
