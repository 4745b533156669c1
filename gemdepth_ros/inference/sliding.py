"""``sliding``: the window is evaluated anew at every frame, and only what is needed of it.

Equal to a dense forward of the same window, newest frame (or the one ``lookahead`` before it):

* the encoder and GEM's frame block run for the new frame only, the global block's keys and
  values are kept, its queries are the camera tokens alone;
* ASTT and the coarse head run for all frames, because slots and relative poses change;
* the last motion module's second half and the full-resolution head run for one frame.

Frames stand in the buffers in any order (attention does not mind); ``_order`` says which one is
in which slot. Slot 0 is the anchor: it stays until it is refreshed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gemdepth_ros.inference.caches import SlotCache
from gemdepth_ros.inference.encoded import (
    CameraView,
    EncodedFrame,
    EngineOutput,
    StreamGrid,
    empty,
    to_device,
)
from gemdepth_ros.model import GemDepth
from gemdepth_ros.model.camera_head import activate


class SlidingEngine:
    """A window of an anchor and the most recent frames.

    Args:
        model: the network.
        grid: what its input size fixes.
        window: frames of the window.
        lookahead: frames that come before a frame is answered.
        kept: precision of what is kept, but for the camera tokens; None: the network's.
    """

    def __init__(
        self,
        model: GemDepth,
        grid: StreamGrid,
        window: int,
        lookahead: int = 0,
        kept: torch.dtype | None = None,
    ) -> None:
        config = model.config
        width, heads = config.encoder.width, config.heads // 2
        self._model, self._grid = model, grid
        self._window, self._lookahead = window, lookahead
        self._global = SlotCache(
            (1, heads, grid.tokens, width // heads), window, model.device, model.dtype, kept
        )
        in_stream = model.geometry.frame_block.norm1.weight.dtype  # poses need its digits
        self._camera_TC = empty(model, window, width, dtype=in_stream)
        self._level4_TLC = empty(model, window, grid.patches, width, dtype=kept)
        channels = config.out_channels[2]
        self._map3_TCHW = empty(model, window, channels, grid.rows, grid.columns, dtype=kept)
        self._fine_levels = empty(model, lookahead + 1, 2, grid.patches, width, dtype=kept)
        self._newest_fine = 0  # they are a ring
        self._order: list[int] = []  # buffer row of each slot
        self._numbers: list[int] = [0] * window  # frame in each row
        self._transient = False  # whether the newest frame leaves when the next one comes

    @property
    def nbytes(self) -> int:
        """Memory held for the stream [byte]."""
        buffers = (self._camera_TC, self._level4_TLC, self._map3_TCHW, self._fine_levels)
        return self._global.nbytes + sum(buffer.nbytes for buffer in buffers)

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
        self._fill(row, frame)
        target = len(self._order) - 1 - self._lookahead
        if target < 0:
            return None
        return self._evaluate(target)

    def _make_room(self, refresh_anchor: bool) -> int:
        """Free a buffer row for the newest frame and give it the last slot."""
        if self._transient:
            return self._order[-1]
        if len(self._order) < self._window:
            row = len(self._order)
        elif self._window == 1 or not refresh_anchor:
            row = self._order.pop(min(1, self._window - 1))
        else:
            row = self._order.pop(0)
            self._set_view(self._order[0], self._level4_TLC[self._order[0]][None], first=True)
        self._order.append(row)
        return row

    def _fill(self, row: int, frame: EncodedFrame) -> None:
        model, grid = self._model, self._grid
        level1, level2, level3, level4 = frame.levels
        self._level4_TLC[row] = level4[0]
        self._map3_TCHW[row] = model.head.level_map(2, level3, grid.rows, grid.columns)[0]
        self._newest_fine = (self._newest_fine + 1) % (self._lookahead + 1)
        fine = self._fine_levels[self._newest_fine]
        fine[0], fine[1] = level1[0], level2[0]
        self._set_view(row, level4, first=self._order[0] == row)

    def _set_view(self, row: int, patches_1LC: Tensor, *, first: bool) -> None:
        view = CameraView.of(self._model, self._grid, patches_1LC, first=first)
        self._camera_TC[row] = view.camera_1C[0]
        self._global.write(row, view.k_1NPH, view.v_1NPH)

    def _poses(self, row_of_slot: Tensor) -> Tensor:
        """Pose encodings of the window in slot order, [1, T, 9]."""
        model = self._model
        features_TD = model.geometry.camera_features(
            self._camera_TC[row_of_slot], *self._global.first(len(row_of_slot))
        )
        features_TD = features_TD.to(model.camera_head.embed_pose.weight.dtype)
        return activate(model.camera_head(features_TD[None])[-1])

    def _evaluate(self, target: int) -> EngineOutput:
        """Run the window for the frame in slot ``target``."""
        model, grid, rows = self._model, self._grid, self._order
        count = len(rows)
        row_of_slot = to_device(torch.tensor(rows), model.device)
        slot_of_row = row_of_slot.argsort()  # rows 0..count - 1 are all in use
        encodings_1T9 = self._poses(row_of_slot)

        pose_1TC = model.inject_pose(encodings_1T9)[:, slot_of_row]
        tokens = model.astt.embed(self._level4_TLC[None, :count], pose_1TC, slot_of_row)
        mixed_TLC = model.astt(tokens, grid.rows, grid.columns)[0]
        map4 = model.head.level_map(3, mixed_TLC, grid.rows, grid.columns)

        def mix(index: int, maps: Tensor) -> Tensor:
            only = rows[target] if index == len(model.head.motion_modules) - 1 else None
            return model.head.motion_modules[index].mix_window(maps, slot_of_row, only)

        map3 = self._map3_TCHW[:count].to(model.dtype)
        path3 = model.head.coarse(map3, map4, grid.rows, grid.columns, mix)
        level1, level2 = self._fine_levels[self._newest_fine - self._lookahead]  # wraps around
        disparity = model.head.fine(level1[None], level2[None], path3, grid.rows, grid.columns)
        numbers = tuple(self._numbers[row] for row in rows)
        return EngineOutput(numbers[target], disparity[0], numbers, encodings_1T9[0], target)
