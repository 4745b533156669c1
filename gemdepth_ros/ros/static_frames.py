"""The robot's static transforms: which sensor sits where."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from gemdepth_ros.errors import SensorError
from gemdepth_ros.geometry import se3
from gemdepth_ros.interfaces import Float64Array
from gemdepth_ros.ros import rotations

MAX_FRAMES = 4096  # of one robot; a publisher that invents names must not fill the memory
LONGEST_CHAIN = 256


def matrix_of(position: Any, orientation: Any) -> Float64Array:
    """Return a geometry_msgs translation and quaternion as a transform, float64 [4, 4].

    Raises:
        SensorError: a number is not finite, or the quaternion has no length (or one
            that cannot be computed).
    """
    xyz = np.array([position.x, position.y, position.z], np.float64)
    xyzw = np.array([orientation.x, orientation.y, orientation.z, orientation.w], np.float64)
    if not (np.isfinite(xyz).all() and np.isfinite(xyzw).all()):
        raise SensorError(f'a pose is not finite: position {xyz}, quaternion {xyzw}')
    length = math.hypot(*xyzw)  # its squares may be too large for a float
    if length < 0.5:
        raise SensorError(f'the quaternion {xyzw} has no length: nobody filled it in')
    if math.isinf(length):
        raise SensorError(f'the quaternion {xyzw} is too long for a rotation')
    return se3.from_parts(rotations.of_quaternion(xyzw / length), xyz)


def plain(frame: str) -> str:
    """Return a frame name without the leading slash of old drivers."""
    return frame.lstrip('/')


class StaticFrames:
    """The tree of /tf_static: filled by a callback, searched by the worker."""

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, Float64Array]] = {}
        self._lock = threading.Lock()

    def add(self, message: Any) -> list[str]:
        """Take over a tf2_msgs/TFMessage; a newer transform of a frame replaces the older.

        Returns:
            One line for each transform that cannot be used.
        """
        problems = []
        for entry in message.transforms:
            child, parent = plain(entry.child_frame_id), plain(entry.header.frame_id)
            try:
                transform = entry.transform
                parent_from_child = matrix_of(transform.translation, transform.rotation)
            except SensorError as error:
                problems.append(f'/tf_static {parent} -> {child}: {error}')
                continue
            with self._lock:
                if child in self._parents or len(self._parents) < MAX_FRAMES:
                    self._parents[child] = parent, parent_from_child
        return problems

    def between(self, target: str, source: str) -> Float64Array | None:
        """Return ``target_from_source``, float64 [4, 4]; None where no chain connects them."""
        target, source = plain(target), plain(source)
        with self._lock:
            roots = dict(self._ancestors(target))
            for frame, frame_from_source in self._ancestors(source):
                if frame in roots:
                    return se3.inverse(roots[frame]) @ frame_from_source
        return None

    def _ancestors(self, frame: str) -> Iterator[tuple[str, Float64Array]]:
        """Yield (ancestor, ancestor_from_frame), beginning with the frame itself."""
        ancestor_from_frame = np.eye(4)
        for _ in range(LONGEST_CHAIN):  # a loop in the tree must not hang the worker
            yield frame, ancestor_from_frame
            if frame not in self._parents:
                return
            frame, parent_from_child = self._parents[frame]
            ancestor_from_frame = parent_from_child @ ancestor_from_frame
