"""What a run leaves behind: small weights under published names, and a record of their making."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from gemdepth_ros.model.checkpoint import published_state
from gemdepth_ros.model.gemdepth import GemDepth

WEIGHTS_FILE = 'weights.safetensors'
CARD_FILE = 'model_card.json'


def export_weights(model: GemDepth, folder: Path, card: dict[str, Any]) -> Path:
    """Write the network's present weights in float16 and the record beside them.

    Args:
        model: its weights are those to keep (the running mean).
        folder: of the run.
        card: what is to be known about the weights; JSON types only.

    Returns:
        Path of the weights, which ``build_gemdepth`` reads.
    """
    state = {
        name: tensor.to('cpu', torch.float16).contiguous()
        for name, tensor in published_state(model).items()
    }
    path = folder / WEIGHTS_FILE
    part = path.with_suffix('.part')
    save_file(state, part, metadata={'format': 'pt'})
    part.replace(path)
    (folder / CARD_FILE).write_text(json.dumps(card, indent=2) + '\n')
    return path
