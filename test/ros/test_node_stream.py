"""The node over real DDS: accounting, stamps, products, faults and recovery."""

from __future__ import annotations

import math
import time

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from fake_pipeline import BOMB, POISON  # noqa: E402
from node_bench import METRIC, NODE, RELATIVE, Bench  # noqa: E402
from ros_harness import (  # noqa: E402
    FRAME,
    PATIENCE_S,
    SECOND,
    camera_info_message,
    intrinsics,
    wait_for,
)
from sensor_msgs.msg import CompressedImage, Image, PointCloud2  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from gemdepth_ros.interfaces import PinholeIntrinsics, ResetReason  # noqa: E402


def identity(status):
    return (
        status.frames_processed
        + status.frames_dropped
        + status.frames_rejected
        + status.frames_failed
        + status.frames_pending
    )


def test_every_published_image_is_accounted_for_under_load(world):
    bench = Bench(world, RELATIVE, delay_s=0.03)
    bench.send()
    sent = [bench.stamp_ns]
    for _ in range(149):
        sent.append(bench.send(step_s=0.005, wait=False))
        time.sleep(0.005)
    wait_for(lambda: bench.counts.received == 150 and bench.counts.pending == 0)
    messages = bench.listener.messages[f'{NODE}/status']
    wait_for(lambda: messages[-1].frames_received == 150 and messages[-1].frames_pending == 0)
    assert all(identity(status) == status.frames_received for status in messages)
    last = messages[-1]
    assert last.frames_processed == len(bench.pipeline.frames)
    assert last.frames_processed + last.frames_dropped == 150
    assert last.frames_dropped > 50, 'the network is slower than the camera'
    stamps = bench.listener.stamps(f'{NODE}/relative/depth')
    wait_for(lambda: len(bench.listener.messages[f'{NODE}/relative/depth']) == len(stamps))
    assert stamps == sorted(set(stamps))
    assert set(stamps) <= set(sent)
    assert stamps[-1] == sent[-1], 'the newest image wins'
    # The pipeline is told of every frame it did not see.
    assert sum(f.dropped_before for f in bench.pipeline.frames) == last.frames_dropped
    assert last.latency_p99_ms < 2500, 'a queue of all images would end at 3.7 s'
    assert bench.pipeline.threads == {'depth_worker'}


def test_relative_products_have_the_images_stamp_frame_and_size(world):
    bench = Bench(world, {**RELATIVE, **METRIC})
    stamps = [bench.send(grey=grey) for grey in (50, 100, 150)]
    for topic in RELATIVE:
        wait_for(lambda topic=topic: bench.listener.stamps(topic) == stamps, what=topic)
        assert {m.header.frame_id for m in bench.listener.messages[topic]} == {FRAME}
    for topic in (f'{NODE}/odometry', f'{NODE}/status'):
        wait_for(lambda topic=topic: set(stamps) <= set(bench.listener.stamps(topic)), what=topic)
    for topic in METRIC:
        assert bench.listener.messages[topic] == [], 'nothing looks like metres'
    depth = bench.listener.messages[f'{NODE}/relative/depth'][-1]
    info = bench.listener.messages[f'{NODE}/relative/camera_info'][-1]
    assert (depth.height, depth.width, depth.encoding) == (6, 8, '32FC1')
    assert (info.height, info.width, info.k[0], info.p[0]) == (6, 8, 8.0, 8.0)
    values = np.frombuffer(depth.data, np.float32)
    np.testing.assert_allclose(values, 1 / 151)
    cloud = bench.listener.messages[f'{NODE}/relative/points'][-1]
    assert (cloud.height, cloud.width) == (3, 4)
    odometry = bench.listener.messages[f'{NODE}/odometry'][-1]
    assert odometry.header.frame_id == 'gemdepth_odom'
    assert odometry.pose.covariance[0] == 9999
    wait_for(lambda: bench.listener.stamps(f'{NODE}/keyframe_poses') == stamps[:1] * 3)
    window = bench.listener.messages[f'{NODE}/keyframe_poses'][-1]
    assert len(window.poses) == 3
    assert not window.metric
    found = bench.diagnosis()
    assert found.level == b'\x01'
    assert 'relative, not metres' in found.message
    assert (found.name, found.hardware_id) == ('depth_node: stream', FRAME)
    assert not bench.status().metric
    assert not bench.status().camera_predicted


