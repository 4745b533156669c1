"""``gemdepth-ros train``: train a network on the synthetic world."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gemdepth_ros.cli.argument_types import at_least, positive

if TYPE_CHECKING:
    from gemdepth_ros.training.config import TrainingConfig
    from gemdepth_ros.training.trainer import Progress

DESCRIPTION = 'Train a network on the synthetic world; stop and go on at any time.'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``gemdepth-ros train``."""
    parser.add_argument('--config', type=Path, required=True, help='training configuration (YAML)')
    parser.add_argument('--output', type=Path, help='folder of the run (needed to train)')
    parser.add_argument(
        '--data',
        type=Path,
        help='folder of rendered sequences (default: training_data beside the run)',
    )
    parser.add_argument('--render-only', action='store_true', help='render what is missing; stop')
    parser.add_argument('--resume', action='store_true', help='go on from the newest checkpoint')
    parser.add_argument('--minutes', type=positive, help='stop after so many minutes')
    parser.add_argument('--device', default='auto', help='auto (default), cpu, cuda or cuda:N')
    parser.add_argument('--init', type=Path, help='weights to start from (fine-tuning)')
    parser.add_argument('--threads', type=at_least(1), help='CPU threads of the training')
    parser.add_argument(
        '--workers',
        type=at_least(1),
        default=1,
        help='processes that render, and that make batches (default 1)',
    )


def run(args: argparse.Namespace) -> int:
    """Render and train; what goes wrong is a ``GemDepthError``."""
    import torch

    from gemdepth_ros.errors import ConfigError
    from gemdepth_ros.training.config_file import load_config
    from gemdepth_ros.training.files import make_folder
    from gemdepth_ros.training.session import check_device

    config = load_config(args.config)
    if args.output is None and (args.data is None or not args.render_only):
        raise ConfigError('--output is missing: the folder of the run')
    data = args.data or args.output.parent / 'training_data'
    if not args.render_only:  # rendering may take hours: what cannot end well is said before it
        check_device(args.device)
        make_folder(args.output, '--output')
    if args.threads:
        torch.set_num_threads(args.threads)
    if config.data.source == 'cache':
        _render(config, data, args.workers)
    return 0 if args.render_only else _train(args, config, data)


def _render(config: TrainingConfig, data: Path, workers: int) -> None:
    import os

    from gemdepth_ros.training.sequences import render_missing

    if int(os.environ.get('RANK', '0')):
        return  # torchrun: the first process renders; the others find it done or say what lacks
    from rich.progress import Progress as Bar

    with Bar(disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task('rendering')
        done, total = 0, 0
        for done, total in render_missing(data, config.data, workers):
            bar.update(task, completed=done, total=total)
    print(f'{done} of {total} sequences in {data}')


def _train(args: argparse.Namespace, config: TrainingConfig, data: Path) -> int:
    from gemdepth_ros.training.session import Session, train

    session = Session(
        output=args.output,
        data=data,
        initial=args.init,
        resume=args.resume,
        minutes=args.minutes or float('inf'),
        device=args.device,
        workers=args.workers,
    )
    shown = _Shown()
    with shown.bar:
        weights = train(config, session, shown.show)
    last = shown.last
    if last is not None:
        print(
            f'step {last.step} of {last.total}, {last.frames_per_s:.1f} frames/s, in {args.output}'
        )
    if weights is not None:
        print(f'weights: {weights}')
    return 0


class _Shown:
    """The progress bar and the last thing it showed."""

    def __init__(self) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import (
            Progress as Bar,
        )

        self.bar = Bar(
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn('{task.description}'),
            TimeRemainingColumn(),
            disable=not sys.stderr.isatty(),
        )
        self.task = self.bar.add_task('starting')
        self.last: Progress | None = None

    def show(self, progress: Progress) -> None:
        """Take what the trainer says after a step."""
        self.last = progress
        text = (
            f'loss {progress.loss:.3f}  AbsRel {progress.abs_rel:.3f}  '
            f'{progress.frames_per_s:.1f} frames/s'
        )
        self.bar.update(self.task, completed=progress.step, total=progress.total, description=text)
