"""One ONNX graph in ONNX Runtime, fed with torch tensors without a copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gemdepth_ros.errors import DependencyError, EngineError

TENSORRT = 'TensorrtExecutionProvider'
CUDA = 'CUDAExecutionProvider'
CPU = 'CPUExecutionProvider'
NUMPY_TYPES = {
    torch.float32: np.float32,
    torch.float16: np.float16,
    torch.int64: np.int64,
}
TORCH_TYPES = {
    'tensor(float)': torch.float32,
    'tensor(float16)': torch.float16,
    'tensor(int64)': torch.int64,
}
Provider = tuple[str, Mapping[str, Any]]


def load_runtime() -> Any:
    """Return the module ``onnxruntime``.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise DependencyError(
            "this needs onnxruntime: pip install 'gemdepth_ros[export]', or "
            'onnxruntime-gpu for an NVIDIA card'
        ) from None
    return onnxruntime


def providers_for(device: torch.device, present: Sequence[str]) -> list[Provider]:
    """Return the providers to use on a device of those that are present, best first.

    Raises:
        EngineError: there is none for the device.
    """
    if device.type != 'cuda':
        return [(CPU, {})]
    if CUDA not in present:
        raise EngineError(
            f'the network is on {device}, but this ONNX Runtime has no CUDA provider: install '
            'onnxruntime-gpu'
        )
    # TF32, its default, is no float32: eager multiplies matrices without it.
    return [(CUDA, {'device_id': device.index or 0, 'use_tf32': '0'}), (CPU, {})]


class OnnxProgram:
    """A graph with fixed shapes.

    Attributes:
        provider: the provider that runs it, or most of it.
    """

    def __init__(self, path: Path, providers: Sequence[Provider], device: torch.device) -> None:
        """Load a graph.

        Args:
            path: of the ``.onnx`` file.
            providers: to be used, best first; the first one must be available.
            device: where the tensors are.

        Raises:
            DependencyError: ONNX Runtime is not installed.
            EngineError: it cannot load the graph, or not with the first provider.
        """
        runtime = load_runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors
        # A thread that spins while it waits takes a core from the rest of the node.
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        names = [name for name, _ in providers]
        settings = [dict(values) for _, values in providers]
        try:
            self._session = runtime.InferenceSession(
                str(path), options, providers=names, provider_options=settings
            )
        except Exception as error:  # the runtime's own kinds have no common public base
            first = next(iter(str(error).splitlines()), type(error).__name__)
            raise EngineError(f'ONNX Runtime cannot load {path}: {first}') from error
        self.provider = str(self._session.get_providers()[0])
        if self.provider != names[0]:
            raise EngineError(f'ONNX Runtime has no {names[0]}, only {self.provider}')
        self._device = device
        self._outputs = [
            (meta.name, tuple(meta.shape), TORCH_TYPES[meta.type])
            for meta in self._session.get_outputs()
        ]
        self._inputs = {
            meta.name: (tuple(meta.shape), TORCH_TYPES[meta.type])
            for meta in self._session.get_inputs()
        }

    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run the graph.

        Args:
            inputs: a tensor for every name; what the graph does not need is left out, another
                precision (of keys and values that are kept in half) is converted.

        Raises:
            EngineError: a tensor does not fit the graph.
        """
        binding = self._session.io_binding()
        held = []  # until the graph has run
        for name, (shape, dtype) in self._inputs.items():
            tensor = inputs[name].to(dtype).contiguous()
            if tuple(tensor.shape) != shape:
                raise EngineError(f'{name} is {list(tensor.shape)}, the graph takes {list(shape)}')
            held.append(tensor)
            self._bind(binding.bind_input, name, tensor)
        outputs = {
            name: torch.empty(shape, dtype=dtype, device=self._device)
            for name, shape, dtype in self._outputs
        }
        for name, tensor in outputs.items():
            self._bind(binding.bind_output, name, tensor)
        if self._device.type == 'cuda':  # the runtime has a stream of its own
            torch.cuda.current_stream(self._device).synchronize()
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return outputs

    def _bind(self, bind: Any, name: str, tensor: Tensor) -> None:
        kind, index = self._device.type, self._device.index or 0
        shape = tuple(tensor.shape)
        bind(name, kind, index, NUMPY_TYPES[tensor.dtype], shape, tensor.data_ptr())
