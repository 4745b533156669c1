"""The backends of one network: each made once, and used by all streams of its size."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from pathlib import Path

import torch

from gemdepth_ros.errors import EngineError
from gemdepth_ros.hub import cache_folder
from gemdepth_ros.inference.config import StreamingConfig
from gemdepth_ros.inference.encoded import PatchGrid, StreamGrid
from gemdepth_ros.inference.engines.backends import (
    CompiledBackend,
    CudaGraphBackend,
    OnnxBackend,
    StepBackend,
)
from gemdepth_ros.inference.engines.export import engine_shape, export_step
from gemdepth_ros.inference.engines.guard import GuardedStep, MadeBackend, one_line
from gemdepth_ros.inference.engines.machine import build_machine
from gemdepth_ros.inference.engines.manifest import (
    FILE_NAME,
    EngineShape,
    check_files,
    check_manifest,
    engine_key,
)
from gemdepth_ros.inference.engines.onnx_program import (
    TENSORRT,
    Provider,
    load_runtime,
    providers_for,
)
from gemdepth_ros.model import DepthNetwork, GemDepth
from gemdepth_ros.model.config import PATCH_SIZE

MACHINE_FILE = 'machine.json'
MOST_KEPT = 8  # sizes and settings; each may hold the weights once more

logger = logging.getLogger(__name__)


class EnginePool:
    """Makes backends and keeps them.

    Args:
        model: the network.
        checkpoint: digest of its weights file (``hub.digest_of``), by which exports are known;
            empty: that of the loaded parameters.
    """

    def __init__(self, model: DepthNetwork, checkpoint: str = '') -> None:
        self._model, self._checkpoint = model, checkpoint
        self._made: dict[tuple[str, int, int, int, str], MadeBackend] = {}

    def forget(self) -> None:
        """Keep no backend that no stream uses; refused ones may be tried again."""
        self._made.clear()

    def guarded(self, grid: PatchGrid, config: StreamingConfig) -> GuardedStep | None:
        """Return the step of a new stream; None where eager is what is wanted.

        What cannot be made is a fault of the result, which then goes on in eager.
        """
        if config.backend == 'eager':
            return None
        model = self._model
        key = (config.backend, grid.rows, grid.columns, config.window, config.engine_folder)
        if key not in self._made:
            self._made[key] = self._make(grid, config)
            while len(self._made) > MOST_KEPT:  # streams that use the oldest one hold it
                del self._made[next(iter(self._made))]
        assert isinstance(model, GemDepth)  # else __init__ of the session has refused
        assert isinstance(grid, StreamGrid)
        frames, tolerance = config.backend_check_frames, config.backend_tolerance
        return GuardedStep(model, grid, self._made[key], frames, tolerance)

    def _make(self, grid: PatchGrid, config: StreamingConfig) -> MadeBackend:
        made = MadeBackend(config.backend)
        try:
            made.backend = self._backend(grid, config)
        except Exception as error:  # noqa: BLE001 -- exporters and runtimes raise anything
            made.refuse(one_line(error))
        return made

    def _backend(self, grid: PatchGrid, config: StreamingConfig) -> StepBackend:
        model = self._model
        assert isinstance(model, GemDepth)
        assert isinstance(grid, StreamGrid)
        if config.backend == 'compile':
            return CompiledBackend(model, grid, config.window)
        if config.backend == 'cudagraph':
            return CudaGraphBackend(model, grid, config.window)
        return self._onnx_backend(model, grid, config)

    def _onnx_backend(
        self, model: GemDepth, grid: StreamGrid, config: StreamingConfig
    ) -> StepBackend:
        present = load_runtime().get_available_providers()
        if config.backend == 'tensorrt' and TENSORRT not in present:
            raise EngineError(
                'this ONNX Runtime has no TensorRT provider: install onnxruntime-gpu beside '
                'TensorRT, or use streaming.backend onnx'
            )
        providers = providers_for(model.device, present)
        size = (grid.rows * PATCH_SIZE, grid.columns * PATCH_SIZE)
        checkpoint = self._checkpoint or parameters_digest(model)
        shape = engine_shape(model, checkpoint, size, config.window)
        folder = self._exported(model, shape, config.engine_folder)
        if config.backend == 'tensorrt':
            providers = [tensorrt_provider(folder, shape, model.device), *providers]
        return OnnxBackend(model, folder, providers)

    @staticmethod
    def _exported(model: GemDepth, shape: EngineShape, chosen: str) -> Path:
        """Return the folder with the graphs; they are made where there are none yet."""
        if chosen:
            folder = Path(chosen).expanduser()
        else:
            folder = cache_folder() / 'engines' / engine_key(shape, {})
        if not (folder / FILE_NAME).exists():
            logger.info('exporting the network to %s', folder)
            _export_aside(model, shape, folder)
        check_files(folder, check_manifest(folder, shape))
        return folder


def _export_aside(model: GemDepth, shape: EngineShape, folder: Path) -> None:
    """Export beside ``folder`` and move the files in, the manifest last.

    Another process may export the same network at the same time, or have loaded what it wrote:
    a file is put in the place of another, never written into, and a whole export is left alone.

    Raises:
        EngineError: as ``export_step``.
    """
    size = (shape.height, shape.width)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix='export-', dir=folder) as name:
            aside = Path(name)
            export_step(model, shape.checkpoint, size, shape.window, aside)
            if (folder / FILE_NAME).exists():
                return
            for file in sorted(aside.iterdir(), key=lambda path: path.name == FILE_NAME):
                file.replace(folder / file.name)
    except OSError as error:
        raise EngineError(f'cannot write to {folder}: {error.strerror or error}') from error


def tensorrt_provider(folder: Path, shape: EngineShape, device: torch.device) -> Provider:
    """Return the TensorRT provider with a cache for this machine's engines.

    Raises:
        EngineError: the network is not on a CUDA device, or the cache is another machine's.
    """
    if device.type != 'cuda':
        raise EngineError(f'it needs a CUDA device, the network is on {device}')
    settings = {
        'device_id': device.index or 0,
        'trt_engine_cache_enable': True,
        'trt_engine_cache_path': str(engine_cache(folder, shape, build_machine(device))),
        # Not trt_fp16_enable: with it TensorRT may round what the graph has in float32 (the last
        # convolutions overflow); without it the graph's own types hold (TensorRT 9.2 and later).
    }
    return TENSORRT, settings


def engine_cache(folder: Path, shape: EngineShape, machine: dict[str, str]) -> Path:
    """Return the folder of the engines that a machine builds from the graphs in ``folder``.

    Raises:
        EngineError: it was made by another machine, or cannot be written.
    """
    cache = folder / f'tensorrt-{engine_key(shape, machine)}'
    record, text = cache / MACHINE_FILE, json.dumps(machine, sort_keys=True)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        if not record.exists():
            record.write_text(text, encoding='utf-8')
        found = record.read_text(encoding='utf-8')
    except OSError as error:
        raise EngineError(f'cannot use {cache}: {error.strerror or error}') from error
    if found != text:
        raise EngineError(f'{cache} holds engines of {found}, this is {text}: delete it')
    return cache


def parameters_digest(model: torch.nn.Module) -> str:
    """Return a digest of a network's parameters as they are loaded."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f'{name} {tensor.dtype} {tuple(tensor.shape)}'.encode())
        digest.update(tensor.contiguous().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
