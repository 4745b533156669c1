"""Transitions without a network: what is made, what is freed, what is said when it fails."""

from __future__ import annotations

import faulthandler
import gc
import os
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gemdepth_ros.msg', reason="the package's messages are not built")
pytestmark = pytest.mark.ros

from fake_pipeline import BOMB, FakePipeline  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from gemdepth_ros.errors import (  # noqa: E402
    ConfigError,
    DependencyError,
    DeviceMemoryError,
    WeightsError,
)
from gemdepth_ros.interfaces import OutputRequest, VideoFrame  # noqa: E402
from gemdepth_ros.msg import Status  # noqa: E402
from gemdepth_ros.pipeline.worker import Worker  # noqa: E402
from gemdepth_ros.ros.conversions import image_message  # noqa: E402
from gemdepth_ros.ros.dependencies import needing_libraries  # noqa: E402
from gemdepth_ros.ros.diagnostics import status_name  # noqa: E402
from gemdepth_ros.ros.node import GemDepthNode, depth_pipeline  # noqa: E402

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


@pytest.fixture
def make(monkeypatch):
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'OFF')
    context = Context()
    context.init()
    nodes = []

    def make_node(factory=FakePipeline, namespace='', **parameters):
        made = []

        def collect(config):
            made.append(factory(config))
            return made[-1]

        node = GemDepthNode(
            pipeline_factory=collect,
            context=context,
            enable_communication_interface=False,
            namespace=namespace,
            parameter_overrides=[
                Parameter(name.replace('__', '.'), value=value)
                for name, value in parameters.items()
            ],
        )
        node.made, node.logged = made, []
        for level in ('error', 'warning'):
            monkeypatch.setattr(node.get_logger(), level, _recorder(node, level))
        nodes.append(node)
        return node

    yield make_node
    for node in nodes:
        node.destroy_node()
    context.try_shutdown()


def _recorder(node, level):
    return lambda text, **_: node.logged.append((level, text))


def feed(node, grey=100, stamp_ns=10**9):
    """Hand an image to the callback, as the executor would."""
    message = image_message(np.full((4, 4, 3), grey, np.uint8), 'rgb8', stamp_ns, 'cam')
    node._stream._input._on_image(message, {'publication_sequence_number': None})


def counts(node):
    return node._snapshot().counts


