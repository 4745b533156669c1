"""One continuous trajectory from windows whose poses each have their own frame and unit.

Neighbouring windows share frames. The similarity transform that takes a window's poses to those
that the shared frames already have places the new frame. What was published is never moved.

Rotation and translation come from the recent shared frames only, not from the pinned first one:
its far baseline would pull a standing camera a little at every step. The scale comes from all of
them, as a median of distance ratios that long distances dominate, if both sides show the same
shape. Where nothing moves it keeps its value: distances of noise have a ratio too, and following
it would let the scale of a standing camera wander without bound. A ratio far from the last one is
no error: a window's unit may jump when its pinned frame changes.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from gemdepth_ros.geometry import se3
from gemdepth_ros.interfaces import Float64Array

# How often noise alone may pass for motion, per window.
CHANCE_SHAPE = 1e-4
# Standard deviations assumed for one step before residuals say more: part of the step, radians.
FLOOR_POSITION = 0.01
FLOOR_ROTATION_RAD = 1e-3


@dataclass(frozen=True, eq=False)
class ChainStep:
    """Where a window put its newest frame.

    Attributes:
        session_from_camera: float64 [4, 4] pose of the newest frame.
        session_from_window: rotation and translation [4, 4] of the window's frame; a window
            point p is at ``session_from_window @ (unit_in_session * p)``.
        unit_in_session: session units per unit of the window.
        position_std: accumulated standard deviation of the position [session units].
        rotation_std: accumulated standard deviation of the rotation [rad].
        lost: no frame was shared with the past, so the trajectory was broken here.
    """

    session_from_camera: Float64Array
    session_from_window: Float64Array
    unit_in_session: float
    position_std: float
    rotation_std: float
    lost: bool


class WindowChain:
    """Chains windows; remembers the poses of the last ``capacity`` frames."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._poses: OrderedDict[int, Float64Array] = OrderedDict()
        self._unit = 1.0
        self._newest: Float64Array = np.eye(4)
        self._position_var = 0.0
        self._rotation_var = 0.0

    def add(
        self, frames: list[int], camera_from_window: Float64Array, index: int = -1
    ) -> ChainStep:
        """Chain one window that holds one new frame to be placed.

        Args:
            frames: numbers of the window's frames; the first is its pinned reference.
            camera_from_window: float64 [T, 4, 4], rigid.
            index: place of the new frame in ``frames``; frames after it are not used.
        """
        window_from_camera = se3.inverse(camera_from_window)
        new = frames[index]
        shared = [i for i, frame in enumerate(frames) if frame != new and frame in self._poses]
        lost = not shared and bool(self._poses)
        alignment = self._align(frames, window_from_camera, shared, index)
        self._unit = alignment.unit
        pose = alignment.apply(window_from_camera[index])
        step = float(np.linalg.norm(pose[:3, 3] - self._newest[:3, 3])) if shared else 0.0
        self._position_var += alignment.position_var + (FLOOR_POSITION * step) ** 2
        self._rotation_var += alignment.rotation_var + FLOOR_ROTATION_RAD**2 * bool(step)
        self._remember(frames[0], new, pose)
        return ChainStep(
            pose,
            alignment.session_from_window,
            alignment.unit,
            float(np.sqrt(self._position_var)),
            float(np.sqrt(self._rotation_var)),
            lost,
        )

    def _remember(self, reference: int, new: int, pose: Float64Array) -> None:
        """Keep the newest pose and those of the frames that windows may still share."""
        self._poses[new] = pose
        self._newest = pose
        if reference in self._poses:  # the reference outlives younger frames
            self._poses.move_to_end(reference)
        while len(self._poses) > self._capacity:
            self._poses.popitem(last=False)

    def _align(
        self,
        frames: list[int],
        window_from_camera: Float64Array,
        shared: list[int],
        index: int,
    ) -> _Alignment:
        if not shared:
            # A first window, or a break: go on from the last known pose.
            window_origin = se3.inverse(window_from_camera[index])
            window_origin[:3, 3] *= self._unit
            return _Alignment(self._newest @ window_origin, self._unit, 0.0, 0.0)
        session = np.stack([self._poses[frames[i]] for i in shared])
        window = window_from_camera[shared]
        recent = slice(1, None) if shared[0] == 0 and len(shared) > 1 else slice(None)
        rotations = _relative_rotations(session[recent], window[recent])
        turned_xyz = rotations.mean().apply(window[:, :3, 3])
        unit = self._scale(session[:, :3, 3], turned_xyz)
        return _fit_translation(session[recent], turned_xyz[recent], rotations, unit)

    def _scale(self, session_xyz: Float64Array, window_xyz: Float64Array) -> float:
        """Session units per window unit.

        Args:
            session_xyz: known positions of the shared frames.
            window_xyz: the window's positions of the same, turned to the session's axes.
        """
        if not _same_shape(session_xyz, window_xyz):
            return self._unit
        first, second = np.triu_indices(len(session_xyz), k=1)
        in_session = np.linalg.norm(session_xyz[first] - session_xyz[second], axis=1)
        in_window = np.linalg.norm(window_xyz[first] - window_xyz[second], axis=1)
        ratio = _weighted_median(in_session, in_window)
        return ratio if ratio > 0 else self._unit


