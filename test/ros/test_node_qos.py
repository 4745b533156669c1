"""Quality of service: any camera is heard, any listener hears."""

from __future__ import annotations

import time

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from fake_pipeline import FakePipeline  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from rclpy.subscription import Subscription  # noqa: E402
from ros_harness import FRAME, PATIENCE_S, SECOND, intrinsics, wait_for  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

from gemdepth_ros.errors import ConfigError  # noqa: E402
from gemdepth_ros.ros.conversions import camera_info_message  # noqa: E402
from gemdepth_ros.ros.qos import (  # noqa: E402
    choose_durability,
    choose_reliability,
    overridden,
    passes_message_info,
)

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
VOLATILE, LATCHED = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL


@pytest.mark.parametrize(
    ('mode', 'offered', 'wanted'),
    [
        ('auto', [], RELIABLE),
        ('auto', [RELIABLE], RELIABLE),
        ('auto', [RELIABLE, RELIABLE], RELIABLE),
        ('auto', [BEST_EFFORT], BEST_EFFORT),
        ('auto', [RELIABLE, BEST_EFFORT], BEST_EFFORT),
        ('reliable', [BEST_EFFORT], RELIABLE),
        ('best_effort', [RELIABLE], BEST_EFFORT),
    ],
)
def test_rule(mode, offered, wanted):
    assert choose_reliability(mode, offered) == wanted


@pytest.mark.parametrize(
    ('offered', 'wanted'),
    [
        ([], VOLATILE),
        ([LATCHED], LATCHED),
        ([LATCHED, LATCHED], LATCHED),
        ([LATCHED, VOLATILE], VOLATILE),
    ],
)
def test_the_past_is_asked_for_when_all_publishers_keep_it(offered, wanted):
    assert choose_durability(offered) == wanted


@pytest.fixture
def active(world):
    def start(**parameters):
        node = world.depth_node(FakePipeline, **parameters)
        world.start()
        world.on_executor(node.autostart)
        return node

    return start


class HumbleSubscription:
    """Has a callback, and no word for what it is called with."""


def test_message_info_is_found_by_what_rclpy_has():
    assert passes_message_info(Subscription)
    assert not passes_message_info(HumbleSubscription)


@pytest.mark.usefixtures('humble_rclpy')
def test_images_are_taken_where_rclpy_passes_the_message_alone(active, world, capfd):
    node, camera = active(), world.camera()
    wait_for(camera.matched)
    for stamp_ns in (SECOND, SECOND + 1):
        before = received(node)
        camera.send(stamp_ns)
        wait_for(lambda before=before: received(node) > before)
    wait_for(lambda: node._snapshot().counts.processed == 2)
    snapshot = node._snapshot()
    assert (snapshot.counts.lost, snapshot.losses_counted) == (0, False)
    assert node._stream._processor._pipeline.frames[0].camera is not None
    assert capfd.readouterr().err.count('are not counted') == 1


def received(node):
    return node._snapshot().counts.received


def heard(node, camera, stamp_ns):
    """Whether the node hears the camera: publish until an image arrives."""
    before, end_s = received(node), time.monotonic() + PATIENCE_S
    while received(node) == before and time.monotonic() < end_s:
        stamp_ns += 1
        camera.send(stamp_ns)
        time.sleep(0.02)
    return received(node) > before


@pytest.mark.parametrize('reliable', [True, False])
def test_auto_hears_both_kinds_of_camera(world, active, reliable):
    node = active()
    camera = world.camera(reliable=reliable)
    assert heard(node, camera, SECOND)
    images = node._stream._input._images
    wait_for(lambda: images.reliability == (RELIABLE if reliable else BEST_EFFORT))


def test_auto_follows_when_the_publishers_change(world, active):
    node = active()
    images = node._stream._input._images
    first = world.camera(reliable=True)
    assert heard(node, first, SECOND)
    second = world.camera(reliable=False, name='second')
    wait_for(lambda: images.reliability == BEST_EFFORT, what='following to best effort')
    assert heard(node, second, 2 * SECOND)
    assert heard(node, first, 3 * SECOND)
    world.on_executor(lambda: second.destroy_publisher(second.images))
    wait_for(lambda: images.reliability == RELIABLE, what='following back')
    assert heard(node, first, 4 * SECOND)
    counts = node._snapshot().counts
    assert counts.pending == 0
    assert len(list(node.subscriptions)) == 2


def test_a_fixed_choice_does_not_follow(world, active):
    node = active(qos='reliable')
    camera = world.camera(reliable=False)
    time.sleep(1.2)
    camera.send(SECOND)
    time.sleep(0.3)
    assert received(node) == 0
    assert node._stream._input._images.reliability == RELIABLE


