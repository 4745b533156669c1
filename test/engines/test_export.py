"""The exported step is the eager one, its folder says what it is, and another one is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from gemdepth_ros.cli.main import main
from gemdepth_ros.errors import EngineError
from gemdepth_ros.hub import digest_of
from gemdepth_ros.inference.encoded import StreamGrid
from gemdepth_ros.inference.engines import export
from gemdepth_ros.inference.engines.export import engine_shape, parity_rows, trtexec_command
from gemdepth_ros.inference.engines.guard import FLOAT32_TOLERANCE
from gemdepth_ros.inference.engines.machine import build_machine, driver_version
from gemdepth_ros.inference.engines.manifest import (
    ENCODER_FILE,
    FILE_NAME,
    FORMAT,
    STEP_FILE,
    EngineShape,
    check_files,
    check_manifest,
    engine_key,
    read_manifest,
)

SIZE, WINDOW = (42, 56), 4
TOLERANCE = 1e-4


@pytest.fixture
def shape(tiny_model) -> EngineShape:
    return engine_shape(tiny_model, digest_of(None), SIZE, WINDOW)


@torch.inference_mode()
def test_equal_to_eager_over_a_segment_and_a_re_used_slot(exported, tiny_model):
    from gemdepth_ros.inference.engines.backends import OnnxBackend
    from gemdepth_ros.inference.engines.onnx_program import CPU

    backend = OnnxBackend(tiny_model, exported.folder, [(CPU, {})])
    grid = StreamGrid.of(tiny_model, SIZE)
    rows = parity_rows(tiny_model, grid, SIZE, WINDOW, backend)
    assert len(rows) == WINDOW + 1
    for row in rows:
        assert set(row) == {'encoder', 'disparity', 'pose', 'caches'}
        assert all(0 <= distance < TOLERANCE for distance in row.values()), row


def test_a_failed_export_leaves_no_manifest_of_an_earlier_one(tiny_model, tmp_path, monkeypatch):
    (tmp_path / FILE_NAME).write_text('{}')
    monkeypatch.setattr(export, 'write_graphs', lambda *_: None)
    monkeypatch.setattr(
        export, 'load_runtime', lambda: SimpleNamespace(get_available_providers=list)
    )
    monkeypatch.setattr(export, 'OnnxBackend', lambda *_: None)
    monkeypatch.setattr(export, 'parity_rows', lambda *_: [{'disparity': float('nan')}])
    with pytest.raises(EngineError, match='is not to be used'):
        export.export_step(tiny_model, 'digest', SIZE, WINDOW, tmp_path)
    assert not (tmp_path / FILE_NAME).exists()


def test_tolerances():
    cpu, cuda = torch.device('cpu'), torch.device('cuda')
    assert export.tolerance_of(torch.float32, cpu) == TOLERANCE
    assert export.tolerance_of(torch.float32, cuda) == FLOAT32_TOLERANCE
    assert export.tolerance_of(torch.float16, cuda) == export.tolerance_of(torch.float16, cpu)


def test_the_command_prints_table_and_trtexec(exported):
    rows = [line.split() for line in exported.text.splitlines()]
    worst = next(row for row in rows if 'worst' in row)
    figures = [float(word) for word in worst if word[0].isdigit()]
    assert len(figures) == 4
    assert max(figures) < TOLERANCE
    assert trtexec_command(exported.folder, 'float32') in exported.text


def test_manifest_says_what_the_graphs_are(exported, shape):
    values = json.loads((exported.folder / FILE_NAME).read_text())
    assert values['shape']['checkpoint'] == 'seeded'
    assert (values['shape']['height'], values['shape']['width']) == SIZE
    assert values['shape']['window'] == WINDOW
    assert values['shape']['precision'] == 'float32'
    assert {'torch', 'onnx', 'onnxruntime', 'gemdepth_ros'} <= set(values['versions'])
    assert 0 < values['parity']['disparity'] < TOLERANCE
    manifest = check_manifest(exported.folder, shape)
    assert manifest == read_manifest(exported.folder)


def test_the_manifest_states_the_digest_of_every_file(exported, shape):
    manifest = check_manifest(exported.folder, shape)
    others = {path.name for path in exported.folder.iterdir()} - {FILE_NAME}
    assert set(manifest.files) == others
    assert len(others) == 4
    for name, digest in manifest.files.items():
        assert hashlib.sha256((exported.folder / name).read_bytes()).hexdigest() == digest
    check_files(exported.folder, manifest)


@pytest.mark.parametrize('graph', [STEP_FILE, ENCODER_FILE])
@pytest.mark.parametrize('suffix', ['', '.data'])
def test_one_bit_of_one_file_is_found(exported, tmp_path, graph, suffix):
    folder = tmp_path / 'engine'
    shutil.copytree(exported.folder, folder)
    path = folder / (graph + suffix)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    manifest = read_manifest(folder)
    with pytest.raises(EngineError, match='export again') as caught:
        check_files(folder, manifest)
    found = hashlib.sha256(content).hexdigest()[:12]
    expected = manifest.files[path.name][:12]
    said = (
        f'{path} is not what was exported: its SHA-256 is {found}..., the manifest says {expected}'
    )
    assert str(caught.value).startswith(said)
    assert '\n' not in str(caught.value)
    path.unlink()
    with pytest.raises(EngineError, match=r'No such file or directory: export again'):
        check_files(folder, manifest)


@pytest.mark.parametrize(
    'files',
    [
        {},
        {STEP_FILE: 'a' * 64},
        {STEP_FILE: 'a' * 64, ENCODER_FILE: 'b' * 63},
        {STEP_FILE: 'a' * 64, ENCODER_FILE: 7},
        {STEP_FILE: 'a' * 64, ENCODER_FILE: 'b' * 64, '../secret': 'c' * 64},
        [STEP_FILE, ENCODER_FILE],
        None,
    ],
)
def test_a_manifest_without_the_digests_is_none(exported, shape, tmp_path, files):
    values = json.loads((exported.folder / FILE_NAME).read_text())
    (tmp_path / FILE_NAME).write_text(json.dumps({**values, 'files': files}))
    with pytest.raises(EngineError, match=r'is no manifest of an export .*: export again'):
        check_manifest(tmp_path, shape)


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        ({'checkpoint': 'f' * 64}, 'checkpoint seeded instead of ffffffffffff...'),
        ({'width': 70}, 'width 56 instead of 70'),
        ({'window': 8}, 'window 4 instead of 8'),
        ({'precision': 'float16'}, 'precision float32 instead of float16'),
        ({'network': {'heads': 2}}, 'network'),
    ],
)
def test_a_manifest_of_something_else_is_refused_in_one_line(exported, shape, change, said):
    with pytest.raises(EngineError, match='export again') as caught:
        check_manifest(exported.folder, replace(shape, **change))
    assert said in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('text', ['', '[]', '{"shape": {}}', '{"shape": 3, "opset": 1}', '\0'])
def test_a_damaged_manifest_is_refused_in_one_line(tmp_path, shape, text):
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(EngineError, match='is no manifest of an export'):
        check_manifest(tmp_path, shape)
    (tmp_path / FILE_NAME).unlink()
    with pytest.raises(EngineError, match='is no manifest of an export'):
        check_manifest(tmp_path, shape)


@pytest.mark.parametrize('number', [1, FORMAT + 1])
def test_another_format_is_refused(exported, shape, tmp_path, number):
    """The first one stated no digests: nobody knows whether its files are whole."""
    values = json.loads((exported.folder / FILE_NAME).read_text())
    del values['files']
    (tmp_path / FILE_NAME).write_text(json.dumps({**values, 'format': number}))
    with pytest.raises(EngineError, match=f'format {number}, this one reads 2.: export again'):
        check_manifest(tmp_path, shape)


def test_the_key_changes_with_everything_it_is_made_of(shape):
    machine = {'gpu': 'Orin', 'tensorrt': '10.3.0', 'driver': '540.4.0'}
    keys = {engine_key(shape, machine)}
    for name, value in (('gpu', 'H200'), ('tensorrt', '10.14.1'), ('driver', '575.57.08')):
        keys.add(engine_key(shape, {**machine, name: value}))
    for change in ({'checkpoint': 'x'}, {'height': 56}, {'window': 5}, {'precision': 'float16'}):
        keys.add(engine_key(replace(shape, **change), machine))
    assert len(keys) == 8
    assert engine_key(shape, dict(reversed(machine.items()))) in keys


def test_machine(tmp_path):
    assert set(build_machine(torch.device('cpu'))) == {'gpu', 'tensorrt', 'driver'}
    version = tmp_path / 'version'
    version.write_text(
        'NVRM version: NVIDIA UNIX x86_64 Kernel Module  575.57.08  Sat May 24 05:54:22 UTC 2025\n'
    )
    assert driver_version(version) == '575.57.08'
    version.write_text(
        'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.82  Release\n'
    )
    assert driver_version(version) == '580.82'
    assert driver_version(tmp_path / 'none') == 'unknown'


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--window', '33'], '--window must be 1..32'),
        (['--weights', '/nowhere.safetensors'], '/nowhere.safetensors'),
        (['--weights', 'vda-small'], 'vda-small'),
    ],
)
def test_impossible_exports_are_one_line(tmp_path, capsys, words, said):
    command = ['export', '-o', str(tmp_path), '--height', '60', '--width', '80', *words]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count('\n') == 1
