"""Loss of the predicted cameras over the rounds of refinement.

Source: the camera loss of Wang et al., "VGGT" (CVPR 2025), section 3.4, a Huber distance of pose
encodings, with weights that grow over the rounds as in Teed and Deng, "RAFT" (ECCV 2020), equation
7: L = sum over rounds i = 0..R-1 of decay^(R-1-i) * l(round i), divided by the sum of the weights;

l = a h(t - t*) + b h(q - sign(q . q*) q*) + c h(f - f*) + e (a h(Dt - Dt*) + b h(Dq - Dq*))

with t translation, q quaternion (q and -q are one rotation), f field of view, D the change from
one frame to the next, and h the mean of Huber's function divided by its threshold, so that it is
the absolute error beyond it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gemdepth_ros.training.config import LossConfig


def pose_loss(rounds_RBT9: Tensor, truth_BT9: Tensor, losses: LossConfig) -> Tensor:
    """Return the weighted loss of all rounds."""
    rounds = len(rounds_RBT9)
    weights = [losses.round_decay ** (rounds - 1 - index) for index in range(rounds)]
    terms = [round_loss(pose, truth_BT9, losses) for pose in rounds_RBT9]
    total = sum((w * term for w, term in zip(weights, terms, strict=True)), terms[0].new_zeros(()))
    return total / sum(weights)


def round_loss(pose_BT9: Tensor, truth_BT9: Tensor, losses: LossConfig) -> Tensor:
    """Return the loss of one round's poses."""
    t, q, fov = pose_BT9.split((3, 4, 2), dim=-1)
    true_t, true_q, true_fov = truth_BT9.split((3, 4, 2), dim=-1)
    same_side = (q.detach() * true_q).sum(-1, keepdim=True) >= 0
    true_q = torch.where(same_side, true_q, -true_q)

    def motion(dt: Tensor, dq: Tensor) -> Tensor:
        return losses.translation * huber(dt, losses) + losses.rotation * huber(dq, losses)

    loss = motion(t - true_t, q - true_q) + losses.field_of_view * huber(fov - true_fov, losses)
    if pose_BT9.shape[1] > 1:
        loss = loss + losses.step * motion((t - true_t).diff(dim=1), (q - true_q).diff(dim=1))
    return loss


def huber(error: Tensor, losses: LossConfig) -> Tensor:
    """Mean of Huber's function over its threshold."""
    loss = F.huber_loss(error, torch.zeros_like(error), delta=losses.huber)
    return loss / losses.huber
