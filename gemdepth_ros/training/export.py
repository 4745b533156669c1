"""What a run leaves behind: small weights under published names, and a record of their making."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from gemdepth_ros.model.checkpoint import published_state
from gemdepth_ros.model.gemdepth import GemDepth
from gemdepth_ros.model.weights_file import save_weights
from gemdepth_ros.training.files import json_values, write_text

WEIGHTS_FILE = 'weights.safetensors'
CARD_FILE = 'model_card.json'


def export_weights(model: GemDepth, folder: Path, card: dict[str, Any]) -> Path:
    """Write the network's present weights in float16 and the record beside them.

    Args:
        model: its weights are those to keep (the running mean).
        folder: of the run.
        card: what is to be known about the weights; JSON types only. NaN is written as null.

    Returns:
        Path of the weights, which ``build_gemdepth`` reads.

    Raises:
        WeightsError: the weights cannot be written.
        OSError: the record cannot be written.
    """
    state = {
        name: tensor.to('cpu', torch.float16).contiguous()
        for name, tensor in published_state(model).items()
    }
    path = folder / WEIGHTS_FILE
    save_weights(state, path)
    text = json.dumps(json_values(card), indent=2, allow_nan=False)
    write_text(folder / CARD_FILE, text + '\n')
    return path


def exported(folder: Path) -> Path | None:
    """Return the weights that a run has left with their record, or None while either lacks."""
    path = folder / WEIGHTS_FILE
    return path if path.is_file() and (folder / CARD_FILE).is_file() else None