def test_metric_products_exist_only_with_grounding(world):
    bench = Bench(
        world,
        {**RELATIVE, **METRIC},
        grounding__manual__enabled=True,
        grounding__manual__scale=500.0,
        grounding__manual__shift=1.0,
        grounding__manual__translation_factor=2.0,
        depth_encoding='16UC1',
    )
    stamps = [bench.send(grey=99) for _ in range(2)]
    for topic in METRIC:
        wait_for(lambda topic=topic: bench.listener.stamps(topic) == stamps, what=topic)
    for topic in RELATIVE:
        assert bench.listener.messages[topic] == []
    depth = bench.listener.messages[f'{NODE}/depth/image_rect'][-1]
    assert depth.encoding == '16UC1'
    np.testing.assert_allclose(np.frombuffer(depth.data, np.uint16), 500 / 99 * 1000, atol=1)
    status = bench.status()
    assert status.metric
    assert (status.scale, status.grounding_sources) == (500.0, ['manual'])
    odometry = bench.listener.messages[f'{NODE}/odometry'][-1]
    assert odometry.pose.pose.position.x == 4.0
    assert odometry.pose.covariance[0] == 3.0
    window = bench.listener.messages[f'{NODE}/keyframe_poses'][-1]
    assert (window.metric, window.scale) == (True, 2.0)
    assert bench.diagnosis().level == b'\x00'


def test_work_without_listeners_is_not_asked_for(world, monkeypatch):
    bench = Bench(world)
    published = []
    infos = bench.node._outputs._publishers['~/relative/camera_info']
    monkeypatch.setattr(infos, 'publish', published.append)
    bench.send()
    assert published == []
    request = bench.pipeline.requests[-1]
    assert (request.depth, request.points, request.preview) == (False, False, False)
    bench.listener.listen(f'{NODE}/depth/preview', Image)
    bench.listener.listen(f'{NODE}/relative/points', PointCloud2)
    wait_for(bench._heard)
    bench.send(grey=33)
    request = bench.pipeline.requests[-1]
    assert (request.depth, request.points, request.preview) == (False, True, True)
    wait_for(lambda: bench.listener.messages[f'{NODE}/depth/preview'])
    preview = bench.listener.messages[f'{NODE}/depth/preview'][0]
    assert (preview.encoding, preview.data[0]) == ('rgb8', 33)


@pytest.mark.parametrize(
    ('damage', 'words'),
    [
        ({'data': bytes(10)}, '10 bytes but 8x6 rgb8 with step 24 needs 144'),
        ({'encoding': 'rgb24'}, "unknown image encoding 'rgb24'"),
        ({'height': 0}, 'image has no pixels: 8x0'),
        ({'step': 8}, 'step is 8 bytes but a row of 8 rgb8 pixels has 24'),
        ({'height': 2**31, 'width': 2**31, 'step': 2**31}, 'step is'),
    ],
)
def test_bad_images_are_counted_reported_and_survived(world, damage, words):
    bench = Bench(world)
    bench.send()
    bench.send(**damage)
    assert bench.counts.rejected == 1
    found = bench.diagnosis()
    assert found.level == b'\x01'
    assert words in found.message
    assert {v.key: v.value for v in found.values}['frames rejected'] == '1'
    for _ in range(3):
        bench.send()
    status = bench.status()
    assert (status.frames_processed, status.frames_rejected) == (4, 1)
    assert identity(status) == 5
    assert bench.pipeline.frames[1].dropped_before == 1
    assert status.resets == 0


def test_missing_camera_info_still_gives_relative_depth_and_says_so(world):
    bench = Bench(world, RELATIVE, camera={'info': False})
    stamp_ns = bench.send()
    wait_for(lambda: bench.listener.stamps(f'{NODE}/relative/depth') == [stamp_ns])
    assert bench.pipeline.frames[0].camera is None
    assert 'no camera_info for this image' in bench.diagnosis().message


