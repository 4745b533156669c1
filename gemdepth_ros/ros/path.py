"""~/path: the way so far, in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Path

from gemdepth_ros.interfaces import Float64Array
from gemdepth_ros.ros.conversions import fill_rotations, fill_vector, header

BATCH = 16  # poses whose rotations are converted by one call, which costs as much as for one


class PathBuilder:
    """Keeps at most ``capacity`` poses; when full, every second one is dropped.

    So the path always reaches back to its beginning, in detail near the present.
    """

    def __init__(self, odom_frame: str, capacity: int, period_s: float) -> None:
        """Begin at nothing.

        Args:
            odom_frame: frame of the poses.
            capacity: largest number of poses.
            period_s: least time between two messages, by the stamps [s].
        """
        self._odom_frame = odom_frame
        self._capacity = capacity
        self._period_ns = round(period_s * 1e9)
        self._poses: list[Any] = []
        self._unturned: list[Float64Array] = []  # rotations of the newest poses
        self._newest_ns = 0
        self._sent_ns: int | None = None

    def __len__(self) -> int:
        return len(self._poses)

    def add(self, stamp_ns: int, odom_from_child: Float64Array) -> None:
        """Take the next pose, float64 [4, 4]; a stamp that goes back begins a new path."""
        if self._poses and stamp_ns <= self._newest_ns:
            self.forget()
        if len(self._poses) >= self._capacity:
            self._turn()
            self._poses = self._poses[::2]
        self._newest_ns = stamp_ns
        pose = PoseStamped(header=header(stamp_ns, self._odom_frame))
        fill_vector(pose.pose.position, odom_from_child[:3, 3])
        self._poses.append(pose)
        self._unturned.append(odom_from_child[:3, :3].copy())
        if len(self._unturned) >= BATCH:
            self._turn()

    def forget(self) -> None:
        """Begin a new path."""
        self._poses.clear()
        self._unturned.clear()
        self._sent_ns = None

    def message(self) -> Any | None:
        """Return the nav_msgs/Path that is due now, or None."""
        sent = self._sent_ns
        if not self._poses or (sent is not None and self._newest_ns - sent < self._period_ns):
            return None
        self._sent_ns = self._newest_ns
        self._turn()
        return Path(header=header(self._newest_ns, self._odom_frame), poses=list(self._poses))

    def _turn(self) -> None:
        """Write the rotations that are still missing."""
        if self._unturned:
            newest = self._poses[-len(self._unturned) :]
            fill_rotations([pose.pose.orientation for pose in newest], np.stack(self._unturned))
            self._unturned.clear()
