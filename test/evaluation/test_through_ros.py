"""An evaluation through the live node: what is measured, matched, and equal to the replay."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import report_results
from small_bags import write_drive

from gemdepth_ros.bags.images import image_message
from gemdepth_ros.bags.messages import odometry_message
from gemdepth_ros.bags.qos import RELIABLE
from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.bags.stamps import header_message, header_stamp_ns
from gemdepth_ros.bags.typestore import message_store
from gemdepth_ros.bags.writer import BagWriter
from gemdepth_ros.cli import main as command_line
from gemdepth_ros.cli.evaluation.run import evaluate_source
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.evaluation.source import SourceFrame
from gemdepth_ros.cli.evaluation.through_ros import topics
from gemdepth_ros.cli.evaluation.through_ros.claims import Claims
from gemdepth_ros.cli.evaluation.through_ros.live import LiveRun
from gemdepth_ros.cli.evaluation.through_ros.measures import measures
from gemdepth_ros.cli.evaluation.through_ros.recorded import RecordedPredictor
from gemdepth_ros.cli.evaluation.through_ros.topics import Inputs, node_arguments
from gemdepth_ros.cli.evaluation.through_ros.usage import Usage, UsageWatch
from gemdepth_ros.errors import ConfigError
from gemdepth_ros.geometry.se3 import from_parts
from gemdepth_ros.interfaces import VideoFrame

IMAGE = '/camera/image'
SETTINGS = EvaluationSettings(preset='tiny', mode='causal')
MS = 1_000_000
NETWORK = ('--preset', 'tiny', '--input-size', '28', '--window', '2', '--mode', 'causal')


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drive(tmp_path_factory.mktemp('bags') / 'drive', 6)


def status(**values: Any) -> SimpleNamespace:
    names = ('received', 'processed', 'dropped', 'rejected', 'failed', 'pending')
    counts = {f'frames_{name}': 0 for name in names}
    common = {
        'weights': 'w', 'trained': True, 'mode': 'causal', 'input_height': 14, 'input_width': 28,
        'latency_p50_ms': 1.0, 'latency_p99_ms': math.nan, 'resets': 0,
    }  # fmt: skip
    return SimpleNamespace(**{**common, **counts, **values})


def frame(stamp_ns: int) -> SourceFrame:
    return SourceFrame(0, VideoFrame(np.zeros((4, 6, 3), np.uint8), stamp_ns))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Images at 0, 100, 200, 300 ms; depth for all but the second, 30 ms + 10 ms each later."""
    image = np.zeros((4, 6, 3), np.uint8)
    folder = tmp_path / 'recording'
    with BagWriter(folder) as writer:
        for topic in (IMAGE, topics.DISPARITY, topics.DEPTH):
            writer.add_topic(topic, 'sensor_msgs/msg/Image', RELIABLE)
        for index in range(4):
            stamp = 10**9 + index * 100 * MS
            writer.write(IMAGE, image_message(image, 'rgb8', stamp, 'camera'), stamp)
            later = stamp + (30 + 10 * index) * MS
            disparity = np.full((4, 6), 1 + index, np.float32)
            if index == 3:
                disparity[0, 0] = np.nan
                message = image_message(1 / disparity, '32FC1', stamp, 'camera')
                writer.write(topics.DEPTH, message, later)
            elif index != 1:
                message = image_message(disparity, '32FC1', stamp, 'camera')
                writer.write(topics.DISPARITY, message, later)
    return folder


def test_depth_finds_its_image(recording: Path) -> None:
    predictor = RecordedPredictor(recording, IMAGE, SETTINGS, status())
    stamps = [10**9 + index * 100 * MS for index in range(4)]
    found = list(predictor.predict(frame(stamp) for stamp in stamps))
    assert [item.video.stamp_ns for item, _ in found] == [stamps[0], stamps[2], stamps[3]]
    assert [p.latency_ms for _, p in found] == [30.0, 50.0, 60.0]
    assert [float(p.disparity[1, 1]) for _, p in found] == pytest.approx([1, 3, 4])
    assert [p.depth_m is not None for _, p in found] == [False, False, True]
    # Where metric depth is unknown there is nothing to align, and truth keeps that pixel.
    assert found[2][0].video.valid is None
    unknown = np.isnan(found[2][1].disparity)
    assert unknown.sum() == 1
    assert unknown[0, 0]
    assert len(predictor.sent_ns) == 4
    assert len(predictor.answered_ns) == 3


