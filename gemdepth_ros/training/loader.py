"""Batches by step, made ahead by worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch.utils.data import DataLoader, Dataset

from gemdepth_ros.training.batches import Batch, make_batch
from gemdepth_ros.training.clip_plan import plan_batch
from gemdepth_ros.training.config import TrainingConfig
from gemdepth_ros.training.sequences import FrameSource


class Steps(Dataset[Batch]):
    """The batch of every step; a process of several takes every n-th clip of it."""

    def __init__(
        self,
        config: TrainingConfig,
        sequences: Sequence[FrameSource],
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.config = config
        self.sequences = sequences
        self.rank = rank
        self.processes = processes

    def __getitem__(self, step: int) -> Batch:
        plan = plan_batch(self.config, step, len(self.sequences), len(self.sequences[0]))
        mine = replace(plan, clips=plan.clips[self.rank :: self.processes])
        return make_batch(mine, self.sequences, self.config.clips)


def batches(steps: Steps, first: int, workers: int, pin: bool) -> Iterator[Batch]:
    """Yield the batches of all steps from ``first`` on, in order.

    Args:
        steps: batch of each step.
        first: step to start with.
        workers: processes that make batches ahead; 0: made when asked for.
        pin: put them where a GPU copies from fastest.
    """
    loader = DataLoader(
        steps,
        batch_size=None,
        sampler=range(first, steps.config.total_steps),
        num_workers=workers,
        pin_memory=pin,
        prefetch_factor=2 if workers else None,
        worker_init_fn=_quiet_worker,
        multiprocessing_context='fork' if workers else None,
    )
    yield from loader


def _quiet_worker(_: int) -> None:
    """Interrupts are for the process that trains; a worker must not compete for its cores."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
