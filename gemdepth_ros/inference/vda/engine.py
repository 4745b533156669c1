"""``causal`` and ``published_stream`` for Video Depth Anything: each frame is computed once.

Both see the same window and give the same maps. ``published_stream`` is what the authors
published: it keeps hidden states, projects the whole window anew for every frame, and pins the
video's first frame for ever. ``causal`` keeps what was projected and lets an old anchor go.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from gemdepth_ros.inference.alignment import IDENTITY, SeamAligner
from gemdepth_ros.inference.encoded import EncodedFrame, EngineOutput, PatchGrid
from gemdepth_ros.inference.vda.stores import HiddenStates, ProjectedStates, WindowStore
from gemdepth_ros.inference.vda.window import Past, VdaWindow
from gemdepth_ros.model import VideoDepthAnything
from gemdepth_ros.model.temporal_attention import MotionModule, TemporalAttention

Attend = Callable[[WindowStore, TemporalAttention, Tensor], Tensor]


class VdaStreamEngine:
    """One stream.

    Args:
        model: the network.
        grid: of its input.
        window: frames per window, 1..32; 32 is the published one.
        alignment_memory: kept frames over which the scale and shift that bridge a change of the
            anchor decay.
        published: keep hidden states, and the first frame for ever.
    """

    def __init__(
        self,
        model: VideoDepthAnything,
        grid: PatchGrid,
        window: int,
        alignment_memory: int,
        *,
        published: bool = False,
    ) -> None:
        self._model, self._grid = model, grid
        self._window = VdaWindow.of(window)
        self._memory = alignment_memory
        self._published = published
        sizes = grid.motion_locations
        self.stores: list[list[WindowStore]] = [
            [self._store(module, index, locations) for index in range(len(module.attentions))]
            for module, locations in zip(model.head.motion_modules, sizes, strict=True)
        ]
        self._numbers: Past[int] = Past(self._window)
        self._started = False
        self._transient = False  # whether the newest frame leaves when the next one comes
        self._pending: int | None = None  # the newest frame, unless its copies are there already
        self._affine = IDENTITY
        self._segment = 0

    def _store(self, module: MotionModule, index: int, locations: int) -> WindowStore:
        attention = module.attentions[index]
        if self._published:
            return HiddenStates(self._window)
        return ProjectedStates(attention, self._window, locations)

    @property
    def nbytes(self) -> int:
        """Memory held for the stream [byte]; the published form's grows over its first frames."""
        return sum(store.nbytes for of_module in self.stores for store in of_module)

    @property
    def anchor(self) -> int | None:
        """Number of the pinned frame; None where it is never exchanged."""
        if self._published or not self._numbers.entries:
            return None
        return self._numbers.entries[0]

    @property
    def window_numbers(self) -> tuple[int, ...]:
        """Frames that the newest one sees besides itself, in the order of their positions."""
        return tuple(self._numbers.seen())

    @property
    def kept_frames(self) -> int:
        """Past frames of which something is kept, the newest one included; copies count."""
        pending = self._pending is not None and not self._transient
        return min(len(self._numbers.entries) + pending, self._window.kept)

    def step(
        self, frame: EncodedFrame, *, keep: bool = True, refresh_anchor: bool = False
    ) -> EngineOutput:
        """Take the next frame and answer it.

        Args:
            frame: the new frame.
            keep: whether later frames may see it; the first one is kept in any case.
            refresh_anchor: whether the oldest frame of the window becomes the pinned one.
        """
        if self._started:
            raw = self._next(frame, refresh_anchor=refresh_anchor)
            self._transient, self._pending = not keep, frame.number
            if keep:
                self._affine = self._affine.relaxed(self._memory)
        else:
            self._started = True
            self._numbers.start(frame.number)
            raw = self._decode(frame, _attend_first)
        numbers = tuple(dict.fromkeys((*self.window_numbers, frame.number)))
        return EngineOutput(
            frame.number,
            self._affine(raw),
            numbers,
            None,
            len(numbers) - 1,
            self._segment,
            self._affine.scale,
            self._affine.shift,
        )

    def _next(self, frame: EncodedFrame, *, refresh_anchor: bool) -> Tensor:
        """Answer a frame that has a past."""
        if not self._transient:
            self._advance()
        can_refresh = refresh_anchor and not self._published and len(self._numbers.entries) > 1
        if can_refresh and self._model.config.metric:
            self._pin_oldest()
        raw = self._decode(frame, _attend)
        if not can_refresh or self._model.config.metric:
            return raw
        # Seen from another anchor the scene has another scale: this frame says which.
        present = self._affine(raw)
        self._pin_oldest()
        raw = self._decode(frame, _attend)
        self._affine = SeamAligner().add(raw, present, self._affine)
        return raw

    def _advance(self) -> None:
        """The newest frame becomes one of the past."""
        if self._pending is not None:
            self._numbers.add(self._pending)
        for of_module in self.stores:
            for store in of_module:
                store.advance()

    def _pin_oldest(self) -> None:
        self._numbers.pin_oldest()
        for of_module in self.stores:
            for store in of_module:
                store.pin_oldest()
        self._segment += 1

    def _decode(self, frame: EncodedFrame, attend: Attend) -> Tensor:
        """Run the head on one frame; ``attend`` says how it looks at the others."""
        head, grid = self._model.head, self._grid

        def mix(index: int, maps_1CHW: Tensor) -> Tensor:
            module = head.motion_modules[index]
            tokens_S1C = module.enter(maps_1CHW).transpose(0, 1)
            layers = zip(
                self.stores[index], module.attentions, module.attention_norms, strict=True
            )
            for store, attention, norm in layers:
                tokens_S1C = tokens_S1C + attend(store, attention, norm(tokens_S1C))
            return module.leave(maps_1CHW, tokens_S1C.transpose(0, 1))

        level1, level2, level3, level4 = frame.levels
        map3 = head.level_map(2, level3, grid.rows, grid.columns)
        map4 = head.level_map(3, level4, grid.rows, grid.columns)
        path3 = head.coarse(map3, map4, grid.rows, grid.columns, mix)
        return head.fine(level1, level2, path3, grid.rows, grid.columns)[0]


def _attend_first(store: WindowStore, attention: TemporalAttention, hidden_S1C: Tensor) -> Tensor:
    return store.first(attention, hidden_S1C)


def _attend(store: WindowStore, attention: TemporalAttention, hidden_S1C: Tensor) -> Tensor:
    return store.next(attention, hidden_S1C)