def test_stamps_that_nobody_asked_for_are_passed_over(recording: Path) -> None:
    predictor = RecordedPredictor(recording, IMAGE, SETTINGS, status())
    assert len(list(predictor.predict([frame(5), frame(10**9 + 200 * MS)]))) == 1
    assert len(predictor.answered_ns) == 3  # for the rates, the rest is read as well


def test_images_without_an_answer_are_counted(bag: Path, tmp_path: Path) -> None:
    with BagReader(bag) as reader:
        images = [item.message for item in reader.messages(['/camera/image_rect'])]
    answered = tmp_path / 'answered'
    with BagWriter(answered) as writer:
        writer.add_topic(topics.DISPARITY, 'sensor_msgs/msg/Image', RELIABLE)
        for image in images[::2]:
            stamp = header_stamp_ns(image)
            disparity = np.ones((image.height, image.width), np.float32)
            message = image_message(disparity, '32FC1', stamp, 'camera')
            writer.write(topics.DISPARITY, message, stamp)
    predictor = RecordedPredictor(answered, '/camera/image_rect', SETTINGS, status())
    result = evaluate_source(bag, SETTINGS, tmp_path / 'out', make_predictor=lambda _: predictor)
    source = result.source
    assert (source.frames, source.processed, source.dropped, source.unusable) == (6, 3, 3, 0)


def odometry(variance: float) -> SimpleNamespace:
    return SimpleNamespace(
        pose=SimpleNamespace(covariance=(np.eye(6) * variance).ravel().tolist())
    )


def said(factor: float, std: float, resets: int = 0) -> SimpleNamespace:
    return status(
        resets=resets, last_reset_reason='gap' if resets else '', translation_factor=factor,
        translation_factor_std=std,
    )  # fmt: skip


NO_FACTOR = said(math.nan, math.nan)


@pytest.mark.parametrize(
    ('variance', 'state', 'metric', 'lost'),
    [
        (0.01, None, True, False),
        (9999.0, None, False, False),
        (9999.0, NO_FACTOR, False, False),
        (9999.0, said(2.0, 0.1), True, True),
        (9999.0, said(2.0, 1.0), False, False),  # known too badly to be used
        (9999.0, said(2.0, math.nan), True, False),  # on the user's word
        (9999.0, said(math.nan, math.nan, resets=1), False, True),
        (20000.0, said(2.0, 0.1), True, False),  # a long way, but stated
    ],
)
def test_motion_is_metric_by_its_own_claim(
    variance: float, state: Any, metric: bool, lost: bool
) -> None:
    claim = Claims(0.2).of(odometry(variance), state)
    assert (claim.metric, claim.lost) == (metric, lost)


def test_a_reset_is_told_once() -> None:
    claims = Claims(0.2)
    counts = [0, 0, 1, 1, None, 2]
    states = [None if n is None else said(2.0, 0.1, resets=n) for n in counts]
    found = [claims.of(odometry(0.01), state).reset for state in states]
    assert found == ['', '', 'gap', '', '', 'gap']
    assert Claims(0.2).of(None, None).metric is False


def write_status(writer: BagWriter, stamp: int, factor: float, resets: int, at_ns: int) -> None:
    status_type = message_store().types['gemdepth_ros/msg/Status']
    values: dict[str, Any] = dict.fromkeys(status_type.__dataclass_fields__, 0)
    values |= dict.fromkeys(('mode', 'weights'), '')
    values |= {key: [] for key in ('reset_reasons', 'grounding_sources')}
    values |= dict.fromkeys(('trained', 'camera_predicted'), False)
    values |= {'header': header_message(stamp, 'camera'), 'reset_counts': np.zeros(0, np.uint32)}
    values |= {'translation_factor': factor, 'translation_factor_std': 0.05 * factor}
    values |= {'metric': True, 'resets': resets, 'last_reset_reason': 'gap' if resets else ''}
    del values['__msgtype__']
    writer.write(topics.STATUS, status_type(**values), at_ns)


