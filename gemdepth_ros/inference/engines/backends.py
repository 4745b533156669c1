"""The ways to run the step of constant shapes: compiled, captured, in ONNX Runtime."""

from __future__ import annotations

import os
import shutil
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from gemdepth_ros.errors import EngineError
from gemdepth_ros.inference.causal_segment import CausalSegment
from gemdepth_ros.inference.encoded import EncodedFrame, StreamGrid
from gemdepth_ros.inference.engines.graphs import (
    LEVEL_NAMES,
    cache_names,
    cache_tensors,
    step_inputs,
)
from gemdepth_ros.inference.engines.manifest import ENCODER_FILE, STEP_FILE
from gemdepth_ros.inference.engines.onnx_program import OnnxProgram, Provider
from gemdepth_ros.inference.static_step import StaticEncoder, StaticStep
from gemdepth_ros.model import GemDepth
from gemdepth_ros.model.config import PATCH_SIZE

COMPILERS = ('c++', 'g++', 'clang++')
CAPTURE_REHEARSALS = 3  # libraries choose their kernels and allocate in the first runs


class StepBackend(Protocol):
    """A form of the network's causal step, for one input size and window."""

    @property
    def name(self) -> str:
        """What it is, for logs."""

    def prepare(self, segment: CausalSegment) -> None:
        """Do what is to be done once for an empty segment, before its first frame comes."""

    def encode(self, image_13HW: Tensor) -> list[Tensor]:
        """Encode one frame: four levels, each [1, L, C]."""

    def step(self, segment: CausalSegment, frame: EncodedFrame, slot: int) -> Tensor:
        """Put a frame into a slot of a segment and return its disparity [H, W].

        Writes the slot's pose encoding, keys and values; later slots may hold anything.
        """


def _slot_on(device: torch.device, slot: int) -> Tensor:
    """The slot's number on a device, int64 [1]; not a copy from the host, which is waited for."""
    return torch.full((1,), slot, dtype=torch.int64, device=device)


class CompiledBackend:
    """``torch.compile``: fused kernels, made when the first frame comes.

    Raises:
        EngineError: there is no C++ compiler, which it needs.
    """

    def __init__(self, model: GemDepth, grid: StreamGrid, window: int) -> None:
        check_compiler(model.device)
        encoder = StaticEncoder(model, grid)
        step = StaticStep(model, grid, window, in_place=True)
        self._encode: Callable[..., Any] = torch.compile(encoder, fullgraph=True, dynamic=False)
        self._step: Callable[..., Any] = torch.compile(step, fullgraph=True, dynamic=False)
        self.name = 'compile'

    def prepare(self, segment: CausalSegment) -> None:
        """Nothing: one graph serves all segments."""

    def encode(self, image_13HW: Tensor) -> list[Tensor]:
        """Encode one frame."""
        return list(self._encode(image_13HW))

    def step(self, segment: CausalSegment, frame: EncodedFrame, slot: int) -> Tensor:
        """Put a frame into a slot of a segment and return its disparity."""
        slot_1 = _slot_on(segment.all_encodings_1T9.device, slot)
        kept = (segment.all_encodings_1T9, *cache_tensors(segment))
        disparity: Tensor = self._step(list(frame.levels), slot_1, *kept)[0]
        return disparity[0]


def check_compiler(device: torch.device) -> None:
    """Raise EngineError unless ``torch.compile`` finds what it needs on this machine."""
    chosen = os.environ.get('CXX', '')
    if device.type == 'cpu' and not any(map(shutil.which, filter(None, (chosen, *COMPILERS)))):
        raise EngineError(
            'it needs a C++ compiler and there is none here: install one '
            '(apt install g++), or name it in CXX'
        )


