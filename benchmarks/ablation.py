"""Which parts of the method matter: weights with parts switched off, on held-out drives.

    python benchmarks/ablation.py [--weights gemdepth-tiny] [--sequences 20] [--json FILE]

Drives of seeds that no training uses are rendered; every form of running the network is scored on
all of them: AbsRel and delta1 with one scale and shift of disparity per sequence (truth up to
80 m), TAE, and the motion between neighbouring frames: median rotation error, and median error of
the translation's direction where the camera moves by more than 5 cm.

Parts are switched off when the network runs, not when it is trained. Without poses ("no
injection") it runs in a condition it was trained for (clips whose poses are withheld). ASTT was
never off in training: that row says how much these weights rely on it, not what a network
trained without it would reach.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from gemdepth_ros.evaluation.baselines import PriorFit
from gemdepth_ros.evaluation.metrics import TemporalAlignment, score_sequence
from gemdepth_ros.hub import locate
from gemdepth_ros.inference import StreamingConfig, StreamSession, WindowConfig, WindowedPredictor
from gemdepth_ros.interfaces import VideoFrame
from gemdepth_ros.model import GemDepth, build_gemdepth
from gemdepth_ros.model.layers.modules import Modules
from gemdepth_ros.synthetic import SyntheticFrame, random_drive

FIRST_SEED = 800_000
SIZE = (98, 322)
INPUT_SIZE = 182  # gives a network input of 98x322 for these images
MAX_DEPTH_M = 80.0
MOVING_M = 0.05
FRAME_NS = 100_000_000

Array = npt.NDArray[np.floating]
Prediction = tuple[list[Array], list[tuple[int, Array]]]
"""Disparity of each frame; and (index i, camera_i+1 from camera_i) of each pair."""


@dataclass(frozen=True)
class Row:
    """Scores of one form; NaN where it predicts no such thing."""

    form: str
    abs_rel: float
    delta1: float
    tae_percent: float
    rotation_deg: float
    direction_deg: float


def main() -> None:
    """Render, run all forms, print the table."""
    args = arguments()
    torch.set_num_threads(args.threads)
    model = build_gemdepth('auto', locate(args.weights), torch.device(args.device))
    forms = all_forms(model)
    scores: dict[str, list[Row]] = {}
    for index in track(range(args.sequences), 'sequences', transient=True):
        drive = random_drive(FIRST_SEED + index, args.frames, *SIZE)
        frames = [drive.render(number) for number in range(args.frames)]
        for name, run in forms.items():
            scores.setdefault(name, []).append(score(name, run(frames), frames))
        scores.setdefault('row prior', []).append(score('row prior', row_prior(frames), frames))
    rows = [mean_row(name, of_form) for name, of_form in scores.items()]
    Console(width=110).print(table(rows, args))
    if args.json:
        result = {'weights': args.weights, 'first_seed': FIRST_SEED, 'sequences': args.sequences}
        result |= {'frames': args.frames, 'rows': [asdict(row) for row in rows]}
        Path(args.json).write_text(json.dumps(result, indent=2) + '\n', encoding='utf-8')


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--weights', default='gemdepth-tiny', help='name or file')
    parser.add_argument('--sequences', type=int, default=20)
    parser.add_argument('--frames', type=int, default=32, help='of a sequence, at 10 Hz')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--json', help='write the results here as well')
    return parser.parse_args()


def all_forms(model: GemDepth) -> dict[str, Callable[[list[SyntheticFrame]], Prediction]]:
    """Name every way of running the network."""
    without_poses = copy.copy(model)
    without_poses.config = replace(model.config, pose_injection='never')
    without_astt = copy.deepcopy(model)
    without_astt.astt.spatial_blocks = Modules([])
    without_astt.astt.time_blocks = Modules([])
    forms: dict[str, Callable[[list[SyntheticFrame]], Prediction]] = {
        'offline, 16': lambda frames: offline(model, frames, 16)
    }
    for mode in ('sliding', 'causal'):
        for window in (1, 4, 8, 16):
            if mode == 'causal' or window > 1:
                forms[f'{mode}, {window}'] = streamed(model, mode, window)
    for name, changed in (('no injection', without_poses), ('no ASTT', without_astt)):
        forms[f'offline, 16, {name}'] = lambda frames, changed=changed: offline(
            changed, frames, 16
        )
        forms[f'causal, 16, {name}'] = streamed(changed, 'causal', 16)
    return forms


def streamed(
    model: GemDepth, mode: str, window: int
) -> Callable[[list[SyntheticFrame]], Prediction]:
    """Return a run of a stream; motion is the difference of consecutive session poses."""

    def run(frames: list[SyntheticFrame]) -> Prediction:
        session = StreamSession(model, StreamingConfig(mode, window, INPUT_SIZE))
        disparities, motions = [], []
        last: Array | None = None
        for index, frame in enumerate(frames):
            output = session.step(VideoFrame(frame.image_rgb, (index + 1) * FRAME_NS))
            assert output is not None
            disparities.append(output.disparity_HW.numpy())
            pose = output.session_from_camera
            if last is not None and window > 1:
                motions.append((index - 1, np.linalg.inv(pose) @ last))
            last = pose
        return disparities, motions

    return run


def offline(model: GemDepth, frames: list[SyntheticFrame], window: int) -> Prediction:
    """Run the published windows; motion where both frames come from one window."""
    predictor = WindowedPredictor(model, WindowConfig.preset(window))
    results = list(predictor.stream([frame.image_rgb for frame in frames], INPUT_SIZE))
    motions = [
        (a.index, b.camera_from_world @ np.linalg.inv(a.camera_from_world))
        for a, b in pairwise(results)
        if a.window == b.window
    ]
    return [result.disparity for result in results], motions


def row_prior(frames: list[SyntheticFrame]) -> Prediction:
    """Predict the median true disparity of each row of this very sequence: no skill at all."""
    height, width = SIZE
    prior = PriorFit(height, width)
    for frame in frames:
        seen = np.flatnonzero((frame.depth_m < MAX_DEPTH_M).ravel()).astype(np.int32)
        prior.add(seen, frame.depth_m.ravel()[seen])
    everywhere = np.arange(height * width, dtype=np.int32)
    predicted = prior.predict('row_prior', everywhere).reshape(height, width)
    return [predicted] * len(frames), []


def score(name: str, prediction: Prediction, frames: list[SyntheticFrame]) -> Row:
    """Score one sequence."""
    disparities, motions = prediction
    truths = [frame.depth_m for frame in frames]
    depth = score_sequence(disparities, truths, MAX_DEPTH_M)
    camera = frames[0].camera
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1.0]])
    temporal = TemporalAlignment(matrix)
    for disparity, fit, frame in zip(disparities, depth.alignment, frames, strict=True):
        temporal.add(fit.depth(disparity, MAX_DEPTH_M), frame.world_from_camera)
    rotations, directions = motion_errors(motions, frames)
    return Row(
        name,
        depth.mean.abs_rel,
        depth.mean.delta1,
        temporal.percent,
        float(np.median(rotations)) if rotations else float('nan'),
        float(np.median(directions)) if directions else float('nan'),
    )


def motion_errors(
    motions: list[tuple[int, Array]], frames: list[SyntheticFrame]
) -> tuple[list[float], list[float]]:
    """Errors [deg] of rotation, and of the translation's direction where the camera moves."""
    rotations, directions = [], []
    for index, ours in motions:
        this, following = (frames[i].world_from_camera for i in (index, index + 1))
        real = np.linalg.inv(following) @ this
        cosine = (np.trace(ours[:3, :3].T @ real[:3, :3]) - 1) / 2
        rotations.append(float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))))
        lengths = np.linalg.norm(ours[:3, 3]), np.linalg.norm(real[:3, 3])
        if lengths[1] > MOVING_M and lengths[0] > 0:
            cosine = ours[:3, 3] @ real[:3, 3] / lengths[0] / lengths[1]
            directions.append(float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))))
    return rotations, directions


