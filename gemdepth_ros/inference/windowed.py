"""Offline inference over overlapping windows: the published procedure, frame by frame.

Every frame is preprocessed and encoded once. Memory does not grow with the video: one window of
frames, its encoder levels and its maps are held at any time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from gemdepth_ros.errors import ConfigError, InferenceError
from gemdepth_ros.inference.config import WindowAlignment, WindowConfig
from gemdepth_ros.inference.preprocessing import network_size, preprocess
from gemdepth_ros.inference.stitching import ANCHOR_SLOTS, Stitcher, next_window
from gemdepth_ros.interfaces import Float32Array, Float64Array, UInt8Array
from gemdepth_ros.model import DepthNetwork, VideoDepthAnything, is_metric
from gemdepth_ros.model.dpt_head import resize
from gemdepth_ros.model.gemdepth import grid_size
from gemdepth_ros.model.vda import NEAREST_M

logger = logging.getLogger(__name__)

ENCODE_CHUNK = 4  # frames that the encoder sees at once


@dataclass(frozen=True, eq=False)
class WindowedFrame:
    """Offline result of one frame.

    Attributes:
        index: number of the frame in the video.
        disparity: affine-invariant disparity at the frame's size, float32 [H, W]; inverse depth
            [1/m] where the network is metric.
        camera_from_world: float64 [4, 4]; windows are not chained, as published. NaN where the
            network predicts no poses.
        intrinsics: camera matrix from the predicted field of view, float64 [3, 3], frame pixels;
            NaN likewise.
        window: number of the window that the pose and intrinsics come from.
        depth_m: what a metric network gives, float32 [H, W] [m]; None for any other.
    """

    index: int
    disparity: Float32Array
    camera_from_world: Float64Array
    intrinsics: Float64Array
    window: int
    depth_m: Float32Array | None = None


@dataclass(frozen=True, eq=False)
class WindowedResult:
    """Offline result of a whole video; see ``WindowedFrame`` for units.

    Attributes:
        disparity_THW: float32 [T, H, W].
        camera_from_world: float64 [T, 4, 4].
        intrinsics: float64 [T, 3, 3].
        depth_m_THW: float32 [T, H, W]; None unless the network is metric.
    """

    disparity_THW: Float32Array
    camera_from_world: Float64Array
    intrinsics: Float64Array
    depth_m_THW: Float32Array | None = None


@dataclass(frozen=True, eq=False)
class _Window:
    """Raw network output for one window, at the frame's size."""

    maps: Float32Array
    camera_from_world: Float64Array
    intrinsics: Float64Array


class WindowedPredictor:
    """Runs a network over a video in overlapping windows."""

    def __init__(self, model: DepthNetwork, config: WindowConfig | None = None) -> None:
        self._model = model
        self._config = config or WindowConfig()
        self._metric = is_metric(model)

    def predict(self, frames_THWC: UInt8Array, input_size: int = 518) -> WindowedResult:
        """Run on a whole video of RGB frames, uint8 [T, H, W, 3], held in memory.

        Raises:
            ConfigError: the video is empty.
        """
        frames = list(self.stream(frames_THWC, input_size))
        if not frames:
            raise ConfigError('the video has no frames')
        return WindowedResult(
            np.stack([f.disparity for f in frames]),
            np.stack([f.camera_from_world for f in frames]),
            np.stack([f.intrinsics for f in frames]),
            np.stack([f.depth_m for f in frames if f.depth_m is not None])
            if self._metric
            else None,
        )

    def stream(
        self, frames: Iterable[UInt8Array], input_size: int = 518
    ) -> Iterator[WindowedFrame]:
        """Run on an iterable of RGB frames, each uint8 [H, W, 3]; yield results in order.

        Results come ``step`` at a time, after the window that completes them.

        Raises:
            ConfigError: a frame's size differs from the first one's.
            InferenceError: the network's output is not finite.
        """
        config = self._config
        source = _Source(iter(frames), self._model, input_size)
        stitcher = Stitcher(config, self._alignment())
        window = list(range(config.length))
        number = 0
        previous: _Window | None = None
        while source.has(number * config.step):
            raw = self._run(source, window)
            final = stitcher.add(raw.maps)
            _report_fit(stitcher, number)
            start = 0 if number == 0 else number * config.step + ANCHOR_SLOTS
            yield from self._results(final, start, source.count, number, raw, window)
            previous = raw
            last_window, last_number = window, number
            source.keep({window[slot] for slot in config.key_slots})
            window = next_window(window, config)
            number += 1
        if previous is not None:
            start = last_number * config.step + config.length - config.blend
            yield from self._results(
                stitcher.finish(), start, source.count, last_number, previous, last_window
            )

    def _alignment(self) -> WindowAlignment:
        """How windows are aligned, where the configuration leaves it to the network."""
        if self._config.alignment != 'auto':
            return self._config.alignment
        if self._metric:
            return 'none'
        return 'checked' if isinstance(self._model, VideoDepthAnything) else 'published'

    @torch.inference_mode()
    def _run(self, source: _Source, window: list[int]) -> _Window:
        """Run the network on one window; frames beyond the end repeat the last one."""
        levels, frame_size, input_size = source.levels(window)
        rows, columns = grid_size(*input_size)
        maps_THW, poses_T44, intrinsics_T33 = _decode(self._model, levels, rows, columns)
        maps_THW = resize(maps_THW[None], frame_size)[0]
        finite = torch.isfinite(maps_THW).all()
        if poses_T44 is not None:
            finite &= torch.isfinite(poses_T44).all()
        if not bool(finite):
            raise InferenceError(
                f'the network gave NaN or infinity for frames {window[0]}..{window[-1]}: '
                'check the weights, or use float32'
            )
        maps = maps_THW.cpu().numpy()
        if poses_T44 is None or intrinsics_T33 is None:
            count = len(maps)
            return _Window(maps, np.full((count, 4, 4), np.nan), np.full((count, 3, 3), np.nan))
        intrinsics = intrinsics_T33.double().cpu().numpy()
        intrinsics[:, 0] *= frame_size[1] / input_size[1]
        intrinsics[:, 1] *= frame_size[0] / input_size[0]
        return _Window(maps, poses_T44.double().cpu().numpy(), intrinsics)

    def _results(
        self,
        maps: Float32Array,
        start: int,
        count: int,
        number: int,
        raw: _Window,
        window: list[int],
    ) -> Iterator[WindowedFrame]:
        """Pair final maps with the poses of the window they came with, up to the video's end."""
        slot_of = {frame: slot for slot, frame in enumerate(window)}
        for offset, map_HW in enumerate(maps[: max(count - start, 0)]):
            slot = slot_of[start + offset]
            yield WindowedFrame(
                start + offset,
                1 / np.maximum(map_HW, np.float32(NEAREST_M)) if self._metric else map_HW,
                raw.camera_from_world[slot],
                raw.intrinsics[slot],
                number,
                map_HW if self._metric else None,
            )


