"""Intermediate tensors of a forward pass, under the names and shapes of the reference."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from parity_reference import Arrays, with_pose_injection
from torch import Tensor, nn

from gemdepth_ros.model import GemDepth
from gemdepth_ros.model.camera_head import activate

MODES = (('inject', 'always'), ('never', 'never'))


@contextlib.contextmanager
def _recorded(modules: dict[str, nn.Module]) -> Iterator[dict[str, tuple[Any, Any]]]:
    """Collect (positional arguments, result) of each named module's last call."""
    calls: dict[str, tuple[Any, Any]] = {}

    def hook(name: str) -> Any:
        def record(module: nn.Module, args: Any, result: Any) -> None:
            calls[name] = (args, result)

        return record

    handles = [module.register_forward_hook(hook(name)) for name, module in modules.items()]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _watched(model: GemDepth) -> dict[str, nn.Module]:
    modules: dict[str, nn.Module] = {
        'encoder': model.encoder,
        'geometry': model.geometry,
        'camera_head': model.camera_head,
        'pose_features': model.pose_features,
        'time_block': model.astt.time_blocks[0],
        'astt': model.astt,
    }
    return modules | {f'motion_{i}': m for i, m in enumerate(model.head.motion_modules)}


def capture(model: GemDepth, images_BTCHW: Tensor) -> Arrays:
    """Run a clip in both modes of pose injection; return all tensors by their reference name."""
    found: dict[str, Tensor] = {}
    for prefix, mode in MODES:
        with _recorded(_watched(model)) as calls, torch.inference_mode():
            output = with_pose_injection(model, mode)(images_BTCHW)
        clips, frames = images_BTCHW.shape[:2]
        found |= {f'encoder_{i + 1}': level for i, level in enumerate(calls['encoder'][1])}
        found['camera_tokens'] = calls['geometry'][1]
        found['pose_encodings'] = activate(calls['camera_head'][1])
        found['extrinsic'] = output.camera_from_world
        found['intrinsic'] = output.intrinsics
        found[f'{prefix}_depth'] = output.disparity_BTHW
        for name, tensor in _after_poses(calls, clips, frames).items():
            found[f'{prefix}_{name}'] = tensor
    return {name: np.asarray(tensor) for name, tensor in found.items()}


def _after_poses(calls: dict[str, tuple[Any, Any]], clips: int, frames: int) -> dict[str, Tensor]:
    """What depends on the mode: pose inputs and features, ASTT, motion modules."""
    inputs, features = calls['pose_features']
    tensors: dict[str, Tensor] = {}
    for index, part in enumerate(('rotation', 'translation', 'scale')):
        tensors[f'pose_{part}_input'] = inputs[0][index].flatten(0, 1)
        tensors[f'pose_{part}_feature'] = features[index].flatten(0, 1)
    tokens_BTLC = calls['astt'][0][0]
    tensors['astt_input'] = tokens_BTLC.flatten(1, 2)
    tensors['astt_middle'] = calls['time_block'][1]
    tensors['astt_output'] = calls['astt'][1].flatten(0, 1)
    for index in range(4):
        maps_FCHW = calls[f'motion_{index}'][1]
        tensors[f'head_motion_{index}'] = maps_FCHW.unflatten(0, (clips, frames)).transpose(1, 2)
    return tensors