def mean_row(name: str, rows: list[Row]) -> Row:
    """Means over sequences of the depth scores, medians of the motion's."""
    values = {part.name: [getattr(row, part.name) for row in rows] for part in fields(Row)[1:]}
    depth = [float(np.mean(values[key])) for key in ('abs_rel', 'delta1', 'tae_percent')]
    motion = [
        float(np.nanmedian(values[key])) if not np.isnan(values[key]).all() else float('nan')
        for key in ('rotation_deg', 'direction_deg')
    ]
    return Row(name, *depth, *motion)


def table(rows: list[Row], args: argparse.Namespace) -> Table:
    """Show the rows."""
    shown = Table(
        title=f'{args.weights}: {args.sequences} held-out drives of {args.frames} frames, '
        f'{SIZE[1]}x{SIZE[0]}, one scale and shift per sequence'
    )
    names = ('form, window', 'AbsRel', 'delta1', 'TAE [%]', 'rotation [deg]', 'direction [deg]')
    for name in names:
        shown.add_column(name, justify='right')
    for row in rows:
        shown.add_row(
            row.form,
            f'{row.abs_rel:.3f}',
            f'{row.delta1:.3f}',
            f'{row.tae_percent:.2f}',
            f'{row.rotation_deg:.3f}',
            f'{row.direction_deg:.1f}',
        )
    return shown


if __name__ == '__main__':
    main()
