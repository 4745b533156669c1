"""The working files of an evaluation: records, saved states, images for samples."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2

from gemdepth_ros import __version__
from gemdepth_ros.cli.evaluation.settings import AUTO, NONE, EvaluationSettings
from gemdepth_ros.errors import ConfigError
from gemdepth_ros.evaluation.records import RecordStore, sync_folder
from gemdepth_ros.evaluation.result import FORMAT_VERSION
from gemdepth_ros.hub import CATALOGUE, weights_path
from gemdepth_ros.interfaces import UInt8Array
from gemdepth_ros.media.image_folder import read_image

logger = logging.getLogger(__name__)

RESULT, SAMPLES, RUN, WORK = 'result.json', 'samples', 'run.json', '.work'
REPLAY = 'replay'
KEPT_STATES = 2
# What an evaluation leaves where output and source are one folder.
_OWN_NAMES = (RESULT, SAMPLES, RUN, WORK, 'report.html')
# They change how an evaluation goes, not what it finds.
_IDLE_SETTINGS = ('checkpoint_s',)


def fingerprint(
    source: Path,
    settings: EvaluationSettings,
    *,
    output: Path | None = None,
    made_by: str = REPLAY,
) -> str:
    """Return what tells one evaluation from another.

    These are the files of source, truth and weights, the settings, the version of this package,
    and how the predictions are made.

    Args:
        source: recording.
        settings: of the evaluation.
        output: folder of the result; what is in it does not count as part of the source.
        made_by: kind of the predictor, in words.

    Raises:
        ConfigError: a file cannot be looked at.
    """
    source = source.expanduser().resolve()
    own = None if output is None else output.expanduser().resolve()
    try:
        files = _files(source, settings, own)
    except OSError as error:
        raise ConfigError(
            f'cannot look at {error.filename or source}: {error.strerror or error}; make it '
            'readable or remove it'
        ) from error
    facts: dict[str, Any] = {
        'format': FORMAT_VERSION,
        'version': __version__,
        'source': str(source),
        **files,
        'settings': {k: v for k, v in asdict(settings).items() if k not in _IDLE_SETTINGS},
        'made_by': made_by,
    }
    return json.dumps(facts, indent=1, sort_keys=True)


def _files(source: Path, settings: EvaluationSettings, own: Path | None) -> dict[str, Any]:
    """Return the state of all files that an evaluation reads, but for those in ``own``."""
    truth = [n for n in (*settings.ground_truth, settings.masks) if n not in ('', AUTO, NONE)]
    return {
        'files': _file_facts(source, own),
        'beside': {str(path): _file_facts(path, own) for path in _beside(source)},
        'weights': _file_facts(_weights(settings.weights), own) if settings.weights else [],
        'truth': [_file_facts(Path(name).expanduser().resolve(), own) for name in truth],
    }


def _weights(name: str) -> Path:
    """Return the file behind a weights argument, there or not."""
    return weights_path(CATALOGUE[name]) if name in CATALOGUE else Path(name).expanduser()


def _beside(source: Path) -> list[Path]:
    """Return the files outside a KITTI folder that belong to it: calibration, poses."""
    if not source.is_dir():
        return []
    poses = source.parent.parent / 'poses' / f'{source.name}.txt'
    return [*sorted(source.parent.glob('calib_*.txt')), *([poses] if poses.is_file() else [])]


def _file_facts(path: Path, output: Path | None) -> list[Any]:
    """Return size and time of a file; of a folder the digest of all names, sizes and times.

    Args:
        path: file or folder, or nothing.
        output: folder of the evaluation, which is left out.
    """
    if path.is_file():
        return _file_state(path)
    if not path.is_dir():
        return []
    digest, count = hashlib.sha256(), 0
    for place, folders, names in os.walk(path):
        folder = Path(place)
        own = _OWN_NAMES if folder == output else ()
        folders[:] = sorted(n for n in folders if n not in own and folder / n != output)
        for name in sorted(set(names).difference(own)):
            file = folder / name
            digest.update(f'{file.relative_to(path)} {_file_state(file)}\n'.encode())
            count += 1
    return [count, digest.hexdigest()]


def _file_state(file: Path) -> list[Any]:
    """Return size and time of a file, or of the link itself where it leads to nothing.

    Such links are no fault: data sets under git-annex hold them for what was not fetched.
    """
    try:
        status, kind = file.stat(), []
    except OSError:
        status, kind = file.lstat(), ['link']
    return [*kind, status.st_size, status.st_mtime_ns]


class Workspace:
    """Folder of one evaluation.

    Args:
        output: folder of the result; made where missing.
        identity: `fingerprint` of the evaluation; working files of another one are removed.

    Raises:
        ConfigError: the folder cannot be written.
    """

    def __init__(self, output: Path, identity: str) -> None:
        self.output = output
        self.work = output / WORK
        self._identity = identity
        try:
            output.mkdir(parents=True, exist_ok=True)
            if self.work.exists() and _text(self.work / RUN) != identity:
                shutil.rmtree(self.work)
            (self.work / 'images').mkdir(parents=True, exist_ok=True)
            (self.work / 'states').mkdir(exist_ok=True)
            (self.work / RUN).write_text(identity, 'utf-8')
        except OSError as error:
            raise ConfigError(f'cannot write to {output}: {error.strerror or error}') from error
        self.records = RecordStore(self.work / 'records')

    @property
    def result(self) -> Path:
        """File of the result."""
        return self.output / RESULT

    def is_finished(self) -> bool:
        """Return whether the result of this very evaluation is there."""
        return finished(self.output, self._identity)

    def save_state(self, snapshot: bytes) -> None:
        """Keep the state after the last record; older ones go but for a spare.

        Raises:
            ConfigError: it cannot be written.
        """
        self.records.settle()  # a state promises the records before it
        path = self._state(len(self.records))
        temporary = path.with_suffix('.tmp')
        try:
            with temporary.open('wb') as file:
                file.write(snapshot)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            sync_folder(path.parent)
            for old in sorted(self.work.glob('states/*.bin'))[:-KEPT_STATES]:
                old.unlink()
        except OSError as error:
            raise ConfigError(f'cannot write {path}: {error.strerror or error}') from error

    def resume(self, restore: Callable[[bytes], None]) -> int:
        """Restore the newest state that can be; return how many records are before it.

        Later records are forgotten; without any state all of them.

        Args:
            restore: takes a state back, or raises ConfigError and changes nothing.

        Raises:
            ConfigError: there are states, and none can be restored.
        """
        useless: list[Path] = []
        failure: ConfigError | None = None
        for path in sorted(self.work.glob('states/*.bin'), reverse=True):
            count = int(path.stem)
            try:
                # One whose records are gone is of no use, whatever is in it.
                if count <= len(self.records):
                    restore(_state_bytes(path))
                    self._go_on_from(count, useless)
                    return count
            except ConfigError as error:
                failure = failure or error
            useless.append(path)
        if failure is not None:
            raise failure
        self._go_on_from(0, useless)
        return 0

    def _go_on_from(self, count: int, useless: list[Path]) -> None:
        """Forget later records, and states that would else pass for the spare one."""
        self.records.truncate(count)
        for path in useless:
            logger.warning(
                'the saved state %s cannot be used: the evaluation goes on after %d frames',
                path,
                count,
            )
            path.unlink()

    def finish(self) -> None:
        """Mark the result as this evaluation's, and remove the working files."""
        (self.output / RUN).write_text(self._identity, 'utf-8')
        shutil.rmtree(self.work)

    def _state(self, count: int) -> Path:
        return self.work / 'states' / f'{count:07d}.bin'