def test_a_metric_cloud_needs_a_calibrated_camera(world):
    bench = Bench(
        world,
        METRIC,
        camera={'info': False},
        grounding__manual__enabled=True,
        grounding__manual__scale=500.0,
    )
    stamps = [bench.send() for _ in range(2)]
    wait_for(lambda: bench.listener.stamps(f'{NODE}/depth/image_rect') == stamps)
    found = bench.diagnosis()
    assert '~/points is withheld: a cloud in metres needs a calibrated' in found.message
    assert bench.status().camera_predicted
    assert bench.listener.messages[f'{NODE}/points'] == []


def test_stamps_that_do_not_advance_are_said(world):
    bench = Bench(world)
    for _ in range(5):
        bench.send(step_s=0.0)
    assert '4 of the last 5 images started the stream anew (backward_time)' in (
        bench.diagnosis().message
    )


def test_latency_from_the_stamp_is_told_where_stamps_are_of_this_clock(world):
    bench = Bench(world)
    bench.send()
    assert math.isnan(bench.status().stamp_latency_ms), 'a stamp of 1970'
    late_ms = 700
    bench.stamp_ns = time.time_ns() - late_ms * 1_000_000
    bench.send(step_s=0.0)
    status = bench.status()
    assert late_ms <= status.stamp_latency_ms < 10_000, 'more is of another clock'
    assert status.stamp_latency_p99_ms == status.stamp_latency_ms
    assert status.latency_ms <= status.stamp_latency_ms - late_ms


def test_camera_info_a_moment_later_is_waited_for(world):
    bench = Bench(world)
    stamp_ns = bench.stamp_ns + SECOND
    infos, bench.camera.infos = bench.camera.infos, None
    bench.camera.send(stamp_ns)
    time.sleep(0.03)
    infos.publish(camera_info_message(intrinsics((6, 8)), stamp_ns, FRAME))
    wait_for(lambda: bench.counts.processed == 1)
    assert bench.pipeline.frames[0].camera == intrinsics((6, 8))


def test_what_a_raw_image_does_not_show_is_handed_on(world):
    bench = Bench(world, input_is_rectified='false')
    infos, bench.camera.infos = bench.camera.infos, None
    message = camera_info_message(intrinsics((6, 8)), bench.stamp_ns, FRAME)
    message.d = [-0.1, 0.0, 0.0, 0.0, 0.0]
    message.p[0] = message.p[5] = 3.0  # a wider view than the lens has
    infos.publish(message)
    bench.send()
    valid = bench.pipeline.frames[0].valid
    assert valid[2:4, 3:5].all()
    assert not valid[[0, 0, -1, -1], [0, -1, 0, -1]].any()


def test_a_camera_info_that_is_sent_once_stays_in_force(world):
    bench = Bench(world, camera_info_tolerance_s=0.5)
    bench.send()
    bench.camera.infos = None
    for _ in range(4):
        bench.send(step_s=0.4)
    assert [f.camera for f in bench.pipeline.frames] == [intrinsics((6, 8))] * 5
    assert bench.status().resets == 0
    bench.send(size=(8, 10))
    assert bench.pipeline.frames[-1].camera is None, 'it belongs to images of its size'


def test_a_camera_info_that_was_sent_once_outlasts_deactivate_but_not_cleanup(world):
    bench = Bench(world)
    bench.send()
    bench.camera.infos = None
    subscribed = bench.camera.images.get_subscription_count

    def again(*transitions):
        """The camera of the first frame after these transitions."""
        world.on_executor(bench.node.trigger_deactivate)
        wait_for(lambda: subscribed() == 0)
        for transition in transitions:
            world.on_executor(getattr(bench.node, f'trigger_{transition}'))
        wait_for(lambda: subscribed() == 1)
        bench.send(step_s=100.0)
        return bench.pipeline.frames[-1].camera

    assert again('activate') == intrinsics((6, 8))
    assert again('cleanup', 'configure', 'activate') is None


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'size': (8, 10)}, 'size_change'),
        ({'step_s': -3.0}, 'backward_time'),
        ({'step_s': 0.0}, 'backward_time'),
        ({'step_s': 2.0}, 'gap'),
    ],
)
def test_breaks_of_the_stream_reset_it_with_the_reason_and_lose_no_frame(world, change, reason):
    bench = Bench(world)
    bench.send()
    bench.send()
    bench.send(**change)
    bench.send(**{k: v for k, v in change.items() if k == 'size'})
    status = bench.status()
    assert (status.frames_processed, status.frames_pending) == (4, 0)
    assert (status.resets, status.last_reset_reason) == (1, reason)
    assert (status.reset_reasons, list(status.reset_counts)) == ([reason], [1])
    assert all(f.camera is not None for f in bench.pipeline.frames)


