"""Joining segments: exact where it can be, refused where it must be, bounded for ever."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_helpers import say

from gemdepth_ros.inference.alignment import (
    IDENTITY,
    MAX_SCALE,
    Affine,
    SeamAligner,
    fit_affine,
    sample,
)

RNG_SEEDS = st.integers(0, 2**32 - 1)


def scene(seed: int = 0, count: int = 400) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2.0, 1.5, count)


@given(RNG_SEEDS, st.floats(0.02, 50), st.floats(-20, 20))
@settings(deadline=None, max_examples=50)
def test_an_exact_line_is_recovered(seed, scale, shift):
    source = scene(seed)
    line = fit_affine(source, scale * source + shift)
    assert line.scale == pytest.approx(scale, rel=1e-9)
    assert line.shift == pytest.approx(shift, rel=1e-9, abs=1e-9 * max(1, scale))


@given(RNG_SEEDS, st.floats(0.2, 5), st.floats(0, 3), st.sampled_from([-1, 1]))
@settings(deadline=None, max_examples=30)
def test_a_tenth_of_outliers_hardly_moves_it(seed, scale, shift, side):
    """An object that one of the segments has not seen, all on one side."""
    source = scene(seed)
    target = scale * source + shift
    target += 0.02 * target.std() * np.random.default_rng(seed).standard_normal(len(target))
    generator = np.random.default_rng(seed)
    wild = generator.choice(len(source), len(source) // 10, replace=False)
    target[wild] += side * generator.uniform(3, 8, len(wild)) * target.std()
    line = fit_affine(source, target)
    assert line.scale == pytest.approx(scale, rel=0.05)
    assert line.shift == pytest.approx(shift, abs=0.1 * scale)


@pytest.mark.parametrize(
    ('source', 'target'),
    [
        (np.ones(100), scene(count=100)),
        (scene(count=100), np.ones(100)),
        (np.zeros(100), np.zeros(100)),
        (np.full(100, 1e9) + 1e-3 * scene(count=100), scene(count=100)),
        (scene(count=100), 20 - scene(count=100)),
        (scene(1, 400), scene(2, 400)),
        (scene(count=15), scene(count=15)),
        (np.full(100, np.nan), scene(count=100)),
    ],
    ids=[
        'flat source',
        'flat target',
        'all zero',
        'rounding only',
        'inverted',
        'unrelated',
        'too few',
        'NaN',
    ],
)
@pytest.mark.filterwarnings('ignore:invalid value:RuntimeWarning')
def test_data_that_carry_no_line(source, target):
    assert fit_affine(source, target) is None


def test_half_of_the_view_is_sky():
    """Most of both maps is one value: zero."""
    source = np.where(np.arange(400) < 260, 0.0, scene())
    line = fit_affine(source, np.maximum(1.5 * source, 0.0))
    assert line.scale == pytest.approx(1.5)
    assert line.shift == pytest.approx(0, abs=1e-9)


@given(RNG_SEEDS, st.floats(0.3, 3))
@settings(deadline=None, max_examples=30)
def test_the_fit_treats_both_sides_alike(seed, scale):
    """There and back is the identity, so noise does not shrink what passes many seams."""
    generator = np.random.default_rng(seed)
    truth = scene(seed)
    source = truth + 0.3 * generator.standard_normal(len(truth))
    target = scale * truth + 0.3 * scale * generator.standard_normal(len(truth))
    there, back = fit_affine(source, target), fit_affine(target, source)
    assert there.scale * back.scale == pytest.approx(1, rel=0.05)


def test_what_falls_below_zero_is_infinitely_far():
    line = Affine(2.0, -1.0)
    assert torch.equal(line(torch.tensor([0.0, 0.25, 1.0])), torch.tensor([0.0, 0.0, 1.0]))
    untouched = torch.tensor([0.5])
    assert IDENTITY(untouched) is untouched


def test_decay_is_by_the_e_th_part_in_its_memory():
    line = Affine(4.0, -3.0)
    for _ in range(100):
        line = line.relaxed(100)
    assert math.log(line.scale) == pytest.approx(math.log(4.0) / math.e)
    assert line.shift == pytest.approx(-3.0 / math.e)


def test_sample_is_a_grid_of_at_most_64_by_64():
    for height, width in ((14, 14), (64, 65), (280, 924), (1, 5)):
        values = sample(torch.rand(1, height, width))[0]
        assert 0 < len(values) <= 64 * 64
        assert len(values) >= min(height * width, 32 * 32)


def maps(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(scene(seed, math.prod(shape)).reshape(shape))


def test_seam_over_several_frames():
    """One line for all shared frames together, not the last one's own."""
    aligner, present = SeamAligner(), Affine(1.0, 0.0)
    for seed in range(4):
        raw = maps(20, 30, seed=seed)
        found = aligner.add(raw, 1.7 * raw + 0.4, present)
    assert found.scale == pytest.approx(1.7)
    assert found.shift == pytest.approx(0.4)


@pytest.mark.parametrize('factor', [5.0, 0.2, -1.0])
def test_a_step_that_cannot_be_is_refused(factor):
    raw, present = maps(20, 30), Affine(1.1, 0.2)
    assert SeamAligner().add(raw, (factor * 1.1) * raw + 3, present) == present


def test_flat_maps_keep_the_present_line():
    present = Affine(1.3, 0.1)
    flat = torch.ones(20, 30)
    assert SeamAligner().add(flat, maps(20, 30), present) == present
    assert SeamAligner().add(maps(20, 30), flat, present) == present


def run_seams(seams: int, bias: float, noise: float, memory: float, seed: int) -> np.ndarray:
    """Scales over many seams of a network whose segments differ by a factor of exp(bias)."""
    generator = np.random.default_rng(seed)
    affine, scales = IDENTITY, np.empty(seams)
    truth = generator.gamma(2.0, 1.5, (8, 6, 8))
    for seam in range(seams):
        scene_HW = truth[seam % 8]
        factor = math.exp(0.3 * generator.standard_normal())
        late = factor * scene_HW * np.exp(noise * generator.standard_normal(scene_HW.shape))
        early = (
            factor
            * math.exp(-bias)
            * (scene_HW + bias)
            * np.exp(noise * generator.standard_normal(scene_HW.shape))
        )
        target = affine(torch.from_numpy(late))
        affine = SeamAligner().add(torch.from_numpy(early), target, affine)
        affine = affine.relaxed(memory)
        scales[seam] = affine.scale
        assert math.isfinite(affine.shift)
        assert affine.scale > 0
    return scales


@pytest.mark.parametrize('bias', [0.0, 0.05, -0.05, 0.7, -0.7])
def test_scale_neither_fades_nor_explodes(bias):
    scales = run_seams(3000, bias, 0.2, 8.0, seed=1)
    assert scales.min() >= 1 / MAX_SCALE
    assert scales.max() <= MAX_SCALE
    if abs(bias) < 0.1:  # a good network: near its own scale
        assert abs(np.log(scales).mean() - 8 * bias) < 0.25
        assert np.log(scales).std() < 0.5


@pytest.mark.slow
def test_scale_over_a_hundred_thousand_seams():
    scales = run_seams(100_000, 0.0, 0.2, 8.0, seed=2)
    logs = np.log(scales)
    parts = [float(part.mean()) for part in np.array_split(logs, 10)]
    say(f'log scale by tenth of 100,000 seams: {np.round(parts, 3)}, std {logs.std():.3f}')
    assert np.abs(logs).max() < math.log(MAX_SCALE)
    assert abs(parts[-1] - parts[0]) < 0.05
    assert abs(logs.mean()) < 0.1
