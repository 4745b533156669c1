"""When the pinned first frame has lost touch with the present.

The published code keeps frame 0 of a video for ever; on a robot it soon shows another street.
"""

from __future__ import annotations

import numpy as np

from gemdepth_ros.inference.config import StreamingConfig
from gemdepth_ros.interfaces import Float64Array

GRID = 12  # sample points per side of the image
EDGE = 1e-3  # the outer points of a standing camera must not fall out by rounding
NEAR_DISPARITY = 0.05  # part of the median below which a point counts as infinitely far


def view_overlap(
    anchor_from_camera: Float64Array,
    fov_rad: tuple[float, float],
    disparity: Float64Array,
) -> float:
    """Share of the present view that the anchor sees as well, 0..1.

    A grid of points at the predicted depth is carried into the anchor's view. The network relates
    neither the unit of its translations nor the shift of its disparity to depth, so the median
    depth counts as one unit of translation: a nominal value, good enough to notice a turn or a
    long drive, with the maximum age behind it.

    Args:
        anchor_from_camera: pose of the camera in the anchor's frame, float64 [4, 4].
        fov_rad: field of view (height, width).
        disparity: predicted disparity on any grid, [h, w].
    """
    half_y, half_x = (np.tan(np.clip(angle, 0.1, 3.0) / 2) for angle in fov_rad)
    rows = np.linspace(0, disparity.shape[0] - 1, GRID).round().astype(int)
    columns = np.linspace(0, disparity.shape[1] - 1, GRID).round().astype(int)
    sampled = disparity[np.ix_(rows, columns)]
    median = max(float(np.median(sampled)), 1e-9)
    depth = 1.0 / np.maximum(sampled / median, NEAR_DISPARITY)
    x, y = np.meshgrid(np.linspace(-half_x, half_x, GRID), np.linspace(-half_y, half_y, GRID))
    points = np.stack([x * depth, y * depth, depth], axis=-1)
    seen = points @ anchor_from_camera[:3, :3].T + anchor_from_camera[:3, 3]
    with np.errstate(divide='ignore', invalid='ignore'):
        edge = (1 + EDGE) * seen[..., 2]
        inside = (
            (seen[..., 2] > 0)
            & (np.abs(seen[..., 0]) <= half_x * edge)
            & (np.abs(seen[..., 1]) <= half_y * edge)
        )
    return float(inside.mean())


def anchor_is_stale(age_frames: int, overlap: float, config: StreamingConfig) -> bool:
    """Whether the anchor should make room for a more recent frame."""
    return age_frames > config.anchor_max_age or overlap < config.anchor_min_overlap
