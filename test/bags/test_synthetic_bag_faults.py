"""Faults on request of `gemdepth-ros bag synthesize`, and requests that cannot be met."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_synthetic_bag import (
    DEPTH_TOPIC,
    HEIGHT,
    IMAGE_TOPIC,
    SIZE,
    TRUTH_TOPIC,
    WIDTH,
    Messages,
    read,
    stamps,
    synthesize,
)

from gemdepth_ros.bags.images import read_depth_m, read_rgb
from gemdepth_ros.cli.main import main
from gemdepth_ros.cli.synthesis.faults import FaultPlan
from gemdepth_ros.cli.synthesis.options import CameraFaults

FRAMES = 12
FEW = ('--frames', str(FRAMES), *SIZE, '--no-lidar', '--no-imu')


@pytest.fixture(scope='module')
def good(tmp_path_factory: pytest.TempPathFactory) -> Messages:
    return read(synthesize(tmp_path_factory.mktemp('good') / 'bag', *FEW))


def test_frames_are_dropped_whole(good: Messages, tmp_path: Path) -> None:
    faulty = read(synthesize(tmp_path / 'bag', *FEW, '--drop-frames', '0.25'))
    assert len(faulty[IMAGE_TOPIC]) == FRAMES - 3
    kept = stamps(faulty[IMAGE_TOPIC])
    assert kept == stamps(faulty['/camera/camera_info']) == stamps(faulty[DEPTH_TOPIC])
    assert set(kept) < set(stamps(good[IMAGE_TOPIC]))
    assert kept[0] == stamps(good[IMAGE_TOPIC])[0]
    # The vehicle drove on.
    assert stamps(faulty[TRUTH_TOPIC]) == stamps(good[TRUTH_TOPIC])
    assert stamps(faulty['/wheel/odometry']) == stamps(good['/wheel/odometry'])


def test_stamps_jitter_and_nothing_else_does(good: Messages, tmp_path: Path) -> None:
    faulty = read(synthesize(tmp_path / 'bag', *FEW, '--stamp-jitter', '20'))
    off_ms = (np.array(stamps(faulty[IMAGE_TOPIC])) - stamps(good[IMAGE_TOPIC])) / 1e6
    assert np.abs(off_ms).max() <= 20
    assert np.abs(off_ms).mean() == pytest.approx(10, abs=5), 'uniform to both sides'
    assert (off_ms > 0).any()
    assert (off_ms < 0).any()
    assert stamps(faulty[DEPTH_TOPIC]) == stamps(faulty[IMAGE_TOPIC])
    assert stamps(faulty[TRUTH_TOPIC]) == stamps(good[TRUTH_TOPIC])
    for one, other in zip(faulty[IMAGE_TOPIC], good[IMAGE_TOPIC], strict=True):
        np.testing.assert_array_equal(one.data, other.data)


def test_the_brightness_jumps_and_stays(good: Messages, tmp_path: Path) -> None:
    faulty = read(synthesize(tmp_path / 'bag', *FEW, '--exposure-jumps', '2'))
    ratios = []
    for one, other in zip(faulty[IMAGE_TOPIC], good[IMAGE_TOPIC], strict=True):
        changed, original = read_rgb(one).astype(float), read_rgb(other).astype(float)
        between = (changed > 5) & (changed < 250) & (original > 20)
        ratios.append(np.median(changed[between] / original[between]))
    assert ratios[0] == 1.0
    steps = np.array(ratios[1:]) / ratios[:-1]
    jumps = np.maximum(steps, 1 / steps) > 1.3
    assert jumps.sum() == 2
    np.testing.assert_allclose(steps[~jumps], 1.0, atol=0.02)


def test_compressed_images_show_the_same(good: Messages, tmp_path: Path) -> None:
    faulty = read(synthesize(tmp_path / 'bag', *FEW, '--compressed'))
    assert IMAGE_TOPIC not in faulty
    images = faulty[f'{IMAGE_TOPIC}/compressed']
    assert stamps(images) == stamps(good[IMAGE_TOPIC])
    shown = read_rgb(images[0])
    assert shown.shape == (HEIGHT, WIDTH, 3)
    error = np.abs(shown.astype(float) - read_rgb(good[IMAGE_TOPIC][0]))
    assert error.mean() < 6


def test_the_rate_and_the_seconds(tmp_path: Path) -> None:
    words = ('--seconds', '0.4', '--rate', '20', *SIZE, '--no-lidar')
    found = read(synthesize(tmp_path / 'bag', *words))
    np.testing.assert_array_equal(np.diff(stamps(found[IMAGE_TOPIC])), 50_000_000)
    assert len(found[IMAGE_TOPIC]) == 8


def test_a_seed_draws_the_same_faults_whatever_else_is_wrong() -> None:
    def plan(faults: CameraFaults, seed: int = 3) -> FaultPlan:
        return FaultPlan(faults, 40, np.random.default_rng(seed))

    everything = CameraFaults(0.3, 20.0, 4)
    first, again, other = plan(everything), plan(everything), plan(everything, seed=4)
    for name in ('dropped', 'stamp_error_ns', 'gain'):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        assert (getattr(first, name) != getattr(other, name)).any()
    np.testing.assert_array_equal(plan(CameraFaults(0.3)).dropped, first.dropped)
    np.testing.assert_array_equal(
        plan(CameraFaults(stamp_jitter_ms=20.0)).stamp_error_ns, first.stamp_error_ns
    )
    np.testing.assert_array_equal(plan(CameraFaults(exposure_jumps=4)).gain, first.gain)


def test_rooms(tmp_path: Path) -> None:
    words = ('--kind', 'indoor', '--frames', '2', *SIZE, '--lidar-field', '60')
    found = read(synthesize(tmp_path / 'bag', *words))
    depth = read_depth_m(found[DEPTH_TOPIC][0])
    near = depth[np.isfinite(depth)]
    assert near.size > 0.8 * depth.size, 'rooms have ceilings'
    assert np.median(near) < 10
    assert len(found['/lidar/points']) == 2


@pytest.mark.parametrize('frames', [1, 2, 3])
@pytest.mark.parametrize('share', [0.0, 0.5, 0.99])
def test_short_drives_keep_their_first_frame(frames: int, share: float) -> None:
    plan = FaultPlan(CameraFaults(share, 1.0, 5), frames, np.random.default_rng(0))
    assert not plan.dropped[0]
    assert plan.gain[0] == 1.0


@pytest.mark.parametrize(
    ('words', 'text'),
    [
        (('--stamp-jitter', '50'), 'less than half of the frame interval (50 ms)'),
        (('--rate', '2000'), 'up to 1000 Hz'),
        (('--lidar-rings', '16', '16'), 'LiDAR rings must be some of'),
        (('--lidar-field', '361'), "a LiDAR's field must be within 0..360 deg, got 361"),
        (('--device', 'tpu'), "device must be auto, cpu, cuda or cuda:N, got 'tpu'"),
        (('--device', 'cuda:99'), "no CUDA device for 'cuda:99'"),
        (('--rate', '1e-9'), 'a drive lasts up to 3600 s'),
        (('--seconds', '1e9', '--rate', '1000'), 'a drive lasts up to 3600 s'),
        (('--size', '99999x99999'), 'sides of up to 4096 px, got 99999x99999'),
    ],
)
def test_what_cannot_be_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], text: str
) -> None:
    assert main(['bag', 'synthesize', '-o', str(tmp_path / 'bag'), *SIZE, *words]) == 1
    errors = capsys.readouterr().err
    assert text in errors
    assert errors.count('\n') == 1
    assert not (tmp_path / 'bag').exists()


def test_a_bag_that_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        'bag',
        'synthesize',
        '-o',
        str(tmp_path / 'bag'),
        '--frames',
        '1',
        *SIZE,
        '--no-lidar',
    )
    assert main(words) == 0
    capsys.readouterr()
    assert main(words) == 1
    errors = capsys.readouterr().err
    assert 'exists already' in errors
    assert errors.count('\n') == 1
    assert main((*words, '--force')) == 0


@pytest.mark.parametrize(
    'words',
    [
        ('--size', '100'),
        ('--size', '4x4'),
        ('--drop-frames', '1'),
        ('--drop-frames', 'nan'),
        ('--rate', '0'),
        ('--seed', '-1'),
        ('--stamp-jitter', '-1'),
        ('--exposure-jumps', '-1'),
        ('--lidar-rings', '5'),
        ('--frames', '3', '--seconds', '1'),
        ('--kind', 'sea'),
    ],
)
def test_what_is_mistyped_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit):
        main(['bag', 'synthesize', '-o', str(tmp_path / 'bag'), *words])
    last = capsys.readouterr().err.splitlines()[-1]
    assert 'error: ' in last
    assert words[0] in last
