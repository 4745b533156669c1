"""Export: write the graphs, run them beside eager, and say how far they are apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from gemdepth_ros import __version__
from gemdepth_ros.errors import EngineError
from gemdepth_ros.inference.causal_segment import CausalSegment
from gemdepth_ros.inference.encoded import EncodedFrame, StreamGrid
from gemdepth_ros.inference.engines.backends import OnnxBackend
from gemdepth_ros.inference.engines.graphs import OPSET, file_names, write_graphs
from gemdepth_ros.inference.engines.guard import FLOAT32_TOLERANCE
from gemdepth_ros.inference.engines.machine import library_versions
from gemdepth_ros.inference.engines.manifest import (
    FILE_NAME,
    STEP_FILE,
    EngineShape,
    Manifest,
    file_digests,
)
from gemdepth_ros.inference.engines.onnx_program import NUMPY_TYPES, load_runtime, providers_for
from gemdepth_ros.inference.engines.parity import (
    SlotContents,
    eager_step,
    largest,
    relative_distance,
    worst,
)
from gemdepth_ros.model import GemDepth

PARITY_STEPS = 8
# Relative L2 distance from eager. Half precision rounds to 2^-11 at every operation, and another
# order of them rounds otherwise.
TOLERANCES = {torch.float32: 1e-4, torch.float16: 2e-2}


@dataclass(frozen=True)
class Exported:
    """An export and what was measured of it.

    Attributes:
        manifest: as it was written.
        rows: by step, the relative L2 distance of every output from eager.
        provider: which provider of ONNX Runtime ran it.
    """

    manifest: Manifest
    rows: tuple[Mapping[str, float], ...]
    provider: str


def engine_shape(
    model: GemDepth, checkpoint: str, size: tuple[int, int], window: int
) -> EngineShape:
    """Return what the graphs of a network and a stream depend on."""
    precision = str(model.dtype).removeprefix('torch.')
    return EngineShape(checkpoint, asdict(model.config), *size, window, precision)


@torch.inference_mode()
def export_step(
    model: GemDepth, checkpoint: str, size: tuple[int, int], window: int, folder: Path
) -> Exported:
    """Export the causal step and the encoder, and hold them to eager.

    Args:
        model: the network.
        checkpoint: digest of its weights.
        size: (height, width) of the network's input [px].
        window: slots of a segment.
        folder: where the files go; the manifest comes last, and only when they are right.

    Raises:
        DependencyError: a library is missing.
        EngineError: the network cannot be exported, or the result is not equal to eager.
    """
    if model.dtype not in NUMPY_TYPES:
        raise EngineError(
            f'ONNX Runtime does not compute in {model.dtype}: use float16 or float32'
        )
    grid = StreamGrid.of(model, size)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # That of an export before this one would vouch for graphs that fail the comparison.
        (folder / FILE_NAME).unlink(missing_ok=True)
        with torch.inference_mode(False):
            write_graphs(model, grid, window, folder)
    except OSError as error:
        raise EngineError(f'cannot write to {folder}: {error.strerror or error}') from error
    providers = providers_for(model.device, load_runtime().get_available_providers())
    backend = OnnxBackend(model, folder, providers)
    rows = tuple(parity_rows(model, grid, size, window, backend))
    parity = worst(rows)
    tolerance = tolerance_of(model.dtype, model.device)
    if not all(distance <= tolerance for distance in parity.values()):
        raise EngineError(
            f'the export differs from eager by {_shown(parity)}, more than {tolerance:g}: '
            f'{folder} is not to be used'
        )
    versions = {'gemdepth_ros': __version__, **library_versions()}
    shape = engine_shape(model, checkpoint, size, window)
    try:
        files = file_digests(folder, file_names(folder))
        manifest = Manifest(shape, OPSET, versions, {**parity, 'steps': len(rows)}, files)
        manifest.write(folder)
    except OSError as error:
        raise EngineError(f'cannot write to {folder}: {error.strerror or error}') from error
    return Exported(manifest, rows, backend.name)


def tolerance_of(dtype: torch.dtype, device: torch.device) -> float:
    """Return the largest relative L2 distance from eager of an export that may be used."""
    if device.type == 'cuda' and dtype == torch.float32:
        return FLOAT32_TOLERANCE  # torch's convolutions take TF32 for float32 there
    return TOLERANCES[dtype]


def _shown(parity: Mapping[str, float]) -> str:
    return ', '.join(f'{name} {distance:.1e}' for name, distance in parity.items())


def parity_rows(
    model: GemDepth,
    grid: StreamGrid,
    size: tuple[int, int],
    window: int,
    backend: OnnxBackend,
    steps: int = PARITY_STEPS,
) -> list[dict[str, float]]:
    """Run two streams side by side, each on what it kept itself; distances by step.

    The last step is a second frame in slot 0, as when a segment is used again.
    """
    theirs, mine = (CausalSegment(model, grid, window) for _ in range(2))
    slots = [*range(min(steps - 1, window)), 0]
    return [
        _compare(model, grid, number, slot, (mine, theirs), backend, image)
        for number, (slot, image) in enumerate(
            zip(slots, _images(model, size, len(slots)), strict=True)
        )
    ]


def _compare(
    model: GemDepth,
    grid: StreamGrid,
    number: int,
    slot: int,
    segments: tuple[CausalSegment, CausalSegment],
    backend: OnnxBackend,
    image_13HW: Tensor,
) -> dict[str, float]:
    mine, theirs = segments
    levels = backend.encode(image_13HW)
    expected_levels = model.encode(image_13HW, grid.encoder_positions_1LC)
    pairs = list(zip(levels, expected_levels, strict=True))
    first, second, third, fourth = levels
    disparity = backend.step(mine, EncodedFrame(number, (first, second, third, fourth)), slot)
    first, second, third, fourth = expected_levels
    frame = EncodedFrame(number, (first, second, third, fourth))
    expected = eager_step(model, grid, theirs, frame, slot)
    kept = SlotContents.of(mine, slot).distances(SlotContents.of(theirs, slot))
    return {
        'encoder': largest([relative_distance(a, b) for a, b in pairs]),
        'disparity': relative_distance(disparity, expected),
        **kept,
    }


def _images(model: GemDepth, size: tuple[int, int], count: int) -> list[Tensor]:
    """Smooth moving pictures with the statistics of normalised images, [1, 3, H, W]."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(1, 3, 8, 8 + count, generator=generator)
    pictures = [
        torch.nn.functional.interpolate(coarse[..., n : n + 8], size, mode='bicubic')
        for n in range(count)
    ]
    return [picture.to(model.device) for picture in pictures]


def trtexec_command(folder: Path, precision: str) -> str:
    """Return the command that builds a TensorRT engine of the step."""
    # TF32 is no float32; and types as exported keep in float32 what must be.
    flag = '--noTF32' if precision == 'float32' else '--stronglyTyped'
    engine = folder / STEP_FILE.replace('.onnx', '.plan')
    return f'trtexec --onnx={folder / STEP_FILE} --saveEngine={engine} {flag}'
