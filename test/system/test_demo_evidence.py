"""The numbers of the report, from bags whose content is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from demo_fakes import SECOND, good_summary
from rich.console import Console

from gemdepth_ros.bags.images import image_message
from gemdepth_ros.bags.messages import odometry_message, tf_message, transform_message
from gemdepth_ros.bags.typestore import message_store
from gemdepth_ros.bags.writer import BagWriter
from gemdepth_ros.cli.demonstration import topics
from gemdepth_ros.cli.demonstration.evidence import image_stamps, percentiles, read_evidence
from gemdepth_ros.cli.demonstration.picture import far_end, read_moment, scale_to, write_report
from gemdepth_ros.cli.demonstration.summary import Percentiles
from gemdepth_ros.cli.demonstration.table import print_tables
from gemdepth_ros.geometry.se3 import from_parts

STAMPS = [1000 * SECOND + i * SECOND // 10 for i in range(5)]
HEIGHT, WIDTH = 6, 8


def status(stamp_ns, **counts):
    store = message_store()
    header = image((HEIGHT, WIDTH), stamp_ns).header
    values = {
        'mode': 'causal', 'weights': 'w', 'trained': False, 'input_height': 70, 'input_width': 238,
        'window_frames': 1, 'latency_ms': 5.0, 'latency_p50_ms': 5.04, 'latency_p99_ms': 9.0,
        'resets': 0, 'last_reset_reason': '', 'reset_reasons': [], 'metric': False,
        'reset_counts': np.zeros(0, np.uint32), 'grounding_sources': [],
        'camera_predicted': False, 'stamp_latency_ms': np.nan, 'stamp_latency_p99_ms': np.nan,
    }  # fmt: skip
    names = ('received', 'processed', 'dropped', 'rejected', 'failed', 'pending')
    values.update({f'frames_{name}': counts.get(name, 0) for name in names})
    unknown = ('scale', 'shift', 'translation_factor')
    values.update({name: np.nan for base in unknown for name in (base, f'{base}_std')})
    return store.types['gemdepth_ros/msg/Status'](header=header, depth_std_at_20m=np.nan, **values)


def image(size, stamp_ns):
    return image_message(np.full((*size, 3), 90, np.uint8), 'rgb8', stamp_ns, 'camera')


def depth(stamp_ns, value=2.0):
    pixels = np.full((HEIGHT, WIDTH), value, np.float32)
    pixels[0] = np.inf
    return image_message(pixels, '32FC1', stamp_ns, 'camera')


def cloud(stamp_ns):
    """Two points: a red one at (1, 2, 3), and a hole."""
    types = message_store().types
    fields = [
        types['sensor_msgs/msg/PointField'](name=name, offset=4 * i, datatype=7, count=1)
        for i, name in enumerate(('x', 'y', 'z', 'rgb'))
    ]
    data = np.array([[1, 2, 3, 0], [np.nan, np.nan, np.nan, 0]], np.float32)
    data.view(np.uint32)[:, 3] = 0xFF0000
    return types['sensor_msgs/msg/PointCloud2'](
        header=depth(stamp_ns).header, height=1, width=2, fields=fields, is_bigendian=False,
        point_step=16, row_step=32, data=data.reshape(-1).view(np.uint8), is_dense=False,
    )  # fmt: skip


def odometry(stamp_ns, position):
    pose = from_parts(np.eye(3), np.array(position, float))
    return odometry_message(pose, np.zeros(6), stamp_ns, 'odom', 'camera')


def transforms(stamp_ns):
    return tf_message([transform_message(np.eye(4), stamp_ns, 'odom', 'camera')])


@pytest.fixture
def bag(tmp_path):
    """All five images; outputs of the second and the fourth, 30 and 50 ms later."""
    messages = [(topics.IMAGE, image((HEIGHT, WIDTH), s), s) for s in STAMPS]
    messages.append((topics.STATUS, status(0), STAMPS[0] - 1))
    for index, delay_ms in ((1, 30), (3, 50)):
        stamp_ns = STAMPS[index]
        received_ns = stamp_ns + delay_ms * 1_000_000
        messages += [
            (topics.DEPTH, depth(stamp_ns), received_ns),
            (topics.POINTS, cloud(stamp_ns), received_ns),
            (topics.ODOMETRY, odometry(stamp_ns, (index, 0, 0)), received_ns),
            (topics.GROUND_TRUTH, odometry(stamp_ns, (2 * index, 0, 0)), received_ns),
            ('/tf', transforms(stamp_ns), received_ns),
        ]
    counts = {'received': 5, 'processed': 2, 'dropped': 3}
    messages.append((topics.STATUS, status(STAMPS[3], **counts), STAMPS[-1]))
    return write(tmp_path / 'bag', messages)


def write(path, messages):
    with BagWriter(path) as writer:
        types = {topic: message.__msgtype__ for topic, message, _ in messages}
        for topic, message_type in types.items():
            writer.add_topic(topic, message_type)
        for topic, message, received_ns in sorted(messages, key=lambda item: item[2]):
            writer.write(topic, message, received_ns)
    return path


def test_counts_rates_and_stamps(bag):
    assert image_stamps(bag) == STAMPS
    found = read_evidence(bag, STAMPS).topics
    assert found[topics.IMAGE].count == 5
    assert found[topics.IMAGE].rate_hz == 10.0
    assert found[topics.DEPTH].message_type == 'sensor_msgs/msg/Image'
    assert (found[topics.DEPTH].count, found[topics.DEPTH].stamps) == (2, 2)
    assert found[topics.DEPTH].rate_hz == pytest.approx(1 / 0.22, abs=0.01)
    assert all(record.foreign_stamps == () for record in found.values())


def test_the_status_before_the_first_frame_has_no_stamp_to_look_at(bag):
    assert read_evidence(bag, STAMPS).topics[topics.STATUS].stamps == 1


@pytest.mark.parametrize(
    'topic', [topics.DEPTH, topics.POINTS, topics.ODOMETRY, '/tf', topics.STATUS]
)
def test_a_foreign_stamp_is_found_in_every_kind_of_message(bag, topic):
    """The evidence of images that never were."""
    others = [stamp_ns for stamp_ns in STAMPS if stamp_ns != STAMPS[3]]
    assert read_evidence(bag, others).topics[topic].foreign_stamps == (STAMPS[3],)


def test_the_stamps_inside_relative_poses_are_looked_at(tmp_path):
    types = message_store().types
    message = types['gemdepth_ros/msg/RelativePoses'](
        header=depth(STAMPS[0]).header,
        stamps=[depth(s).header.stamp for s in (STAMPS[0], STAMPS[1] + 1)],
        poses=[], scale=np.nan, scale_std=np.nan, metric=False,
    )  # fmt: skip
    name = f'{topics.NODE}/keyframe_poses'
    record = read_evidence(write(tmp_path / 'bag', [(name, message, 1)]), STAMPS).topics[name]
    assert record.foreign_stamps == (STAMPS[1] + 1,)


def test_the_account_is_the_node_s_last_word(bag):
    frames = read_evidence(bag, STAMPS).account(published=5)
    assert (frames.published, frames.received, frames.processed) == (5, 5, 2)
    assert frames.accounted == 5


def test_latency(bag):
    evidence = read_evidence(bag, STAMPS)
    assert evidence.node_latency() == Percentiles(5.0, 9.0)
    assert evidence.total_latency() == Percentiles(40.0, 49.8)
    assert percentiles([]) == Percentiles(None, None)


def test_a_bag_without_a_node_gives_zeros_not_an_exception(tmp_path):
    path = write(tmp_path / 'bag', [(topics.IMAGE, image((4, 4), STAMPS[0]), 1)])
    evidence = read_evidence(path, STAMPS)
    assert evidence.account(published=1).processed == 0
    assert evidence.node_latency() == evidence.total_latency() == Percentiles()
    assert evidence.trajectory(topics.ODOMETRY).shape == (0, 3)


def test_the_picture_shows_the_middle_frame(bag):
    moment = read_moment(bag, read_evidence(bag, STAMPS))
    assert moment.image_rgb.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(moment.disparity[0], 0)
    np.testing.assert_array_equal(moment.disparity[1:], 0.5)
    np.testing.assert_array_equal(moment.xyz, [[1, 2, 3]])
    np.testing.assert_array_equal(moment.rgb, [[255, 0, 0]])


@pytest.mark.parametrize('trained', [True, False])
def test_the_report_is_a_picture(bag, tmp_path, trained):
    import cv2

    summary = dataclasses.replace(good_summary(), trained=trained)
    write_report(tmp_path / 'report.png', bag, read_evidence(bag, STAMPS), summary)
    pixels = cv2.imread(str(tmp_path / 'report.png'))
    assert pixels is not None
    assert pixels.shape == (660, 1200, 3)
    assert pixels.std() > 10


def test_the_sky_does_not_make_the_cloud_small():
    things = np.linspace(0.5, 3.0, 100).astype(np.float32)
    sky = np.full(200, 211.0, np.float32)
    assert 2.5 < far_end(np.concatenate([things, sky[:30]])) < 3.0
    assert 2.5 < far_end(np.concatenate([things, sky])) < 3.0
    assert 2.5 < far_end(things) < 3.0


def test_scale_to_gives_the_extent_and_leaves_the_shape():
    straight = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0]], float)
    assert scale_to(straight, 3 * straight) == pytest.approx(3)
    assert scale_to(straight, -3 * straight[:, [1, 0, 2]]) == pytest.approx(3)
    assert scale_to(straight[:1], straight) == 1.0, 'a camera that stands still'


def test_the_tables_hold_the_numbers(capsys):
    print_tables(good_summary(), Console(width=80))
    printed = capsys.readouterr().out
    for text in ('frames published', '10', 'frames dropped', '10 / 20 ms', topics.DEPTH, '7.0'):
        assert text in printed
    assert '…' not in printed, 'nothing is cut off in 80 columns'
