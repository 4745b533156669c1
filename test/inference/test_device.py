"""Which device and precision is chosen, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.inference import device
from gemdepth_ros.inference.device import choose_placement, cpu_bfloat16


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 0)


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: (8, 7))


@pytest.mark.usefixtures('no_gpu')
def test_automatic_without_a_gpu_is_the_cpu_in_float32() -> None:
    placement = choose_placement()
    assert (placement.device, placement.dtype) == (torch.device('cpu'), torch.float32)
    assert 'CPU' in placement.reason


@pytest.mark.usefixtures('one_gpu')
def test_automatic_with_a_gpu_is_bfloat16() -> None:
    placement = choose_placement()
    assert (placement.device.type, placement.dtype) == ('cuda', torch.bfloat16)


@pytest.mark.usefixtures('one_gpu')
def test_automatic_with_an_old_gpu_is_float16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: (7, 5))
    assert choose_placement('cuda:0').dtype == torch.float16


@pytest.mark.parametrize(
    ('name', 'dtype'),
    [('float32', torch.float32), ('bfloat16', torch.bfloat16), ('float16', torch.float16)],
)
def test_a_precision_that_is_asked_for_is_taken(name: str, dtype: torch.dtype) -> None:
    placement = choose_placement('cpu', name)
    assert placement.dtype == dtype
    assert name in placement.reason


@pytest.mark.usefixtures('one_gpu')
def test_a_gpu_may_be_numbered() -> None:
    assert choose_placement('cuda:0', 'float32').device == torch.device('cuda:0')
    with pytest.raises(ConfigError, match=r"no CUDA device for 'cuda:1': PyTorch sees 1"):
        choose_placement('cuda:1')


@pytest.mark.usefixtures('no_gpu')
def test_a_missing_gpu_is_said_with_the_remedy() -> None:
    with pytest.raises(ConfigError, match=r'PyTorch sees 0; use device:=cpu'):
        choose_placement('cuda')


@pytest.mark.parametrize('name', ['gpu', 'cuda:x', 'mps', 'meta', '', 'cuda:-1'])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(
        ConfigError, match=f"device must be auto, cpu, cuda or cuda:N, got '{name}'"
    ):
        choose_placement(name)


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ConfigError, match="float16, got 'float64'"):
        choose_placement('cpu', 'float64')


@pytest.mark.usefixtures('no_gpu')
@pytest.mark.parametrize(
    ('flags', 'units'),
    [('fpu sse avx2', ''), ('fpu amx_bf16 avx512_bf16', 'amx_bf16'), ('asimd bf16', 'bf16')],
)
def test_what_a_processor_can_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, units: str
) -> None:
    described = tmp_path / 'cpuinfo'
    described.write_text(f'flags\t\t: {flags}\n')
    monkeypatch.setattr(device, 'CPU_DESCRIPTION', described)
    assert cpu_bfloat16() == units
    automatic = choose_placement()
    assert automatic.dtype == torch.float32
    assert (units in automatic.reason) if units else ('every CPU' in automatic.reason)
    asked = choose_placement('cpu', 'bfloat16').reason
    assert ('no instructions' in asked) == (not units)


def test_without_a_description_nothing_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, 'CPU_DESCRIPTION', tmp_path / 'absent')
    assert cpu_bfloat16() == ''


@pytest.mark.usefixtures('one_gpu')
def test_bfloat16_on_an_old_gpu_is_taken_with_a_remark(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 'emulates' not in choose_placement('cuda', 'bfloat16').reason
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: (7, 5))
    placement = choose_placement('cuda', 'bfloat16')
    assert placement.dtype == torch.bfloat16
    assert 'emulates' in placement.reason
