"""The memory of the network's device: nothing on the host, numbers on a GPU."""

from __future__ import annotations

import logging

import pytest
import torch

from gemdepth_ros.pipeline import device_memory as module
from gemdepth_ros.pipeline.device_memory import device_memory


def test_a_network_on_the_host_or_none_has_no_memory_of_its_own() -> None:
    assert device_memory(torch.nn.Linear(2, 2)) is None
    assert device_memory(torch.nn.Identity()) is None
    assert device_memory(None) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_network_on_a_gpu_says_what_it_uses() -> None:
    model = torch.nn.Linear(1024, 1024, device='cuda')
    memory = device_memory(model)
    assert memory is not None
    assert 4 * 1024 * 1024 <= memory.used <= memory.peak <= memory.total
    assert 0 < memory.free <= memory.total


class Elsewhere(torch.nn.Module):
    """Says that it is on the second GPU."""

    def parameters(self, recurse: bool = True):  # type: ignore[no-untyped-def]
        yield type('Tensor', (), {'device': torch.device('cuda', 1)})()


def test_the_numbers_are_of_the_networks_own_device(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(torch.cuda, 'mem_get_info', lambda d: asked.append(d) or (6, 8))
    monkeypatch.setattr(torch.cuda, 'memory_allocated', lambda d: asked.append(d) or 1)
    monkeypatch.setattr(torch.cuda, 'max_memory_allocated', lambda d: asked.append(d) or 2)
    found = device_memory(Elsewhere())
    assert found is not None
    assert (found.used, found.peak, found.free, found.total) == (1, 2, 6, 8)
    assert {device.index for device in asked} == {1}


def sick(*_: object) -> None:
    raise RuntimeError('CUDA error: an illegal memory access was encountered\nCompile with ...')


def test_a_device_that_answers_with_its_last_error_is_no_reason_to_fail(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Diagnostics ask once a second, on the executor's thread: what is raised ends the process."""
    module._report.cache_clear()
    monkeypatch.setattr(torch.cuda, 'mem_get_info', sick)
    monkeypatch.setattr(torch.cuda, 'empty_cache', sick)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    with caplog.at_level(logging.ERROR):
        assert [device_memory(Elsewhere()) for _ in range(3)] == [None] * 3
        module.empty_cache()
        module.empty_cache()
    first, second = caplog.messages  # each once
    assert first.startswith('cuda:1 does not say what memory it has: CUDA error: an illegal')
    assert second.startswith('the device does not take memory back: CUDA error')
    assert '\n' not in first + second
