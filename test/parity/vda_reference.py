"""The reference data of Video Depth Anything, and networks on its weights."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from parity_reference import GOLDEN, Arrays, ReferenceAbsentError, golden_weights

from gemdepth_ros.model import VideoDepthAnything, build_network, model_config
from gemdepth_ros.model.checkpoint import checkpoint_layout

SHARED_VDA = Path(__file__).parents[3] / 'shared' / 'reference' / 'vda'
TOLERANCE = 1e-4  # absolute, on outputs of 0..13; float32 noise is 2e-5


class VdaRow(NamedTuple):
    """One tensor of one case."""

    case: str
    tensor: str
    max_abs: float


def row(case: str, tensor: str, actual: npt.ArrayLike, expected: npt.ArrayLike) -> VdaRow:
    """Largest difference of two arrays of one shape."""
    found, reference = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    if found.shape != reference.shape:
        raise AssertionError(f'{tensor}: shape {found.shape}, the reference has {reference.shape}')
    return VdaRow(case, tensor, float(np.abs(found - reference).max()))


def vda_path(name: str) -> Path:
    """Path of a reference file: carried in the repository, or in ../shared beside it."""
    for folder in (GOLDEN, SHARED_VDA):
        if (folder / name).is_file():
            return folder / name
    raise ReferenceAbsentError(f'{name} is not carried and ../shared/reference/vda is absent')


def vda_arrays(name: str) -> Arrays:
    """All arrays of a reference file, in memory."""
    with np.load(vda_path(name)) as arrays:
        return dict(arrays)


def vda_json(name: str) -> Any:
    """Contents of a JSON file of the reference."""
    return json.loads(vda_path(name).read_text(encoding='utf-8'))


@functools.lru_cache(maxsize=1)
def vda_state(size: str) -> Arrays:
    """Golden weights of a size under their published names; the rule needs names and shapes."""
    layout = checkpoint_layout(model_config(f'vda-{size}'))
    shapes = {name: shape for name, (_, shape) in layout.used.items()} | layout.unused
    return golden_weights.generate(list(shapes.items()))


def golden_vda(size: str, *, metric: bool = False) -> VideoDepthAnything:
    """Network of a size on the weights that the reference was made with."""
    model = build_network(f'vda-metric-{size}' if metric else f'vda-{size}', vda_state(size))
    assert isinstance(model, VideoDepthAnything)
    return model


@functools.cache
def golden_vda_small() -> VideoDepthAnything:
    """The small network, built once; whoever changes it puts it back."""
    return golden_vda('small')
