"""Published weights, loaded so that nothing is lost without a word.

Every tensor of a file is either loaded, or known by name as one that the network never uses, or
known as a fixed table that is checked against its formula. Anything else is an error.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gemdepth_ros.errors import WeightsError
from gemdepth_ros.model.config import MAX_FRAMES, GemDepthConfig
from gemdepth_ros.model.layers.sinusoid import interleaved_sinusoid
from gemdepth_ros.model.network import DepthNetwork, empty_network
from gemdepth_ros.model.tensor_file import TensorFile
from gemdepth_ros.model.vda_config import ModelConfig, VdaConfig, all_presets

Shape = tuple[int, ...]
SAFE_PICKLE_TORCH = (2, 10)  # first version without known holes in weights_only loading
LISTED = 4  # names that an error message lists before it counts the rest

# What PyTorch's restricted unpickler raises on damaged files; found by flipping every bit of one.
_DAMAGED_PICKLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)

# Our name -> the published one; first match wins, the rest of the name is kept.
_RENAMES: tuple[tuple[str, str], ...] = (
    (r'^encoder\.', 'pretrained.'),
    (r'^geometry\.(frame|global)_block\.', r'\1_blocks.0.'),
    (r'^geometry\.', ''),
    (r'^camera_head\.modulation\.', 'camera_head.poseLN_modulation.1.'),
    (r'^pose_features\.(\w+)\.layers\.0\.', r'\1.encoder.0.0.0.0.'),
    (r'^pose_features\.(\w+)\.layers\.1\.', r'\1.encoder.0.0.1.'),
    (r'^pose_features\.(\w+)\.layers\.2\.', r'\1.encoder.0.1.'),
    (r'^pose_features\.(\w+)\.layers\.3\.', r'\1.encoder.1.'),
    (r'^pose_features\.(\w+)\.norm\.', r'\1.norm_layer.'),
    (r'^astt\.norm\.', 'dec_norm.'),
    (r'^astt\.', ''),
    (r'^head\.resizes\.', 'head.resize_layers.'),
    (r'^head\.output_conv1\.', 'head.scratch.output_conv1.'),
    (r'^head\.output_conv2\.', 'head.scratch.output_conv2.0.'),
    (r'^head\.output_conv3\.', 'head.scratch.output_conv2.2.'),
)
_POSE_ENCODERS = {
    'rotation': 'cam_rot_encoder',
    'translation': 'cam_trans_encoder',
    'scale': 'cam_trans_scale_encoder',
}
_MOTION = r'^head\.motion_modules\.(\d)\.'
_MOTION_RENAMES: tuple[tuple[str, str], ...] = (
    (r'attentions\.(\d)\.to_out\.', r'transformer_blocks.0.attention_blocks.\1.to_out.0.'),
    (r'attentions\.(\d)\.', r'transformer_blocks.0.attention_blocks.\1.'),
    (r'attention_norms\.', 'transformer_blocks.0.norms.'),
    (r'feed_forward_norm\.', 'transformer_blocks.0.ff_norm.'),
    (r'feed_forward\.proj\.', 'transformer_blocks.0.ff.net.0.proj.'),
    (r'feed_forward\.out\.', 'transformer_blocks.0.ff.net.2.'),
)


def published_name(name: str) -> str:
    """Return the name that the published checkpoint gives to one of our parameters."""
    motion = re.match(_MOTION, name)
    if motion:
        rest = _rename(name[motion.end() :], _MOTION_RENAMES)
        return f'head.motion_modules.{motion[1]}.temporal_transformer.{rest}'
    numbered = re.match(r'^head\.(reduce|fusions)\.(\d)\.(.*)$', name)
    if numbered:
        number, rest = int(numbered[2]) + 1, numbered[3]
        if numbered[1] == 'reduce':
            return f'head.scratch.layer{number}_rn.{rest}'
        rest = re.sub(r'^skip_unit\.', 'resConfUnit1.', rest)
        rest = re.sub(r'^unit\.', 'resConfUnit2.', rest)
        return f'head.scratch.refinenet{number}.{rest}'
    renamed = _rename(name, _RENAMES)
    first, dot, rest = renamed.partition('.')
    return _POSE_ENCODERS.get(first, first) + dot + rest


def _rename(name: str, table: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in table:
        if re.match(pattern, name):
            return re.sub(pattern, replacement, name, count=1)
    return name


class CheckpointLayout(NamedTuple):
    """Every tensor that a published checkpoint of one configuration may hold.

    Attributes:
        used: published name -> (our name, shape).
        unused: published name -> shape of tensors that the network never reads.
        tables: published name -> the fixed table that its formula gives.
    """

    used: dict[str, tuple[str, Shape]]
    unused: dict[str, Shape]
    tables: dict[str, Tensor]


def checkpoint_layout(config: ModelConfig) -> CheckpointLayout:
    """Return the names and shapes of a published checkpoint of this configuration."""
    with torch.device('meta'):
        model = empty_network(config)
    used = {published_name(n): (n, tuple(p.shape)) for n, p in model.named_parameters()}
    return CheckpointLayout(used, _unused(config, used), _tables(config))


def _motion_widths(config: ModelConfig) -> tuple[int, ...]:
    return (*config.out_channels[2:], config.features, config.features)


def _unused(config: ModelConfig, used: dict[str, tuple[str, Shape]]) -> dict[str, Shape]:
    """Tensors of the published constructor that its forward pass never touches."""
    width, features = config.encoder.width, config.features
    unused: dict[str, Shape] = {'pretrained.mask_token': (1, width)}
    for conv in ('conv1', 'conv2'):
        unit = f'head.scratch.refinenet4.resConfUnit1.{conv}'
        unused[f'{unit}.weight'] = (features, features, 3, 3)
        unused[f'{unit}.bias'] = (features,)
    return unused if isinstance(config, VdaConfig) else unused | _unused_of_gemdepth(config, used)


def _unused_of_gemdepth(
    config: GemDepthConfig, used: dict[str, tuple[str, Shape]]
) -> dict[str, Shape]:
    """What the published GemDepth has beyond its sibling and never touches either."""
    width = config.encoder.width
    unused: dict[str, Shape] = {}
    for name, (_, shape) in used.items():
        if re.match(r'(frame|global)_blocks\.0\.', name):
            unused[name.replace('_blocks.0.', '_blocks.1.')] = shape
    for index, channels in enumerate(config.out_channels):
        unused[f'head.proj.{index}.weight'] = (channels, width)
        unused[f'head.proj.{index}.bias'] = (channels,)
    for index, channels in enumerate(_motion_widths(config)):
        module = f'head.motion_modules.{index}.temporal_transformer'
        for part in ('weight', 'bias'):
            unused[f'{module}.layer_norm.{part}'] = (channels,)
        unused[f'{module}.fusion_gate1.0.weight'] = (channels, 2 * channels)
        unused[f'{module}.fusion_gate1.0.bias'] = (channels,)
    return unused


def _tables(config: ModelConfig) -> dict[str, Tensor]:
    """Sinusoids that the checkpoint stores although their formula is fixed."""
    tables = {}
    for index, channels in enumerate(_motion_widths(config)):
        for attention in range(2):
            name = (
                f'head.motion_modules.{index}.temporal_transformer.transformer_blocks.0.'
                f'attention_blocks.{attention}.pos_encoder.pe'
            )
            tables[name] = interleaved_sinusoid(MAX_FRAMES, channels)[None]
    return tables


POSE_PART = 'camera_head.'  # GemDepth has it, Video Depth Anything has not
UNUSED_BUFFER = 'pos_encoder.pe'  # built by the published constructor, never read


def check_state(state: Mapping[str, Tensor], config: ModelConfig) -> CheckpointLayout:
    """Hold every tensor of ``state`` to the layout of ``config``.

    Raises:
        WeightsError: a tensor is unknown, missing, of another shape, not a float, or a fixed
            table differs from its formula.
    """
    layout = checkpoint_layout(config)
    shapes = {name: shape for name, (_, shape) in layout.used.items()}
    shapes |= layout.unused | {n: tuple(t.shape) for n, t in layout.tables.items()}
    if isinstance(config, GemDepthConfig):
        shapes[UNUSED_BUFFER] = (1, MAX_FRAMES, config.encoder.width)
    unknown = [name for name in state if name not in shapes]
    missing = [name for name in layout.used if name not in state]
    misshaped = [
        f'{name} is {list(tensor.shape)}, expected {list(shapes[name])}'
        for name, tensor in state.items()
        if name in shapes and tuple(tensor.shape) != shapes[name]
    ]
    problems = [
        f'{len(names)} {what}: {_listed(names)}'
        for what, names in (('missing', missing), ('unknown', unknown), ('mis-shaped', misshaped))
        if names
    ]
    if problems:
        other = preset_of(state)
        hint = f'; they look like those of preset {other!r}' if other else ''
        raise WeightsError(f'weights do not fit the network: {"; ".join(problems)}{hint}')
    _check_values(state, layout)
    return layout


def preset_of(state: Mapping[str, Tensor]) -> str | None:
    """Return the preset whose family, width and features a checkpoint has, or None.

    Of Video Depth Anything the relative one: the metric weights look the same.
    """
    family = GemDepthConfig if any(name.startswith(POSE_PART) for name in state) else VdaConfig
    marks = ('pretrained.cls_token', 'head.scratch.layer4_rn.weight')
    shapes = [tuple(state[name].shape) for name in marks if name in state]
    for preset, config in all_presets().items():
        expected = [
            (1, 1, config.encoder.width),
            (config.features, config.out_channels[3], 3, 3),
        ]
        if shapes == expected and isinstance(config, family):
            return preset
    return None


def _check_values(state: Mapping[str, Tensor], layout: CheckpointLayout) -> None:
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            raise WeightsError(f'weights do not fit the network: {name} is {tensor.dtype}')
    for name in layout.used:
        if not bool(torch.isfinite(state[name]).all()):
            raise WeightsError(f'weights are damaged: {name} holds NaN or infinity')
    for name, table in layout.tables.items():
        # 0.01 passes tables stored in bfloat16 and catches any other formula.
        if name in state and not torch.allclose(state[name].float(), table, atol=0.01):
            raise WeightsError(f'weights do not fit the network: {name} is not the fixed sinusoid')


def _listed(names: list[str]) -> str:
    rest = len(names) - LISTED
    return ', '.join(names[:LISTED]) + (f' and {rest} more' if rest > 0 else '')


def load_state(path: str | Path) -> Mapping[str, Tensor]:
    """Open a ``.pth``/``.pt`` or ``.safetensors`` file, without running its code.

    Tensors are read from the file when they are used: both kinds are mapped into memory. Of a
    ``.safetensors`` file no more than a part is resident at once; the pages of a ``.pth`` stay
    until the mapping is dropped, but can be given up by the system.

    Raises:
        WeightsError: the file is missing, of another kind, damaged, or holds more than tensors.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise WeightsError(f'no weights file {path}: give a .pth or .safetensors file')
    if path.suffix == '.safetensors':
        return TensorFile(path)
    if path.suffix not in ('.pth', '.pt'):
        raise WeightsError(f'{path}: weights must be a .pth, .pt or .safetensors file')
    if _torch_version() < SAFE_PICKLE_TORCH:
        raise WeightsError(
            f'{path}: reading .pth is not safe with PyTorch {torch.__version__} '
            '(CVE-2025-32434, CVE-2026-24747): use PyTorch >= 2.10, or a .safetensors file'
        )
    try:
        loaded = torch.load(path, map_location='cpu', weights_only=True, mmap=True)
    except _DAMAGED_PICKLE as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else 'empty file'
        raise WeightsError(f'cannot read {path} as PyTorch weights: {first_line}') from None
    return _tensors_of(path, loaded)