def _decode(
    model: DepthNetwork, levels: list[Tensor], rows: int, columns: int
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Maps [T, H, W], and poses [T, 4, 4] and intrinsics [T, 3, 3] where the network has them."""
    if isinstance(model, VideoDepthAnything):
        return model.decode(levels, 1, rows, columns).maps_BTHW[0], None, None
    output = model.decode(levels, 1, rows, columns, camera_only=True)
    return output.disparity_BTHW[0], output.camera_from_world[0], output.intrinsics[0]


def _report_fit(stitcher: Stitcher, number: int) -> None:
    """Warn of a window that did not join as it should."""
    if stitcher.refused:
        logger.warning(
            'window %d does not fit the one before it (inverted or flat): former scale kept',
            number,
        )
    elif stitcher.last_fit[0] <= 0:
        # Reproduced all the same: this mode is the published one to the last rounding.
        logger.warning(
            'window %d joins with scale %.3g: disparity is inverted or flat there',
            number,
            stitcher.last_fit[0],
        )


class _Source:
    """Reads frames on demand and keeps the encoder levels that windows still need."""

    def __init__(self, frames: Iterator[UInt8Array], model: DepthNetwork, input_size: int) -> None:
        self._frames = frames
        self._model = model
        self._input_size = input_size
        self._frame_size: tuple[int, int] | None = None
        self._network_size = (0, 0)
        self._waiting: list[UInt8Array] = []  # read but not encoded
        self._levels: dict[int, list[Tensor]] = {}
        self.count = 0  # frames read so far

    def has(self, index: int) -> bool:
        """Whether the video has a frame of this number; reads up to it."""
        self._read(index + 1 - self.count)
        return index < self.count

    def keep(self, indices: set[int]) -> None:
        """Forget the levels of all frames but these, and but the last (it pads the end)."""
        kept = indices | {self._encoded() - 1}
        # Cloned, because a frame's levels are a view that would hold its whole encoder batch.
        self._levels = {
            i: [level.clone() for level in self._levels[i]] for i in kept if i in self._levels
        }

    def levels(self, window: list[int]) -> tuple[list[Tensor], tuple[int, int], tuple[int, int]]:
        """Return the four encoder levels of a window, the frame's size and the network's."""
        self._read(window[-1] + 1 - self.count)
        while self._waiting:
            self._encode(self._waiting[:ENCODE_CHUNK])
            del self._waiting[:ENCODE_CHUNK]
        frames = [self._levels[min(index, self.count - 1)] for index in window]
        assert self._frame_size is not None
        levels = [torch.stack(level) for level in zip(*frames, strict=True)]
        return levels, self._frame_size, self._network_size

    def _encoded(self) -> int:
        return self.count - len(self._waiting)

    def _read(self, number: int) -> None:
        for frame in islice(self._frames, max(number, 0)):
            height, width = frame.shape[:2]
            if self._frame_size is None:
                self._frame_size = (height, width)
                self._network_size = network_size(height, width, self._input_size)
            elif self._frame_size != (height, width):
                raise ConfigError(
                    f'frame {self.count} is {width}x{height}, the first one was '
                    f'{self._frame_size[1]}x{self._frame_size[0]}: split the video'
                )
            self._waiting.append(frame)
            self.count += 1

    def _encode(self, frames: list[UInt8Array]) -> None:
        first = self._encoded()
        images = np.stack([preprocess(frame, self._network_size) for frame in frames])
        levels = self._model.encode(torch.from_numpy(images).to(self._model.device))
        for offset in range(len(frames)):
            self._levels[first + offset] = [level[offset] for level in levels]
