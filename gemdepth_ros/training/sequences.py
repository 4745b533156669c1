"""Rendered sequences on disk: one folder each, read by memory map.

A sequence's folder holds ``image.npy`` uint8 [N, H, W, 3], ``inverse_depth.npy`` float16 [N, H, W]
[1/m] (0: sky) and ``cameras.npz``: world_from_camera float64 [N, 4, 4], focal float64 [N, 2]
(fx, fy [px]). ``cache.json`` beside the folders says which world they show.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import torch

from gemdepth_ros.errors import ConfigError, TrainingError
from gemdepth_ros.interfaces import Float64Array, UInt8Array
from gemdepth_ros.training.config import DataConfig
from gemdepth_ros.training.files import make_folder
from gemdepth_ros.training.world import make_drive, world_digest

INDEX_FILE = 'cache.json'
Float16Array = npt.NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class Sequence:
    """One rendered drive.

    Attributes:
        image_rgb: uint8 [N, H, W, 3].
        inverse_depth: float16 [N, H, W], 1 / depth [1/m]; 0 is sky.
        world_from_camera: float64 [N, 4, 4], optical axes.
        focal: float64 [N, 2], fx and fy [px].
    """

    image_rgb: UInt8Array
    inverse_depth: Float16Array
    world_from_camera: Float64Array
    focal: Float64Array

    def __len__(self) -> int:
        return len(self.image_rgb)

    def take(self, frames: npt.NDArray[np.int64]) -> Sequence:
        """Return some frames, in the given order, in memory."""
        return Sequence(
            self.image_rgb[frames],
            self.inverse_depth[frames],
            self.world_from_camera[frames],
            self.focal[frames],
        )


class FrameSource(Protocol):
    """A sequence on disk, or one that is rendered when it is asked for."""

    def __len__(self) -> int:
        """Return the number of frames."""

    def take(self, frames: npt.NDArray[np.int64]) -> Sequence:
        """Return some frames, in the given order, in memory."""


@dataclass(frozen=True)
class LiveSequence:
    """A sequence whose frames are rendered at each use: no disk, and any number of seeds.

    Attributes:
        data: the world and the size of the pictures.
        seed: of the drive.
        device: where to render.
    """

    data: DataConfig
    seed: int
    device: torch.device

    def __len__(self) -> int:
        return self.data.frames

    def take(self, frames: npt.NDArray[np.int64]) -> Sequence:
        """Render the frames; one that is asked for twice is rendered once."""
        distinct, place = np.unique(frames, return_inverse=True)
        return render_frames(self.data, self.seed, distinct.tolist(), self.device).take(place)


def render_frames(
    data: DataConfig, seed: int, indices: Iterable[int], device: str | torch.device = 'cpu'
) -> Sequence:
    """Render frames of the drive of a seed."""
    drive = make_drive(data, seed, device)
    frames = [drive.render(index) for index in indices]
    return Sequence(
        np.stack([frame.image_rgb for frame in frames]),
        np.stack([np.float16(1.0 / frame.depth_m) for frame in frames]),
        np.stack([frame.world_from_camera for frame in frames]),
        np.array([[frame.camera.fx, frame.camera.fy] for frame in frames]),
    )


def seeds_of(data: DataConfig) -> tuple[range, range]:
    """Return the seeds to train on and the held-out ones."""
    first, held_out = data.first_seed, data.validation_first_seed
    return (
        range(first, first + data.sequences),
        range(held_out, held_out + data.validation_sequences),
    )


def _rendered_as(data: DataConfig) -> dict[str, Any]:
    return {name: getattr(data, name) for name in ('world', 'frames', 'height', 'width')}


def check_folder(folder: Path, data: DataConfig) -> dict[str, Any]:
    """Return what ``cache.json`` says.

    Raises:
        ConfigError: there is none, or the sequences were rendered with another configuration.
    """
    try:
        found: dict[str, Any] = json.loads((folder / INDEX_FILE).read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f'{folder} holds no rendered sequences ({error}): render them with --render-only'
        ) from None
    wanted = _rendered_as(data)
    different = [name for name in wanted if found.get(name) != wanted[name]]
    if different:
        name = different[0]
        raise ConfigError(
            f'{folder} was rendered with {name} {found.get(name)}, configured is {wanted[name]}: '
            'give another folder'
        )
    return found


def prepare_folder(folder: Path, data: DataConfig) -> None:
    """Make the folder, or check that what is rendered from now on fits what it holds.

    Raises:
        ConfigError: it holds another world, or the same one from other code, or is a file.
    """
    digest = world_digest(data.world)
    if not (folder / INDEX_FILE).is_file():
        make_folder(folder, '--data')
        part = folder / f'{INDEX_FILE}.part{os.getpid()}'
        part.write_text(json.dumps({**_rendered_as(data), 'code': digest}) + '\n')
        part.replace(folder / INDEX_FILE)
        return
    found = check_folder(folder, data).get('code')
    if found != digest:
        raise ConfigError(
            f'{folder} shows the world {data.world} as other code makes it ({found}, now '
            f'{digest}): give another folder, or as many sequences as it holds'
        )


def render_missing(folder: Path, data: DataConfig, workers: int) -> Iterator[tuple[int, int]]:
    """Render what the cache lacks with worker processes; yield (done, total) as it goes.

    It can be stopped at any time; whole sequences are kept.
    """
    seeds = [seed for part in seeds_of(data) for seed in part]
    missing = [seed for seed in seeds if not _folder_of(folder, seed).is_dir()]
    done = len(seeds) - len(missing)
    yield done, len(seeds)
    if not missing:
        return
    prepare_folder(folder, data)
    context = get_context('spawn')
    with ProcessPoolExecutor(workers, context, _start_worker, (os.getpid(),)) as pool:
        try:
            jobs = [pool.submit(_render_to, folder, data, seed) for seed in missing]
            for number, job in enumerate(jobs, start=done + 1):
                job.result()
                yield number, len(seeds)
        finally:
            pool.shutdown(cancel_futures=True)


def _start_worker(parent: int) -> None:
    """Use one core, and end when the parent ends, however that happened."""
    torch.set_num_threads(1)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _folder_of(folder: Path, seed: int) -> Path:
    return folder / f'sequence_{seed:07d}'


def _render_to(folder: Path, data: DataConfig, seed: int) -> None:
    write_sequence(folder, seed, render_frames(data, seed, range(data.frames)))


def write_sequence(folder: Path, seed: int, sequence: Sequence) -> None:
    """Write a sequence's folder in one piece: it is there as a whole or not at all.

    Raises:
        TrainingError: it cannot be written; nothing is left of it.
    """
    target = _folder_of(folder, seed)
    part = target.with_name(f'{target.name}.part{os.getpid()}')
    shutil.rmtree(part, ignore_errors=True)
    try:
        _save_to(part, sequence)
        part.replace(target)
    except OSError as error:  # numpy gives no errno for a full disk
        raise TrainingError(
            f'cannot write {target} ({error}): is the disk full? Make room and give the command '
            'again; whole sequences are kept'
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)  # nothing is there when all went well


def _save_to(folder: Path, sequence: Sequence) -> None:
    folder.mkdir()
    np.save(folder / 'image.npy', sequence.image_rgb)
    np.save(folder / 'inverse_depth.npy', sequence.inverse_depth)
    np.savez(
        folder / 'cameras.npz',
        world_from_camera=sequence.world_from_camera,
        focal=sequence.focal,
    )


def open_sequences(folder: Path, data: DataConfig, seeds: Iterable[int]) -> list[Sequence]:
    """Open rendered sequences by memory map and check them.

    Raises:
        ConfigError: the cache shows another world, or a sequence is missing or damaged.
    """
    check_folder(folder, data)
    return [_open(_folder_of(folder, seed), data) for seed in seeds]


def _open(folder: Path, data: DataConfig) -> Sequence:
    if not folder.is_dir():
        raise ConfigError(f'no rendered sequence {folder}: run with --render-only first')
    try:
        with np.load(folder / 'cameras.npz') as cameras:
            poses, focal = cameras['world_from_camera'], cameras['focal']
        image = np.load(folder / 'image.npy', mmap_mode='r')
        inverse_depth = np.load(folder / 'inverse_depth.npy', mmap_mode='r')
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise ConfigError(f'{folder} is damaged ({error}): remove it and render again') from None
    size = (data.frames, data.height, data.width)
    whole = (
        (image.shape, image.dtype) == ((*size, 3), np.uint8)
        and (inverse_depth.shape, inverse_depth.dtype) == (size, np.float16)
        and poses.shape == (data.frames, 4, 4)
        and focal.shape == (data.frames, 2)
        and bool(np.isfinite(poses).all() and (focal > 0).all())
    )
    if not whole:
        raise ConfigError(f'{folder} is damaged (shapes or values): remove it and render again')
    return Sequence(image, inverse_depth, poses, focal)
