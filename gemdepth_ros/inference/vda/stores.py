"""What one temporal attention keeps of earlier frames, in two forms with the same result.

Shape suffixes: S locations, N heads, H channels per head, C = N H, W frames of a window.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from gemdepth_ros.inference.vda.window import Past, VdaWindow
from gemdepth_ros.model.temporal_attention import HEADS, TemporalAttention


class WindowStore(Protocol):
    """Earlier frames of one attention, and the attention of a new one to them.

    The layer itself is given with every call: a store is state, and may be saved as such.
    """

    @property
    def nbytes(self) -> int:
        """Memory held [byte]."""

    def first(self, attention: TemporalAttention, hidden_S1C: Tensor) -> Tensor:
        """Start with a frame that sees itself alone, at position 0; return its part, [S, 1, C]."""

    def next(self, attention: TemporalAttention, hidden_S1C: Tensor) -> Tensor:
        """Attend from a new frame, at the last position, to the window, [S, 1, C].

        Called again before ``advance`` it replaces the newest frame.
        """

    def advance(self) -> None:
        """The newest frame becomes one of the past."""

    def pin_oldest(self) -> None:
        """Put the oldest unpinned frame of the window into the place of the first."""


class HiddenStates:
    """The published form: hidden states, whose keys and values are made anew for every frame."""

    def __init__(self, window: VdaWindow) -> None:
        self._past: Past[Tensor] = Past(window)
        self._past_has_newest = True
        self.newest_S1C: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Memory held [byte]; copies of one frame count once."""
        newest = [] if self.newest_S1C is None else [self.newest_S1C]
        return sum({id(state): state.nbytes for state in self._past.entries + newest}.values())

    def first(self, attention: TemporalAttention, hidden_S1C: Tensor) -> Tensor:
        """Start with a frame that sees itself alone."""
        self.newest_S1C, self._past_has_newest = hidden_S1C, True
        self._past.start(hidden_S1C)
        return attention(hidden_S1C, torch.zeros(1, dtype=torch.long))

    def next(self, attention: TemporalAttention, hidden_S1C: Tensor) -> Tensor:
        """Attend from the newest frame to the window."""
        self.newest_S1C, self._past_has_newest = hidden_S1C, False
        window_SWC = torch.cat([*self._past.seen(), hidden_S1C], dim=1)
        window_SWC = window_SWC + attention.positions(torch.arange(window_SWC.shape[1]))
        q = attention.heads(attention.to_q(window_SWC[:, -1:]))
        k, v = attention.to_k(window_SWC), attention.to_v(window_SWC)
        return attention.attend(q, attention.heads(k), attention.heads(v))

    def advance(self) -> None:
        """Keep the newest frame's state."""
        if self.newest_S1C is not None and not self._past_has_newest:
            self._past.add(self.newest_S1C)

    def pin_oldest(self) -> None:
        """Let the oldest state stand for the first."""
        self._past.pin_oldest()


class _Positions:
    """Projected positions of a window, for places in a ring: ``W (n + p) = W n + W p``."""

    def __init__(self, attention: TemporalAttention, window: VdaWindow) -> None:
        self._anchors, self._ring = window.anchors, window.length - window.anchors
        table = attention.positions(torch.arange(window.length))[None]
        q, k, v = (attention.heads(x)[0] for x in attention.project(table))
        self.q_N1H = q[:, -1:].contiguous()
        pair = torch.stack([k, v])
        # The ring's part twice over: every rotation of it is a slice.
        self._table_2NRH = torch.cat([pair, pair[:, :, window.anchors :]], dim=2)

    @property
    def nbytes(self) -> int:
        """Memory held [byte]."""
        return self.q_N1H.nbytes + self._table_2NRH.nbytes

    def of_places(self, steps: int) -> Tensor:
        """Keys and values of the position of every place, [2, N, W, H].

        Args:
            steps: number of the newest frame, which stands at the last position.
        """
        start = self._anchors + (-(steps + 1)) % self._ring
        rotated = self._table_2NRH[:, :, start : start + self._ring]
        return torch.cat([self._table_2NRH[:, :, : self._anchors], rotated], dim=2)

    @property
    def first_value_N1H(self) -> Tensor:
        """Value of the first position."""
        return self._table_2NRH[1, :, :1]


