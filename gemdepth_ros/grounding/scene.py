"""What several sources ask of a frame's coarse disparity, computed once."""

from __future__ import annotations

from functools import cached_property
from typing import cast

import cv2
import numpy as np

from gemdepth_ros.geometry.robust_fit import IntArray
from gemdepth_ros.grounding.inputs import BoolArray, CoarseDisparity
from gemdepth_ros.interfaces import Float32Array, Float64Array, PinholeIntrinsics

SLOPE_CELLS = 2  # half the distance over which slopes are taken
TILES = (5, 16)  # rows and columns of tiles within which disparity errors may be correlated


class Scene:
    """One frame's coarse disparity.

    Args:
        disparity: the grid; not all NaN.
        camera: intrinsics of the full image.
    """

    def __init__(self, disparity: CoarseDisparity, camera: PinholeIntrinsics | None) -> None:
        self.grid = disparity
        self.camera = camera
        self.known: BoolArray = np.isfinite(disparity.values)
        values = np.where(self.known, disparity.values, np.float32(np.nan))  # infinite: unknown
        self.values = values
        known = values[self.known]
        self.empty = known.size < 16
        low, middle, high = (
            (0.0, 0.0, 0.0)
            if self.empty
            else np.percentile(known[:: max(known.size // 4000, 1)], (10, 50, 90))
        )
        self.low, self.middle, self.high = float(low), float(middle), float(high)

    @property
    def spread(self) -> float:
        """Range of disparity from its 10th to its 90th percentile."""
        return self.high - self.low

    @cached_property
    def rays(self) -> tuple[Float64Array, Float64Array]:
        """Normalised coordinates of the grid's columns [w] and rows [h]."""
        camera, grid = self.camera, self.grid
        assert camera is not None
        height, width = self.values.shape
        x = (grid.offset_x + grid.step_x * np.arange(width) - camera.cx) / camera.fx
        y = (grid.offset_y + grid.step_y * np.arange(height) - camera.cy) / camera.fy
        return cast('Float64Array', x), cast('Float64Array', y)

    @cached_property
    def edges(self) -> Float64Array:
        """Change of disparity within 3 x 3 cells, as part of the height above the farthest."""
        kernel = np.ones((3, 3), np.uint8)
        # Unknown cells stand back from both extremes.
        largest = cv2.dilate(np.where(self.known, self.values, np.float32(self.low)), kernel)
        smallest = cv2.erode(np.where(self.known, self.values, np.float32(self.high)), kernel)
        above = np.maximum(largest - self.low, max(0.1 * self.spread, 1e-12))
        result: Float64Array = (np.maximum(largest - smallest, 0.0) / above).astype(np.float64)
        return result

    def tiles(self, rows: Float64Array, columns: Float64Array) -> IntArray:
        """Numbers of the tiles of places given in cells [n]."""
        height, width = self.values.shape
        tile_row = np.clip(rows * TILES[0] / height, 0, TILES[0] - 1).astype(np.int64)
        tile_column = np.clip(columns * TILES[1] / width, 0, TILES[1] - 1).astype(np.int64)
        tiles: IntArray = tile_row * TILES[1] + tile_column
        return tiles

    def cells(
        self, column_px: Float64Array, row_px: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Places on the grid, in cells (column, row), of pixels of the full image."""
        grid = self.grid
        return (column_px - grid.offset_x) / grid.step_x, (row_px - grid.offset_y) / grid.step_y

    def sample(self, column: Float64Array, row: Float64Array) -> Float64Array:
        """Disparity at places given in cells [n]: bilinear, or the nearest cell beside a hole.

        Places outside the grid give NaN.
        """
        height, width = self.values.shape
        inside = (column > -0.5) & (row > -0.5) & (column < width - 0.5) & (row < height - 0.5)
        x = np.clip(column, 0, width - 1.000001)
        y = np.clip(row, 0, height - 1.000001)
        j, i = x.astype(np.int64), y.astype(np.int64)
        a, b = x - j, y - i
        values = self.values
        upper = (1 - a) * values[i, j] + a * values[i, j + 1]
        lower = (1 - a) * values[i + 1, j] + a * values[i + 1, j + 1]
        blended = (1 - b) * upper + b * lower
        nearest = values[np.rint(y).astype(np.int64), np.rint(x).astype(np.int64)]
        result = np.where(np.isfinite(blended), blended, nearest).astype(np.float64)
        result[~inside] = np.nan
        return result

    @cached_property
    def _slope_maps(self) -> tuple[Float32Array, Float32Array]:
        """Slopes per cell along columns and rows, of the median of 5 x 5 cells; 0 at holes.

        Outliers would get the more weight in a fit the wilder their slopes are.
        """
        filled = np.where(self.known, self.values, np.float32(self.low)).astype(np.float32)
        smooth = cv2.medianBlur(filled, 5)
        whole = cv2.erode(self.known.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        reach = 2 * SLOPE_CELLS
        kernel = np.zeros((1, reach + 1), np.float32)
        kernel[0, 0], kernel[0, -1] = -1.0 / reach, 1.0 / reach
        along_x = cv2.filter2D(smooth, -1, kernel, borderType=cv2.BORDER_REPLICATE)
        along_y = cv2.filter2D(smooth, -1, kernel.T, borderType=cv2.BORDER_REPLICATE)
        nothing = np.float32(0.0)
        return (
            np.where(whole, along_x, nothing).astype(np.float32),
            np.where(whole, along_y, nothing).astype(np.float32),
        )

    def slopes(self, column: Float64Array, row: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Change of disparity per pixel of the full image along columns and rows [n]."""
        height, width = self.values.shape
        i = np.clip(np.rint(row), 0, height - 1).astype(np.int64)
        j = np.clip(np.rint(column), 0, width - 1).astype(np.int64)
        along_x, along_y = self._slope_maps
        return (
            along_x[i, j].astype(np.float64) / self.grid.step_x,
            along_y[i, j].astype(np.float64) / self.grid.step_y,
        )
