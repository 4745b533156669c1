"""Many sources over the processes of this machine, or over a Ray cluster."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gemdepth_ros.cli.evaluation.engine_options import EngineOptions
from gemdepth_ros.cli.evaluation.one_source import Outcome, Task, evaluate_one, keep
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.errors import ConfigError

logger = logging.getLogger(__name__)

RETRIES = 3  # of a source whose process was killed
STORE_BYTES = 200 << 20  # of a Ray that is started here: results are small
REACH_TIMEOUT_S = 5.0
REMEDY = 'start one with `ray start --head`, or leave out --ray-address'
NO_RAY = (
    "ray is not installed (pip install 'gemdepth_ros[ray]', or: pip install ray): the sources are "
    'evaluated by the local engine'
)


def evaluate_many(
    sources: Sequence[Path],
    settings: EvaluationSettings,
    output: Path,
    options: EngineOptions,
    note: Callable[[str], None],
    on_done: Callable[[Outcome], None],
) -> list[Outcome]:
    """Evaluate every source into a folder of its own; what is finished already is not repeated.

    Args:
        sources: recordings; on a cluster every machine must find them under these paths.
        settings: of all.
        output: folder of all; each has one in it, named after the source.
        options: where they run.
        note: told what a user should know.
        on_done: called with each outcome as it comes.

    Returns:
        The outcomes in the order of the sources.

    Raises:
        ConfigError: the Ray cluster cannot be reached, or nothing can be written.
    """
    folders = source_folders(sources, output)
    alone = options.name == 'local' and options.jobs == 1
    threads = 0 if alone else options.cpus_per_source
    tasks = [
        Task(str(source.expanduser().resolve()), str(folder.resolve()), settings, threads)
        for source, folder in zip(sources, folders, strict=True)
    ]
    found: dict[str, Outcome] = {}
    for outcome in _run(tasks, options, note):
        keep(outcome)
        found[outcome.folder] = outcome
        on_done(outcome)
    return [found[task.folder] for task in tasks]


def source_folders(sources: Sequence[Path], output: Path) -> list[Path]:
    """Return the folder of each source: its name, with a digest of its path where two share it.

    Raises:
        ConfigError: a source is given twice.
    """
    paths = [str(source.expanduser().resolve()) for source in sources]
    twice = [path for path, count in Counter(paths).items() if count > 1]
    if twice:
        raise ConfigError(f'{twice[0]} is given twice')
    stems = [Path(path).stem for path in paths]
    shared = {stem for stem, count in Counter(stems).items() if count > 1}
    return [
        output
        / (f'{stem}-{hashlib.sha256(path.encode()).hexdigest()[:8]}' if stem in shared else stem)
        for stem, path in zip(stems, paths, strict=True)
    ]


def _run(
    tasks: list[Task], options: EngineOptions, note: Callable[[str], None]
) -> Iterator[Outcome]:
    if options.name == 'ray':
        ray = _load_ray()
        if ray is not None:
            return _run_ray(ray, tasks, options)
        note(NO_RAY)
    if options.jobs <= 1:
        return map(evaluate_one, tasks)
    return _run_pool(tasks, options.jobs)


def _run_pool(tasks: list[Task], jobs: int) -> Iterator[Outcome]:
    left = {task.folder: task for task in tasks}
    for _ in range(RETRIES):
        for outcome in _pool_round(list(left.values()), jobs):
            del left[outcome.folder]
            yield outcome
        if not left:
            return
        logger.warning('a process was killed: %d sources go on from where they were', len(left))
    # The last time each alone: one that kills its process shall not take others with it.
    for task in left.values():
        outcomes = list(_pool_round([task], 1))
        text = f'its process was killed {RETRIES + 1} times'
        yield outcomes[0] if outcomes else Outcome(task.source, task.folder, None, text)


def _pool_round(tasks: list[Task], jobs: int) -> Iterator[Outcome]:
    """Yield outcomes until all are there or a process was killed."""
    # Not forked: the library's threads would not survive it.
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=context) as pool:
        futures = [pool.submit(evaluate_one, task) for task in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool:
            return


def _load_ray() -> Any | None:
    # Read when it is imported. Evaluations of recordings are nobody else's business.
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    try:
        import ray
    except ModuleNotFoundError:
        return None
    return ray


def _run_ray(ray: Any, tasks: list[Task], options: EngineOptions) -> Iterator[Outcome]:
    with _connected(ray, options):
        remote = ray.remote(
            num_cpus=options.cpus_per_source,
            num_gpus=options.gpus_per_source,
            max_retries=RETRIES,  # where a process or a machine died
        )(evaluate_one)
        waiting = {remote.remote(task): task for task in tasks}
        while waiting:
            (done,), _ = ray.wait(list(waiting))
            task = waiting.pop(done)
            try:
                yield ray.get(done)
            except ray.exceptions.RayTaskError:
                raise  # a bug, not the source's fault: keep its traceback
            except ray.exceptions.RayError as error:
                text = ' '.join(str(error).split())[:300]
                yield Outcome(task.source, task.folder, None, f'its process was lost: {text}')


def _check_reachable(address: str) -> None:
    """Try the port of an address that has one: Ray itself would try for minutes.

    Raises:
        ConfigError: nobody answers there.
    """
    host, _, port = address.removeprefix('ray://').rpartition(':')
    if not host or not port.isdigit():
        return  # auto, local
    try:
        socket.create_connection((host, int(port)), REACH_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(f'no Ray at {address} ({error}); {REMEDY}') from error


@contextmanager
def _connected(ray: Any, options: EngineOptions) -> Iterator[None]:
    """Join the cluster, or start one on this machine; leave it afterwards."""
    cores = len(os.sched_getaffinity(0))
    common = {'log_to_driver': False, 'logging_level': logging.ERROR}
    try:
        if options.address:
            _check_reachable(options.address)
            ray.init(address=options.address, **common)
        else:
            ray.init(
                address='local',
                num_cpus=max(options.jobs or cores, options.cpus_per_source),
                include_dashboard=False,
                object_store_memory=STORE_BYTES,
                **common,
            )
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        where = options.address or 'this machine'
        raise ConfigError(
            f'no Ray at {where} ({" ".join(str(error).split())[:200]}); {REMEDY}'
        ) from error
    try:
        yield
    finally:
        ray.shutdown()
