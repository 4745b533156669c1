"""The two position tables, entry by entry."""

from __future__ import annotations

import math

import pytest

from gemdepth_ros.model.layers.sinusoid import concatenated_sinusoid, interleaved_sinusoid

WIDTH = 64


@pytest.mark.parametrize('slot', [0, 1, 17, 31])
@pytest.mark.parametrize('i', [0, 1, 13, 31])
def test_interleaved(slot: int, i: int) -> None:
    table = interleaved_sinusoid(32, WIDTH)
    angle = slot * math.exp(-2 * i * math.log(10000) / WIDTH)
    assert table[slot, 2 * i] == pytest.approx(math.sin(angle), abs=1e-5)
    assert table[slot, 2 * i + 1] == pytest.approx(math.cos(angle), abs=1e-5)


@pytest.mark.parametrize('slot', [0, 1, 17, 31])
@pytest.mark.parametrize('i', [0, 1, 13, 31])
def test_concatenated(slot: int, i: int) -> None:
    table = concatenated_sinusoid(32, WIDTH)
    angle = slot * 10000 ** (-i / (WIDTH / 2))
    assert table[slot, i] == pytest.approx(math.sin(angle), abs=1e-7)
    assert table[slot, WIDTH // 2 + i] == pytest.approx(math.cos(angle), abs=1e-7)
