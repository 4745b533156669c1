"""One export for all tests of engines: it takes seconds."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

import pytest

HEIGHT, WIDTH, INPUT_SIZE, WINDOW = 60, 80, 42, 4
SIZE = (42, 56)


@dataclass(frozen=True)
class CommandExport:
    """What the command wrote and said."""

    folder: Path
    text: str


@pytest.fixture(scope='session')
def exported(tiny_config, tmp_path_factory) -> CommandExport:
    """The tiny network on seeded weights, exported by the command."""
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    from gemdepth_ros.cli.main import main
    from gemdepth_ros.model.config import PRESETS

    folder = tmp_path_factory.mktemp('export') / 'engine'
    words = [
        'export',
        '--format',
        'onnx',
        '-o',
        str(folder),
        '--preset',
        'tiny',
        '--weights',
        'none',
    ]
    words += ['--height', str(HEIGHT), '--width', str(WIDTH), '--input-size', str(INPUT_SIZE)]
    text = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(text):
        patch.setitem(PRESETS, 'tiny', tiny_config)
        assert main([*words, '--window', str(WINDOW)]) == 0
    return CommandExport(folder, text.getvalue())
