"""The step and the encoder as ONNX graphs: names of their inputs and outputs, and the writing."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gemdepth_ros.errors import DependencyError, EngineError
from gemdepth_ros.inference.causal_segment import CausalSegment
from gemdepth_ros.inference.encoded import StreamGrid
from gemdepth_ros.inference.engines.manifest import ENCODER_FILE, GRAPHS, STEP_FILE
from gemdepth_ros.inference.static_step import StaticEncoder, StaticStep, store_names
from gemdepth_ros.model import GemDepth, GemDepthConfig
from gemdepth_ros.model.config import PATCH_SIZE

OPSET = 18  # what torch's exporter writes natively; ONNX Runtime and TensorRT 8.6 to 10 read it
LEVEL_NAMES = ['level_1', 'level_2', 'level_3', 'level_4']
OLDEST_TORCH = (2, 6)  # first whose exporter takes the graphs


def cache_names(config: GemDepthConfig) -> list[str]:
    """Keys and values of every store, in the order of the graph's inputs."""
    return [f'{name}_{part}' for name in store_names(config) for part in ('keys', 'values')]


def step_inputs(config: GemDepthConfig) -> list[str]:
    """Names of the step's inputs."""
    return [*LEVEL_NAMES, 'slot', 'pose_encodings', *cache_names(config)]


def step_outputs(config: GemDepthConfig) -> list[str]:
    """Names of the step's outputs."""
    return ['disparity', 'pose_encoding', *(f'new_{name}' for name in cache_names(config))]


def cache_tensors(segment: CausalSegment) -> list[Tensor]:
    """The tensors of a segment's stores, in the order of ``cache_names``."""
    return [tensor for store in segment.stores for tensor in store.tensors]


class _FlatStep(nn.Module):
    """The step with every tensor an argument of its own."""

    def __init__(self, step: StaticStep) -> None:
        super().__init__()
        self.step = step

    def forward(
        self, l1: Tensor, l2: Tensor, l3: Tensor, l4: Tensor, slot: Tensor, *kept: Tensor
    ) -> tuple[Tensor, ...]:
        return self.step((l1, l2, l3, l4), slot, *kept)


@torch.no_grad()
def write_graphs(model: GemDepth, grid: StreamGrid, window: int, folder: Path) -> None:
    """Write ``encoder.onnx`` and ``causal_step.onnx`` (and their weights beside them).

    Raises:
        DependencyError: the exporter is not installed.
        EngineError: the network cannot be exported.
    """
    segment = CausalSegment(model, grid, window)
    height, width = grid.rows * PATCH_SIZE, grid.columns * PATCH_SIZE
    image = torch.zeros(1, 3, height, width, device=model.device)
    levels = [level.clone() for level in model.encode(image, grid.encoder_positions_1LC)]
    slot = torch.zeros(1, dtype=torch.int64, device=model.device)
    step = _FlatStep(StaticStep(model, grid, window)).eval()
    kept = (segment.all_encodings_1T9, *cache_tensors(segment))
    names = step_inputs(model.config), step_outputs(model.config)
    _write(
        StaticEncoder(model, grid).eval(), (image,), ['image'], LEVEL_NAMES, folder / ENCODER_FILE
    )
    _write(step, (*levels, slot, *kept), *names, folder / STEP_FILE)


def _write(
    module: nn.Module,
    arguments: Sequence[Tensor],
    inputs: Sequence[str],
    outputs: Sequence[str],
    path: Path,
) -> None:
    check_exporter()
    try:
        with _quiet():
            torch.onnx.export(
                module,
                tuple(arguments),
                str(path),
                input_names=list(inputs),
                output_names=list(outputs),
                opset_version=OPSET,
                dynamo=True,
                # onnxscript's optimiser takes an addend of 1e-8 for zero, and with it the guard of
                # a division: NaN in the first frame. ONNX Runtime and TensorRT have their own.
                optimize=False,
                external_data=True,  # larger networks do not fit into a protocol buffer
            )
    except torch.onnx.OnnxExporterError as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise EngineError(f'the network cannot be exported to {path.name}: {first}') from error


def file_names(folder: Path) -> list[str]:
    """Return the names of the graphs in a folder, and of the files that they keep weights in."""
    import onnx

    names = [*GRAPHS]
    for graph in GRAPHS:
        model = onnx.load(str(folder / graph), load_external_data=False)
        stored = (entry for tensor in model.graph.initializer for entry in tensor.external_data)
        names += sorted({entry.value for entry in stored if entry.key == 'location'})
    return names


def check_exporter() -> None:
    """Raise DependencyError unless an export can be made here."""
    version = tuple(int(part) for part in torch.__version__.split('+')[0].split('.')[:2])
    if version < OLDEST_TORCH:
        raise DependencyError(f'an export needs torch >= 2.6, here is {torch.__version__}')
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise DependencyError(
            f"an export needs {error.name}: pip install 'gemdepth_ros[export]'"
        ) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress and its notes on its own dependencies to itself."""
    noisy = logging.getLogger('torch.onnx')
    level = noisy.level
    noisy.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            yield
    finally:
        noisy.setLevel(level)
