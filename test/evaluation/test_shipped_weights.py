"""The weights that ship are worth what their card says: held-out streets, and a real clip."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gemdepth_ros.cli.main import main
from gemdepth_ros.evaluation.baselines import PriorFit
from gemdepth_ros.evaluation.metrics import score_sequence
from gemdepth_ros.hub import locate
from gemdepth_ros.inference import StreamingConfig, StreamSession
from gemdepth_ros.interfaces import Float64Array, VideoFrame
from gemdepth_ros.model import build_gemdepth
from gemdepth_ros.synthetic import SyntheticFrame, random_drive

KITTI = Path(__file__).resolve().parents[3] / 'shared' / 'data' / 'kitti_traffic'
FIRST_SEED = 700_000  # neither training nor docs/training.md uses these drives
SIZE, FRAMES, DRIVES, FARTHEST_M = (98, 322), 16, 4, 80.0


def row_prior(frames: list[SyntheticFrame]) -> Float64Array:
    """The best that can be said of this drive without looking at its images."""
    prior = PriorFit(*SIZE)
    for frame in frames:
        near = np.flatnonzero(frame.depth_m.ravel() < FARTHEST_M).astype(np.int32)
        prior.add(near, frame.depth_m.ravel()[near])
    return prior.predict('row_prior', np.arange(SIZE[0] * SIZE[1], dtype=np.int32)).reshape(SIZE)


def angle_deg(a: Float64Array, b: Float64Array) -> float:
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def test_streets_that_it_never_saw() -> None:
    model = build_gemdepth('auto', locate('gemdepth-tiny'))
    ours, prior, directions = [], [], []
    for seed in range(FIRST_SEED, FIRST_SEED + DRIVES):
        drive = random_drive(seed, FRAMES, *SIZE)
        frames = [drive.render(index) for index in range(FRAMES)]
        session = StreamSession(model, StreamingConfig('causal', 8, 182))
        outputs = [
            session.step(VideoFrame(frame.image_rgb, (index + 1) * 10**8))
            for index, frame in enumerate(frames)
        ]
        truths = [frame.depth_m for frame in frames]
        disparities = [output.disparity_HW.numpy() for output in outputs if output is not None]
        ours.append(score_sequence(disparities, truths, FARTHEST_M).mean.abs_rel)
        flat = [row_prior(frames)] * FRAMES
        prior.append(score_sequence(flat, truths, FARTHEST_M).mean.abs_rel)
        for i in range(1, FRAMES):
            found = (
                np.linalg.inv(outputs[i].session_from_camera) @ outputs[i - 1].session_from_camera
            )
            real = np.linalg.inv(frames[i].world_from_camera) @ frames[i - 1].world_from_camera
            if np.linalg.norm(real[:3, 3]) > 0.05:
                directions.append(angle_deg(found[:3, 3], real[:3, 3]))
    assert np.mean(ours) < 0.85 * np.mean(prior), (ours, prior)
    assert np.median(directions) < 10.0


@pytest.mark.skipif(not KITTI.is_dir(), reason=f'no {KITTI}')
def test_a_real_clip(tmp_path: Path) -> None:
    words = ['evaluate', str(KITTI), '-o', str(tmp_path / 'out'), '--mode', 'causal']
    words += ['--window', '16', '--protocol', 'vda', '--device', 'cpu', '--samples', '0']
    assert main(words) == 0
    (vda,) = json.loads((tmp_path / 'out' / 'result.json').read_text())['protocols']
    prior = next(b for b in vda['baselines'] if b['name'] == 'row_prior')
    assert vda['mean']['abs_rel'] < 0.95 * prior['mean']['abs_rel']
    assert vda['mean']['delta1'] > prior['mean']['delta1']
