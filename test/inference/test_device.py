"""Which device and precision is chosen, and what is refused."""

from __future__ import annotations

import pytest
import torch

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.inference.device import choose_placement


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