def wait_for(condition, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_the_whole_life(make):
    node = make(warm_up_height=4, warm_up_width=6)
    assert node.trigger_configure() == SUCCESS
    pipeline = node.made[0]
    assert pipeline.warmed_up == (4, 6)
    assert node.trigger_activate() == SUCCESS
    feed(node)
    wait_for(lambda: counts(node).processed == 1)
    assert node.trigger_deactivate() == SUCCESS
    assert not pipeline.closed
    assert not node.busy
    assert node.trigger_activate() == SUCCESS
    feed(node)
    wait_for(lambda: counts(node).processed == 1)
    assert len(node.made) == 1, 'weights are kept while inactive'
    assert node.trigger_deactivate() == SUCCESS
    assert node.trigger_cleanup() == SUCCESS
    assert pipeline.closed
    assert node.trigger_configure() == SUCCESS
    assert len(node.made) == 2
    assert node.trigger_shutdown() == SUCCESS
    assert node.made[1].closed


def within(action, limit_s=60):
    """What ``action`` returns; fails with all stacks when it does not end.

    A machine that has been paused wakes with the limit gone by: it gets a moment more.
    """
    results = []
    thread = threading.Thread(target=lambda: results.append(action()), daemon=True)
    thread.start()
    thread.join(limit_s)
    thread.join(5)
    if not results:
        faulthandler.dump_traceback(all_threads=True)
        pytest.fail(f'it did not end within {limit_s} s; the stacks are above')
    return results[0]


@pytest.mark.parametrize('steps', [(), ('configure',), ('configure', 'activate')])
def test_shutdown_from_every_state_frees_everything(make, steps):
    node = make()
    for step in (*steps, 'shutdown'):
        assert within(getattr(node, f'trigger_{step}')) == SUCCESS
    assert all(pipeline.closed for pipeline in node.made)
    assert not node.busy


def test_a_users_mistake_fails_configure_in_one_line(make):
    def factory(_config):
        raise WeightsError('no file /nowhere/x.pth: get it by ...')

    node = make(factory)
    assert node.trigger_configure() == FAILURE
    assert node.logged == [('error', 'on_configure failed: no file /nowhere/x.pth: get it by ...')]
    snapshot = node._snapshot()
    assert (snapshot.state, snapshot.fault) == ('unconfigured', node.logged[0][1])


@pytest.mark.parametrize('name', ['missing.pth', 'text.pth', 'text.safetensors', 'folder.pth'])
def test_wrong_weights_fail_configure_in_one_line_of_the_real_pipeline(make, tmp_path, name):
    path = tmp_path / name
    if name.startswith('text'):
        path.write_text('these are no weights')
    if name.startswith('folder'):
        path.mkdir()
    node = make(depth_pipeline, network__weights=str(path))
    assert node.trigger_configure() == FAILURE
    ((level, text),) = node.logged
    assert level == 'error'
    assert str(path) in text
    assert '\n' not in text


@pytest.mark.parametrize('module', ['torch', 'safetensors.torch', 'huggingface_hub'])
def test_a_missing_library_fails_configure_in_one_line(make, module):
    def factory(_config):
        with needing_libraries():
            raise ModuleNotFoundError(f'No module named {module!r}', name=module)

    node = make(factory)
    assert node.trigger_configure() == FAILURE
    ((level, text),) = node.logged
    assert level == 'error'
    assert text.startswith(f'on_configure failed: no module {module}: ')
    assert 'install' in text
    assert '\n' not in text


def test_the_real_pipeline_without_torch_fails_configure_in_one_line(make, monkeypatch):
    for module in ('pipeline', 'device_memory'):  # the latter imports torch, for the former
        monkeypatch.delitem(sys.modules, f'gemdepth_ros.pipeline.{module}', raising=False)
    monkeypatch.setitem(sys.modules, 'torch', None)
    node = make(depth_pipeline)
    assert node.trigger_configure() == FAILURE
    ((_, text),) = node.logged
    assert text.startswith('on_configure failed: no module torch: install PyTorch')
    assert '\n' not in text


def test_a_library_that_cannot_be_loaded_is_named_in_one_line():
    text = r'^cannot load cv2 \(libGL.so.1: no such file\): install it'
    with pytest.raises(DependencyError, match=text), needing_libraries():
        raise ImportError('\nlibGL.so.1: no such file\nand a page of text', name='cv2')
    text = r'^cannot load a library \(libx.so\): is it'
    with pytest.raises(DependencyError, match=text), needing_libraries():
        raise ImportError('libx.so')


def test_a_wrong_import_inside_the_package_stays_a_bug():
    with pytest.raises(ModuleNotFoundError), needing_libraries():
        raise ModuleNotFoundError('x', name='gemdepth_ros.nowhere')


def test_a_bug_fails_configure_with_its_traceback(make):
    def factory(_config):
        raise ZeroDivisionError('oops')

    node = make(factory)
    assert node.trigger_configure() == FAILURE
    ((_, text),) = node.logged
    assert 'Traceback' in text
    assert 'oops' in text


class OutOfMemoryError(RuntimeError):
    """Named like torch's, which is not imported for its name."""


LACKS = [
    OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB.\nand a page of text'),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    MemoryError(),
]


@pytest.mark.parametrize('lack', LACKS)
def test_too_little_memory_fails_configure_in_one_line(make, lack):
    def factory(_config):
        raise lack

    node = make(factory)
    assert node.trigger_configure() == FAILURE
    ((_, text),) = node.logged
    assert text.startswith('on_configure failed: out of memory')
    assert 'streaming.input_size' in text
    assert '\n' not in text
    assert node._snapshot().fault == text


def test_too_little_memory_in_the_worker_is_a_fault_of_one_line(make):
    class Hungry(FakePipeline):
        def process(self, frame, request=None, readings=None):
            raise LACKS[0]

    node = make(Hungry)
    node.autostart()
    feed(node)
    wait_for(lambda: node._snapshot().fault)
    fault = node._snapshot().fault
    assert fault.startswith('the worker failed: out of memory (CUDA out of memory.')
    assert 'float16' in fault
    assert all('\n' not in text for _, text in node.logged)


def test_a_frame_that_does_not_fit_into_memory_costs_one_frame(make):
    class Hungry(FakePipeline):
        def process(self, frame, request=None, readings=None):
            if not self.frames:
                self.frames.append(frame)
                raise DeviceMemoryError('out of device memory at 8x6: lower streaming.window')
            return super().process(frame, request)

    node = make(Hungry)
    node.autostart()
    feed(node)
    wait_for(lambda: counts(node).failed == 1)
    assert 'lower streaming.window' in node._snapshot().last_problem
    feed(node, stamp_ns=2 * 10**9)
    wait_for(lambda: counts(node).processed == 1)


@pytest.mark.parametrize(
    ('namespace', 'given', 'frame'),
    [
        ('', {}, 'gemdepth_odom'),
        ('front', {}, 'front/gemdepth_odom'),
        ('/robot/front', {}, 'robot/front/gemdepth_odom'),
        ('front', {'odom_frame': 'visual_odom'}, 'visual_odom'),
    ],
)
def test_cameras_in_two_namespaces_have_two_odometry_frames(make, namespace, given, frame):
    node = make(namespace=namespace, **given)
    assert node.trigger_configure() == SUCCESS
    assert node._outputs._config.odom_frame == frame
    full = f'{namespace}/depth_node'.lstrip('/')
    assert status_name(node) == f'{full}: stream'


def test_configure_can_be_tried_again(make):
    attempts = []

    def factory(config):
        attempts.append(config)
        if len(attempts) == 1:
            raise WeightsError('not yet')
        return FakePipeline(config)

    node = make(factory)
    assert node.trigger_configure() == FAILURE
    assert node.trigger_configure() == SUCCESS
    assert node._snapshot().fault == ''


def test_bad_parameters_fail_configure_in_one_line(make):
    node = make(tf_mode='sideways')
    assert node.trigger_configure() == FAILURE
    ((_, text),) = node.logged
    assert 'tf_mode must be one of none, camera, odom_to_base, inverted' in text
    node = make(grounding__manual__enabled=True)
    assert node.trigger_configure() == FAILURE
    assert 'needs a finite scale' in node.logged[0][1]


@pytest.mark.parametrize('source', ['lidar', 'odometry', 'sky'])
def test_sources_of_metres_have_an_input_while_the_node_is_active(make, source):
    node = make(**{f'grounding__{source}__enabled': True})
    node.autostart()
    topic = {'lidar': '/lidar/points', 'odometry': '/odometry', 'sky': '/sky_mask'}[source]
    assert topic in {s.topic_name for s in node.subscriptions}
    assert node.trigger_deactivate() == SUCCESS
    assert {s.topic_name for s in node.subscriptions} == {'/tf_static'}
    assert node.trigger_cleanup() == SUCCESS
    assert list(node.subscriptions) == []


def test_a_parameter_of_the_wrong_type_is_named(make):
    with pytest.raises(ConfigError, match=r'streaming\.window'):
        make(streaming__window='eight')


def test_a_parameter_out_of_range_is_named(make):
    with pytest.raises(ConfigError, match=r'streaming\.window.*Max: 32, value: 99'):
        make(streaming__window=99)


def test_yaml_types_are_understood(make):
    node = make(
        grounding__manual__enabled=True, grounding__manual__scale=30, input_is_rectified=True
    )
    assert node.trigger_configure() == SUCCESS
    assert node.made[0].config.grounding.manual.scale == 30.0
    assert node._settings.node_config.input_is_rectified == 'true'


def test_changes_take_effect_or_are_refused_with_the_reason(make):
    node = make()
    result = node.set_parameters([Parameter('streaming.window', value=4)])[0]
    assert result.successful
    result = node.set_parameters([Parameter('streaming.window', value=99)])[0]
    assert not result.successful
    assert 'streaming.window out of range' in result.reason
    assert node.trigger_configure() == SUCCESS
    assert node.made[0].config.streaming.window == 4
    result = node.set_parameters([Parameter('streaming.window', value=8)])[0]
    assert not result.successful
    assert 'streaming.window is read while configuring' in result.reason
    unchanged = [
        Parameter('streaming.window', value=4),
        Parameter('grounding.manual.scale', value=float('nan')),
        Parameter('camera_info_tolerance_s', value=2.0),
    ]
    assert node.set_parameters_atomically(unchanged).successful, 'nothing would come too late'
    assert node._settings.node_config.camera_info_tolerance_s == 2.0
    result = node.set_parameters([Parameter('stale_after_s', value=7.5)])[0]
    assert result.successful
    assert node._settings.node_config.stale_after_s == 7.5
    result = node.set_parameters([Parameter('stale_after_s', value=0.0)])[0]
    assert not result.successful


def put(node, name, value):
    """Set one parameter, as `ros2 param load` does for each."""
    return node.set_parameters([Parameter(name, value=value)])[0]


def test_parameters_that_belong_together_can_be_set_one_after_the_other(make):
    node = make()
    for name, value in (('warm_up_height', 375), ('warm_up_width', 1242)):
        assert put(node, name, value).successful
    assert node.trigger_configure() == SUCCESS
    assert node.made[0].warmed_up == (375, 1242)


def test_contradictions_fail_configure_and_can_be_mended_one_by_one(make):
    node = make(warm_up_height=375, streaming__anchor_max_age=2)
    assert node.trigger_configure() == FAILURE
    assert 'warm_up_height and warm_up_width go together' in node.logged[-1][1]
    assert put(node, 'warm_up_width', 1242).successful, 'whatever else is wrong'
    assert node.trigger_configure() == FAILURE
    assert 'anchor_max_age (2) must be >= window * stride' in node.logged[-1][1]
    assert put(node, 'streaming.anchor_max_age', 128).successful
    assert node.trigger_configure() == SUCCESS


@pytest.mark.parametrize(
    ('name', 'value', 'reason'),
    [
        (
            'tf_mode',
            'map',
            "tf_mode must be one of none, camera, odom_to_base, inverted, got 'map'",
        ),
        ('mounting.height_m', -1.0, 'mounting.height_m must be '),
        ('mounting.height_m', 'high', 'mounting.height_m must be a float'),
        ('products.max_depth_m', float('nan'), 'products.max_depth_m'),
    ],
)
def test_a_value_that_is_wrong_by_itself_is_refused_at_once(make, name, value, reason):
    node = make()
    result = put(node, name, value)
    assert not result.successful
    assert reason in result.reason
    assert put(node, 'mounting.height_m', float('nan')).successful, 'unknown is a value'


def test_contradictions_are_refused_while_the_node_is_configured(make):
    node = make()
    assert node.trigger_configure() == SUCCESS
    result = put(node, 'warm_up_height', 375)
    assert not result.successful
    assert node._settings.node_config.warm_up_height == 0


@pytest.mark.parametrize('given', ['none', ''])
def test_no_weights_can_be_said_in_words(make, given):
    node = make(network__weights=given)
    assert node.trigger_configure() == SUCCESS
    assert node.made[0].config.network.weights == ''
    assert put(node, 'network.weights', '').successful, 'both mean the same'


def test_parameters_are_described(make):
    descriptor = make().describe_parameter('stale_after_s')
    assert descriptor.description == 'a warning appears when no image came for this long [s].'
    assert descriptor.floating_point_range[0].to_value == 3600.0
    assert 'raw, compressed' in make().describe_parameter('image_transport').additional_constraints
    window = make().describe_parameter('streaming.window').integer_range[0]
    assert (window.from_value, window.to_value) == (1, 32)
    height = make().describe_parameter('mounting.height_m')
    assert list(height.floating_point_range) == [], 'no range admits NaN'
    assert 'nan, or a' in height.additional_constraints


def test_autostart(make):
    node = make()
    node.autostart()
    assert node._snapshot().state == 'active'
    node = make(autostart=False)
    node.autostart()
    assert node._snapshot().state == 'unconfigured'


class Held(FakePipeline):
    """Stays at a frame until a condition is true: no test depends on how fast the machine is."""

    until = None

    def _output(self, *arguments):
        wait_for(self.until)
        return super()._output(*arguments)


def test_stop_in_the_middle_of_a_frame_waits_for_it(make):
    node = make(Held)
    node.autostart()
    node.made[0].until = lambda: node._stream.worker.stopping
    feed(node)
    wait_for(lambda: node.made[0].frames)
    feed(node)
    assert node.trigger_deactivate() == SUCCESS
    assert not node.busy
    result = counts(node)
    assert (result.received, result.dropped, result.pending) == (2, 2, 0)


def test_a_frame_that_outlasts_the_stop_is_thrown_away(make):
    node, released = make(Held, stop_timeout_s=0.05), threading.Event()
    node.autostart()
    node.made[0].until = released.is_set
    feed(node)
    wait_for(lambda: node.made[0].frames)
    assert node.trigger_deactivate() == SUCCESS
    assert node.busy, 'it was not waited for'
    assert node.trigger_activate() == FAILURE  # one pipeline, one thread
    assert 'still in work' in node.logged[-1][1]
    assert node.trigger_cleanup() == SUCCESS
    assert not node.made[0].closed, 'not under the running frame'
    released.set()
    wait_for(lambda: node.made[0].closed)
    wait_for(lambda: counts(node).pending == 0)
    assert (counts(node).processed, counts(node).dropped) == (0, 1)
    wait_for(lambda: not node.busy)
    assert node.trigger_configure() == SUCCESS


def test_busy_survives_the_end_of_the_worker_at_any_moment(make, monkeypatch):
    """The worker's end sets the stream to None on its own thread, between two lines of `busy`."""
    node = make()
    node.autostart()
    reads = [node._stream]
    with monkeypatch.context() as patch:
        patch.setattr(
            GemDepthNode,
            '_stream',
            property(lambda _: reads.pop() if reads else None),
            raising=False,
        )
        assert node.busy
        assert not node.busy


def test_resets_are_counted_since_the_activation(make):
    node = make()
    node.autostart()
    feed(node, stamp_ns=10**9)
    wait_for(lambda: counts(node).processed == 1)
    feed(node, stamp_ns=10**9)
    wait_for(lambda: counts(node).processed == 2)
    assert node._snapshot().resets == {'backward_time': 1}
    assert node.trigger_deactivate() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    feed(node, stamp_ns=10**9 + 1)
    wait_for(lambda: counts(node).processed == 1)
    assert node._snapshot().resets == {}
    assert node._snapshot().last_reset == ''


def test_unknown_parameters_are_named(make, capfd):
    make(weights='x.pth')
    assert "unknown parameter 'weights' is ignored; did you mean network.weights" in (
        capfd.readouterr().err
    )


class Network:
    """What must be freed; fails at a frame that is all of one grey."""

    def step(self, frame):
        if (frame.image_rgb == BOMB).all():
            raise RuntimeError('CUDA error: an illegal memory access was encountered')


class WithNetwork(FakePipeline):
    """Holds its network as the real pipeline does; a fault of its device stays."""

    def __post_init__(self):
        super().__post_init__()
        self._network = Network()

    def process(self, frame, *arguments):
        network = self._network
        network.step(frame)
        return super().process(frame, *arguments)

    def close(self):
        super().close()
        vars(self).pop('_network', None)


def test_cleanup_after_a_failure_of_the_worker_frees_the_network(make):
    node = make(WithNetwork)
    node.autostart()
    network = weakref.ref(node.made[0]._network)
    feed(node, grey=BOMB)
    wait_for(lambda: not node.busy)
    assert 'in step' in node.logged[-1][1], 'the log has the whole traceback'
    node._deactivate_after_failure()  # as the executor does
    gc.disable()
    try:
        assert node.trigger_cleanup() == SUCCESS
        assert network() is None, 'a second one would have to fit beside it'
    finally:
        gc.enable()


def test_a_network_in_a_cycle_is_freed_by_cleanup(make):
    node = make(WithNetwork)
    assert node.trigger_configure() == SUCCESS
    network = weakref.ref(node.made[0]._network)
    cycle = [node.made[0]._network]
    cycle.append(cycle)
    del cycle
    gc.disable()
    try:
        assert node.trigger_cleanup() == SUCCESS
        assert network() is None
    finally:
        gc.enable()


def open_files():
    return len(os.listdir('/proc/self/fd'))


def test_ten_cycles_leave_no_thread_file_or_entity(make):
    node, pipelines = make(), []

    def cycle():
        assert node.trigger_configure() == SUCCESS
        assert node.trigger_activate() == SUCCESS
        feed(node)
        wait_for(lambda: counts(node).processed == 1)
        assert node.trigger_deactivate() == SUCCESS
        assert node.trigger_cleanup() == SUCCESS
        pipelines.append(weakref.ref(node.made.pop()))
        gc.collect()

    def census():
        return (
            threading.active_count(),
            open_files(),
            entities(node),
            len(node._managed_entities),
        )

    cycle()  # the first one opens what stays open: loggers, the parameter's QoS
    before = census()
    for _ in range(10):
        cycle()
    assert census() == before
    assert [ref() for ref in pipelines if ref() is not None] == [], 'the network is freed'


IMAGE_QOS = 'qos_overrides./image.subscription'


@pytest.mark.parametrize(
    'given',
    [
        {f'{IMAGE_QOS}.history': 'keep_lats'},
        {f'{IMAGE_QOS}.depth': 'three'},
        {'qos_overrides./odometry.subscription.history': 'keep_lats'},
    ],
    ids=['camera', 'subscription', 'sensor'],
)
def test_a_failed_activation_leaves_nothing_behind(make, given):
    node = make(grounding__odometry__enabled=True, **given)
    assert node.trigger_configure() == SUCCESS
    before = entities(node)
    for _ in range(3):
        assert node.trigger_activate() == FAILURE
        assert entities(node) == before
        assert node._snapshot().state == 'inactive'
        assert not node._outputs._publishers['~/odometry'].is_activated
    faults = {text for _, text in node.logged}
    assert len(faults) == 1
    if 'keep_lats' in given.values():
        (fault,) = faults
        assert fault.startswith(f'on_activate failed: {next(iter(given))} must be one of ')
        assert '\n' not in fault
    assert node.trigger_cleanup() == SUCCESS


def test_a_worker_that_cannot_start_leaves_nothing_behind(make, monkeypatch):
    def no_thread(worker):
        raise RuntimeError("can't start new thread")

    node = make(grounding__odometry__enabled=True)
    assert node.trigger_configure() == SUCCESS
    before = entities(node)
    with monkeypatch.context() as patch:
        patch.setattr(Worker, 'start', no_thread)
        for _ in range(3):
            assert node.trigger_activate() == FAILURE
    assert entities(node) == before
    assert node.trigger_activate() == SUCCESS
    feed(node)
    wait_for(lambda: counts(node).processed == 1)
    assert node.trigger_deactivate() == SUCCESS
    assert entities(node) == before


def entities(node):
    """How many of each kind a node has."""
    kinds = ('publishers', 'subscriptions', 'services', 'timers', 'guards', 'waitables')
    return {kind: len(list(getattr(node, kind))) for kind in kinds}


def resident_kib():
    lines = Path('/proc/self/status').read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith('VmRSS')))


