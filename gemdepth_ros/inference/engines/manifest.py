"""What an exported step was made from, kept beside it, and the key of engines built from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gemdepth_ros.errors import EngineError
from gemdepth_ros.hub.records import SHA256, sha256_of

FILE_NAME = 'manifest.json'
STEP_FILE = 'causal_step.onnx'
ENCODER_FILE = 'encoder.onnx'
GRAPHS = (STEP_FILE, ENCODER_FILE)
# Of the graphs' inputs and outputs, and of this file; from 2 on it states a digest of every file.
FORMAT = 2
KEY_DIGITS = 16
_MAX_BYTES = 1 << 20  # a manifest has a few kilobytes; anything larger is not ours


@dataclass(frozen=True)
class EngineShape:
    """Everything that a graph depends on.

    Attributes:
        checkpoint: digest of the weights.
        network: sizes of the network, as its configuration has them.
        height: rows of the network's input [px].
        width: columns of the network's input [px].
        window: slots of a segment.
        precision: ``float32``, ``float16`` or ``bfloat16``.
    """

    checkpoint: str
    network: Mapping[str, Any]
    height: int
    width: int
    window: int
    precision: str

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON reads it back (lists for tuples)."""
        return json.loads(json.dumps(asdict(self)))


@dataclass(frozen=True)
class Manifest:
    """A folder with an exported step.

    Attributes:
        shape: what the graphs depend on.
        opset: of the ONNX files.
        versions: of the libraries that wrote them.
        parity: largest relative L2 distance from eager by output, and the steps compared.
        files: SHA-256 of the graphs and of their weights, by name.
        format: version of the graphs' inputs and outputs.
    """

    shape: EngineShape
    opset: int
    versions: Mapping[str, str] = field(default_factory=dict)
    parity: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write it into a folder."""
        values = {**asdict(self), 'shape': self.shape.as_json()}
        text = json.dumps(values, indent=2, sort_keys=True) + '\n'
        (folder / FILE_NAME).write_text(text, encoding='utf-8')


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder.

    Raises:
        EngineError: there is none, or it is damaged.
    """
    path = folder / FILE_NAME
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError('far too long')
        values = json.loads(path.read_text(encoding='utf-8'))
        manifest = Manifest(**{**values, 'shape': EngineShape(**values['shape'])})
        if manifest.format == FORMAT:
            _require_digests(manifest.files)
        return manifest
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise EngineError(
            f'{path} is no manifest of an export ({error}): export again with gemdepth-ros export'
        ) from None


def _require_digests(files: object) -> None:
    if not (isinstance(files, dict) and set(GRAPHS) <= set(files)):
        raise ValueError('it does not state which files belong to it')
    if not all(Path(name).name == name for name in files):
        raise ValueError('a file in it is not in its folder')
    if not all(isinstance(text, str) and SHA256.fullmatch(text) for text in files.values()):
        raise ValueError('a SHA-256 in it is none')


def file_digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of files in a folder by name.

    Raises:
        OSError: one is missing or cannot be read.
    """
    return {name: sha256_of(folder / name) for name in names}


def check_files(folder: Path, manifest: Manifest) -> None:
    """Compare the files of an export with what its manifest states of them.

    Raises:
        EngineError: one is missing or is not what was exported.
    """
    remedy = 'export again, or delete the folder if the node made it by itself'
    for name, expected in manifest.files.items():
        path = folder / name
        try:
            found = sha256_of(path)
        except OSError as error:
            raise EngineError(f'{path}: {error.strerror or error}: {remedy}') from error
        if found != expected:
            raise EngineError(
                f'{path} is not what was exported: its SHA-256 is {_short(found)}, the manifest '
                f'says {_short(expected)}: {remedy}'
            )


def check_manifest(folder: Path, wanted: EngineShape) -> Manifest:
    """Return the manifest of a folder whose graphs are the wanted ones.

    Raises:
        EngineError: it is missing or damaged, or was made for something else; says what differs.
    """
    manifest = read_manifest(folder)
    if manifest.format != FORMAT:
        raise EngineError(
            f'{folder} was exported by another version of this package (manifest format '
            f'{manifest.format}, this one reads {FORMAT}): export again'
        )
    found, expected = manifest.shape.as_json(), wanted.as_json()
    different = [name for name in expected if found[name] != expected[name]]
    if different:
        shown = ', '.join(
            f'{n} {_short(found[n])} instead of {_short(expected[n])}' for n in different
        )
        raise EngineError(f'{folder} was exported for another stream ({shown}): export again')
    return manifest


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 16 else f'{text[:12]}...'


def engine_key(shape: EngineShape, machine: Mapping[str, str]) -> str:
    """Return the name of the folder for engines that a machine builds from a graph.

    Args:
        shape: what the graph depends on.
        machine: GPU, TensorRT and driver, see ``machine.build_machine``: an engine that was built
            on another one is not to be trusted.
    """
    text = json.dumps([FORMAT, shape.as_json(), dict(machine)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]
