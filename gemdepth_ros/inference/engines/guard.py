"""A backend is believed after it was right: its first frames are computed by eager as well."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from gemdepth_ros.errors import GemDepthError
from gemdepth_ros.inference.causal_segment import CausalSegment
from gemdepth_ros.inference.encoded import EncodedFrame, StreamGrid
from gemdepth_ros.inference.engines.backends import StepBackend
from gemdepth_ros.inference.engines.parity import (
    SlotContents,
    eager_step,
    largest,
    relative_distance,
)
from gemdepth_ros.model import GemDepth

# Largest relative L2 distance from eager. An engine that is wrong is wrong by far; TF32, which
# some libraries take for float32, is not.
FLOAT32_TOLERANCE = 2e-3
HALF_TOLERANCE = 3e-2
EAGER_GOES_ON = 'eager goes on'
Result = TypeVar('Result')

logger = logging.getLogger(__name__)


def default_tolerance(*precisions: torch.dtype) -> float:
    """Return the largest distance that rounding in the coarsest of some precisions explains."""
    half = any(dtype.itemsize < torch.float32.itemsize for dtype in precisions)
    return HALF_TOLERANCE if half else FLOAT32_TOLERANCE


def one_line(error: Exception) -> str:
    """Return what an exception says, in one line; our own need not name their kind."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else 'no text'
    return text if isinstance(error, GemDepthError) else f'{type(error).__name__}: {text}'


@dataclass(eq=False)
class MadeBackend:
    """A backend that several streams may use, until one of them finds it wrong.

    Attributes:
        wanted: name in the configuration.
        backend: None when it could not be made.
        fault: why it is not used; empty while it is.
    """

    wanted: str
    backend: StepBackend | None = None
    fault: str = ''

    def refuse(self, reason: str) -> None:
        """Use it no more, for any stream, and say so once."""
        self.backend = None
        self.fault = f'streaming.backend {self.wanted} is refused: {reason}; {EAGER_GOES_ON}'
        logger.error(self.fault)


class GuardedStep:
    """The answered step of one causal stream, by a backend or by eager.

    Args:
        model: the network.
        grid: of the stream's input size.
        made: the backend.
        frames: answered frames at the stream's beginning that eager computes as well; what eager
            gives is what is answered then. So is the first one in every segment's memory, which
            some backends prepare by itself.
        tolerance: largest relative L2 distance of disparity, pose, keys, values and encoder; 0:
            what the precision of the network, and of what it keeps, explains.
    """

    def __init__(
        self,
        model: GemDepth,
        grid: StreamGrid,
        made: MadeBackend,
        frames: int,
        tolerance: float,
    ) -> None:
        self._model, self._grid, self._made = model, grid, made
        self._frames = frames
        self._tolerance = tolerance or default_tolerance(model.dtype)
        self._automatic = not tolerance
        self.restart()

    def restart(self) -> None:
        """Be as careful as at the beginning of a stream."""
        self._unchecked = self._frames
        self._seen: weakref.WeakSet[CausalSegment] = weakref.WeakSet()

    @property
    def active(self) -> bool:
        """Whether there is a backend that was not refused."""
        return self._made.backend is not None

    @property
    def name(self) -> str:
        """What computes the answered steps."""
        return self._made.backend.name if self._made.backend else 'eager'

    @property
    def fault(self) -> str:
        """Why the backend is not used; empty while it is."""
        return self._made.fault

    def prepare(self, segment: CausalSegment) -> None:
        """Do what the backend has to do once for an empty segment."""
        if self._automatic:
            kept = (store.tensors[0].dtype for store in segment.stores)
            self._tolerance = default_tolerance(self._model.dtype, *kept)
        if self._made.backend:
            self._run(self._made.backend.prepare, segment)

    def encode(self, image_13HW: Tensor) -> list[Tensor]:
        """Encode one frame: four levels, each [1, L, C]."""
        backend = self._made.backend
        levels = self._run(backend.encode, image_13HW) if backend else None
        if levels is not None and not self._unchecked:
            return levels
        expected = self._model.encode(image_13HW, self._grid.encoder_positions_1LC)
        if levels is not None:
            pairs = zip(levels, expected, strict=True)
            self._judge({'encoder': largest([relative_distance(a, b) for a, b in pairs])})
        return expected

    def step(self, segment: CausalSegment, frame: EncodedFrame, slot: int) -> Tensor:
        """Put a frame into a slot of a segment and return its disparity [H, W]."""
        segment.place(frame.number, slot)
        backend = self._made.backend
        disparity = self._run(backend.step, segment, frame, slot) if backend else None
        known = segment in self._seen
        self._seen.add(segment)
        if disparity is not None and known and not self._unchecked:
            return disparity
        mine = SlotContents.of(segment, slot) if disparity is not None else None
        # Last, so that the slot holds what eager put there.
        expected = eager_step(self._model, self._grid, segment, frame, slot)
        if disparity is not None and mine is not None:
            distances = mine.distances(SlotContents.of(segment, slot))
            self._judge({'disparity': relative_distance(disparity, expected), **distances})
            self._unchecked = max(self._unchecked - 1, 0)
        return expected

    def _run(self, work: Callable[..., Result], *arguments: object) -> Result | None:
        """Return what the backend gives, or None when it fails and is refused."""
        try:
            return work(*arguments)
        except Exception as error:  # noqa: BLE001 -- compilers and runtimes raise anything
            self._made.refuse(one_line(error))
            return None

    def _judge(self, distances: dict[str, float]) -> None:
        """Refuse the backend when one of its results is too far from eager's, or no number."""
        wrong = [
            f'{name} by {distance:.2g}'
            for name, distance in distances.items()
            if not distance <= self._tolerance
        ]
        if wrong and self.active:
            self._made.refuse(
                f'it differs from eager in {", ".join(wrong)}, more than {self._tolerance:g}'
            )
