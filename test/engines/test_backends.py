"""A backend that is right computes the stream; a wrong one is refused, and nobody is harmed."""

from __future__ import annotations

import logging
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gemdepth_ros.errors import ConfigError, EngineError
from gemdepth_ros.inference import StreamingConfig, StreamSession
from gemdepth_ros.inference.causal import CausalSegment
from gemdepth_ros.inference.encoded import EncodedFrame, StreamGrid
from gemdepth_ros.inference.engines import backends, pool
from gemdepth_ros.inference.engines.export import engine_shape
from gemdepth_ros.inference.engines.graphs import cache_tensors
from gemdepth_ros.inference.engines.manifest import (
    ENCODER_FILE,
    GRAPHS,
    STEP_FILE,
    Manifest,
    file_digests,
    read_manifest,
)
from gemdepth_ros.inference.engines.onnx_program import CPU, CUDA, TENSORRT, providers_for
from gemdepth_ros.inference.engines.pool import EnginePool, engine_cache
from gemdepth_ros.inference.static_step import StaticEncoder, StaticStep
from gemdepth_ros.interfaces import ResetReason, VideoFrame

HEIGHT, WIDTH, INPUT_SIZE, WINDOW = 60, 80, 42, 4
FRAMES = 10  # four segments of four slots, the later ones seeded with two
CHECKED = 2
ROUNDING = 1e-5


def config(backend: str = 'eager', **values: object) -> StreamingConfig:
    settings = {'backend_check_frames': CHECKED, **values}
    return StreamingConfig(
        mode='causal', window=WINDOW, input_size=INPUT_SIZE, backend=backend, **settings
    )


@pytest.fixture(scope='module')
def frames() -> list[VideoFrame]:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT // 4, WIDTH // 4 + FRAMES, 3))
    large = noise.repeat(4, 0).repeat(4, 1).astype(np.uint8)
    return [
        VideoFrame(np.ascontiguousarray(large[:, n * 4 : n * 4 + WIDTH]), n * 100_000_000)
        for n in range(FRAMES)
    ]


@pytest.fixture(scope='module')
def truth(tiny_model, frames) -> list:
    session = StreamSession(tiny_model, config())
    assert (session.backend, session.backend_fault) == ('eager', '')
    return [session.step(frame) for frame in frames]


def largest_difference(outputs: list, truth: list) -> float:
    """Over disparity, poses, and the affine maps that join segments."""
    found = 0.0
    for mine, theirs in zip(outputs, truth, strict=True):
        gap = (mine.disparity_HW - theirs.disparity_HW).norm() / theirs.disparity_HW.norm()
        pose = np.abs(mine.session_from_camera - theirs.session_from_camera).max()
        found = max(found, float(gap), float(pose), abs(mine.scale - theirs.scale))
        assert mine.segment == theirs.segment
    return found


class Plain:
    """The static step without any compiler, right or wrong in a chosen way."""

    name = 'plain'

    def __init__(self, model, grid, window: int, spoil: str = '', after: int = 0) -> None:
        self._encode = StaticEncoder(model, grid)
        self._step = StaticStep(model, grid, window, in_place=True)
        self._spoil, self._left = spoil, after
        self.steps = self.encoded = 0
        self.prepared: list[CausalSegment] = []

    def prepare(self, segment: CausalSegment) -> None:
        self.prepared.append(segment)

    def encode(self, image_13HW: Tensor) -> list[Tensor]:
        self.encoded += 1
        levels = list(self._encode(image_13HW))
        if self._spoil == 'encoder':
            levels[2] = levels[2] * 1.1
        return levels

    def step(self, segment: CausalSegment, frame: EncodedFrame, slot: int) -> Tensor:
        self.steps += 1
        tensors = (segment.all_encodings_1T9, *cache_tensors(segment))
        disparity = self._step(frame.levels, torch.tensor([slot]), *tensors)[0][0]
        if self.steps <= self._left:
            return disparity
        if self._spoil == 'raises':
            raise RuntimeError('the driver is gone\nand a page of text')
        if self._spoil == 'disparity':
            return disparity * 1.01
        if self._spoil == 'nan':
            return disparity * torch.nan
        if self._spoil == 'pose':
            segment.all_encodings_1T9[:, slot] += 0.1
        if self._spoil == 'caches':  # of one store in twenty
            cache_tensors(segment)[-1].mul_(1.1)
        return disparity


@pytest.fixture
def plain(tiny_model, monkeypatch):
    """Let ``compile`` mean ``Plain``."""

    def make(**values) -> Plain:
        made = Plain(tiny_model, StreamGrid.of(tiny_model, (42, 56)), WINDOW, **values)
        monkeypatch.setattr(EnginePool, '_backend', lambda *_: made)
        return made

    return make


