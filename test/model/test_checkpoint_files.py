"""Weights files: what is read, and what is refused in one line without running anything."""

from __future__ import annotations

import contextlib
import io
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from published import whole_state
from safetensors.torch import save, save_file
from torch import Tensor

from gemdepth_ros.errors import WeightsError
from gemdepth_ros.model import GemDepth, build_gemdepth
from gemdepth_ros.model.checkpoint import load_state


def loads(path: Path, model: GemDepth) -> bool:
    """Whether the file gives the network its own weights."""
    loaded = build_gemdepth(model.config, path)
    pairs = zip(loaded.parameters(), model.parameters(), strict=True)
    return all(torch.equal(p, q) for p, q in pairs)


def wrapped(kind: str, state: dict[str, Tensor]) -> Any:
    return {
        'plain': state,
        'ordered': OrderedDict(state),
        'model': {'model': state, 'epoch': 3},
        'state_dict': {'state_dict': state, 'optimizer': {'lr': 0.1}},
        'module': {f'module.{name}': tensor for name, tensor in state.items()},
        'model of module': {'model': {f'module.{n}': t for n, t in state.items()}},
    }[kind]


@pytest.mark.parametrize(
    'kind', ['plain', 'ordered', 'model', 'state_dict', 'module', 'model of module']
)
def test_pth_with_the_usual_wrappings(tiny_model: GemDepth, tmp_path: Path, kind: str) -> None:
    path = tmp_path / 'weights.pth'
    torch.save(wrapped(kind, whole_state(tiny_model)), path)
    assert loads(path, tiny_model)


def test_safetensors(tiny_model: GemDepth, tmp_path: Path) -> None:
    path = tmp_path / 'weights.safetensors'
    save_file(whole_state(tiny_model), path)
    assert loads(path, tiny_model)


def test_the_file_may_go_after_loading(tiny_model: GemDepth, tmp_path: Path) -> None:
    """Nothing of the mapped file stays in use."""
    path = tmp_path / 'weights.pth'
    torch.save(whole_state(tiny_model), path)
    loaded = build_gemdepth(tiny_model.config, path)
    path.write_bytes(bytes(path.stat().st_size))
    pairs = zip(loaded.parameters(), tiny_model.parameters(), strict=True)
    assert all(torch.equal(p, q) for p, q in pairs)


class Malicious:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize('zipped', [True, False])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path: Path, zipped: bool) -> None:
    path, proof = tmp_path / 'weights.pth', tmp_path / 'proof'
    content = {'weight': torch.zeros(1), 'x': Malicious(f'touch {proof}')}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r'cannot read .*weights\.pth'):
        load_state(path)
    assert not proof.exists()
    # The trap works: a careless loader would have run it.
    torch.load(path, weights_only=False)
    assert proof.exists()


def test_what_holds_more_than_tensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'weights.pth'
    for content in ({'a': 1}, [torch.zeros(1)], {'model': {'a': 'text'}}, {3: torch.zeros(1)}):
        torch.save(content, path)
        with pytest.raises(WeightsError, match='no mapping of names to tensors'):
            load_state(path)


def test_a_missing_file_and_a_wrong_suffix_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r'no weights file .*absent\.pth'):
        load_state(tmp_path / 'absent.pth')
    with pytest.raises(WeightsError, match='no weights file'):
        load_state(tmp_path)
    wrong = tmp_path / 'weights.bin'
    wrong.write_bytes(b'x')
    with pytest.raises(WeightsError, match=r'must be a \.pth, \.pt or \.safetensors'):
        load_state(wrong)


def test_a_file_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    """A text (an error page that a browser saved), and safetensors under the name of .pth."""
    for suffix in ('.pth', '.safetensors'):
        path = tmp_path / f'page{suffix}'
        path.write_text('<html>404</html>')
        with pytest.raises(WeightsError, match='cannot read'):
            load_state(path)
    path = tmp_path / 'renamed.pth'
    path.write_bytes(save({'a': torch.zeros(3)}))
    with pytest.raises(WeightsError, match='cannot read'):
        load_state(path)


def file_bytes(suffix: str) -> bytes:
    tensors = {'a': torch.arange(50.0), 'b.c': torch.ones(3, 4)}
    if suffix == '.safetensors':
        return save(tensors)
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_truncated_file_gives_one_line(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    whole = file_bytes(suffix)
    length = data.draw(st.integers(0, len(whole) - 1))
    path = tmp_path / f'weights{suffix}'
    path.write_bytes(whole[:length])
    with pytest.raises(WeightsError) as error:
        load_state(path)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_loads_or_gives_one_line(
    tmp_path: Path, suffix: str, data: st.DataObject
) -> None:
    """A flipped bit may lie in a value, where nothing can see it; it never gives a traceback."""
    damaged = bytearray(file_bytes(suffix))
    at = data.draw(st.integers(0, len(damaged) - 1))
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / f'weights{suffix}'
    path.write_bytes(damaged)
    with contextlib.suppress(WeightsError):
        load_state(path)
