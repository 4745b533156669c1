"""Under which rules a depth is judged: alignment, crop, caps. Always named beside a figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.evaluation.metrics import SMALLEST

BoolArray = npt.NDArray[np.bool_]

# First and last row, first and last column, as parts of the image. Garg et al., "Unsupervised CNN
# for Single View Depth Estimation" (ECCV 2016); Eigen et al. (NIPS 2014).
CROPS = {
    'none': (0.0, 1.0, 0.0, 1.0),
    'garg': (0.40810811, 0.99189189, 0.03594771, 0.96405229),
    'eigen': (0.3324324, 0.91351351, 0.0359477, 0.96405229),
}


@dataclass(frozen=True)
class Protocol:
    """One way of alignment.

    Attributes:
        name: what a user calls it.
        alignment: in words, for reports.
        metric: whether it judges metric depth (else disparity).
    """

    name: str
    alignment: str
    metric: bool = False


PROTOCOLS = {
    item.name: item
    for item in (
        Protocol('metric', 'none: metres as the node states them', metric=True),
        Protocol('vda', 'one scale and shift of disparity for the whole sequence'),
        Protocol('per_frame', 'one scale and shift of disparity for each frame'),
        Protocol('median', 'medians of depth made equal, frame by frame'),
    )
}
PROTOCOL_NAMES = tuple(PROTOCOLS)


@dataclass(frozen=True)
class Region:
    """Which true depths count.

    Attributes:
        crop: a key of `CROPS`.
        max_depth_m: truth at or beyond it does not count, predictions are cut there [m].
        min_depth_m: truth at or below it does not count [m].
    """

    crop: str = 'none'
    max_depth_m: float = 80.0
    min_depth_m: float = SMALLEST

    def __post_init__(self) -> None:
        if self.crop not in CROPS:
            raise ConfigError(f'crop must be one of {", ".join(CROPS)}, got {self.crop!r}')
        if not SMALLEST <= self.min_depth_m < self.max_depth_m:
            raise ConfigError(
                f'need {SMALLEST} <= min_depth_m < max_depth_m, got {self.min_depth_m} and '
                f'{self.max_depth_m}'
            )

    def valid(self, truth_m: npt.NDArray[np.floating]) -> BoolArray:
        """Return which pixels of a true depth map [H, W] count, bool [H, W]."""
        height, width = truth_m.shape
        top, bottom, left, right = CROPS[self.crop]
        inside = np.zeros((height, width), bool)
        # The published scripts cast the products to integers, which cuts off.
        rows = slice(int(top * height), int(bottom * height))
        inside[rows, int(left * width) : int(right * width)] = True
        with np.errstate(invalid='ignore'):
            inside &= (truth_m > self.min_depth_m) & (truth_m < self.max_depth_m)
        return inside
