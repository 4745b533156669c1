"""The loop: batches in, weights out; stops and goes on at any step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from gemdepth_ros.errors import TrainingError
from gemdepth_ros.training.batches import Batch
from gemdepth_ros.training.checkpoints import save_checkpoint, saved_steps
from gemdepth_ros.training.config import TrainingConfig
from gemdepth_ros.training.losses import Losses
from gemdepth_ros.training.network import TrainedNetwork
from gemdepth_ros.training.optimizers import RunningMean, make_optimizer, rate_share
from gemdepth_ros.training.processes import Processes, anyone, shared
from gemdepth_ros.training.record import RunLog, draw_curves
from gemdepth_ros.training.sequences import FrameSource
from gemdepth_ros.training.validation import validate


@dataclass(frozen=True)
class Progress:
    """What a progress bar shows after a step.

    Attributes:
        step: steps done.
        total: steps of the run.
        loss: of the last logged step.
        frames_per_s: since this process started.
        abs_rel: of the last validation; NaN before.
    """

    step: int
    total: int
    loss: float
    frames_per_s: float
    abs_rel: float


class Trainer:
    """State of a run: network, running mean, optimiser, number of steps done."""

    def __init__(
        self,
        config: TrainingConfig,
        network: TrainedNetwork,
        device: torch.device,
        folder: Path,
        processes: Processes = Processes(),  # noqa: B008  (frozen)
    ) -> None:
        self.config = config
        self.device = device
        self.folder = folder
        self.processes = processes
        self.network = network.to(device)
        self.wrapped = shared(self.network, processes)
        self.optimizer = make_optimizer(network, config.optimizer)
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.mean = RunningMean(list(self.parameters), config.optimizer.ema_decay)
        self.step = 0
        self.seconds = 0.0
        self.frames = 0
        self.losses: dict[str, float] = {}
        self.scores: dict[str, float] = {}

    def state(self) -> dict[str, Any]:
        """Return all that a resumed run needs: batches are a function of seed and step."""
        return {
            'network': self.network.model.state_dict(),
            'mean': self.mean.mean,
            'optimizer': self.optimizer.state_dict(),
            'step': self.step,
            'seconds': self.seconds,
            'frames': self.frames,
            'losses': self.losses,
            'scores': self.scores,
            'config': repr(self.config),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a saved state.

        Raises:
            TrainingError: it is of another configuration.
        """
        if state['config'] != repr(self.config):
            raise TrainingError(
                f'{self.folder} was trained with another configuration: give another --output, '
                'or the configuration that is kept there'
            )
        self.network.model.load_state_dict(state['network'])
        with torch.no_grad():
            for mean, saved in zip(self.mean.mean, state['mean'], strict=True):
                mean.copy_(saved)
        self.optimizer.load_state_dict(state['optimizer'])
        self.step = state['step']
        self.seconds, self.frames = state['seconds'], state['frames']
        # Older checkpoints do not hold them.
        self.losses, self.scores = state.get('losses', {}), state.get('scores', {})

    def save(self) -> None:
        """Write a checkpoint (first process only)."""
        if self.processes.first and self.step not in saved_steps(self.folder):
            save_checkpoint(self.folder, self.step, self.state())

    def train_step(self, batch: Batch) -> Losses:
        """Make one step; the weights are as before if loss or gradient are not finite.

        Raises:
            TrainingError: they are not.
        """
        optimizer = self.config.optimizer
        self.optimizer.set_rate(rate_share(optimizer, self.step, self.config.total_steps))
        losses: Losses = self.wrapped(batch.to(self.device))
        losses.total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, optimizer.clip_norm)
        losses = Losses(*(part.detach() for part in losses))
        if not math.isfinite(float(norm) + float(losses.total)):
            self._refuse(losses)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.mean.update(self.step)
        self.step += 1
        return losses

    def _refuse(self, losses: Losses) -> None:
        self.optimizer.zero_grad()
        kept = saved_steps(self.folder)
        what = ', '.join(f'{name} {float(value):.4g}' for name, value in losses._asdict().items())
        raise TrainingError(
            f'step {self.step}: loss or gradient is not finite ({what}; batch seed '
            f'[{self.config.seed}, {self.step}]); '
            + (f'the checkpoint of step {kept[-1]} is kept' if kept else 'no checkpoint yet')
        )

    def run(
        self,
        batches: Any,
        held_out: Sequence[FrameSource],
        log: RunLog | None,
        stop: Callable[[], bool],
        show: Callable[[Progress], None],
    ) -> bool:
        """Train until the end or until ``stop()``; save at the end of either.

        Args:
            batches: batches from the present step on.
            held_out: sequences to validate with.
            log: of the run; None in all processes but the first.
            stop: asked after each step.
            show: told after each step.

        Returns:
            Whether the training is complete.
        """
        started, before, frames = time.monotonic(), self.seconds, 0
        for batch in batches:
            losses = self.train_step(batch)
            frames += batch.withheld_BT.numel() * self.processes.count
            self.frames += batch.withheld_BT.numel() * self.processes.count
            elapsed = time.monotonic() - started
            self.seconds = before + elapsed
            self._account(losses, batch, log, held_out, frames / elapsed)
            show(self._progress(frames / elapsed))
            if anyone(stop(), self.processes, self.device):
                break
        self.save()
        if log is not None:
            draw_curves(self.folder, log.lines)
        return self.step >= self.config.total_steps

    def _account(
        self,
        losses: Losses,
        batch: Batch,
        log: RunLog | None,
        held_out: Sequence[FrameSource],
        speed: float,
    ) -> None:
        """Log, validate and save where this step is due for it."""
        config, last = self.config, self.step == self.config.total_steps
        if self.step % config.log_every == 0 or last:
            self.losses = {name: float(value) for name, value in losses._asdict().items()}
            rate = rate_share(config.optimizer, self.step - 1, config.total_steps)
            if log is not None:
                log.add(
                    {
                        'step': self.step,
                        'length': batch.withheld_BT.shape[1],
                        'causal': batch.causal,
                        'rate': round(rate, 6),
                        'frames_per_s': round(speed, 2),
                        **{name: round(value, 6) for name, value in self.losses.items()},
                    }
                )
        due = config.validate_every and self.step % config.validate_every == 0
        if held_out and log is not None and (due or last):
            self.scores = self.validate(held_out)
            log.add({'step': self.step, **self.scores})
        if self.step % config.save_every == 0:
            self.save()
            if log is not None:
                draw_curves(self.folder, log.lines)

    def validate(self, held_out: Sequence[FrameSource]) -> dict[str, float]:
        """Score the running mean of the weights."""
        stage = self.config.stage_at(max(self.step - 1, 0))
        self.mean.exchange()
        try:
            return asdict(validate(self.network.model, held_out, stage, self.network.in_bfloat16))
        finally:
            self.mean.exchange()

    def _progress(self, speed: float) -> Progress:
        loss = self.losses.get('total', math.nan)
        abs_rel = self.scores.get('abs_rel', math.nan)
        return Progress(self.step, self.config.total_steps, loss, speed, abs_rel)