@dataclass(frozen=True, eq=False)
class _Capture:
    """A captured graph, and the tensors through which it is fed and read."""

    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def replay(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Run on other inputs; the next run leaves what is returned alone."""
        for mine, given in zip(self.inputs, inputs, strict=True):
            mine.copy_(given, non_blocking=True)
        self.graph.replay()
        return [output.clone() for output in self.outputs]


def _capture(run: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor]) -> _Capture:
    """Record what ``run`` does on the device; it must give the same when it is repeated."""
    staged = tuple(tensor.clone() for tensor in inputs)
    with torch.cuda.device(staged[0].device):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(CAPTURE_REHEARSALS):
                run(*staged)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # Other threads, of other cameras or of ROS, may allocate meanwhile.
        with torch.cuda.graph(graph, capture_error_mode='thread_local'):
            outputs = tuple(run(*staged))
    return _Capture(graph, staged, outputs)


class CudaGraphBackend:
    """The eager kernels, launched by the GPU itself: they are many and short.

    A graph is bound to the addresses of the stores, so every segment has its own.

    Raises:
        EngineError: the network is not on a CUDA device.
    """

    def __init__(self, model: GemDepth, grid: StreamGrid, window: int) -> None:
        if model.device.type != 'cuda':
            raise EngineError(f'it needs a CUDA device, the network is on {model.device}')
        self._encoder = StaticEncoder(model, grid)
        self._static = StaticStep(model, grid, window, in_place=True)
        height, width = grid.rows * PATCH_SIZE, grid.columns * PATCH_SIZE
        self._image = torch.zeros(1, 3, height, width, device=model.device)
        self._encoding: _Capture | None = None
        self._steps: weakref.WeakKeyDictionary[CausalSegment, _Capture] = (
            weakref.WeakKeyDictionary()
        )
        self.name = 'cudagraph'

    def prepare(self, segment: CausalSegment) -> None:
        """Capture the encoder, and the step for a segment."""
        slot_1 = torch.zeros(1, dtype=torch.int64, device=self._image.device)
        inputs = (*self.encode(self._image), slot_1)
        self._steps[segment] = self._capture_step(segment, inputs)

    def encode(self, image_13HW: Tensor) -> list[Tensor]:
        """Encode one frame."""
        if self._encoding is None:
            self._encoding = _capture(self._encoder, (image_13HW,))
        return self._encoding.replay((image_13HW,))

    def step(self, segment: CausalSegment, frame: EncodedFrame, slot: int) -> Tensor:
        """Put a frame into a slot of a segment and return its disparity."""
        slot_1 = _slot_on(segment.all_encodings_1T9.device, slot)
        inputs = (*frame.levels, slot_1)
        return self._steps[segment].replay(inputs)[0][0]

    def _capture_step(self, segment: CausalSegment, inputs: Sequence[Tensor]) -> _Capture:
        # Not the segment itself, or it would never be freed.
        kept = (segment.all_encodings_1T9, *cache_tensors(segment))

        def run(l1: Tensor, l2: Tensor, l3: Tensor, l4: Tensor, slot: Tensor) -> list[Tensor]:
            return [self._static((l1, l2, l3, l4), slot, *kept)[0]]

        return _capture(run, inputs)


class OnnxBackend:
    """Exported graphs in ONNX Runtime, by the best of the given providers.

    Args:
        model: the network they were exported from.
        folder: with the files.
        providers: to be used, best first.

    Raises:
        EngineError: they cannot be loaded.
        DependencyError: ONNX Runtime is not installed.
    """

    def __init__(self, model: GemDepth, folder: Path, providers: Sequence[Provider]) -> None:
        self._step = OnnxProgram(folder / STEP_FILE, providers, model.device)
        self._encoder = OnnxProgram(folder / ENCODER_FILE, providers, model.device)
        self._inputs = step_inputs(model.config)
        self._new = [f'new_{name}' for name in cache_names(model.config)]
        self.name = f'onnx ({self._step.provider})'

    def prepare(self, segment: CausalSegment) -> None:
        """Nothing: one graph serves all segments."""

    def encode(self, image_13HW: Tensor) -> list[Tensor]:
        """Encode one frame."""
        levels = self._encoder({'image': image_13HW})
        return [levels[name] for name in LEVEL_NAMES]

    def step(self, segment: CausalSegment, frame: EncodedFrame, slot: int) -> Tensor:
        """Put a frame into a slot of a segment and return its disparity."""
        encodings_1T9 = segment.all_encodings_1T9
        slot_1 = _slot_on(encodings_1T9.device, slot)
        given = (*frame.levels, slot_1, encodings_1T9, *cache_tensors(segment))
        result = self._step(dict(zip(self._inputs, given, strict=True)))
        encodings_1T9[:, slot] = result['pose_encoding'][:, 0]
        new = iter(result[name] for name in self._new)
        for store in segment.stores:
            store.write(slot, next(new), next(new))
        return result['disparity'][0]
