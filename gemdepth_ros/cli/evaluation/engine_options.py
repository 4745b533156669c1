"""Where an evaluation of many sources runs, as arguments. Light: the parser reads it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from gemdepth_ros.cli.argument_types import at_least, not_negative
from gemdepth_ros.errors import ConfigError

ENGINES = ('local', 'ray')


@dataclass(frozen=True)
class EngineOptions:
    """Where sources are evaluated.

    Attributes:
        name: ``local``: processes of this machine; ``ray``: those of a Ray cluster.
        jobs: sources at a time; with ray the CPU cores of one that this program starts (0: all).
        address: of a running Ray cluster; empty: one is started on this machine.
        cpus_per_source: CPU cores, and threads of the network, of one source.
        gpus_per_source: GPUs of one source; a fraction shares one.
    """

    name: str = 'local'
    jobs: int = 1
    address: str = ''
    cpus_per_source: int = 1
    gpus_per_source: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise ConfigError(f'engine must be one of {", ".join(ENGINES)}, got {self.name!r}')
        if self.address and self.name != 'ray':
            raise ConfigError(f'--ray-address {self.address} needs --engine ray')


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    group = parser.add_argument_group('many sources')
    add = group.add_argument
    add('--engine', choices=ENGINES, default='local', help='what evaluates them (%(default)s)')
    add(
        '--jobs',
        type=at_least(0),
        metavar='N',
        help='local: sources at a time (1); ray on this machine: its CPU cores (all)',
    )
    add(
        '--ray-address',
        default='',
        metavar='ADDRESS',
        help='a running cluster, as ray.init takes it; default: one on this machine alone',
    )
    add(
        '--cpus-per-source',
        type=at_least(1),
        default=1,
        metavar='N',
        help='CPU cores and threads for each source where several run (%(default)s)',
    )
    add(
        '--gpus-per-source',
        type=not_negative,
        default=0.0,
        metavar='X',
        help='ray: GPUs of one source, 0.5 shares one (%(default)s)',
    )


def engine_options(args: argparse.Namespace) -> EngineOptions:
    """Return what the user chose.

    Raises:
        ConfigError: the choices contradict each other.
    """
    jobs = args.jobs if args.jobs is not None else (1 if args.engine == 'local' else 0)
    if args.engine == 'local' and jobs == 0:
        raise ConfigError('--jobs must be >= 1 with --engine local')
    return EngineOptions(
        args.engine, jobs, args.ray_address, args.cpus_per_source, args.gpus_per_source
    )