def _torch_version() -> tuple[int, int]:
    major, minor = torch.__version__.split('.')[:2]
    return int(major), int(minor)


def _tensors_of(path: Path, loaded: object) -> dict[str, Tensor]:
    """Unwrap ``{'model': ...}`` and the ``module.`` prefix of data-parallel training."""
    if isinstance(loaded, Mapping):
        for key in ('model', 'state_dict'):
            if isinstance(loaded.get(key), Mapping):
                loaded = loaded[key]
                break
    if not isinstance(loaded, Mapping) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in loaded.items()
    ):
        raise WeightsError(f'{path} holds no mapping of names to tensors')
    return {str(name).removeprefix('module.'): tensor for name, tensor in loaded.items()}


def as_tensors(
    arrays: Mapping[str, Tensor | np.ndarray[tuple[int, ...], np.dtype[np.generic]]],
) -> dict[str, Tensor]:
    """Return a mapping of tensors or numpy arrays as tensors, sharing memory.

    Raises:
        WeightsError: an array holds something that no tensor can.
    """
    tensors = {}
    for name, array in arrays.items():
        try:
            tensors[name] = array if isinstance(array, Tensor) else torch.from_numpy(array)
        except (TypeError, ValueError) as error:
            raise WeightsError(f'weights are no numbers: {name}: {error}') from None
    return tensors


def published_state(model: DepthNetwork) -> dict[str, Tensor]:
    """Return the parameters of ``model`` under their published names, ready to be saved.

    They share memory with the model, but for those whose layout in memory a file cannot hold.
    """
    return {published_name(n): p.detach().contiguous() for n, p in model.named_parameters()}


def load_into(
    model: DepthNetwork, state: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype
) -> None:
    """Give a network that was built on the meta device its weights, one tensor at a time.

    Args:
        model: network without memory (meta device).
        state: published names to tensors.
        device: where the weights go.
        dtype: precision of the bulk of the network; parts that stay in float32 are not rounded.
    """
    layout = check_state(state, model.config)
    kept = {n for n, p in model.set_dtype(dtype).named_parameters() if p.dtype == torch.float32}
    ours = {
        name: state[published].to(device, torch.float32 if name in kept else dtype, copy=True)
        for published, (name, _) in layout.used.items()
    }
    model.load_state_dict(ours, strict=True, assign=True)
    model.to(device)
