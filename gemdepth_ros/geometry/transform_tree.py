"""Fixed transforms between named frames, and the way from one frame to another."""

from __future__ import annotations

from collections import deque

import numpy as np

from gemdepth_ros.geometry import se3
from gemdepth_ros.interfaces import Float64Array


class TransformTree:
    """What /tf_static says. Frame names with and without a leading slash are the same."""

    def __init__(self) -> None:
        self._neighbours: dict[str, dict[str, Float64Array]] = {}

    @property
    def frames(self) -> tuple[str, ...]:
        """Names of the known frames."""
        return tuple(self._neighbours)

    def add(self, parent: str, child: str, parent_from_child: Float64Array) -> None:
        """Take in one transform, float64 [4, 4]; a newer one replaces it."""
        parent, child = parent.lstrip('/'), child.lstrip('/')
        self._neighbours.setdefault(child, {})[parent] = parent_from_child
        self._neighbours.setdefault(parent, {})[child] = se3.inverse(parent_from_child)

    def find(self, target: str, source: str) -> Float64Array | None:
        """Return ``target_from_source``, float64 [4, 4], or None where nothing joins them."""
        target, source = target.lstrip('/'), source.lstrip('/')
        reached = {source: np.eye(4)}
        waiting = deque([source])
        while waiting and target not in reached:
            here = waiting.popleft()
            for there, there_from_here in self._neighbours.get(here, {}).items():
                if there not in reached:
                    reached[there] = there_from_here @ reached[here]
                    waiting.append(there)
        return reached.get(target)