def test_metric_depth_does_not_make_motion_metric(bag: Path, tmp_path: Path) -> None:
    """LiDAR alone: depth in metres, odometry of unknown covariance; then a factor, then a gap."""
    with BagReader(bag) as reader:
        images = [item.message for item in reader.messages(['/camera/image_rect'])]
    folder = tmp_path / 'answered'
    with BagWriter(folder) as writer:
        writer.add_topic(topics.DEPTH, 'sensor_msgs/msg/Image', RELIABLE)
        writer.add_topic(topics.ODOMETRY, 'nav_msgs/msg/Odometry', RELIABLE)
        writer.add_topic(topics.STATUS, 'gemdepth_ros/msg/Status', RELIABLE)
        for index, image in enumerate(images):
            stamp = header_stamp_ns(image)
            depth = np.full((image.height, image.width), 8, np.float32)
            writer.write(topics.DEPTH, image_message(depth, '32FC1', stamp, 'camera'), stamp)
            variance = 0.01 if index in (2, 3, 5) else 9999.0
            pose = from_parts(np.eye(3), np.array([0.0, 0.0, 0.1 * index]))
            message = odometry_message(
                pose, np.zeros(6), stamp, 'gemdepth_odom', 'camera', [variance] * 6
            )
            writer.write(topics.ODOMETRY, message, stamp)
            factor, resets = math.nan if index < 2 else 2.0, int(index >= 4)
            write_status(writer, stamp, factor, resets, stamp + MS)
            # Repeated by the timer; the next frame's reset is counted before its depth is out.
            write_status(writer, stamp, factor, int(index >= 3), stamp + 2 * MS)
    predictor = RecordedPredictor(folder, '/camera/image_rect', SETTINGS, status())
    found = [p for _, p in predictor.predict(frame(header_stamp_ns(image)) for image in images)]
    assert all(item.depth_m is not None for item in found)
    assert [item.own_metric for item in found] == [False, False, True, True, True, True]
    assert [item.lost for item in found] == [False, False, False, False, True, False]
    assert [item.reset for item in found] == ['', '', '', '', 'gap', '']


def test_measures_are_those_of_ros2_benchmark(recording: Path) -> None:
    predictor = RecordedPredictor(recording, IMAGE, SETTINGS, status())
    list(predictor.predict(frame(10**9 + index * 100 * MS) for index in range(4)))
    run = LiveRun(
        sent=5,
        late_s=0.002,
        play_s=0.4,
        status=status(frames_received=5, frames_processed=3, frames_dropped=2),
        usage=Usage(80.0, 99.0, 50.0, 60.0, 400.0),
        recording=recording,
    )
    found = measures(run, predictor, report_results.full_result(), 1.0)
    basic = {k.partition('.')[2]: v for k, v in found.items() if k.startswith('BasicPerf')}
    assert basic['NUM_FRAMES_SENT'] == 5
    assert basic['NUM_MISSED_FRAMES'] == 2
    assert basic['MEAN_LATENCY'] == pytest.approx((30 + 50 + 60) / 3)
    assert basic['MAX_LATENCY'] == 60
    assert basic['MEAN_PLAYBACK_FRAME_RATE'] == pytest.approx(10)
    assert basic['MEAN_FRAME_RATE'] == pytest.approx(2 / 0.33)
    assert found['NodeMetrics.P50_LATENCY'] == 50
    assert found['NodeMetrics.CALLBACK_TO_PUBLISH_P99_LATENCY'] is None
    assert found['NodeMetrics.FRAMES_DROPPED'] == 2
    assert found['NodeMetrics.PEAK_MEMORY_MIB'] == 400
    assert 'AccuracyMetrics.vda.ABS_REL' in found
    assert 'AccuracyMetrics.vda.ROW_PRIOR_ABS_REL' in found
    assert found['AccuracyMetrics.vda.COVERAGE'] == 0.997
    json.dumps(found, allow_nan=False)


def test_the_node_gets_the_settings() -> None:
    inputs = Inputs('/cam/image/compressed', '/cam/camera_info', '', '', True, True, 1.0, 'mcap')
    settings = EvaluationSettings(
        weights='1.0', preset='tiny', overrides=('products.filter_edges=false',)
    )
    words = node_arguments(inputs, settings, (32, 96))
    assert 'image:=/cam/image' in words
    assert "network.weights:='1.0'" in words
    assert "image_transport:='compressed'" in words
    assert 'products.filter_edges:=false' in words
    assert not any(word.startswith('lidar') for word in words)
    assert inputs.listeners['/cam/image/compressed'] == 2