def test_a_right_backend_computes_what_is_answered(tiny_model, frames, truth, plain):
    backend = plain()
    session = StreamSession(tiny_model, config('compile'))
    outputs = [session.step(frame) for frame in frames]
    assert (session.backend, session.backend_fault) == ('plain', '')
    assert largest_difference(outputs, truth) < ROUNDING
    assert len(backend.prepared) == 2
    assert backend.encoded == FRAMES
    assert backend.steps == FRAMES + 4, 'the last frame of a segment of four is answered by two'
    for mine, theirs in zip(outputs[:CHECKED], truth, strict=False):
        assert torch.equal(mine.disparity_HW, theirs.disparity_HW), 'eager answers what is checked'


@pytest.mark.parametrize('spoil', ['disparity', 'nan', 'pose', 'caches', 'encoder', 'raises'])
def test_a_wrong_backend_is_refused_and_the_stream_is_as_if_it_had_not_been_there(
    tiny_model, frames, truth, plain, caplog, spoil
):
    backend = plain(spoil=spoil)
    session = StreamSession(tiny_model, config('compile'))
    with caplog.at_level(logging.ERROR):
        outputs = [session.step(frame) for frame in frames]
    assert backend.steps <= 1
    assert session.backend == 'eager'
    reason = 'RuntimeError: the driver is gone' if spoil == 'raises' else 'it differs from eager'
    assert session.backend_fault.startswith(f'streaming.backend compile is refused: {reason}')
    assert session.backend_fault.endswith('; eager goes on')
    assert [record.getMessage() for record in caplog.records] == [session.backend_fault]
    assert '\n' not in session.backend_fault
    for mine, theirs in zip(outputs, truth, strict=True):
        assert torch.equal(mine.disparity_HW, theirs.disparity_HW)
        assert np.array_equal(mine.session_from_camera, theirs.session_from_camera)


def test_a_backend_that_fails_later_is_replaced_within_the_frame(tiny_model, frames, truth, plain):
    backend = plain(spoil='raises', after=5)
    session = StreamSession(tiny_model, config('compile'))
    outputs = [session.step(frame) for frame in frames]
    assert backend.steps == 6
    assert 'the driver is gone' in session.backend_fault
    assert largest_difference(outputs, truth) < ROUNDING


def test_refused_for_one_stream_is_refused_for_all_and_said_once(
    tiny_model, frames, plain, caplog
):
    backend = plain(spoil='pose')
    pool = EnginePool(tiny_model)
    streams = [StreamSession(tiny_model, config('compile'), pool) for _ in range(2)]
    with caplog.at_level(logging.ERROR):
        for frame in frames[:3]:
            for session in streams:
                session.step(frame)
        streams[0].reset()
        streams[0].step(frames[4])
    assert backend.steps == 1
    assert len(caplog.records) == 1
    assert all('pose by' in session.backend_fault for session in streams)


def test_every_stream_is_checked_anew(tiny_model, frames, plain):
    """What was right for one frame may be wrong for the next stream's first ones."""
    plain(spoil='disparity', after=6)
    session = StreamSession(tiny_model, config('compile'))
    for frame in frames[:5]:
        session.step(frame)
    assert session.backend_fault == ''
    session.reset(ResetReason.REQUEST)
    for frame in frames[5:8]:
        session.step(frame)
    assert 'disparity by 0.01' in session.backend_fault


def test_every_segments_memory_is_checked(tiny_model, frames, truth, plain):
    """A captured graph is bound to one segment: that of the other one may be the wrong one."""
    plain(spoil='disparity', after=4)  # right while the first segment fills, wrong in the second
    session = StreamSession(tiny_model, config('compile', backend_check_frames=1))
    outputs = [session.step(frame) for frame in frames]
    assert 'disparity by 0.01' in session.backend_fault
    assert largest_difference(outputs, truth) < ROUNDING


def test_restart_keeps_what_was_prepared_and_forgets_the_frames(tiny_model, frames, truth, plain):
    backend = plain()
    session = StreamSession(tiny_model, config('compile'))
    for frame in frames[5:8]:
        session.step(frame)
    session.restart()
    outputs = [session.step(frame) for frame in frames]
    assert len(backend.prepared) == 2
    assert outputs[0].reset is None
    assert largest_difference(outputs, truth) < ROUNDING
    assert torch.equal(outputs[0].disparity_HW, truth[0].disparity_HW), 'checked anew'


