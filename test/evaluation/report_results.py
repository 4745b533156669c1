"""Results to make reports of: a drive of ten seconds with all that a result can hold."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from gemdepth_ros.evaluation.metrics import DepthErrors
from gemdepth_ros.evaluation.result import (
    Baseline,
    CalibrationResult,
    CoveragePoint,
    DistanceBin,
    ErrorBands,
    EvaluationResult,
    FlickerScore,
    FrameScore,
    PoseErrors,
    ProtocolResult,
    ResetEvent,
    ScaleResult,
    ScaleSample,
    SourceFacts,
    SystemFacts,
    TemporalScore,
    Timing,
    TrajectoryResult,
    TruthFacts,
)
from gemdepth_ros.evaluation.samples import SampleFrame, write_sample

FRAMES = 100
START_NS = 1_317_042_724_000_000_000


def errors(abs_rel: float) -> DepthErrors:
    """Errors that belong together, more or less."""
    return DepthErrors(
        abs_rel=abs_rel,
        sq_rel=4 * abs_rel,
        rmse=40 * abs_rel,
        rmse_log=1.3 * abs_rel,
        delta1=max(1 - 0.8 * abs_rel, 0),
        delta2=max(1 - 0.3 * abs_rel, 0),
        delta3=max(1 - 0.1 * abs_rel, 0),
        log10=0.4 * abs_rel,
        silog=100 * abs_rel,
        irmse=0.1 * abs_rel,
    )


def stamps() -> list[int]:
    return [START_NS + 100_000_000 * index for index in range(FRAMES)]


def protocol(name: str, level: float, seed: int) -> ProtocolResult:
    random = np.random.default_rng(seed)
    wander = np.cumsum(random.standard_normal(FRAMES)) * 0.002
    values = np.clip(level + wander + 0.004 * random.standard_normal(FRAMES), 0.01, None)
    frames = tuple(
        FrameScore(index, stamp, 18_000 + index, 1.0, 0.0, errors(float(value)))
        for index, (stamp, value) in enumerate(zip(stamps(), values, strict=True))
    )
    edges = [1, 5, 10, 15, 20, 30, 40, 60, 80]
    bins = tuple(
        DistanceBin(near, far, int(4e5 / (1 + near)), level * (0.5 + far / 60), far * level, 0.9)
        for near, far in itertools.pairwise(edges)
    )
    edges_k = tuple(51 ** (j / 10) for j in range(11))
    bands = ErrorBands('abs_rel', edges_k, level, tuple((level / (3 + np.arange(10))).tolist()))
    return ProtocolResult(
        name=name,
        alignment='one scale and shift of disparity per sequence' if name == 'vda' else 'none',
        crop='none',
        min_depth_m=0.001,
        max_depth_m=80.0,
        mean=errors(float(values.mean())),
        coverage=0.997,
        baselines=(
            Baseline('row_prior', 'the mean depth of each image row', errors(0.31)),
            Baseline('constant', 'one depth everywhere', errors(0.52)),
        ),
        frames=frames,
        by_distance=bins,
        static=errors(level * 0.95),
        moving=errors(level * 1.6),
        bands=(bands,),
    )


def scale(seed: int) -> ScaleResult:
    random = np.random.default_rng(seed)
    s = 14 + np.cumsum(random.standard_normal(FRAMES)) * 0.02
    std = 0.9 * np.exp(-np.arange(FRAMES) / 25) + 0.15
    samples = tuple(
        ScaleSample(
            index,
            stamp,
            float(1.05 + 0.0005 * index + 0.01 * random.standard_normal()),
            0.08,
            float(s[index]) if index > 3 else float('nan'),
            float(std[index]),
            float(s[index] + 0.1 * random.standard_normal()),
            index > 3,
        )
        for index, stamp in enumerate(stamps())
    )
    return ScaleResult('metric depth', 1.074, 0.015, 2.9, samples)


def trajectory() -> TrajectoryResult:
    angle = np.linspace(0, 1.2, FRAMES)
    true = np.stack([80 * np.sin(angle), 80 * (1 - np.cos(angle)), 0.1 * angle], axis=1)
    own = true * (1 + 0.02 * angle[:, None]) + [0, 0.3, 0]
    poses = (
        PoseErrors('SE(3)', 1.0, 2.31, 1.9, 4.4, 0.083, 0.05),
        PoseErrors('Sim(3)', 0.93, 0.74, 0.6, 1.6, 0.031, 0.05),
    )
    return TrajectoryResult(
        frames=FRAMES,
        path_m=96.0,
        metric=True,
        lost=0,
        errors=poses,
        t_rel_percent=float('nan'),
        r_rel_deg_per_m=float('nan'),
        lengths_m=(),
        scaled=False,
        stamps_ns=tuple(stamps()),
        estimated_m=tuple(map(tuple, own.tolist())),
        true_m=tuple(map(tuple, true.tolist())),
        plotted_alignment='Sim(3)',
    )


def full_result(
    seed: int = 0, level: float = 0.09, path: str = 'drives/street_0005'
) -> EvaluationResult:
    """A result with every part."""
    random = np.random.default_rng(seed)
    within = tuple(CoveragePoint(q, q**1.4) for q in np.linspace(0.1, 0.95, 18).tolist())
    tae = tuple((0.9 + 0.1 * random.standard_normal(FRAMES - 1)).tolist())
    return EvaluationResult(
        source=SourceFacts(path, 'rosbag2 mcap', 'mcap bag', 621, 188, 104, FRAMES, 4, 0, 10.3),
        system=SystemFacts(
            '0.1.0', 'tiny.safetensors sha256:0123456789ab', True, 'causal', 16, 98, (98, 322),
            'cpu', 'float32', 0.0, ('ground_plane',), ('streaming.window=16',),
        ),
        truth=TruthFacts('LiDAR', 'odometry', 'none', 20.0, FRAMES, FRAMES, 0),
        protocols=(protocol('vda', level, seed), protocol('metric', level + 0.04, seed)),
        temporal=(
            TemporalScore('tae', 'metric depth', 0.91, FRAMES - 1, tuple(stamps()[1:]), tae),
        ),
        flicker=FlickerScore('metric depth', 12, 0.8, 0.3, 0.01),
        trajectory=trajectory(),
        scale=scale(seed),
        calibration=CalibrationResult(10**6, 1.6, 0.9, within, 0.08, 0.07, 0.09),
        resets=(ResetEvent(40, stamps()[40], 'gap'),),
        notes=('masks: the source has none, so moving objects are not looked at',),
        samples='samples',
        timing=Timing(
            '2026-01-01T00:00:00Z', 31.0, tuple((50 + 8 * random.gamma(2, 1, FRAMES)).tolist())
        ),
    )  # fmt: skip


def write_street_samples(folder: Path, count: int = 2) -> None:
    """Rendered frames with a prediction that is wrong in a known way."""
    from gemdepth_ros.synthetic import SyntheticDrive

    drive = SyntheticDrive(count, 94, 310, 0)
    random = np.random.default_rng(0)
    for index in range(count):
        frame = drive.render(index)
        truth = frame.depth_m.copy()
        truth[::2] = np.nan
        truth[random.random(truth.shape) < 0.6] = np.nan
        depth = (frame.depth_m * np.linspace(0.8, 1.3, frame.depth_m.shape[1])).astype(np.float32)
        write_sample(
            folder, SampleFrame(50 * index, stamps()[50 * index], frame.image_rgb, depth, truth)
        )
