"""The stated standard deviation of depth is that of simulated errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.interfaces import Float64Array
from gemdepth_ros.pipeline.products import depth_std, inverse_depth
from gemdepth_ros.pipeline.products_config import DepthNoise

SCALE, SHIFT = 20.0, 1.3
NOTHING = DepthNoise(relative=0, floor_per_m=0, edge_px=0)


def disparity_of(depth: Float64Array) -> torch.Tensor:
    return torch.from_numpy(SHIFT + SCALE / depth).float()


def covariance(rho: float) -> Float64Array:
    """Of (1/s, t/s): 2 % and 0.001 per metre, correlated."""
    a, b = 0.02 / SCALE, 0.001
    return np.array([[a * a, rho * a * b], [rho * a * b, b * b]])


@pytest.mark.parametrize('rho', [-0.9, 0.0, 0.6, 1.0])
def test_uncertain_scale_and_shift(rho: float) -> None:
    """Against depths recovered with ten thousand drawn states."""
    depth = np.array([[5.0, 10.0, 20.0, 40.0]])
    disparity = disparity_of(depth)
    drawn = np.random.default_rng(0).multivariate_normal(
        [1 / SCALE, SHIFT / SCALE], covariance(rho), 10_000
    )
    inverse = drawn[:, :1] * disparity.numpy() - drawn[:, 1:]
    stated = depth_std(disparity, torch.from_numpy(depth).float(), SCALE, covariance(rho), NOTHING)
    # In inverse depth nothing is approximated.
    np.testing.assert_allclose(stated.numpy()[0] / depth[0] ** 2, inverse.std(axis=0), rtol=0.03)


def test_errors_of_the_network() -> None:
    depth = np.array([[4.0, 16.0, 64.0]])
    noise = DepthNoise(relative=0.05, floor_per_m=0.001, edge_px=0)
    stated = depth_std(
        disparity_of(depth), torch.from_numpy(depth), SCALE, np.zeros((2, 2)), noise
    )
    expected = np.hypot(0.05 * depth, 0.001 * depth**2)
    np.testing.assert_allclose(stated, expected, rtol=1e-5)


def test_edges_are_uncertain_and_planes_are_not() -> None:
    """A map that is displaced by half a pixel is wrong where it is steep."""
    depth = np.full((20, 40), 30.0)
    depth[:, 20:] = 6.0
    noise = DepthNoise(relative=0.02, floor_per_m=0, edge_px=0.5)
    stated = depth_std(
        disparity_of(depth), torch.from_numpy(depth).float(), SCALE, np.zeros((2, 2)), noise
    ).numpy()
    np.testing.assert_allclose(stated[:, :18], 0.6, rtol=1e-5)
    np.testing.assert_allclose(stated[:, 22:], 0.12, rtol=1e-5)
    # The central difference is half the jump; half a pixel of it.
    jump = 0.25 * (1 / 6 - 1 / 30)
    np.testing.assert_allclose(stated[:, 19], math.hypot(0.6, jump * 900), rtol=1e-4)


def test_no_depth_has_no_standard_deviation() -> None:
    depth = torch.tensor([[10.0, math.nan, math.inf], [10.0, 10.0, 10.0]])
    disparity = torch.full((2, 3), SHIFT + 2.0)
    stated = depth_std(disparity, depth, SCALE, covariance(0), DepthNoise())
    assert torch.isnan(stated).tolist() == [[False, True, True], [False, False, False]]


def test_an_unknown_covariance_states_nothing() -> None:
    """A manual state was never measured: no number would be honest."""
    depth = torch.full((3, 3), 10.0)
    unknown = np.full((2, 2), np.nan)
    stated = depth_std(torch.full((3, 3), 3.3), depth, SCALE, unknown, DepthNoise())
    assert torch.isnan(stated).all()


def test_a_larger_covariance_is_read_from_its_upper_left() -> None:
    depth = torch.full((3, 3), 10.0)
    disparity = torch.full((3, 3), 3.3)
    whole = np.eye(3)
    whole[:2, :2] = covariance(0.5)
    a = depth_std(disparity, depth, SCALE, whole, DepthNoise())
    b = depth_std(disparity, depth, SCALE, covariance(0.5), DepthNoise())
    in_rows = tuple(float(value) for value in whole.ravel())  # as in GroundingState
    c = depth_std(disparity, depth, SCALE, in_rows, DepthNoise())
    assert torch.equal(a, b)
    assert torch.equal(a, c)


def test_inputs_are_left_alone() -> None:
    disparity, depth = torch.rand(5, 6) + 2, torch.rand(5, 6) + 1
    kept = disparity.clone(), depth.clone()
    depth_std(disparity, depth, SCALE, covariance(0), DepthNoise())
    assert torch.equal(disparity, kept[0])
    assert torch.equal(depth, kept[1])


def test_inverse_depth_goes_through_infinity() -> None:
    from gemdepth_ros.grounding.manual import manual_state

    state = manual_state(SCALE, SHIFT, math.nan)
    found = inverse_depth(torch.tensor([[SHIFT + SCALE / 10, SHIFT, 0.0]]), state)
    assert found[0].tolist() == pytest.approx([0.1, 0.0, -SHIFT / SCALE], abs=1e-6)


@pytest.mark.parametrize('arguments', [{'relative': -0.1}, {'edge_px': math.inf}])
def test_impossible_noise_is_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f'finite {next(iter(arguments))} >= 0'):
        DepthNoise(**arguments)
