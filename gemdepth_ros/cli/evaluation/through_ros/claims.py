"""What a live node claims of its motion: metres, lost, started anew.

Metric depth says nothing of it: with LiDAR alone depth is in metres and motion is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gemdepth_ros.grounding.pose_chain import UNKNOWN_VARIANCE


@dataclass(frozen=True)
class MotionClaim:
    """What is claimed of the motion at one frame.

    Attributes:
        metric: whether it is in metres.
        lost: whether the trajectory is broken here, as far as the messages tell.
        reset: why the stream started anew; empty: it did not, or nobody said so.
    """

    metric: bool = False
    lost: bool = False
    reset: str = ''


class Claims:
    """Read the claims of each frame from its messages, frame by frame.

    Args:
        max_factor_std: the node's limit on the relative standard deviation of the factor on its
            translations, up to which they are metres.
    """

    def __init__(self, max_factor_std: float) -> None:
        self._max_factor_std = max_factor_std
        self._resets = 0  # the recorder listens before the node gets its first image

    def of(self, odometry: Any | None, status: Any | None) -> MotionClaim:
        """Return what is claimed at the next frame.

        Args:
            odometry: its nav_msgs/Odometry, or None.
            status: the first gemdepth_ros/Status that speaks of it, or None.
        """
        reset = '' if status is None else self._new_reset(status)
        if odometry is None:
            return MotionClaim(reset=reset)
        if _states_covariance(odometry):
            return MotionClaim(metric=True, reset=reset)
        # Unknown covariance: not in metres, lost, or on the user's word. Only the status tells.
        std = math.inf if status is None else _relative_std(status)
        metric = math.isnan(std) or std <= self._max_factor_std
        return MotionClaim(metric, bool(reset) or (metric and not math.isnan(std)), reset)

    def _new_reset(self, status: Any) -> str:
        before, self._resets = self._resets, int(status.resets)
        return str(status.last_reset_reason) if self._resets > before else ''


def _states_covariance(odometry: Any) -> bool:
    """Whether it is anything but the node's "unknown": after a long way it may be as large."""
    diagonal = np.asarray(odometry.pose.covariance, np.float64).reshape(6, 6).diagonal()
    return not bool((diagonal == UNKNOWN_VARIANCE).all())


def _relative_std(status: Any) -> float:
    """Return that of the factor: infinite without one, NaN where a user gave it (none known)."""
    factor, std = float(status.translation_factor), float(status.translation_factor_std)
    return std / factor if math.isfinite(factor) and factor > 0 else math.inf