def test_a_looping_bag_does_not_invent_losses(world):
    bench = Bench(world)
    for _ in range(3):
        bench.stamp_ns = 100 * SECOND
        for _ in range(5):
            bench.send()
    status = bench.status()
    assert (status.frames_received, status.frames_processed) == (15, 15)
    assert status.last_reset_reason == 'backward_time'
    assert status.resets == 2


def test_a_player_started_again_does_not_invent_losses(world):
    bench = Bench(world)
    for _ in range(5):
        bench.send()
    first = bench.camera
    world.on_executor(lambda: (first.destroy_publisher(first.images), None)[1])
    bench.camera = world.camera(name='camera_again')
    wait_for(bench.camera.matched)
    for _ in range(3):
        bench.send()
    assert (bench.status().frames_received, bench.counts.lost) == (8, 0)


def test_output_that_is_not_finite_is_withheld_and_the_stream_goes_on(world):
    bench = Bench(world, RELATIVE)
    good = [bench.send()]
    bench.send(grey=POISON)
    good.append(bench.send())
    wait_for(lambda: bench.listener.stamps(f'{NODE}/relative/depth') == good)
    status = bench.status()
    assert (status.frames_processed, status.frames_failed) == (2, 1)
    assert status.last_reset_reason == 'non_finite_output'
    assert 'output withheld: the network gave 3 values' in bench.diagnosis().message


def test_a_bug_in_the_worker_stops_the_node_loudly_and_it_can_start_again(world, capfd):
    bench = Bench(world, stale_after_s=60.0)
    bench.send()
    bench.send(grey=BOMB)
    wait_for(lambda: bench.node._snapshot().state == 'inactive')
    found = bench.diagnosis()
    assert found.level == b'\x02'
    assert 'the worker failed: ZeroDivisionError: a bug in the network' in found.message
    assert 'Traceback (most recent call last)' in capfd.readouterr().err
    counts = bench.counts
    assert (counts.received, counts.failed, counts.pending) == (2, 1, 0)
    assert not bench.node.busy
    world.on_executor(bench.node.trigger_activate)
    wait_for(bench.camera.matched)
    bench.send()
    assert bench.counts.processed == 1
    assert bench.node._snapshot().fault == ''


def test_a_stream_made_smaller_for_lack_of_memory_is_said(world):
    bench = Bench(world)
    bench.send()
    bench.pipeline.fallback = 'streaming.window 8 -> 4'
    bench.pipeline.reset(ResetReason.DEVICE_MEMORY)
    bench.send()
    found = bench.diagnosis()
    assert found.level == b'\x01'
    assert 'the memory did not suffice, so this was made smaller: streaming.window 8 -> 4' in (
        found.message
    )
    assert bench.status().last_reset_reason == 'device_memory'


def test_a_refused_backend_is_an_error_and_the_stream_goes_on(world):
    bench = Bench(world)
    bench.send()
    bench.pipeline.backend_fault = 'streaming.backend onnx is refused: it differs; eager goes on'
    bench.send()
    found = bench.diagnosis()
    assert found.level == b'\x02'
    assert bench.pipeline.backend_fault in found.message
    assert {value.key: value.value for value in found.values}['backend'] == 'eager'
    assert bench.counts.processed == 2


def test_a_camera_info_of_another_size_is_not_used_and_said(world):
    bench = Bench(world)
    infos, bench.camera.infos = bench.camera.infos, None
    infos.publish(camera_info_message(intrinsics((12, 16)), bench.stamp_ns, FRAME))
    bench.send()
    assert bench.pipeline.frames[0].camera is None
    found = bench.diagnosis()
    assert found.level == b'\x01'
    assert 'camera_info is 16x12 but the image 8x6; the predicted field of view' in found.message
    assert bench.status().camera_predicted