@dataclass(frozen=True, eq=False)
class _Alignment:
    session_from_window: Float64Array
    unit: float
    position_var: float
    rotation_var: float

    def apply(self, window_from_camera: Float64Array) -> Float64Array:
        scaled = window_from_camera.copy()
        scaled[:3, 3] *= self.unit
        pose = self.session_from_window @ scaled
        pose[:3, :3] = se3.orthonormal(pose[:3, :3])
        return pose


def _relative_rotations(session: Float64Array, window: Float64Array) -> Rotation:
    """What every shared frame says about the rotation from the window to the session."""
    return Rotation.from_matrix(session[:, :3, :3]) * Rotation.from_matrix(window[:, :3, :3]).inv()


def _same_shape(first_xyz: Float64Array, second_xyz: Float64Array) -> bool:
    """Whether two lists of positions agree up to scale and offset more than noise would.

    The cosine between two random directions in d dimensions exceeds sqrt(1 - p ** (2 / (d - 1)))
    with a probability of less than p.
    """
    first = first_xyz - first_xyz.mean(axis=0)
    second = second_xyz - second_xyz.mean(axis=0)
    extent = float(np.linalg.norm(first) * np.linalg.norm(second))
    dimensions = first.size - 3  # the means are taken
    if dimensions < 3 or extent == 0:
        return False
    threshold = np.sqrt(1 - CHANCE_SHAPE ** (2 / (dimensions - 1)))
    return bool((first * second).sum() > threshold * extent)


def _weighted_median(numerators: Float64Array, denominators: Float64Array) -> float:
    """Median of the ratios, each counted as often as its denominator is long."""
    usable = denominators > 1e-6 * denominators.max()
    ratios, weights = numerators[usable] / denominators[usable], denominators[usable]
    order = np.argsort(ratios)
    upto = np.cumsum(weights[order])
    return float(ratios[order][np.searchsorted(upto, upto[-1] / 2)])


def _fit_translation(
    session: Float64Array, turned_xyz: Float64Array, rotations: Rotation, unit: float
) -> _Alignment:
    """Mean translation that takes the window's scaled and turned positions to the session's."""
    mean = rotations.mean()
    offsets = session[:, :3, 3] - unit * turned_xyz
    translation = offsets.mean(axis=0)
    count = len(session)
    position_var = float(((offsets - translation) ** 2).sum()) / (3 * count * count)
    angles = (mean.inv() * rotations).magnitude()
    rotation_var = float((angles**2).sum()) / (3 * count * count)
    transform = se3.from_parts(mean.as_matrix(), translation)
    return _Alignment(transform, unit, position_var, rotation_var)
