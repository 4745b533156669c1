"""Every way of running a network over frames, brought to its steady state and ready to time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import cast

import numpy as np
import torch
from torch import Tensor

from gemdepth_ros.cli.benchmark.cases import EAGER, STREAM_MODES, Case
from gemdepth_ros.cli.benchmark.pictures import Pictures
from gemdepth_ros.errors import EngineError
from gemdepth_ros.inference import StreamingConfig, StreamSession, WindowConfig, WindowedPredictor
from gemdepth_ros.inference.config import Backend, StreamMode
from gemdepth_ros.inference.preprocessing import preprocess
from gemdepth_ros.inference.stitching import Stitcher, next_window
from gemdepth_ros.interfaces import Float32Array, UInt8Array, VideoFrame
from gemdepth_ros.model import DepthNetwork
from gemdepth_ros.model.dpt_head import resize

FRAME_NS = 100_000_000


class Form:
    """One case, ready to be timed.

    Attributes:
        frames: new frames per call.
    """

    def __init__(
        self, work: Callable[[], None], frames: int = 1, held_bytes: Callable[[], int] = int
    ) -> None:
        self.frames = frames
        self._work, self._held_bytes = work, held_bytes

    def __call__(self) -> None:
        """Process the next frames; their results are in the host's memory when it returns."""
        self._work()

    @property
    def held_bytes(self) -> int:
        """Memory that a stream holds between frames [byte]; 0 where nothing is held."""
        return self._held_bytes()


class Stream:
    """A stream of one case, from its first frame on."""

    def __init__(self, model: DepthNetwork, case: Case) -> None:
        self._pictures = Pictures(case.size)
        config = StreamingConfig(
            mode=cast(StreamMode, case.mode),
            window=case.window,
            input_size=self._pictures.input_size,
            backend=cast(Backend, case.backend),
        )
        self._session = StreamSession(model, config)
        checked = 0 if case.backend == EAGER else config.backend_check_frames
        self._steady = max(case.window, checked) + 1
        self._number = 0

    def step(self) -> None:
        """Answer the next frame."""
        image = self._pictures[self._number]
        self._number += 1
        output = self._session.step(VideoFrame(image, self._number * FRAME_NS))
        assert output is not None  # without lookahead
        output.disparity_HW.cpu()

    def fill(self) -> Form:
        """Fill the first window, which warms everything up, and return the steady state.

        Raises:
            EngineError: the backend was refused; what follows would be timed in eager.
        """
        for _ in range(self._steady):
            self.step()
        if self._session.backend_fault:
            raise EngineError(self._session.backend_fault)
        return Form(self.step, held_bytes=lambda: self._session.nbytes)


def prepare(model: DepthNetwork, case: Case) -> Form:
    """Bring one case to where every further call costs the same."""
    if case.mode in STREAM_MODES:
        return Stream(model, case).fill()
    pictures = Pictures(case.size)
    if case.mode == 'dense':
        return _dense(model, case, pictures)
    return _offline(model, case, pictures)


def _offline(model: DepthNetwork, case: Case, pictures: Pictures) -> Form:
    config = WindowConfig.preset(case.window)
    if case.mode == 'offline':
        predictor = WindowedPredictor(model, config)
        results: Iterator[object] = predictor.stream(pictures.endless(), pictures.input_size)
    else:
        results = _plain_windows(model, pictures, case.size, config)

    def window() -> None:
        # A window's first result makes the network run; the others wait with it.
        for _ in islice(results, config.step):
            pass

    for _ in islice(results, config.length - config.blend):  # what the first window completes
        pass
    return Form(window, config.step)


def _dense(model: DepthNetwork, case: Case, pictures: Pictures) -> Form:
    """Re-run the whole window for each new frame; the others are on the device already."""
    clip = np.stack([preprocess(pictures[i], case.size) for i in range(case.window)])
    images_1TCHW = torch.from_numpy(clip)[None].to(model.device)
    number = case.window

    @torch.inference_mode()
    def step() -> None:
        nonlocal number
        newest = torch.from_numpy(preprocess(pictures[number], case.size))
        images_1TCHW[0, -1] = newest.to(model.device)
        maps_of(model, images_1TCHW)[-1].cpu()
        number += 1

    step()
    return Form(step)


def _plain_windows(
    model: DepthNetwork, pictures: Pictures, size: tuple[int, int], config: WindowConfig
) -> Iterator[object]:
    """The published procedure as it stands: nothing is kept between windows, one head call."""
    stitcher = Stitcher(config)
    window = list(range(config.length))
    while True:
        maps = _plain_window(model, [pictures[i] for i in window], size)
        yield from stitcher.add(maps)
        window = next_window(window, config)


@torch.inference_mode()
def _plain_window(
    model: DepthNetwork, images: list[UInt8Array], size: tuple[int, int]
) -> Float32Array:
    clip = torch.from_numpy(np.stack([preprocess(image, size) for image in images]))
    maps = maps_of(model, clip[None].to(model.device), chunk=len(images))
    height, width = images[0].shape[:2]
    result: Float32Array = resize(maps[None], (height, width))[0].cpu().numpy()
    return result


def maps_of(model: DepthNetwork, images_1TCHW: Tensor, chunk: int = 4) -> Tensor:
    """Maps of a clip, [T, H, W], whichever family the network is of."""
    output = model(images_1TCHW, chunk=chunk)
    maps: Tensor = output.maps_BTHW if hasattr(output, 'maps_BTHW') else output.disparity_BTHW
    return maps[0]
