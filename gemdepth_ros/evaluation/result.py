"""What one evaluation found: typed, versioned, and the same as JSON.

Every figure that depends on the machine's speed is in ``timing`` and nowhere else: two runs of the
same thing differ there alone. NaN is "unknown" and ``null`` in JSON.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from gemdepth_ros.evaluation.metrics import DepthErrors

FORMAT_VERSION = 1


@dataclass(frozen=True)
class SourceFacts:
    """What was evaluated.

    Attributes:
        path: as the user gave it.
        kind: ``rosbag2 mcap``, ``KITTI clip``, ``video``, ...
        description: one line for people.
        width: of the images [px].
        height: of the images [px].
        frames: images in the source.
        processed: of these, given to the network.
        dropped: passed over by the simulated latency, or without an answer of the live node.
        unusable: damaged, or of another size than the first.
        duration_s: from the first stamp to the last [s].
    """

    path: str = ''
    kind: str = ''
    description: str = ''
    width: int = 0
    height: int = 0
    frames: int = 0
    processed: int = 0
    dropped: int = 0
    unusable: int = 0
    duration_s: float = 0.0


@dataclass(frozen=True)
class SystemFacts:
    """What made the predictions.

    Attributes:
        version: of this package.
        weights: name and digest.
        trained: False: random weights, whose figures say nothing about the method.
        mode: ``sliding``, ``causal`` or ``offline``.
        window: frames per window.
        input_size: size parameter of the network's input [px].
        network_size: (height, width) of the network's input [px].
        device: kind of device, ``cpu`` or ``cuda``.
        dtype: arithmetic of the network.
        simulated_latency_ms: 0: every frame was processed.
        grounding: names of the enabled sources of metres.
        settings: what differs from the defaults, as ``section.field=value``.
    """

    version: str = ''
    weights: str = ''
    trained: bool = False
    mode: str = ''
    window: int = 0
    input_size: int = 0
    network_size: tuple[int, int] = (0, 0)
    device: str = ''
    dtype: str = ''
    simulated_latency_ms: float = 0.0
    grounding: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class TruthFacts:
    """What the predictions were compared with.

    Attributes:
        depth: ``depth image``, ``LiDAR`` or ``none``, and where from.
        poses: ``odometry``, ``pose file`` or ``none``, and where from.
        masks: where masks of moving objects came from, or ``none``.
        tolerance_ms: largest difference of stamps that still belongs together [ms].
        depth_frames: processed frames that have true depth.
        pose_frames: processed frames that have a true pose.
        mask_frames: processed frames that have a mask.
    """

    depth: str = 'none'
    poses: str = 'none'
    masks: str = 'none'
    tolerance_ms: float = 0.0
    depth_frames: int = 0
    pose_frames: int = 0
    mask_frames: int = 0


@dataclass(frozen=True)
class Baseline:
    """Errors of a prediction without skill, fitted on the same truth, under the same protocol.

    Attributes:
        name: ``row_prior`` or ``constant``.
        meaning: one line for people.
        mean: its errors.
    """

    name: str
    meaning: str
    mean: DepthErrors


@dataclass(frozen=True, slots=True)
class FrameScore:
    """Errors of one frame under one protocol.

    Attributes:
        index: number of the frame in the source.
        stamp_ns: capture time [ns].
        pixels: how many have both truth and prediction.
        scale: of the alignment that was used; 1 without alignment.
        shift: of the alignment that was used.
        errors: over these pixels.
    """

    index: int
    stamp_ns: int
    pixels: int
    scale: float
    shift: float
    errors: DepthErrors


@dataclass(frozen=True)
class DistanceBin:
    """Errors of the pixels whose true depth is in [near_m, far_m), over the whole sequence."""

    near_m: float
    far_m: float
    pixels: int
    abs_rel: float
    rmse: float
    delta1: float


@dataclass(frozen=True)
class ErrorBands:
    """The error over time, split by its frequency (see docs/evaluation.md).

    Attributes:
        metric: ``abs_rel``, ``rmse`` or ``1-delta1``.
        edges: 11 geometric edges (K + 1)^(j / 10) of the frequency index, K = floor(T / 2).
        mean: band F0: the plain mean.
        bands: F1 .. F10: mean of |error restricted to the band|; NaN where a band is empty.
    """

    metric: str
    edges: tuple[float, ...]
    mean: float
    bands: tuple[float, ...]


@dataclass(frozen=True)
class ProtocolResult:
    """Depth under one protocol.

    Attributes:
        name: ``vda``, ``metric``, ``median`` or ``per_frame``.
        alignment: in words, to be printed beside the figures.
        crop: ``none``, ``eigen`` or ``garg``.
        min_depth_m: truth at or below it does not count [m].
        max_depth_m: truth at or beyond it does not count, predictions are cut there [m].
        mean: over frames, each of the same weight.
        coverage: part of the pixels with truth that have a prediction.
        scale: of the sequence (``vda``); NaN where each frame has its own.
        shift: likewise.
        baselines: predictions without skill.
        frames: one by one.
        by_distance: pixels by true depth.
        static: errors of what stands still, where masks are known.
        moving: errors of what moves.
        bands: the error by frequency.
    """

    name: str
    alignment: str
    crop: str
    min_depth_m: float
    max_depth_m: float
    mean: DepthErrors
    coverage: float
    scale: float = math.nan
    shift: float = math.nan
    baselines: tuple[Baseline, ...] = ()
    frames: tuple[FrameScore, ...] = ()
    by_distance: tuple[DistanceBin, ...] = ()
    static: DepthErrors | None = None
    moving: DepthErrors | None = None
    bands: tuple[ErrorBands, ...] = ()


@dataclass(frozen=True)
class TemporalScore:
    """Consistency of neighbouring frames.

    Attributes:
        name: ``tae`` (true poses) or ``self_consistency`` (own poses).
        depth: which depth was used, in words.
        percent: mean over pairs [%].
        pairs: number of pairs.
        stamps_ns: capture time of the later frame of each pair [ns].
        values: of each pair [%].
        translation_factor: factor on own translations that was fitted to own depth
            (``self_consistency`` without metres); NaN where nothing was fitted.
    """

    name: str
    depth: str
    percent: float
    pairs: int
    stamps_ns: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    translation_factor: float = math.nan


@dataclass(frozen=True)
class FlickerScore:
    """Change of depth from frame to frame while the camera stands still.

    Attributes:
        depth: which depth was used, in words.
        pairs: pairs of frames at standstill.
        mean_percent: mean over pairs of 100 * mean |ln(d' / d)| over pixels.
        median_percent: ... of 100 * median: movers in view hardly touch it.
        max_step_m: largest motion between two frames that counts as standstill [m].
    """

    depth: str
    pairs: int
    mean_percent: float
    median_percent: float
    max_step_m: float


@dataclass(frozen=True)
class PoseErrors:
    """Absolute and relative error of the trajectory under one alignment (through evo).

    Attributes:
        alignment: ``SE(3)`` or ``Sim(3)``.
        scale: factor that the alignment put on the estimate; 1 for SE(3).
        ate_rmse_m: root mean square of positions' errors [m].
        ate_mean_m: mean [m].
        ate_max_m: largest [m].
        rpe_translation_rmse_m: of steps from frame to frame [m].
        rpe_rotation_rmse_deg: of steps from frame to frame [deg].
    """

    alignment: str
    scale: float
    ate_rmse_m: float
    ate_mean_m: float
    ate_max_m: float
    rpe_translation_rmse_m: float
    rpe_rotation_rmse_deg: float


@dataclass(frozen=True)
class TrajectoryResult:
    """Motion of the camera against the truth.

    Attributes:
        frames: poses that were compared.
        path_m: length of the true path [m].
        metric: whether the estimate claims metres.
        lost: frames at which the chain was broken.
        errors: under each alignment.
        t_rel_percent: KITTI's relative error of translation [%]; NaN: no segment is long enough.
        r_rel_deg_per_m: KITTI's relative error of rotation [deg/m].
        lengths_m: lengths of the segments behind both [m].
        scaled: whether ``t_rel_percent`` is after one scale for the sequence (not metric).
        stamps_ns: of the poses below [ns].
        estimated_m: positions (x, y, z) of the estimate, aligned as ``plotted_alignment`` says.
        true_m: true positions, in the true world.
        plotted_alignment: how ``estimated_m`` was aligned.
    """

    frames: int
    path_m: float
    metric: bool
    lost: int
    errors: tuple[PoseErrors, ...]
    t_rel_percent: float
    r_rel_deg_per_m: float
    lengths_m: tuple[float, ...]
    scaled: bool
    stamps_ns: tuple[int, ...] = ()
    estimated_m: tuple[tuple[float, float, float], ...] = ()
    true_m: tuple[tuple[float, float, float], ...] = ()
    plotted_alignment: str = ''


@dataclass(frozen=True, slots=True)
class ScaleSample:
    """Scale of one frame.

    Attributes:
        index: number of the frame in the source.
        stamp_ns: capture time [ns].
        depth_ratio: median of predicted / true depth; NaN without truth.
        depth_spread: scaled median absolute deviation of ln(predicted / true).
        stated_scale: s that grounding states [m * disparity]; NaN when not metric.
        stated_scale_std: its standard deviation.
        fitted_scale: s that fits this frame's truth best (with a shift of its own).
        metric: whether the frame's depth was metric.
    """

    index: int
    stamp_ns: int
    depth_ratio: float
    depth_spread: float
    stated_scale: float
    stated_scale_std: float
    fitted_scale: float
    metric: bool


@dataclass(frozen=True)
class ScaleResult:
    """Scale of depth over time.

    Attributes:
        depth: which depth ``depth_ratio`` is about, in words.
        mean_ratio: geometric mean over frames of ``depth_ratio``.
        std_log_ratio: standard deviation over frames of its logarithm.
        drift_percent_per_minute: slope of its logarithm over time [%/min].
        frames: one by one.
    """

    depth: str
    mean_ratio: float
    std_log_ratio: float
    drift_percent_per_minute: float
    frames: tuple[ScaleSample, ...] = ()


@dataclass(frozen=True)
class CoveragePoint:
    """Of intervals that should hold ``nominal`` of the truths, ``observed`` held theirs."""

    nominal: float
    observed: float


@dataclass(frozen=True)
class CalibrationResult:
    """Is the stated standard deviation of depth the real one?

    Attributes:
        pixels: how many have truth, depth and a stated deviation.
        rms_z: root mean square of error / stated deviation; 1 is perfect, > 1 too sure.
        median_abs_z: median of |error| / stated deviation; 0.674 is perfect (from a histogram).
        within: share of truths within central intervals of a normal distribution.
        mean_gap: mean |observed - nominal| over these.
        mean_stated_relative: mean stated deviation / depth.
        mean_actual_relative: mean |error| / truth over the same pixels.
    """

    pixels: int
    rms_z: float
    median_abs_z: float
    within: tuple[CoveragePoint, ...]
    mean_gap: float
    mean_stated_relative: float
    mean_actual_relative: float


@dataclass(frozen=True)
class ResetEvent:
    """The stream started anew."""

    index: int
    stamp_ns: int
    reason: str


@dataclass(frozen=True)
class Timing:
    """What depends on the machine: the only part that differs between equal runs.

    Attributes:
        started_at: date and time (UTC, ISO 8601).
        total_s: wall clock of the evaluation [s].
        latency_ms: time in the pipeline of each processed frame [ms].
    """

    started_at: str = ''
    total_s: float = 0.0
    latency_ms: tuple[float, ...] = ()


@dataclass(frozen=True)
class EvaluationResult:
    """Everything that one evaluation found.

    Attributes:
        version: of this format.
        source: what was evaluated.
        system: what made the predictions.
        truth: what they were compared with.
        protocols: depth under each protocol that could be evaluated.
        temporal: consistency over time.
        flicker: at standstill, when the camera stood still.
        trajectory: motion, when there are true poses.
        scale: over time, when there is true depth.
        calibration: of stated uncertainty, when some was stated.
        resets: where the stream started anew.
        notes: one line for everything that could not be evaluated, and why.
        samples: folder with sample frames, relative to the JSON file; empty: none.
        timing: what depends on the machine.
    """

    source: SourceFacts = field(default_factory=SourceFacts)
    system: SystemFacts = field(default_factory=SystemFacts)
    truth: TruthFacts = field(default_factory=TruthFacts)
    protocols: tuple[ProtocolResult, ...] = ()
    temporal: tuple[TemporalScore, ...] = ()
    flicker: FlickerScore | None = None
    trajectory: TrajectoryResult | None = None
    scale: ScaleResult | None = None
    calibration: CalibrationResult | None = None
    resets: tuple[ResetEvent, ...] = ()
    notes: tuple[str, ...] = ()
    samples: str = ''
    timing: Timing = field(default_factory=Timing)
    version: int = FORMAT_VERSION

    def protocol(self, name: str) -> ProtocolResult | None:
        """Return the result under a protocol, or None."""
        return next((item for item in self.protocols if item.name == name), None)