@pytest.mark.slow
def test_ten_cycles_of_the_real_network_keep_the_memory(make):
    """What configure loads, cleanup frees: less than 2 % more after ten cycles."""
    node = make(
        depth_pipeline,
        network__preset='small',
        network__weights='',
        network__device='cpu',
        streaming__input_size=70,
        streaming__window=2,
        warm_up_height=48,
        warm_up_width=64,
    )

    def cycle():
        assert node.trigger_configure() == SUCCESS
        assert node.trigger_activate() == SUCCESS
        assert node.trigger_deactivate() == SUCCESS
        assert node.trigger_cleanup() == SUCCESS
        node.made.clear()
        gc.collect()

    for _ in range(3):  # libraries load, allocators find their size
        cycle()
    before, threads, files = resident_kib(), threading.active_count(), open_files()
    for _ in range(10):
        cycle()
    assert resident_kib() < 1.02 * before
    assert (threading.active_count(), open_files()) == (threads, files)


OUTPUT_QOS = 'qos_overrides./depth_node/odometry.publisher'


@pytest.mark.parametrize(
    'given',
    [
        {f'{OUTPUT_QOS}.history': 'keep_lats'},
        {f'{OUTPUT_QOS}.reliability': 'perfect'},
        {f'{OUTPUT_QOS}.depth': -3},
    ],
    ids=['history', 'reliability', 'depth'],
)
def test_an_impossible_override_of_an_output_is_one_line_and_leaves_no_topic(make, given):
    node = make(**given)
    before = len(list(node.publishers))
    for _ in range(3):
        assert node.trigger_configure() == FAILURE
        assert len(list(node.publishers)) == before
    (fault,) = {text for _, text in node.logged}
    assert fault.startswith(f'on_configure failed: {next(iter(given))} must be ')
    assert '\n' not in fault


def test_outputs_that_are_gone_send_nothing_and_want_nothing(make):
    """A worker may still be at a frame when the node is cleaned up."""
    node = make()
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    outputs = node._outputs
    output = node.made[-1].process(
        VideoFrame(np.zeros((48, 64, 3), np.uint8), 1, 'camera'), OutputRequest(preview=True)
    )
    assert node.trigger_deactivate() == SUCCESS
    assert node.trigger_cleanup() == SUCCESS
    outputs.publish(output)
    outputs.publish_status(Status())
    assert outputs.request() == OutputRequest(depth=False, points=False)
