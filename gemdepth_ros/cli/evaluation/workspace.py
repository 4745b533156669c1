"""The working files of an evaluation: records, saved states, images for samples."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2

from gemdepth_ros import __version__
from gemdepth_ros.cli.evaluation.settings import AUTO, NONE, EvaluationSettings
from gemdepth_ros.errors import ConfigError
from gemdepth_ros.evaluation.records import RecordStore
from gemdepth_ros.evaluation.result import FORMAT_VERSION
from gemdepth_ros.hub import CATALOGUE, weights_path
from gemdepth_ros.interfaces import UInt8Array
from gemdepth_ros.media.image_folder import read_image

RESULT, SAMPLES, RUN, WORK = 'result.json', 'samples', 'run.json', '.work'
KEPT_STATES = 2
# They change how an evaluation goes, not what it finds.
_IDLE_SETTINGS = ('checkpoint_s',)


def fingerprint(source: Path, settings: EvaluationSettings) -> str:
    """Return what tells one evaluation from another: source, truth, settings, weights, version."""
    facts: dict[str, Any] = {
        'format': FORMAT_VERSION,
        'version': __version__,
        'source': str(source.resolve()),
        'files': _file_facts(source),
        'weights': _file_facts(_weights(settings.weights)) if settings.weights else [],
        'truth': [
            _file_facts(Path(name).expanduser())
            for name in (*settings.ground_truth, settings.masks)
            if name not in ('', AUTO, NONE)
        ],
        'settings': {k: v for k, v in asdict(settings).items() if k not in _IDLE_SETTINGS},
    }
    return json.dumps(facts, indent=1, sort_keys=True)


def _weights(name: str) -> Path:
    """Return the file behind a weights argument, there or not."""
    return weights_path(CATALOGUE[name]) if name in CATALOGUE else Path(name).expanduser()


def _file_facts(path: Path) -> list[Any]:
    """Return size and time of a file; of a folder the digest of all names, sizes and times."""
    if path.is_file():
        return [path.stat().st_size, path.stat().st_mtime_ns]
    if not path.is_dir():
        return []
    digest, count = hashlib.sha256(), 0
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            status = (Path(folder) / name).stat()
            digest.update(f'{folder}/{name} {status.st_size} {status.st_mtime_ns}\n'.encode())
            count += 1
    return [count, digest.hexdigest()]


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
        """Keep the state after the last record; older ones go."""
        path = self._state(len(self.records))
        temporary = path.with_suffix('.tmp')
        try:
            temporary.write_bytes(snapshot)
            temporary.replace(path)
            for old in sorted(self.work.glob('states/*.bin'))[:-KEPT_STATES]:
                old.unlink()
        except OSError as error:
            raise ConfigError(f'cannot write {path}: {error.strerror or error}') from error

    def newest_state(self) -> tuple[int, bytes] | None:
        """Return (records before it, state), or None; later records are forgotten."""
        for path in sorted(self.work.glob('states/*.bin'), reverse=True):
            count = int(path.stem)
            if count <= len(self.records):
                self.records.truncate(count)
                return count, path.read_bytes()
        self.records.truncate(0)
        return None

    def finish(self) -> None:
        """Mark the result as this evaluation's, and remove the working files."""
        (self.output / RUN).write_text(self._identity, 'utf-8')
        shutil.rmtree(self.work)

    def _state(self, count: int) -> Path:
        return self.work / 'states' / f'{count:07d}.bin'


def finished(output: Path, identity: str) -> bool:
    """Return whether a folder holds the finished result of an evaluation."""
    return (output / RESULT).is_file() and _text(output / RUN) == identity


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
