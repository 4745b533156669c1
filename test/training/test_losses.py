from __future__ import annotations

import math

import pytest
import torch

from gemdepth_ros.training.config import LossConfig
from gemdepth_ros.training.losses.alignment import aligned_pair, least_squares, normalised
from gemdepth_ros.training.losses.depth import (
    far_weight,
    gradient_loss,
    spatial_loss,
    temporal_loss,
)
from gemdepth_ros.training.losses.pose import huber, pose_loss, round_loss


def clip(*frames: list[list[float]]) -> torch.Tensor:
    return torch.tensor([frames])


def random_clips(seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 3, 6, 8, generator=torch.Generator().manual_seed(seed))


def test_normalised_by_hand() -> None:
    # median 2, mean distance from it (2 + 1 + 0 + 1 + 6) / 5 = 2
    maps = torch.tensor([0.0, 1, 2, 3, 8]).view(1, 1, 1, 5)
    assert torch.allclose(normalised(maps).flatten(), torch.tensor([-1, -0.5, 0, 0.5, 3]))


def test_least_squares_by_hand() -> None:
    # best line through (0, 1), (1, 3), (2, 2): slope 1/2, 3/2 at 0
    maps, target = torch.tensor([0.0, 1, 2]), torch.tensor([1.0, 3, 2])
    fitted = least_squares(maps.view(1, 1, 1, 3), target.view(1, 1, 1, 3))
    assert torch.allclose(fitted.flatten(), torch.tensor([1.5, 2, 2.5]))


@pytest.mark.parametrize('alignment', ['median', 'least_squares'])
def test_one_scale_and_shift_per_clip_cost_nothing(alignment: str) -> None:
    truth = random_clips()
    scale = torch.tensor([0.3, 20.0]).view(2, 1, 1, 1)
    predicted = scale * truth + torch.tensor([5.0, -1]).view(2, 1, 1, 1)
    p, n = aligned_pair(predicted, truth, alignment)  # type: ignore[arg-type]
    assert (p - n).abs().max() < 1e-4


@pytest.mark.parametrize('alignment', ['median', 'least_squares'])
def test_another_scale_in_one_frame_costs(alignment: str) -> None:
    truth = random_clips()
    predicted = truth.clone()
    predicted[:, 1] *= 1.5
    p, n = aligned_pair(predicted, truth, alignment)  # type: ignore[arg-type]
    assert (p - n).abs().mean() > 0.05


def test_an_empty_clip_gives_finite_gradients() -> None:
    predicted = torch.zeros(1, 2, 4, 4, requires_grad=True)
    for alignment in ('median', 'least_squares'):
        p, n = aligned_pair(predicted, torch.zeros(1, 2, 4, 4), alignment)  # type: ignore[arg-type]
        spatial_loss(p - n, torch.ones_like(n)).backward()
    assert predicted.grad is not None
    assert torch.isfinite(predicted.grad).all()


def test_spatial_loss_by_hand() -> None:
    residual = clip([[1.0, -3.0]], [[0.0, 2.0]])
    weight = clip([[1.0, 1.0]], [[1.0, 0.5]])
    assert float(spatial_loss(residual, weight)) == pytest.approx((1 + 3 + 0 + 1) / 4)


def test_far_weight_is_inverse_and_has_mean_one() -> None:
    weight = far_weight(clip([[0.0, 1.0, 3.0]]), 1.0).flatten()
    assert weight.mean() == pytest.approx(1.0)
    assert torch.allclose(weight / weight[2], torch.tensor([4.0, 2, 1]))
    assert torch.equal(far_weight(random_clips(), 0), torch.ones(2, 3, 6, 8))


def test_gradient_loss_by_hand() -> None:
    # across: |2|, |-1|, |0|, |4| -> 7/4; down: |1|, |-2|, |2| -> 5/3
    residual = clip([[0.0, 2, 1], [1, 0 + 0, 3]])
    across = (2 + 1 + 1 + 3) / 4
    down = (1 + 2 + 2) / 3
    assert float(gradient_loss(residual, 1)) == pytest.approx(across + down)
    # The next resolution has one row left: there is nothing to match.
    assert float(gradient_loss(residual, 4)) == pytest.approx(across + down)


def test_gradient_loss_sums_over_scales() -> None:
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    assert float(gradient_loss(ramp, 1)) == pytest.approx(1)
    assert float(gradient_loss(ramp, 2)) == pytest.approx(1 + 2)
    assert float(gradient_loss(ramp, 3)) == pytest.approx(1 + 2 + 4)


def test_temporal_loss_by_hand() -> None:
    truth = clip([[0.0, 0.0, 0.0]], [[0.02, -0.02, 0.5]])
    predicted = clip([[1.0, 1.0, 1.0]], [[1.05, 1.02, 9.0]])
    # changes .05 against .02, .02 against -.02; the third moves too far to count
    assert float(temporal_loss(predicted, truth, 0.05)) == pytest.approx((0.03 + 0.04) / 2)
    assert float(temporal_loss(predicted[:, :1], truth[:, :1], 0.05)) == 0


def test_huber_by_hand() -> None:
    losses = LossConfig(huber=0.1)
    # inside: e^2 / 2 / d; outside: e - d / 2
    assert float(huber(torch.tensor([0.05, -1.0]), losses)) == pytest.approx(
        (0.05**2 / 0.2 + 0.95) / 2
    )


def poses(frames: int = 3) -> torch.Tensor:
    encoding = torch.zeros(1, frames, 9)
    encoding[..., 6] = 1
    encoding[..., 7:] = 0.8
    encoding[..., 2] = torch.arange(frames)
    return encoding


def test_round_loss_by_hand() -> None:
    losses = LossConfig(translation=2, rotation=10, field_of_view=0.5, step=3, huber=1e-6)
    truth, predicted = poses(2), poses(2)
    predicted[0, 1, 0] += 0.6  # translation: mean 0.1 over 6 values, its change 0.2 over 3
    predicted[0, 0, 7] -= 0.4  # field of view: mean 0.1 over 4 values
    expected = 2 * 0.1 + 0.5 * 0.1 + 3 * 2 * 0.2
    assert float(round_loss(predicted, truth, losses)) == pytest.approx(expected, abs=1e-5)


def test_both_signs_of_a_quaternion_are_one_rotation() -> None:
    losses = LossConfig()
    truth, predicted = poses(), poses()
    predicted[0, 1, 3:7] *= -1
    assert float(round_loss(predicted, truth, losses)) == pytest.approx(0, abs=1e-7)
    predicted[0, 1, 3] = 0.1
    assert float(round_loss(predicted, truth, losses)) > 0.01


def test_rounds_weigh_more_towards_the_last() -> None:
    losses = LossConfig(round_decay=0.5, step=0, huber=1e-6, translation=1)
    truth = poses(1)
    rounds = truth.repeat(4, 1, 1, 1)
    single = []
    for index in range(4):
        wrong = rounds.clone()
        wrong[index, 0, 0, 0] += 3.0  # mean 1
        single.append(float(pose_loss(wrong, truth, losses)))
    total = 1 + 0.5 + 0.25 + 0.125
    assert single == pytest.approx([0.125 / total, 0.25 / total, 0.5 / total, 1 / total], abs=1e-4)
    assert math.isclose(sum(single), 1, abs_tol=1e-4)