def test_a_new_camera_info_starts_the_stream_anew(world):
    bench = Bench(world)
    bench.send()
    infos, bench.camera.infos = bench.camera.infos, None
    other = intrinsics((6, 8))
    longer = PinholeIntrinsics(8, 6, 2 * other.fx, 2 * other.fy, other.cx, other.cy)
    infos.publish(camera_info_message(longer, bench.stamp_ns + SECOND // 10, FRAME))
    bench.send()
    assert bench.pipeline.frames[-1].camera == longer
    assert bench.status().last_reset_reason == 'camera_change'


def test_reset_service_restarts_the_stream(world):
    bench = Bench(world)
    bench.send()
    client = bench.listener.create_client(Trigger, f'{NODE}/reset')
    wait_for(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    wait_for(future.done)
    assert future.result().success
    messages = bench.listener.messages[f'{NODE}/status']
    wait_for(lambda: messages[-1].last_reset_reason == 'request')
    world.on_executor(bench.node.trigger_deactivate)
    future = client.call_async(Trigger.Request())
    wait_for(future.done)
    assert future.result().success
    assert len(bench.pipeline.reset_counts) == 1
    assert sum(bench.pipeline.reset_counts.values()) == 2


def test_silence_of_the_camera_is_reported_and_ends_by_itself(world):
    bench = Bench(world, stale_after_s=0.3)
    assert 'no image ever on /image' in bench.diagnosis().message
    bench.send()
    wait_for(lambda: 'no image on /image for' in bench.diagnosis().message)
    diagnostics = bench.listener.messages['/diagnostics']

    def spoken_well():
        bench.send()
        time.sleep(0.05)
        return 'no image' not in diagnostics[-1].status[0].message

    wait_for(spoken_well, what='the end of the warning')


def test_sim_time_changes_neither_stamps_nor_latency(world):
    bench = Bench(world, RELATIVE, use_sim_time=True)
    stamps = [bench.send() for _ in range(3)]
    wait_for(lambda: bench.listener.stamps(f'{NODE}/relative/depth') == stamps)
    status = bench.status()
    assert 0 < status.latency_ms < 1e3 * PATIENCE_S, 'of the steady clock, not from a stamp'
    seen = len(bench.listener.messages[f'{NODE}/status'])
    wait_for(lambda: len(bench.listener.messages[f'{NODE}/status']) > seen + 2)


def test_tf_carries_a_leaf_of_the_camera_and_its_key_frames(world):
    bench = Bench(world, {'/tf': TFMessage}, tf_mode='camera', odom_frame='visual_odom')
    bench.send()
    stamp_ns = bench.send()
    wait_for(lambda: len(bench.listener.messages['/tf']) == 2)
    transforms = bench.listener.messages['/tf'][-1].transforms
    assert [t.child_frame_id for t in transforms] == [
        f'{FRAME}_gemdepth', f'{FRAME}_gemdepth_key0'
    ]  # fmt: skip
    assert {t.header.frame_id for t in transforms} == {'visual_odom'}
    assert transforms[0].header.stamp.sec * SECOND + transforms[0].header.stamp.nanosec == stamp_ns


def test_outputs_that_are_too_large_for_a_message_are_said_once(world, capfd):
    bench = Bench(world, {f'{NODE}/relative/points': PointCloud2}, products__cloud_decimation=1)
    for _ in range(2):
        bench.send(size=(1025, 1024))
    assert capfd.readouterr().err.count('messages over 16 MiB do not fit') == 1


def test_without_tf_mode_nothing_is_published_on_tf(world):
    bench = Bench(world)
    bench.send()
    assert bench.listener.count_publishers('/tf') == 0


def test_compressed_images(world):
    bench = Bench(world, RELATIVE, image_transport='compressed', camera=None)
    publisher = bench.listener.create_publisher(CompressedImage, 'image/compressed', 5)
    wait_for(publisher.get_subscription_count)
    _, data = cv2.imencode('.png', np.full((6, 8, 3), (1, 2, 3), np.uint8))
    message = CompressedImage(format='rgb8; png compressed bgr8', data=data.tobytes())
    message.header.stamp.sec = 7
    publisher.publish(message)
    wait_for(lambda: bench.listener.stamps(f'{NODE}/relative/depth') == [7 * SECOND])
    assert bench.pipeline.frames[0].image_rgb[0, 0].tolist() == [3, 2, 1]
    message.data = data.tobytes()[:20]
    publisher.publish(message)
    wait_for(lambda: bench.counts.rejected == 1)
