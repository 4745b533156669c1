"""A training session from its configuration: opens data, resumes, trains, exports."""

from __future__ import annotations

import platform
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from gemdepth_ros import __version__
from gemdepth_ros.errors import ConfigError
from gemdepth_ros.training.checkpoints import load_checkpoint, saved_steps
from gemdepth_ros.training.config import DataConfig, TrainingConfig
from gemdepth_ros.training.export import export_weights, exported
from gemdepth_ros.training.files import full_disk_in_one_line, make_folder
from gemdepth_ros.training.loader import Steps, batches
from gemdepth_ros.training.network import TrainedNetwork
from gemdepth_ros.training.processes import Processes, join, leave
from gemdepth_ros.training.record import RunLog
from gemdepth_ros.training.sequences import (
    FrameSource,
    LiveSequence,
    open_sequences,
    render_frames,
    seeds_of,
)
from gemdepth_ros.training.starting import starting_network
from gemdepth_ros.training.trainer import Progress, Trainer


@dataclass(frozen=True)
class Session:
    """What the command line decides.

    Attributes:
        output: folder of the run.
        data: folder of the rendered sequences.
        initial: weights to start from, or None.
        resume: go on from the newest checkpoint of the folder.
        minutes: stop after this time; infinite: at the end.
        device: 'auto', 'cpu', 'cuda' or 'cuda:N'.
        workers: processes that make batches.
    """

    output: Path
    data: Path
    initial: Path | None = None
    resume: bool = False
    minutes: float = float('inf')
    device: str = 'auto'
    workers: int = 1


def train(
    config: TrainingConfig, session: Session, show: Callable[[Progress], None]
) -> Path | None:
    """Run a session; return the exported weights once the training is complete, else None.

    Raises:
        ConfigError: configuration, data or folders do not fit.
        TrainingError: the loss became infinite or not a number, or the disk is full.
        WeightsError: the newest checkpoint, or the weights to start from, cannot be read.
    """
    wanted = check_device(session.device)
    processes = join(wanted.type)
    try:
        device = _device(wanted, processes)
        with full_disk_in_one_line(session.output):
            trainer = _trainer(config, session, device, processes)
            return _run(config, session, trainer, show)
    finally:
        leave()


def _run(
    config: TrainingConfig, session: Session, trainer: Trainer, show: Callable[[Progress], None]
) -> Path | None:
    processes = trainer.processes
    sequences, held_out = _sequences(config.data, session.data, trainer.device)
    log = RunLog(session.output, trainer.step) if processes.first else None
    steps = Steps(config, sequences, processes.rank, processes.count)
    # Forked workers cannot use the GPU that live sequences are rendered on.
    live = config.data.source == 'render'
    on_gpu = trainer.device.type == 'cuda'
    source = batches(steps, trainer.step, 0 if live else session.workers, pin=on_gpu)
    deadline = time.monotonic() + 60 * session.minutes
    # Nothing is left to do then, and what is there is not to be written by a newer package.
    finished = exported(session.output) if trainer.step >= config.total_steps else None
    with _stop_signals() as stopped:
        complete = trainer.run(
            source, held_out, log, lambda: stopped() or time.monotonic() >= deadline, show
        )
    if not complete or not processes.first:
        return None
    if finished is not None:
        return finished
    trainer.mean.exchange()
    return export_weights(trainer.network.model, session.output, model_card(config, trainer))


def _sequences(
    data: DataConfig, folder: Path, device: torch.device
) -> tuple[list[FrameSource], list[FrameSource]]:
    """Return what to train on and what is held out (rendered once, in memory, if not on disk)."""
    seeds, held_out = seeds_of(data)
    if data.source == 'render':
        every_frame = range(data.frames)
        return (
            [LiveSequence(data, seed, device) for seed in seeds],
            [render_frames(data, seed, every_frame, device) for seed in held_out],
        )
    return [*open_sequences(folder, data, seeds)], [*open_sequences(folder, data, held_out)]


def _trainer(
    config: TrainingConfig, session: Session, device: torch.device, processes: Processes
) -> Trainer:
    _check_split(config, processes)
    make_folder(session.output, '--output')
    if saved_steps(session.output) and not session.resume:
        raise ConfigError(
            f'{session.output} holds a run already: --resume goes on with it, another --output '
            'starts a new one'
        )
    model = starting_network(config, session.initial)
    network = TrainedNetwork(model, config.losses, _half(config, device))
    trainer = Trainer(config, network, device, session.output, processes)
    state = load_checkpoint(session.output) if session.resume else None
    if state is not None:
        trainer.restore(state)
    return trainer


def _check_split(config: TrainingConfig, processes: Processes) -> None:
    for stage in config.stages:
        for length in stage.lengths:
            if stage.frames_per_step // length % processes.count:
                raise ConfigError(
                    f'{stage.frames_per_step // length} clips of {length} frames cannot be shared '
                    f'equally by {processes.count} processes: raise stages.frames_per_step'
                )


def _half(config: TrainingConfig, device: torch.device) -> bool:
    if config.precision == 'auto':
        return device.type == 'cuda' and torch.cuda.is_bf16_supported()
    return config.precision == 'bfloat16'


def check_device(name: str) -> torch.device:
    """Return the device that was asked for; a GPU without number is each process's own.

    Raises:
        ConfigError: the name is none of auto, cpu, cuda and cuda:N.
    """
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    wrong = ConfigError(f'--device must be auto, cpu, cuda or cuda:N, got {name!r}')
    try:
        wanted = torch.device(name)
    except RuntimeError:
        raise wrong from None
    if wanted.type not in ('cpu', 'cuda'):
        raise wrong
    return wanted


def _device(wanted: torch.device, processes: Processes) -> torch.device:
    if wanted.type == 'cpu':
        return torch.device('cpu')
    index = processes.local_rank if wanted.index is None else wanted.index
    if index >= torch.cuda.device_count():
        raise ConfigError(f'no CUDA device {index}: PyTorch sees {torch.cuda.device_count()}')
    torch.cuda.set_device(index)
    return torch.device('cuda', index)


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Turn SIGTERM and SIGINT into an answer, for the length of the context."""
    received: list[int] = []
    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda n, _: received.append(n)) for number in signals]
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def model_card(config: TrainingConfig, trainer: Trainer) -> dict[str, Any]:
    """Return what is to be known about the weights of a complete run."""
    device = trainer.device
    name = torch.cuda.get_device_name(device) if device.type == 'cuda' else platform.machine()
    seeds, held_out = seeds_of(config.data)
    return {
        'package': __version__,
        'torch': torch.__version__,
        'network': config.network,
        'parameters': sum(p.numel() for p in trainer.network.model.parameters()),
        'device': f'{device.type} ({name})',
        'processes': trainer.processes.count,
        'threads': torch.get_num_threads(),
        'bfloat16': trainer.network.in_bfloat16,
        'steps': trainer.step,
        'frames': trainer.frames,
        'minutes': round(trainer.seconds / 60, 1),
        'seed': config.seed,
        'training_seeds': [seeds.start, seeds.stop - 1],
        'held_out_seeds': [held_out.start, held_out.stop - 1],
        'losses': {key: round(value, 6) for key, value in trainer.losses.items()},
        'held_out': {key: round(value, 6) for key, value in trainer.scores.items()},
        'config': asdict(config),
    }
