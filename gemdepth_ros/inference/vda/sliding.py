"""``sliding`` for Video Depth Anything: the window is evaluated anew at every frame.

Equal to a dense forward of the same window, its newest frame (or the one ``lookahead`` before
it). Both projected levels are kept; the motion modules run for all frames, because their slots
change, the last one's second half and the full-resolution head for one frame.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gemdepth_ros.inference.encoded import EncodedFrame, EngineOutput, PatchGrid, empty
from gemdepth_ros.model import VideoDepthAnything


class VdaSlidingEngine:
    """A window of an anchor and the most recent frames; rows of the buffers in any order."""

    def __init__(
        self, model: VideoDepthAnything, grid: PatchGrid, window: int, lookahead: int = 0
    ) -> None:
        self._model, self._grid = model, grid
        self._window, self._lookahead = window, lookahead
        _, _, c3, c4 = model.config.out_channels
        half = (-(-grid.rows // 2), -(-grid.columns // 2))
        self._map3_TCHW = empty(model, window, c3, grid.rows, grid.columns)
        self._map4_TCHW = empty(model, window, c4, *half)
        width = model.config.encoder.width
        self._fine_levels = empty(model, lookahead + 1, 2, grid.patches, width)  # a ring
        self._newest_fine = 0
        self._order: list[int] = []  # buffer row of each slot
        self._numbers: list[int] = [0] * window  # frame in each row
        self._transient = False  # whether the newest frame leaves when the next one comes

    @property
    def nbytes(self) -> int:
        """Memory held for the stream [byte]."""
        buffers = (self._map3_TCHW, self._map4_TCHW, self._fine_levels)
        return sum(buffer.nbytes for buffer in buffers)

    @property
    def anchor(self) -> int | None:
        """Number of the frame in slot 0."""
        return self._numbers[self._order[0]] if self._order else None

    def step(
        self, frame: EncodedFrame, *, keep: bool = True, refresh_anchor: bool = False
    ) -> EngineOutput | None:
        """Take the next frame; return the answer, or None while ``lookahead`` frames are missing.

        Args:
            frame: the new frame.
            keep: whether it stays in the window when the next frame comes.
            refresh_anchor: whether the oldest recent frame takes the anchor's place, if the
                window is full.
        """
        row = self._make_room(refresh_anchor)
        self._transient = not keep
        self._numbers[row] = frame.number
        head, grid = self._model.head, self._grid
        level1, level2, level3, level4 = frame.levels
        self._map3_TCHW[row] = head.level_map(2, level3, grid.rows, grid.columns)[0]
        self._map4_TCHW[row] = head.level_map(3, level4, grid.rows, grid.columns)[0]
        self._newest_fine = (self._newest_fine + 1) % (self._lookahead + 1)
        fine = self._fine_levels[self._newest_fine]
        fine[0], fine[1] = level1[0], level2[0]
        target = len(self._order) - 1 - self._lookahead
        return self._evaluate(target) if target >= 0 else None

    def _make_room(self, refresh_anchor: bool) -> int:
        """Free a buffer row for the newest frame and give it the last slot."""
        if self._transient:
            return self._order[-1]
        if len(self._order) < self._window:
            row = len(self._order)
        else:
            row = self._order.pop(0 if refresh_anchor else min(1, self._window - 1))
        self._order.append(row)
        return row

    def _evaluate(self, target: int) -> EngineOutput:
        """Run the window for the frame in slot ``target``."""
        head, grid, rows = self._model.head, self._grid, self._order
        count = len(rows)
        slot_of_row = torch.empty(count, dtype=torch.long, device=self._model.device)
        slot_of_row[rows] = torch.arange(count, device=self._model.device)

        def mix(index: int, maps: Tensor) -> Tensor:
            only = rows[target] if index == len(head.motion_modules) - 1 else None
            return head.motion_modules[index].mix_window(maps, slot_of_row, only)

        map3, map4 = self._map3_TCHW[:count], self._map4_TCHW[:count]
        path3 = head.coarse(map3, map4, grid.rows, grid.columns, mix)
        level1, level2 = self._fine_levels[self._newest_fine - self._lookahead]  # wraps around
        disparity = head.fine(level1[None], level2[None], path3, grid.rows, grid.columns)
        numbers = tuple(self._numbers[row] for row in rows)
        return EngineOutput(numbers[target], disparity[0], numbers, None, target)
