"""Drives of the synthetic world, by name: the only place that knows how they are made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Protocol

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.synthetic import SyntheticDrive, SyntheticFrame, random_drive
from gemdepth_ros.training.config import DataConfig

PROBE_SIZE = (28, 56)


class Drive(Protocol):
    """Frames with their truth, rendered one by one."""

    def render(self, index: int) -> SyntheticFrame:
        """Render frame ``index``."""


MakeDrive = Callable[[int, int, int, int], Drive]


def _random(frames: int, height: int, width: int, seed: int) -> Drive:
    return random_drive(seed, frames, height, width)


WORLDS: dict[str, MakeDrive] = {'street': SyntheticDrive, 'random': _random}


def make_drive(data: DataConfig, seed: int) -> Drive:
    """Return the drive of a seed."""
    return _maker(data.world)(data.frames, data.height, data.width, seed)


def world_digest(name: str) -> str:
    """Return a short text that changes with a world's code.

    A few small frames stand for the code: whatever changes pictures or truth changes them.
    """
    digest = hashlib.sha256()
    for seed in range(4):
        frame = _maker(name)(4, *PROBE_SIZE, seed).render(2)
        for part in (frame.image_rgb, frame.depth_m, frame.world_from_camera):
            digest.update(part.tobytes())
    return digest.hexdigest()[:16]


def _maker(name: str) -> MakeDrive:
    if name not in WORLDS:
        raise ConfigError(f'data.world must be one of {", ".join(WORLDS)}, got {name!r}')
    return WORLDS[name]