class ProjectedStates:
    """Our form: keys and values, projected once without a position, in a ring.

    Places of the buffer: the anchors, then a ring of the recent frames and the newest one. A
    frame that leaves the ring waits beside it until it is old enough for the second anchor.
    Nothing else is ever copied: which place has which position is an index.
    """

    def __init__(self, attention: TemporalAttention, window: VdaWindow, locations: int) -> None:
        self._window = window
        weight = attention.to_q.weight
        head = weight.shape[0] // HEADS

        def buffer(places: int) -> Tensor:
            shape = (2, locations, HEADS, places, head)
            return torch.zeros(shape, device=weight.device, dtype=weight.dtype)

        self._window_2SNWH = buffer(window.length)
        self._waiting_2SNWH = buffer(window.waiting)
        self._positions = _Positions(attention, window)
        self._steps = 0

    @property
    def nbytes(self) -> int:
        """Memory held [byte]."""
        return self._window_2SNWH.nbytes + self._waiting_2SNWH.nbytes + self._positions.nbytes

    def first(self, attention: TemporalAttention, hidden_S1C: Tensor) -> Tensor:
        """Start with a frame that sees itself alone: its value is what it attends to."""
        _, k, v = (attention.heads(x) for x in attention.project(hidden_S1C))
        pair = torch.stack([k, v])
        self._window_2SNWH.copy_(pair.expand_as(self._window_2SNWH))
        self._waiting_2SNWH.copy_(pair.expand_as(self._waiting_2SNWH))
        self._steps = 0
        value = v + self._positions.first_value_N1H
        return attention.to_out(value.transpose(1, 2).flatten(2))

    def next(self, attention: TemporalAttention, hidden_S1C: Tensor) -> Tensor:
        """Attend from the newest frame to the window."""
        q, k, v = (attention.heads(x) for x in attention.project(hidden_S1C))
        place = self._place(self._steps)
        self._window_2SNWH[0, :, :, place] = k[:, :, 0]
        self._window_2SNWH[1, :, :, place] = v[:, :, 0]
        mixed_SN1H = self._mix(q + self._positions.q_N1H)
        return attention.to_out(mixed_SN1H.transpose(1, 2).flatten(2))

    def _mix(self, q_SN1H: Tensor) -> Tensor:
        """Softmax attention to the window; positions are added to scores and to the result."""
        keys, values = self._window_2SNWH
        k_NWH, v_NWH = self._positions.of_places(self._steps)
        q_SN1H = q_SN1H * q_SN1H.shape[-1] ** -0.5
        by_position_NSW = q_SN1H[:, :, 0].transpose(0, 1) @ k_NWH.transpose(-1, -2)
        scores_SN1W = q_SN1H @ keys.transpose(-1, -2)
        weights = (scores_SN1W + by_position_NSW.transpose(0, 1)[:, :, None]).softmax(-1)
        of_positions_NSH = weights[:, :, 0].transpose(0, 1) @ v_NWH
        return weights @ values + of_positions_NSH.transpose(0, 1)[:, :, None]

    def advance(self) -> None:
        """Free the place of the oldest recent frame for the next one."""
        self._steps += 1
        window, place = self._window, self._place(self._steps)
        leaving = self._window_2SNWH[:, :, :, place]
        if window.anchors < 2:
            return
        if window.waiting:
            longest = self._steps % window.waiting
            self._window_2SNWH[:, :, :, 1] = self._waiting_2SNWH[:, :, :, longest]
            self._waiting_2SNWH[:, :, :, longest] = leaving
        else:
            self._window_2SNWH[:, :, :, 1] = leaving

    def pin_oldest(self) -> None:
        """Let the second anchor, or else the oldest recent frame, stand for the first."""
        window = self._window
        oldest = 1 if window.anchors == 2 else self._place(self._steps - window.recent)
        self._window_2SNWH[:, :, :, 0] = self._window_2SNWH[:, :, :, oldest]

    def _place(self, step: int) -> int:
        """Place of the frame of a step that is in the ring."""
        anchors = self._window.anchors
        return anchors + step % (self._window.length - anchors)
