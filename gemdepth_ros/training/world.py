"""Drives of the synthetic world, by name: the only place that knows how they are made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Protocol

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.synthetic import SyntheticDrive, SyntheticFrame
from gemdepth_ros.training.config import DataConfig

PROBE_SIZE = (28, 56)


class Drive(Protocol):
    """Frames with their truth, rendered one by one."""

    def render(self, index: int) -> SyntheticFrame:
        """Render frame ``index``."""


MakeDrive = Callable[[int, int, int, int], Drive]

WORLDS: dict[str, MakeDrive] = {'street': SyntheticDrive}


def make_drive(data: DataConfig, seed: int) -> Drive:
    """Return the drive of a seed."""
    return _maker(data.world)(data.frames, data.height, data.width, seed)


def world_digest(data: DataConfig) -> str:
    """Return a short text that changes with the world, its code and what is rendered of it.

    A few small frames stand for the code: whatever changes pictures or truth changes them.
    """
    rendered = {name: asdict(data)[name] for name in ('world', 'frames', 'height', 'width')}
    digest = hashlib.sha256(json.dumps(rendered, sort_keys=True).encode())
    for seed in range(4):
        frame = _maker(data.world)(4, *PROBE_SIZE, seed).render(2)
        for part in (frame.image_rgb, frame.depth_m, frame.world_from_camera):
            digest.update(part.tobytes())
    return digest.hexdigest()[:16]


def _maker(name: str) -> MakeDrive:
    if name not in WORLDS:
        raise ConfigError(f'data.world must be one of {", ".join(WORLDS)}, got {name!r}')
    return WORLDS[name]