def test_the_tolerance_is_the_users(tiny_model, frames, plain):
    plain(spoil='disparity')
    session = StreamSession(tiny_model, config('compile', backend_tolerance=0.05))
    for frame in frames[:4]:
        session.step(frame)
    assert session.backend == 'plain'


@pytest.mark.parametrize(
    ('backend', 'said'),
    [
        ('cudagraph', 'it needs a CUDA device, the network is on cpu'),
        ('tensorrt', 'has no TensorRT provider'),
    ],
)
def test_what_this_machine_does_not_have_is_one_line(tiny_model, frames, truth, backend, said):
    pytest.importorskip('onnxruntime')
    session = StreamSession(tiny_model, config(backend))
    output = session.step(frames[0])
    assert said in session.backend_fault
    assert session.backend_fault.count('\n') == 0
    assert torch.equal(output.disparity_HW, truth[0].disparity_HW)


def test_no_compiler_is_one_line(tiny_model, frames, monkeypatch):
    monkeypatch.setattr(shutil, 'which', lambda *_: None)
    session = StreamSession(tiny_model, config('compile'))
    session.step(frames[0])
    assert 'needs a C++ compiler' in session.backend_fault


def test_no_runtime_is_one_line(tiny_model, frames, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    session = StreamSession(tiny_model, config('onnx'))
    session.step(frames[0])
    assert 'this needs onnxruntime: pip install' in session.backend_fault


@pytest.mark.parametrize(
    ('values', 'said'),
    [
        ({'mode': 'sliding', 'backend': 'onnx'}, 'backend onnx needs mode causal, got sliding'),
        ({'mode': 'causal', 'backend': 'cuda'}, "must be one of eager, .* got 'cuda'"),
        ({'backend_check_frames': 0}, 'backend_check_frames must be >= 1, got 0'),
        ({'backend_tolerance': 1.5}, 'backend_tolerance must be 0..0.5, got 1.5'),
        ({'backend_tolerance': float('nan')}, 'backend_tolerance must be 0..0.5, got nan'),
    ],
)
def test_impossible_settings(values, said):
    with pytest.raises(ConfigError, match=said):
        StreamingConfig(**values)


# ---- ONNX Runtime


def test_onnx_stream_across_seams(exported, tiny_model, frames, truth):
    settings = config('onnx', engine_folder=str(exported.folder))
    session = StreamSession(tiny_model, settings, EnginePool(tiny_model, 'seeded'))
    outputs = [session.step(frame) for frame in frames]
    assert session.backend_fault == ''
    assert session.backend == 'onnx (CPUExecutionProvider)'
    assert largest_difference(outputs, truth) < 1e-4


def test_an_export_of_other_weights_is_refused(exported, tiny_model, frames):
    settings = config('onnx', engine_folder=str(exported.folder))
    session = StreamSession(tiny_model, settings)  # known by the digest of its parameters
    session.step(frames[0])
    assert 'was exported for another stream (checkpoint seeded' in session.backend_fault


def vouched(folder: Path) -> None:
    """Let the manifest state what is in the folder now: wrong when it was exported."""
    manifest = read_manifest(folder)
    replace(manifest, files=file_digests(folder, manifest.files)).write(folder)


def corrupted(folder: Path, target: Path, file: str, weight: str) -> None:
    """Copy an export and change one number of one weight."""
    import onnx
    from onnx import numpy_helper

    shutil.copytree(folder, target)
    graph = onnx.load(str(target / file))
    tensor = next(t for t in graph.graph.initializer if t.name.endswith(weight))
    values = numpy_helper.to_array(tensor).copy()
    values.reshape(-1)[0] += 10.0
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save_model(graph, str(target / file))
    vouched(target)


@pytest.mark.parametrize(
    ('file', 'weight', 'said'),
    [
        (STEP_FILE, 'head.output_conv2.bias', 'disparity'),
        (STEP_FILE, 'camera_head.pose_branch.fc2.bias', 'pose'),
        (ENCODER_FILE, 'encoder.norm.bias', 'encoder'),
    ],
)
def test_a_corrupted_engine_is_refused_and_the_stream_is_eager(
    exported, tiny_model, frames, truth, tmp_path, file, weight, said
):
    folder = tmp_path / 'engine'
    corrupted(exported.folder, folder, file, weight)
    settings = config('onnx', engine_folder=str(folder))
    session = StreamSession(tiny_model, settings, EnginePool(tiny_model, 'seeded'))
    outputs = [session.step(frame) for frame in frames]
    assert session.backend == 'eager'
    assert f'it differs from eager in {said} by' in session.backend_fault
    for mine, theirs in zip(outputs, truth, strict=True):
        assert torch.equal(mine.disparity_HW, theirs.disparity_HW)


def test_a_damaged_file_is_refused_before_it_is_loaded(
    exported, tiny_model, frames, truth, tmp_path, monkeypatch
):
    """One bit of a weight moves the result by less than the tolerance; its digest tells."""
    monkeypatch.setattr(pool, 'OnnxBackend', lambda *_: pytest.fail('it was loaded'))
    folder = tmp_path / 'engine'
    shutil.copytree(exported.folder, folder)
    path = folder / f'{STEP_FILE}.data'
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    settings = config('onnx', engine_folder=str(folder))
    session = StreamSession(tiny_model, settings, EnginePool(tiny_model, 'seeded'))
    output = session.step(frames[0])
    assert f'{path} is not what was exported: its SHA-256 is' in session.backend_fault
    assert 'export again' in session.backend_fault
    assert session.backend_fault.count('\n') == 0
    assert torch.equal(output.disparity_HW, truth[0].disparity_HW)


def test_a_file_that_is_no_graph_is_refused(exported, tiny_model, frames, tmp_path):
    folder = tmp_path / 'engine'
    shutil.copytree(exported.folder, folder)
    (folder / STEP_FILE).write_bytes(b'not a graph')
    vouched(folder)
    settings = config('onnx', engine_folder=str(folder))
    session = StreamSession(tiny_model, settings, EnginePool(tiny_model, 'seeded'))
    session.step(frames[0])
    assert f'ONNX Runtime cannot load {folder / STEP_FILE}' in session.backend_fault
    assert session.backend_fault.count('\n') == 0


def test_gpu_providers_compute_in_the_types_of_the_graph(tiny_model, tmp_path, monkeypatch):
    """Neither TF32 for float32 nor half precision for what is exported in float32."""
    machine = {'gpu': 'Orin', 'tensorrt': '10.3.0', 'driver': '540.4.0'}
    monkeypatch.setattr(pool, 'build_machine', lambda _: machine)
    shape = engine_shape(tiny_model, 'digest', (42, 56), WINDOW)
    device = torch.device('cuda', 1)
    name, settings = pool.tensorrt_provider(tmp_path, replace(shape, precision='float16'), device)
    assert (name, settings['device_id']) == (TENSORRT, 1)
    assert 'trt_fp16_enable' not in settings
    (cuda, values), (cpu, _) = providers_for(device, [CUDA, CPU])
    assert (cuda, cpu) == (CUDA, CPU)
    assert values == {'device_id': 1, 'use_tf32': '0'}
    with pytest.raises(EngineError, match='no CUDA provider'):
        providers_for(device, [CPU])


def test_engines_of_another_machine_are_refused(tiny_model, tmp_path, exported):
    shape = read_manifest(exported.folder).shape
    machine = {'gpu': 'Orin', 'tensorrt': '10.3.0', 'driver': '540.4.0'}
    cache = engine_cache(tmp_path, shape, machine)
    assert engine_cache(tmp_path, shape, machine) == cache
    assert engine_cache(tmp_path, shape, {**machine, 'tensorrt': '10.14.1'}) != cache
    (cache / 'machine.json').write_text('{"gpu": "H200"}')
    with pytest.raises(EngineError, match=r'holds engines of .*H200.*, this is .*Orin'):
        engine_cache(tmp_path, shape, machine)


# ---- what can be said here of compilers and GPUs


class NothingFromTheHost(TorchDispatchMode):
    """Fails where a captured graph would: constants from the host, waiting for the device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name()
        forbidden = ('aten::lift_fresh', 'aten::_local_scalar_dense', 'aten::nonzero')
        assert not name.startswith(forbidden), f'{name} cannot be captured'
        return func(*args, **(kwargs or {}))


@torch.inference_mode()
def test_nothing_in_the_step_keeps_it_from_being_captured(tiny_model):
    grid = StreamGrid.of(tiny_model, (42, 56))
    segment = CausalSegment(tiny_model, grid, WINDOW)
    step = StaticStep(tiny_model, grid, WINDOW, in_place=True)
    image, slot_1 = torch.zeros(1, 3, 42, 56), torch.tensor([0])
    with NothingFromTheHost():
        levels = StaticEncoder(tiny_model, grid)(image)
        step(levels, slot_1, segment.all_encodings_1T9, *cache_tensors(segment))
    with pytest.raises(AssertionError, match='cannot be captured'), NothingFromTheHost():
        segment.all_encodings_1T9.new_tensor([1.0])


def test_the_step_is_one_graph_for_the_compiler(tiny_model, frames, truth, monkeypatch):
    """Traced as it would be compiled, but run by PyTorch: no graph break, no second trace."""
    traced = []

    def tracing(module, **options):
        def run_as_it_is(graph, _inputs):
            traced.append(type(module).__name__)
            return graph.forward

        assert options == {'fullgraph': True, 'dynamic': False}
        return compile_(module, backend=run_as_it_is, **options)

    compile_ = torch.compile
    monkeypatch.setattr(backends.torch, 'compile', tracing)
    session = StreamSession(tiny_model, config('compile'))
    outputs = [session.step(frame) for frame in frames]
    assert session.backend_fault == ''
    assert session.backend == 'compile'
    assert largest_difference(outputs, truth) < ROUNDING
    assert sorted(traced) == ['StaticEncoder', 'StaticStep']


def test_a_backend_is_made_once(tiny_model, frames, plain):
    backend = plain()
    pool = EnginePool(tiny_model)
    for _ in range(3):
        StreamSession(tiny_model, config('compile'), pool).step(frames[0])
    assert len(pool._made) == 1
    assert backend.steps == 3


def test_backends_of_many_sizes_are_not_all_kept(tiny_model, plain):
    plain()
    made = EnginePool(tiny_model)
    grid = StreamGrid.of(tiny_model, (42, 56))
    for number in range(pool.MOST_KEPT + 3):
        made.guarded(grid, config('compile', engine_folder=str(number)))
    assert [key[-1] for key in made._made] == [str(n) for n in range(3, pool.MOST_KEPT + 3)]


def test_what_fails_while_it_is_made_is_refused_in_one_line(
    tiny_model, frames, truth, monkeypatch
):
    def fail(*_) -> None:
        raise KeyError('tensor(double)')

    monkeypatch.setattr(EnginePool, '_backend', fail)
    session = StreamSession(tiny_model, config('onnx'))
    outputs = [session.step(frame) for frame in frames[:2]]
    assert "onnx is refused: KeyError: 'tensor(double)'; eager" in session.backend_fault
    assert torch.equal(outputs[1].disparity_HW, truth[1].disparity_HW)


def test_an_export_never_writes_into_files_that_are_there(tiny_model, tmp_path, monkeypatch):
    """Another process may have loaded them, or export the same at the same time."""
    shape = engine_shape(tiny_model, 'digest', (42, 56), WINDOW)
    (tmp_path / STEP_FILE).write_text('of another process')

    def export_step(model, checkpoint, size, window, folder) -> None:
        assert folder.parent == tmp_path
        for name in GRAPHS:
            (folder / name).write_text('ours')
        Manifest(shape, 18, files=file_digests(folder, GRAPHS)).write(folder)

    monkeypatch.setattr(pool, 'export_step', export_step)
    with (tmp_path / STEP_FILE).open() as loaded:
        assert EnginePool._exported(tiny_model, shape, str(tmp_path)) == tmp_path
        assert loaded.read() == 'of another process'
    assert (tmp_path / STEP_FILE).read_text() == 'ours'
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [STEP_FILE, ENCODER_FILE, 'manifest.json']
    monkeypatch.setattr(pool, 'export_step', pytest.fail)
    assert EnginePool._exported(tiny_model, shape, str(tmp_path)) == tmp_path


def test_an_export_that_another_process_has_finished_is_left_whole(
    tiny_model, tmp_path, monkeypatch
):
    """Files of two exports under one manifest would be refused."""
    shape = engine_shape(tiny_model, 'digest', (42, 56), WINDOW)

    def write(folder: Path, text: str) -> None:
        for name in GRAPHS:
            (folder / name).write_text(text)
        Manifest(shape, 18, files=file_digests(folder, GRAPHS)).write(folder)

    def export_step(model, checkpoint, size, window, folder) -> None:
        write(tmp_path, 'of another process')
        write(folder, 'ours')

    monkeypatch.setattr(pool, 'export_step', export_step)
    assert EnginePool._exported(tiny_model, shape, str(tmp_path)) == tmp_path
    assert (tmp_path / STEP_FILE).read_text() == 'of another process'


def test_other_settings_let_go_of_the_backend(tiny_model, frames, plain):
    plain()
    session = StreamSession(tiny_model, config('compile'))
    session.step(frames[0])
    assert session.backend == 'plain'
    session.reconfigure(config('eager'), ResetReason.DEVICE_MEMORY)
    assert session.backend == 'eager'
    assert not session._engines._made
    assert session.step(frames[1]).reset is ResetReason.DEVICE_MEMORY
    assert session.backend == 'eager'
