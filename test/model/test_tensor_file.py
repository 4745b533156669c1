"""Weights are read as they are used, and not all at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from published import whole_state
from safetensors.torch import save_file

from gemdepth_ros.errors import WeightsError
from gemdepth_ros.model import GemDepth, build_gemdepth, tensor_file
from gemdepth_ros.model.checkpoint import load_state
from gemdepth_ros.model.tensor_file import TensorFile


@pytest.fixture
def path(tiny_model: GemDepth, tmp_path: Path) -> Path:
    save_file(whole_state(tiny_model), tmp_path / 'whole.safetensors')
    return tmp_path / 'whole.safetensors'


def test_it_is_the_file(tiny_model: GemDepth, path: Path) -> None:
    expected = whole_state(tiny_model)
    found = load_state(path)
    assert isinstance(found, TensorFile)
    assert set(found) == set(expected)
    assert len(found) == len(expected)
    name = 'pretrained.cls_token'
    assert torch.equal(found[name], expected[name])
    with pytest.raises(KeyError):
        found['nothing']


def test_the_mapping_is_dropped_again_and_again(
    tiny_model: GemDepth, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resident is what was read since the file was opened, no more than a part of it."""
    opened: list[Path] = []
    real = tensor_file.safe_open

    def counted(file: Path, framework: str) -> object:
        opened.append(file)
        return real(file, framework=framework)

    monkeypatch.setattr(tensor_file, 'safe_open', counted)
    monkeypatch.setattr(tensor_file, 'BYTES_PER_MAPPING', path.stat().st_size // 10)
    model = build_gemdepth(tiny_model.config, path)
    assert 10 <= len(opened) <= 50
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, tiny_model.get_parameter(name))


def test_a_loaded_network_does_not_need_the_file(tiny_model: GemDepth, path: Path) -> None:
    model = build_gemdepth(tiny_model.config, path)
    path.write_bytes(b'')  # a mapping of it would be gone
    assert torch.equal(model.encoder.cls_token, tiny_model.encoder.cls_token)


def test_a_file_that_changes_while_it_is_read_is_one_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_file, 'BYTES_PER_MAPPING', 0)
    found = TensorFile(path)
    assert found['pretrained.pos_embed'].numel() > 0
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r'cannot read .*whole\.safetensors as safetensors'):
        found['pretrained.pos_embed']
