"""A recording for the Rerun viewer holds what was seen, and is whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gemdepth_ros.errors import ConfigError, DependencyError
from gemdepth_ros.evaluation.viewing.rerun_file import RerunFile
from gemdepth_ros.interfaces import (
    EgoMotion,
    GroundingState,
    PinholeIntrinsics,
    PipelineOutput,
    ResetReason,
    VideoFrame,
)

HEIGHT, WIDTH = 40, 64
CAMERA = PinholeIntrinsics(WIDTH, HEIGHT, 50.0, 50.0, 31.5, 19.5)


def frame_and_output(index: int) -> tuple[VideoFrame, PipelineOutput]:
    image = np.full((HEIGHT, WIDTH, 3), 40 * index, np.uint8)
    depth = np.linspace(2, 40, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    depth[0] = np.inf
    depth[1] = np.nan
    pose = np.eye(4)
    pose[2, 3] = 0.5 * index
    frame = VideoFrame(image, 1_700_000_000_000_000_000 + index * 100_000_000, camera=CAMERA)
    output = PipelineOutput(
        stamp_ns=frame.stamp_ns,
        frame_id='camera',
        camera=CAMERA,
        camera_is_predicted=False,
        predicted_fov_deg=(60.0, 40.0),
        network_size=(14, 28),
        window_frames=2,
        disparity=1 / depth,
        relative_depth=None,
        depth_m=depth,
        cloud=None,
        preview_rgb=None,
        motion=EgoMotion(pose, np.eye(6), True, False, None),
        grounding=GroundingState(metric=True, scale=3.0),
        reset=ResetReason.GAP if index == 2 else None,
        processing_ms=12.0 + index,
    )
    return frame, output


def write(path: Path, count: int) -> None:
    with RerunFile(path) as recording:
        for index in range(count):
            frame, output = frame_and_output(index)
            pose = np.eye(4)
            pose[:3, 3] = (7.0, 0.0, 0.4 * index)
            truth = np.full((HEIGHT, WIDTH), np.nan, np.float32)
            truth[20:] = 9.0
            recording(frame, output, truth, pose)


def viewer(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, '-m', 'rerun', *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_everything_is_on_one_timeline(tmp_path: Path) -> None:
    pytest.importorskip('rerun', reason='needs rerun-sdk, an extra')
    file = tmp_path / 'drive.rrd'
    write(file, 3)
    assert [found.name for found in tmp_path.iterdir()] == ['drive.rrd']
    checked = viewer('rrd', 'verify', file)
    assert checked.returncode == 0, checked.stderr
    listing = viewer('rrd', 'print', '-vv', file).stdout
    for entity in (
        '/world/camera', '/world/camera/image', '/world/camera/image/rgb', '/depth',
        '/true_depth', '/world/camera/points', '/world/trajectory', '/world/true_trajectory',
        '/numbers/latency_ms', '/numbers/scale', '/events',
    ):  # fmt: skip
        assert entity in listing, f'{entity} is missing in\n{listing}'
    assert 'capture' in listing


def test_a_broken_run_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip('rerun', reason='needs rerun-sdk, an extra')

    def interrupted() -> None:
        with RerunFile(tmp_path / 'drive.rrd') as recording:
            recording(*frame_and_output(0), None, None)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_wrong_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'named \.rrd'):
        RerunFile(tmp_path / 'drive.mp4')
    with pytest.raises(ConfigError, match='no folder'):
        RerunFile(tmp_path / 'no' / 'drive.rrd')


def test_without_rerun_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'rerun', None)
    with pytest.raises(DependencyError, match=r'gemdepth_ros\[rerun\]'):
        RerunFile(tmp_path / 'drive.rrd')
