"""The camera's motion by odometry alone, for a network that predicts no poses.

Nothing is estimated here: the vehicle's odometry is read at the image's time and carried to the
camera, whose place on the vehicle the samples know, or else the mounting. How good it is, its own
messages say; the covariance is unknown here.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from scipy.spatial.transform import Rotation

from gemdepth_ros.geometry import se3
from gemdepth_ros.grounding.config import OdometryConfig
from gemdepth_ros.grounding.inputs import CameraMounting, OdometrySample
from gemdepth_ros.grounding.pose_chain import UNKNOWN_VARIANCE
from gemdepth_ros.interfaces import EgoMotion, Float64Array

MAX_SAMPLES = 400
MAX_AHEAD_S = 0.2  # an image this much newer than the newest sample is placed by its last motion


class OdometryMotion:
    """Keeps the newest samples of poses and places images among them.

    Args:
        config: what is absurd.
    """

    def __init__(self, config: OdometryConfig) -> None:
        self._config = config
        self._samples: deque[OdometrySample] = deque(maxlen=MAX_SAMPLES)
        self._first_from_odom: Float64Array | None = None
        self._pose = np.eye(4)  # the last one that was given
        self._broken = False  # jumped after motion was given, and nobody was told yet

    def forget(self) -> None:
        """Start a new trajectory, at the origin, with the next image."""
        self._break()
        self._pose = np.eye(4)

    def update(
        self,
        stamp_ns: int,
        samples: tuple[OdometrySample, ...],
        mounting: CameraMounting | None,
    ) -> EgoMotion | None:
        """Take new samples; return where the camera is, in metres from the first image.

        Where the odometry jumps, the trajectory goes on from its last pose and is ``lost`` once:
        whoever takes it for the frame ``odom`` may rely on that it has no jumps.

        Args:
            stamp_ns: capture time of the image [ns].
            samples: new since the image before, oldest first; those without a pose say nothing.
            mounting: where the camera sits on the base of samples that do not know it.

        Returns:
            None without poses around the image's time, or where nobody knows the camera's place.
        """
        self._take(tuple(sample.mounted(mounting) for sample in samples))
        odom_from_base = self._at(stamp_ns)
        base_from_camera = self._samples[-1].base_from_camera if self._samples else None
        if odom_from_base is None or base_from_camera is None:
            return None
        odom_from_camera = odom_from_base @ base_from_camera
        if self._first_from_odom is None:
            self._first_from_odom = self._pose @ se3.inverse(odom_from_camera)
        self._pose = self._first_from_odom @ odom_from_camera
        lost, self._broken = self._broken, False
        unknown = np.eye(6) * UNKNOWN_VARIANCE
        return EgoMotion(self._pose, unknown, metric=True, lost=lost, window=None)

    def _take(self, samples: tuple[OdometrySample, ...]) -> None:
        """Keep samples that advance; anchor anew where the odometry, or the camera, jumped."""
        for sample in samples:
            if sample.odom_from_base is None or not np.isfinite(sample.odom_from_base).all():
                continue
            last = self._samples[-1] if self._samples else None
            if last is not None and sample.stamp_ns <= last.stamp_ns:
                continue
            if last is not None and not (sample.same_place(last) and self._sane(last, sample)):
                self._broken |= self._first_from_odom is not None
                self._break()
            self._samples.append(sample)

    def _break(self) -> None:
        """Forget how the odometry and the trajectory are placed to one another."""
        self._samples.clear()
        self._first_from_odom = None

    def _sane(self, last: OdometrySample, sample: OdometrySample) -> bool:
        assert last.odom_from_base is not None
        assert sample.odom_from_base is not None
        moved = float(np.linalg.norm(sample.odom_from_base[:3, 3] - last.odom_from_base[:3, 3]))
        seconds = (sample.stamp_ns - last.stamp_ns) * 1e-9
        return moved <= self._config.max_speed_mps * max(seconds, 1e-3)

    def _at(self, stamp_ns: int) -> Float64Array | None:
        """Pose of the base at a time between two samples, or a little after the newest."""
        if len(self._samples) < 2:
            return None
        later = next(
            (i for i, s in enumerate(self._samples) if s.stamp_ns >= stamp_ns),
            len(self._samples) - 1,
        )
        before, after = self._samples[max(later, 1) - 1], self._samples[max(later, 1)]
        if not before.stamp_ns <= stamp_ns <= after.stamp_ns + round(MAX_AHEAD_S * 1e9):
            return None
        return _between(before, after, stamp_ns)


def _between(before: OdometrySample, after: OdometrySample, stamp_ns: int) -> Float64Array:
    """Interpolate, or carry the last motion on."""
    first, second = before.odom_from_base, after.odom_from_base
    assert first is not None
    assert second is not None
    part = (stamp_ns - before.stamp_ns) / (after.stamp_ns - before.stamp_ns)
    result = np.eye(4)
    result[:3, 3] = (1 - part) * first[:3, 3] + part * second[:3, 3]
    turn = Rotation.from_matrix(first[:3, :3].T @ second[:3, :3]).as_rotvec()
    result[:3, :3] = first[:3, :3] @ Rotation.from_rotvec(part * turn).as_matrix()
    return result