def test_both_kinds_of_listener_hear_the_outputs(world, active):
    node = active()
    camera, listener, second = world.camera(), world.listener(), world.listener()
    topic = '/depth_node/relative/depth'
    listener.listen(topic, Image, reliable=True)
    second.listen(topic, Image, reliable=False)
    publisher = node._outputs._publishers['~/relative/depth']
    wait_for(lambda: publisher.get_subscription_count() == 2)
    wait_for(camera.matched)
    camera.send(SECOND)
    wait_for(lambda: listener.messages[topic] and second.messages[topic])


def test_output_quality_of_service_can_be_overridden(world, active):
    name = 'qos_overrides./depth_node/relative/points.publisher.reliability'
    active(**{name: 'best_effort'})
    listener = world.listener()
    wait_for(lambda: listener.get_publishers_info_by_topic('/depth_node/relative/points'))
    (info,) = listener.get_publishers_info_by_topic('/depth_node/relative/points')
    assert info.qos_profile.reliability == BEST_EFFORT
    assert info.topic_type == 'sensor_msgs/msg/PointCloud2'


def test_input_quality_of_service_can_be_overridden(world, active):
    """A reliability that is given for a topic is a choice, which `auto` does not undo."""
    node = active(
        **{
            'qos_overrides./image.subscription.reliability': 'best_effort',
            'qos_overrides./image.subscription.depth': 3,
        }
    )
    images = node._stream._input._images
    assert images.reliability == BEST_EFFORT
    camera = world.camera(reliable=True)
    assert heard(node, camera, SECOND)
    assert not images.follow()
    (info,) = camera.get_subscriptions_info_by_topic('/image')
    assert info.qos_profile.reliability == BEST_EFFORT
    assert node.get_parameter('qos_overrides./image.subscription.depth').value == 3


def latched_infos(camera):
    return camera.create_publisher(
        CameraInfo, 'camera_info', QoSProfile(depth=1, durability=LATCHED)
    )


def send_until(node, camera, condition, stamp_ns):
    """Publish images until ``condition`` holds of the newest frame."""
    frames = node._pipeline.frames

    def held():
        nonlocal stamp_ns
        stamp_ns += SECOND // 10
        return heard(node, camera, stamp_ns) and frames and condition(frames[-1])

    wait_for(held, timeout_s=30, what='the frame')


def test_a_camera_info_that_was_sent_before_the_node_was_there_is_used(world, active):
    camera = world.camera(info=False)
    infos = latched_infos(camera)
    infos.publish(camera_info_message(intrinsics((6, 8)), SECOND, FRAME))
    node = active()
    send_until(node, camera, lambda f: f.camera == intrinsics((6, 8)), 100 * SECOND)
    subscription = node._stream._input._infos
    assert subscription.durability == LATCHED
    assert node._stream._input._images.durability == VOLATILE, 'an old image is of no use'
    # One that does not keep its messages would not match: it decides for all.
    other = camera.create_publisher(CameraInfo, 'camera_info', 1)
    wait_for(lambda: subscription.durability == VOLATILE)
    wait_for(lambda: other.get_subscription_count() == 1)
    longer = camera_info_message(intrinsics((6, 8)), 2 * SECOND, FRAME)
    longer.p[0] = longer.p[5] = 16.0
    other.publish(longer)
    send_until(node, camera, lambda f: f.camera.fx == 16.0, 200 * SECOND)


def test_a_durability_that_is_given_for_a_topic_is_a_choice(world, active):
    node = active(**{'qos_overrides./camera_info.subscription.durability': 'volatile'})
    infos = latched_infos(world.camera(info=False))
    subscription = node._stream._input._infos
    wait_for(lambda: infos.get_subscription_count() == 1)
    wait_for(subscription.publishers)
    assert not subscription.follow()
    (info,) = node.get_subscriptions_info_by_topic('/camera_info')
    assert info.qos_profile.durability == VOLATILE


def test_an_override_that_no_policy_knows_is_named_with_the_choices(world):
    name = 'qos_overrides./image.subscription'
    node = world.depth_node(
        FakePipeline, **{f'{name}.history': 'keep_lats', f'{name}.durability': 'VOLATILE'}
    )
    text = rf"^{name}\.history must be one of .*keep_last, keep_all.*, got 'keep_lats'$"
    with pytest.raises(ConfigError, match=text):
        overridden(node, 'image', 'history')
    assert overridden(node, 'image', 'durability') == 'volatile'
    assert overridden(node, 'image', 'reliability') is None


def test_every_topic_has_overrides(active):
    """Those of /tf_static and /tf are tf2's own, and are left out."""
    node = active()
    names = {p for p in node._parameters if p.startswith('qos_overrides.')}
    topics = [p.topic_name for p in node._outputs._publishers.values()] + ['/diagnostics']
    for topic in topics:
        assert f'qos_overrides.{topic}.publisher.reliability' in names
    for topic in ('/image', '/camera_info'):
        assert f'qos_overrides.{topic}.subscription.depth' in names
