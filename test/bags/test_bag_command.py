"""``gemdepth-ros bag`` as a user types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kitti_fakes import write_odometry_sequence

from gemdepth_ros.cli.main import main

POSES = np.tile(np.eye(4)[:3], (5, 1, 1))


def test_from_kitti_and_info(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sequence = write_odometry_sequence(tmp_path, POSES)
    output = tmp_path / 'bag'
    words = [
        'bag',
        'from-kitti',
        str(sequence),
        '-o',
        str(output),
        '--start',
        '1',
        '--frames',
        '3',
    ]
    words += ['--base-time', '2011-10-03T12:00:00', '--camera', '0', '--storage', 'sqlite3']
    assert main(words) == 0
    assert f'3 frames, 19 messages: {output}' in capsys.readouterr().out

    assert main(['bag', 'info', str(output)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f'{output}: sqlite3, ')
    assert lines[0].endswith('19 messages in 0.2 s from 2011-10-03 12:00:00 UTC')
    assert any(line.split()[:3] == ['/tf_static', 'tf2_msgs/msg/TFMessage', '1'] for line in lines)
    image = next(line for line in lines if line.startswith('/camera/image_rect'))
    assert image.split() == ['/camera/image_rect', 'sensor_msgs/msg/Image', '3', '10.0']


def test_errors_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sequence = write_odometry_sequence(tmp_path, POSES)
    output = str(tmp_path / 'bag')
    assert main(['bag', 'from-kitti', str(sequence), '-o', output]) == 0
    capsys.readouterr()
    for words, text in (
        (['from-kitti', str(sequence), '-o', output], 'exists already'),
        (['from-kitti', str(tmp_path), '-o', output], 'Looked for'),
        (['from-kitti', str(sequence), '-o', output, '--start', '5'], 'no frames left'),
        (['from-kitti', str(sequence), '-o', output, '--base-time', 'now'], 'as a time'),
        (['convert', output, '-o', output, '--force'], 'into itself'),
        (['info', str(tmp_path / 'nothing')], 'does not exist'),
    ):
        assert main(['bag', *words]) == 1
        captured = capsys.readouterr()
        assert captured.err.count('\n') == 1
        assert text in captured.err
        assert not captured.out
    assert main(['bag', 'from-kitti', str(sequence), '-o', output, '--force']) == 0


def test_convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sequence = write_odometry_sequence(tmp_path, POSES)
    first, second = str(tmp_path / 'first'), str(tmp_path / 'second')
    assert main(['bag', 'from-kitti', str(sequence), '-o', first]) == 0
    assert main(['bag', 'convert', first, '-o', second, '--storage', 'sqlite3', '--compress']) == 0
    assert f'31 messages: {second}' in capsys.readouterr().out


def test_help_loads_nothing_heavy() -> None:
    code = (
        'import sys; from gemdepth_ros.cli.main import build_parser; build_parser("bag"); '
        'heavy = {"torch", "cv2", "rclpy", "numpy", "rosbags", "rich"} & set(sys.modules); '
        'sys.exit(f"loaded {heavy}" if heavy else 0)'
    )
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_bags_need_neither_ros_nor_torch() -> None:
    code = (
        'import sys; import gemdepth_ros.bags.convert, gemdepth_ros.bags.kitti; '
        'import gemdepth_ros.bags.from_recording, gemdepth_ros.synthetic; '
        'heavy = {"torch", "rclpy"} & set(sys.modules); '
        'sys.exit(f"loaded {heavy}" if heavy else 0)'
    )
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
