"""Rotary embedding: the formula, and what follows from it."""

from __future__ import annotations

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gemdepth_ros.model.layers.rope import RopeTables, apply_rope, rope_tables

CPU = torch.device('cpu')
WIDTH = 16


def tables(rows: int, columns: int, special: int = 0, width: int = WIDTH) -> RopeTables:
    return rope_tables(rows, columns, width, special=special, device=CPU)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def naive(vector: Tensor, y: int, x: int) -> Tensor:
    """One head vector turned as the paper writes it, element by element."""
    half = len(vector) // 2
    turned = torch.empty_like(vector)
    for start, position in ((0, y), (half, x)):
        part = vector[start : start + half]
        for i in range(half):
            angle = position * 100.0 ** (-2 * (i % (half // 2)) / half)
            low = i < half // 2
            partner = -part[i + half // 2] if low else part[i - half // 2]
            turned[start + i] = part[i] * math.cos(angle) + partner * math.sin(angle)
    return turned


def test_the_formula() -> None:
    rows, columns, special = 3, 4, 2
    heads = noise(1, 1, special + rows * columns, WIDTH)
    found = apply_rope(heads, tables(rows, columns, special))[0, 0]
    places = [(0, 0)] * special + [(y, x) for y in range(1, 4) for x in range(1, 5)]
    expected = torch.stack(
        [naive(v, *place) for v, place in zip(heads[0, 0], places, strict=True)]
    )
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_special_tokens_are_not_turned() -> None:
    heads = noise(2, 3, 5 + 6, WIDTH)
    turned = apply_rope(heads, tables(2, 3, special=5))
    assert torch.equal(turned[:, :, :5], heads[:, :, :5])
    assert not torch.equal(turned[:, :, 5:], heads[:, :, 5:])


def test_lengths_are_kept() -> None:
    heads = noise(1, 2, 12, WIDTH)
    turned = apply_rope(heads, tables(3, 4))
    torch.testing.assert_close(turned.norm(dim=-1), heads.norm(dim=-1), rtol=1e-6, atol=0)


def test_rows_turn_the_first_half_and_columns_the_second() -> None:
    heads = noise(1, 1, 1, WIDTH).expand(1, 1, 12, WIDTH)
    grid = apply_rope(heads, tables(3, 4))[0, 0].unflatten(0, (3, 4))
    half = WIDTH // 2
    assert torch.equal(grid[:, :1, :half].expand(-1, 4, -1), grid[:, :, :half])
    assert torch.equal(grid[:1, :, half:].expand(3, -1, -1), grid[:, :, half:])
    assert not torch.equal(grid[0, 0], grid[1, 0])
    assert not torch.equal(grid[0, 0], grid[0, 1])


@settings(max_examples=40)
@given(dy=st.integers(-5, 5), dx=st.integers(-5, 5), ty=st.integers(0, 20), tx=st.integers(0, 20))
def test_only_the_difference_of_places_matters(dy: int, dx: int, ty: int, tx: int) -> None:
    """The product of a query and a key is the same wherever the pair stands."""
    side = 40
    turned = apply_rope(noise(2, 1, 1, WIDTH).expand(2, 1, side * side, WIDTH), tables(side, side))
    query, key = (t[0].unflatten(0, (side, side)) for t in turned)
    here = query[8, 8] @ key[8 + dy, 8 + dx]
    there = query[8 + ty, 8 + tx] @ key[8 + ty + dy, 8 + tx + dx]
    torch.testing.assert_close(here, there, rtol=0, atol=2e-5)


def test_repeated_tables_repeat_the_frame() -> None:
    one = tables(2, 2)
    three = one.repeated(3)
    assert three.cos_PH.shape == (12, WIDTH)
    assert torch.equal(three.sin_PH[4:8], one.sin_PH)