def finished(output: Path, identity: str) -> bool:
    """Return whether a folder holds the finished result of an evaluation."""
    return (output / RESULT).is_file() and _text(output / RUN) == identity


def _state_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f'cannot read the saved state {path}: {error.strerror or error}; start anew (--force)'
        ) from error


def _text(path: Path) -> str:
    try:
        return path.read_text('utf-8')
    except (OSError, UnicodeDecodeError):
        return ''


class ImageShelf:
    """Keeps evenly spaced images, at most twice as many as wanted, of a recording of any length.

    Args:
        folder: where they are kept.
        wanted: how many are wanted in the end; 0 keeps none.
    """

    def __init__(self, folder: Path, wanted: int) -> None:
        self._folder = folder
        self._wanted = wanted
        self._stride = 1
        self._offered = 0

    def offer(self, image_rgb: UInt8Array | None) -> None:
        """Take the image of the next record; None: it was offered before (resumed)."""
        number, self._offered = self._offered, self._offered + 1
        if not self._wanted or number % self._stride:
            return
        while number // self._stride >= 2 * self._wanted:
            self._stride *= 2
        if number % self._stride == 0 and image_rgb is not None:
            path = self._path(number)
            if not cv2.imwrite(str(path), cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)):
                raise ConfigError(f'cannot write {path}')
        for path in self._folder.glob('*.png'):
            if int(path.stem) % self._stride:
                path.unlink()

    def chosen(self) -> list[int]:
        """Return the numbers of the records whose images make the samples, evenly spaced."""
        numbers = [n for n in range(0, self._offered, self._stride) if self._path(n).is_file()]
        if len(numbers) <= self._wanted:
            return numbers
        places = [int((k + 0.5) * len(numbers) / self._wanted) for k in range(self._wanted)]
        return [numbers[place] for place in places]

    def read(self, number: int) -> UInt8Array:
        """Return the image of a chosen record."""
        return read_image(self._path(number))

    def _path(self, number: int) -> Path:
        return self._folder / f'{number:07d}.png'
