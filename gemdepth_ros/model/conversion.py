"""Weights of any readable file as safetensors, which every version of PyTorch reads safely."""

from __future__ import annotations

from pathlib import Path

from gemdepth_ros.errors import WeightsError
from gemdepth_ros.model.checkpoint import check_state, load_state, preset_of
from gemdepth_ros.model.vda_config import model_config
from gemdepth_ros.model.weights_file import save_weights

SUFFIX = '.safetensors'


def convert_weights(source: Path, target: Path, preset: str | None = None) -> str:
    """Write the tensors that the network uses, unchanged, under their published names.

    Args:
        source: a ``.pth``, ``.pt`` or ``.safetensors`` file.
        target: the new file, which must not exist.
        preset: the network; None: what the weights look like.

    Returns:
        The preset that they fit.

    Raises:
        WeightsError: the source does not fit, or the target cannot be written.
    """
    if target.suffix != SUFFIX:
        raise WeightsError(f'{target}: the name of the new file must end in {SUFFIX}')
    if target.exists():
        raise WeightsError(f'{target} exists already; choose another name')
    state = load_state(source)
    preset = preset or preset_of(state) or 'vitl'
    layout = check_state(state, model_config(preset))
    save_weights({name: state[name].contiguous() for name in layout.used}, target)
    return preset
