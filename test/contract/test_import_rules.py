"""The import rules of .importlinter hold, and break when somebody breaks them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('importlinter')

REPO = Path(__file__).parents[2]
LINT = 'from importlinter.cli import lint_imports_command; lint_imports_command()'


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, 'PYTHONPATH': str(folder)}
    command = [sys.executable, '-c', LINT, '--no-cache', '--no-logo']
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package's code and its rules."""
    shutil.copy(REPO / '.importlinter', tmp_path)
    for source in (REPO / 'gemdepth_ros').rglob('*.py'):
        target = tmp_path / source.relative_to(REPO)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    return tmp_path


def test_import_rules_hold() -> None:
    result = lint(REPO)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ('module', 'statement', 'contract'),
    [
        ('interfaces', 'import scipy', '`interfaces`, `errors` and `ranges` are numpy alone'),
        ('interfaces', 'import gemdepth_ros.geometry', 'Folders point one way'),
        ('geometry.se3', 'import torch', 'No torch outside'),
        ('geometry.se3', 'import matplotlib', '`geometry` is numpy, scipy and OpenCV alone'),
        ('geometry.se3', 'import gemdepth_ros.model', 'Folders point one way'),
        ('model.config', 'import cv2', 'The network is torch alone'),
        ('model.config', 'import gemdepth_ros.inference', 'Folders point one way'),
        ('inference.config', 'import rclpy', 'Only `ros` knows ROS'),
        ('inference.config', 'import gemdepth_ros.grounding', 'Folders point one way'),
        ('grounding.__init__', 'import torch', 'No torch outside'),
        ('pipeline.config', 'import sensor_msgs.msg', 'Only `ros` knows ROS'),
        ('pipeline.config', 'import gemdepth_ros.bags', 'Folders point one way'),
        ('bags.__init__', 'import rclpy', 'Only `ros` knows ROS'),
        ('bags.__init__', 'import gemdepth_ros.pipeline', 'do not run the network'),
        ('media.__init__', 'import torch', 'No torch outside'),
        ('hub.__init__', 'import torch', 'No torch outside'),
        ('synthetic.__init__', 'import gemdepth_ros.model', 'do not run the network'),
        ('ros.node', 'import gemdepth_ros.model', '`ros` drives the pipeline'),
        ('ros.node', 'import gemdepth_ros.bags', '`ros` drives the pipeline'),
        ('ros.node', 'import torch', '`ros` drives the pipeline'),
        ('cli.main', 'import rclpy', '`cli` leaves ROS to `ros`'),
        ('ros.node', 'import gemdepth_ros.cli', 'Folders point one way'),
    ],
)
def test_a_forbidden_import_is_found(
    copy: Path, module: str, statement: str, contract: str
) -> None:
    file = copy / 'gemdepth_ros' / Path(*module.split('.')).with_suffix('.py')
    # Inside a function: a lazy import is an import.
    file.write_text(f'{file.read_text()}\n\ndef _late() -> None:\n    {statement}\n')
    result = lint(copy)
    assert result.returncode == 1
    broken = [line for line in result.stdout.splitlines() if line.endswith('BROKEN')]
    assert any(contract in line for line in broken), result.stdout


def test_a_new_folder_must_be_given_its_place(copy: Path) -> None:
    folder = copy / 'gemdepth_ros' / 'elsewhere'
    folder.mkdir()
    (folder / '__init__.py').touch()
    result = lint(copy)
    assert result.returncode == 1
    assert 'elsewhere' in result.stdout
