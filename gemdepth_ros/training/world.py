"""Drives of the synthetic world, by name: the only place that knows how they are made."""

from __future__ import annotations

import hashlib
from typing import Protocol

import torch

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.synthetic import SyntheticDrive, SyntheticFrame, random_drive
from gemdepth_ros.training.config import DataConfig

PROBE_SIZE = (28, 56)


class Drive(Protocol):
    """Frames with their truth, rendered one by one."""

    def render(self, index: int) -> SyntheticFrame:
        """Render frame ``index``."""


class MakeDrive(Protocol):
    """Builds the drive of a seed."""

    def __call__(
        self, *, seed: int, frames: int, height: int, width: int, device: str | torch.device
    ) -> Drive:
        """Return the drive."""


WORLDS: dict[str, MakeDrive] = {'street': SyntheticDrive, 'random': random_drive}


def make_drive(data: DataConfig, seed: int, device: str | torch.device = 'cpu') -> Drive:
    """Return the drive of a seed, to be rendered on a device."""
    return _maker(data.world)(
        seed=seed, frames=data.frames, height=data.height, width=data.width, device=device
    )


def world_digest(name: str) -> str:
    """Return a short text that changes with a world's code.

    A few small frames stand for the code: whatever changes pictures or truth changes them.
    """
    digest = hashlib.sha256()
    for seed in range(4):
        height, width = PROBE_SIZE
        drive = _maker(name)(seed=seed, frames=4, height=height, width=width, device='cpu')
        frame = drive.render(2)
        for part in (frame.image_rgb, frame.depth_m, frame.world_from_camera):
            digest.update(part.tobytes())
    return digest.hexdigest()[:16]


def _maker(name: str) -> MakeDrive:
    if name not in WORLDS:
        raise ConfigError(f'data.world must be one of {", ".join(WORLDS)}, got {name!r}')
    return WORLDS[name]
