"""The reference data: where it lies, and the networks that it was made with."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.append(str(Path(__file__).parents[1] / 'data' / 'golden'))

import golden_inputs  # noqa: F401 -- for the other modules of this folder
import golden_weights

from gemdepth_ros.model import GemDepth, build_gemdepth
from gemdepth_ros.model.config import PoseInjection

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden'
SHARED = Path(__file__).parents[3] / 'shared' / 'reference' / 'gemdepth'

Arrays = dict[str, npt.NDArray[Any]]


class ReferenceAbsentError(Exception):
    """A file of the reference data is neither carried here nor beside the repository."""


def reference_path(name: str) -> Path:
    """Path of a reference file: carried in the repository, or in ../shared beside it."""
    for folder in (GOLDEN, SHARED):
        if (folder / name).is_file():
            return folder / name
    raise ReferenceAbsentError(f'{name} is not carried and ../shared/reference/gemdepth is absent')


def load_arrays(name: str) -> Arrays:
    """All arrays of a reference file, in memory."""
    with np.load(reference_path(name)) as arrays:
        return dict(arrays)


def load_json(name: str) -> Any:
    """Contents of a JSON file of the reference."""
    return json.loads(reference_path(name).read_text(encoding='utf-8'))


def golden_state(preset: str) -> Arrays:
    """Weights of a preset under their published names, tensors that nothing uses included."""
    tensors = load_json(f'gemdepth_{preset}_parameters.json')['tensors']
    return golden_weights.generate([(t['name'], t['shape']) for t in tensors])


def golden_model(preset: str) -> GemDepth:
    """Network on the weights that the reference was made with."""
    return build_gemdepth(preset, golden_state(preset))


@functools.cache
def golden_small() -> GemDepth:
    """The small network, built once; whoever changes it puts it back."""
    return golden_model('small')


def with_pose_injection(model: GemDepth, mode: PoseInjection) -> GemDepth:
    """The same weights under another mode, without a copy of them."""
    other = copy.copy(model)
    other.config = dataclasses.replace(model.config, pose_injection=mode)
    return other