@pytest.mark.parametrize(
    'settings',
    [
        EvaluationSettings(mode='offline'),
        EvaluationSettings(simulated_latency_ms=50),
        EvaluationSettings(intrinsics=(1, 1, 1, 1)),
    ],
)
def test_settings_without_meaning_for_a_node_are_refused(settings: EvaluationSettings) -> None:
    inputs = Inputs('/cam/image', '', '', '', False, False, 1.0, 'mcap')
    with pytest.raises(ConfigError, match='live node'):
        node_arguments(inputs, settings, (32, 96))


@pytest.fixture
def busy_process() -> Iterator[subprocess.Popen[bytes]]:
    code = 'x = bytearray(60_000_000)\nwhile True: pass'
    process = subprocess.Popen([sys.executable, '-S', '-c', code])
    yield process
    process.kill()
    process.wait()


@pytest.mark.skipif(not Path('/proc/self/stat').is_file(), reason='no /proc')
def test_costs_of_a_process_are_seen(busy_process: subprocess.Popen[bytes]) -> None:
    with UsageWatch(busy_process.pid) as watch:
        time.sleep(1.0)
    usage = watch.usage
    assert usage.mean_percent > 5  # the machine may be busy
    assert usage.mean_percent <= usage.max_percent <= 130
    assert 60 < usage.peak_mib < 120
    assert 0 < usage.overall_percent <= 101


@pytest.mark.parametrize(
    ('words', 'text'),
    [
        (['--through-ros', '--rerun', 'x.rrd'], '--rerun shows the pipeline itself'),
        (['--through-ros', '--engine', 'ray'], '--through-ros is for one source'),
        (['--ray-address', 'a:1'], 'needs --engine ray'),
        (['--through-ros', '--mode', 'offline'], 'live node'),
    ],
)
def test_contradictions_are_one_line(
    bag: Path, tmp_path: Path, words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ['evaluate', str(bag), '-o', str(tmp_path / 'out'), *words]
    assert command_line.main(command) == 1
    error = capsys.readouterr().err
    assert text in error
    assert error.count('\n') == 1


@pytest.mark.ros
@pytest.mark.slow
def test_the_live_node_gives_what_the_replay_gives(bag: Path, tmp_path: Path) -> None:
    pytest.importorskip('rclpy', reason='needs a ROS 2')
    pytest.importorskip('gemdepth_ros.msg', reason="needs the package's messages")
    live, replay = tmp_path / 'live', tmp_path / 'replay'
    # Slowly, so that no frame is dropped on a busy machine.
    words = ['evaluate', str(bag), *NETWORK, '--device', 'cpu', '--no-report', '-o']
    command = [*words, str(live), '--through-ros', '--play-rate', '0.2']
    environment = {**os.environ, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    module = [sys.executable, '-m', 'gemdepth_ros.cli.main']
    done = subprocess.run(
        [*module, *command], env=environment, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert command_line.main([*words, str(replay)]) == 0
    content = json.loads((live / 'through_ros.json').read_text())
    assert content['BasicPerformanceMetrics.NUM_FRAMES_SENT'] == 6
    assert content['BasicPerformanceMetrics.NUM_MISSED_FRAMES'] == 0
    assert content['NodeMetrics.FRAMES_PROCESSED'] == 6
    assert 0 < content['NodeMetrics.P50_LATENCY'] <= content['NodeMetrics.P99_LATENCY']
    assert content['NodeMetrics.PEAK_MEMORY_MIB'] > 50
    results = [json.loads((folder / 'result.json').read_text()) for folder in (live, replay)]
    for ours, theirs in zip(*(result['protocols'] for result in results), strict=True):
        assert ours['mean'] == pytest.approx(theirs['mean'], rel=1e-5)
    ate = [result['trajectory']['errors'][0]['ate_rmse_m'] for result in results]
    assert ate[0] == pytest.approx(ate[1], rel=1e-4)
    assert not (live / 'recording').exists()
