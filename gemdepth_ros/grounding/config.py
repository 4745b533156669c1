"""What each source of metres may assume, and when their result may be called metric."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.ranges import ABOVE_ZERO, Ranges


def _checked(config: Any, name: str, low: float, high: float = math.inf) -> None:
    value = getattr(config, name)
    if not low <= value <= high:
        raise ConfigError(
            f'{type(config).__name__}.{name} must be between {low} and {high}, got {value}'
        )


def _positive(config: Any, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if not (math.isfinite(value) and value > 0):
            raise ConfigError(f'{type(config).__name__}.{name} must be > 0, got {value}')


@dataclass(frozen=True)
class ManualConfig:
    """A scale and a shift that the user gives.

    Attributes:
        enabled: use them.
        scale: s [m * disparity], > 0.
        shift: t, in units of disparity.
        translation_factor: metres per session unit of the motion; NaN when unknown.
        scale_std_relative: standard deviation of ``scale``, as part of it; NaN: taken on the
            user's word, and no other source may be enabled beside it.
        shift_std: standard deviation of ``shift``, in units of disparity.
    """

    RANGES: ClassVar[Ranges] = {
        'translation_factor': (ABOVE_ZERO, None),
        'scale_std_relative': (ABOVE_ZERO, None),
        'shift_std': (0.0, None),
    }

    enabled: bool = False
    scale: float = math.nan
    shift: float = 0.0
    translation_factor: float = math.nan
    scale_std_relative: float = math.nan
    shift_std: float = 0.0

    def __post_init__(self) -> None:
        if self.enabled and not (math.isfinite(self.scale) and self.scale > 0):
            raise ConfigError(f'manual grounding needs a finite scale > 0, got {self.scale}')
        if self.enabled and not math.isfinite(self.shift):
            raise ConfigError(f'manual grounding needs a finite shift, got {self.shift}')
        factor = self.translation_factor
        if not (math.isnan(factor) or (math.isfinite(factor) and factor > 0)):
            raise ConfigError(f'translation_factor must be finite and > 0, got {factor}')
        if not math.isnan(self.scale_std_relative):
            _positive(self, 'scale_std_relative')
        _checked(self, 'shift_std', 0.0)


@dataclass(frozen=True)
class GroundPlaneConfig:
    """The camera's height above a flat ground.

    Attributes:
        enabled: use the source.
        min_inlier_share: part of the candidate pixels that must lie on one plane.
        max_roll_difference_deg: a plane tilted more than this against the known roll is a wall.
        road_std_deg: how far a road is tilted against the wheels' plane (slope changes, crown,
            the body's nodding); lasts longer than the filter's memory, so it never averages out.
        unknown_pitch_std_deg: standard deviation of a pitch that nobody gave.
        unchecked_pitch_std_deg: added to a pitch that only one source states: a plane cannot tell
            that it is wrong. Direction of motion, gravity and mounting check each other.
        unknown_roll_std_deg: standard deviation of a roll that nobody gave.
        max_distance_heights: ground further away than this many camera heights is not used.
        motion_pitch: learn the pitch from the direction of motion.
    """

    RANGES: ClassVar[Ranges] = {
        'min_inlier_share': (0.05, 1.0),
        'max_roll_difference_deg': (ABOVE_ZERO, None),
        'road_std_deg': (0.0, None),
        'unknown_pitch_std_deg': (ABOVE_ZERO, None),
        'unchecked_pitch_std_deg': (0.0, None),
        'unknown_roll_std_deg': (ABOVE_ZERO, None),
        'max_distance_heights': (ABOVE_ZERO, None),
    }

    enabled: bool = False
    min_inlier_share: float = 0.35
    max_roll_difference_deg: float = 6.0
    road_std_deg: float = 0.15
    unknown_pitch_std_deg: float = 3.0
    unchecked_pitch_std_deg: float = 0.6
    unknown_roll_std_deg: float = 1.0
    max_distance_heights: float = 15.0
    motion_pitch: bool = True

    def __post_init__(self) -> None:
        _checked(self, 'min_inlier_share', 0.05, 1.0)
        _positive(
            self,
            'max_roll_difference_deg',
            'unknown_pitch_std_deg',
            'unknown_roll_std_deg',
            'max_distance_heights',
        )
        _checked(self, 'road_std_deg', 0.0)
        _checked(self, 'unchecked_pitch_std_deg', 0.0)


@dataclass(frozen=True)
class LidarConfig:
    """Points of a LiDAR, or any other sensor of depth, and their static transform.

    Attributes:
        enabled: use the source.
        min_points: fewer usable points in the image say nothing.
        max_points: more are thinned evenly, before projection.
        rotation_std_deg: standard deviation of the transform's pitch and yaw.
        max_rotation_deg: a misalignment beyond this, where the points can tell, refuses the
            source.
        min_inlier_share: part of the points that must agree with one scale and shift.
        max_residual: refuse when the typical misfit of disparity exceeds this part of its range
            over the points.
        edge_spread: a point is dropped where disparity changes by more than this part within a
            neighbourhood of 3 x 3 cells.
        max_range_m: points further away are not used [m].
        max_age_s: a cloud this much older or newer than the image is not used [s].
    """

    RANGES: ClassVar[Ranges] = {
        'min_points': (8, None),
        'max_points': (100, None),
        'min_inlier_share': (0.05, 1.0),
        'rotation_std_deg': (ABOVE_ZERO, None),
        'max_rotation_deg': (ABOVE_ZERO, None),
        'max_residual': (ABOVE_ZERO, None),
        'edge_spread': (ABOVE_ZERO, None),
        'max_range_m': (ABOVE_ZERO, None),
        'max_age_s': (ABOVE_ZERO, None),
    }

    enabled: bool = False
    min_points: int = 20
    max_points: int = 8_000
    rotation_std_deg: float = 0.3
    max_rotation_deg: float = 0.5
    min_inlier_share: float = 0.5
    max_residual: float = 0.25
    edge_spread: float = 0.15
    max_range_m: float = 100.0
    max_age_s: float = 0.2

    def __post_init__(self) -> None:
        _checked(self, 'min_points', 8)
        _checked(self, 'max_points', 100)
        _positive(
            self,
            'rotation_std_deg',
            'max_rotation_deg',
            'max_residual',
            'max_range_m',
            'max_age_s',
        )
        _checked(self, 'min_inlier_share', 0.05, 1.0)
        _positive(self, 'edge_spread')


@dataclass(frozen=True)
class OdometryConfig:
    """Wheel odometry or a speed: metres per unit of the predicted translations.

    Attributes:
        enabled: use the source.
        min_baseline_m: below this much motion it says nothing [m].
        max_baseline_s: motion slower than ``min_baseline_m`` in this time says nothing [s].
        relative_std: systematic error of the odometry's distances (wheel diameter), as a part.
        baseline_std: noise of one baseline, both odometry's and prediction's, as a part.
        max_speed_mps: faster samples are absurd [m/s].
        max_age_s: samples further than this from the image's stamp are absurd [s].
    """

    RANGES: ClassVar[Ranges] = {
        'relative_std': (0.0, 1.0),
        'min_baseline_m': (ABOVE_ZERO, None),
        'max_baseline_s': (ABOVE_ZERO, None),
        'baseline_std': (ABOVE_ZERO, None),
        'max_speed_mps': (ABOVE_ZERO, None),
        'max_age_s': (ABOVE_ZERO, None),
    }

    enabled: bool = False
    min_baseline_m: float = 0.5
    max_baseline_s: float = 2.0
    relative_std: float = 0.01
    baseline_std: float = 0.05
    max_speed_mps: float = 80.0
    max_age_s: float = 2.0

    def __post_init__(self) -> None:
        _positive(
            self, 'min_baseline_m', 'max_baseline_s', 'baseline_std', 'max_speed_mps', 'max_age_s'
        )
        _checked(self, 'relative_std', 0.0, 1.0)


@dataclass(frozen=True)
class ParallaxConfig:
    """Tracked corners between two frames and the predicted motion between them.

    Attributes:
        enabled: use the source.
        max_corners: corners that are tracked.
        min_tracks: fewer say nothing.
        min_flow_px: median motion of the corners that makes a pair worth using [px].
        max_pair_s: after this time a new first frame is taken [s].
        rotation_std_deg: standard deviation of the predicted rotation of a pair.
        direction_std_deg: standard deviation of the predicted direction of motion of a pair.
        baseline_std: standard deviation of the predicted distance of a pair, as a part of it.
        track_bias_px: what tracking is off along the flow, always in the same sense [px].
        scale_bias: what all flows may be off in the same sense, as a part.
        mover_bias: what movers among the good tracks may change if all tracks disagreed, as a
            part.
        max_epipolar_px: tracks further from their epipolar line are movers or wrong [px].
        min_inlier_share: part of the tracks that must obey one scale and shift, now and on the
            average of the last pairs.
        max_fit_std: refuse a pair whose tracks leave more than this part of depth at 20 m open:
            too little motion, or movers on all sides.
        max_residual: refuse when the typical misfit of the flow exceeds this part of the flow.
    """

    RANGES: ClassVar[Ranges] = {
        'max_corners': (20, None),
        'min_tracks': (12, None),
        'min_inlier_share': (0.05, 1.0),
        'scale_bias': (0.0, 1.0),
        'mover_bias': (0.0, 1.0),
        'min_flow_px': (ABOVE_ZERO, None),
        'max_pair_s': (ABOVE_ZERO, None),
        'rotation_std_deg': (ABOVE_ZERO, None),
        'direction_std_deg': (ABOVE_ZERO, None),
        'baseline_std': (ABOVE_ZERO, None),
        'track_bias_px': (ABOVE_ZERO, None),
        'max_epipolar_px': (ABOVE_ZERO, None),
        'max_fit_std': (ABOVE_ZERO, None),
        'max_residual': (ABOVE_ZERO, None),
    }

    enabled: bool = False
    max_corners: int = 250
    min_tracks: int = 30
    min_flow_px: float = 10.0
    max_pair_s: float = 1.0
    rotation_std_deg: float = 0.1
    direction_std_deg: float = 1.0
    baseline_std: float = 0.03
    track_bias_px: float = 0.15
    scale_bias: float = 0.01
    mover_bias: float = 0.05
    max_epipolar_px: float = 1.5
    min_inlier_share: float = 0.65
    max_fit_std: float = 0.05
    max_residual: float = 0.15

    def __post_init__(self) -> None:
        _checked(self, 'max_corners', 20)
        _checked(self, 'min_tracks', 12)
        _positive(
            self,
            'min_flow_px',
            'max_pair_s',
            'rotation_std_deg',
            'direction_std_deg',
            'baseline_std',
            'track_bias_px',
            'max_epipolar_px',
            'max_fit_std',
            'max_residual',
        )
        _checked(self, 'min_inlier_share', 0.05, 1.0)
        _checked(self, 'scale_bias', 0.0, 1.0)
        _checked(self, 'mover_bias', 0.0, 1.0)


@dataclass(frozen=True)
class SkyConfig:
    """Pixels that are known to be sky: inverse depth zero.

    Attributes:
        enabled: use the source.
        min_cells: fewer cells of the coarse grid say nothing.
        relative_std: how well a network's sky is at infinity, as part of the disparity's range.
    """

    RANGES: ClassVar[Ranges] = {
        'min_cells': (4, None),
        'relative_std': (ABOVE_ZERO, None),
    }

    enabled: bool = False
    min_cells: int = 30
    relative_std: float = 0.01

    def __post_init__(self) -> None:
        _checked(self, 'min_cells', 4)
        _positive(self, 'relative_std')


@dataclass(frozen=True)
class MetricNetworkConfig:
    """The network's own metres, where its weights are metric (``vda-metric-*``).

    Attributes:
        enabled: use the source; refused with weights that are not metric.
        relative_std: how far the metres may be off on your camera, as a part: these weights were
            tuned on synthetic images. Measure it, with ``gemdepth-ros evaluate``, before you lower
            it; above ``max_depth_std_at_20m`` this source alone gives no metres.
        inverse_depth_std: error of inverse depth at infinity [1/m].
    """

    RANGES: ClassVar[Ranges] = {
        'relative_std': (ABOVE_ZERO, None),
        'inverse_depth_std': (ABOVE_ZERO, None),
    }

    enabled: bool = False
    relative_std: float = 0.2
    inverse_depth_std: float = 0.002

    def __post_init__(self) -> None:
        _positive(self, 'relative_std', 'inverse_depth_std')


@dataclass(frozen=True)
class FilterConfig:
    """The state over time.

    Attributes:
        scale_drift: random walk of the scale, as a part per square root of a second.
        shift_drift: random walk of the shift, as part of the median inverse depth per square root
            of a second.
        segment_std: what joining two segments of the stream may cost, as a part of scale and of
            the median inverse depth.
        correlation_s: errors of the disparity repeat from frame to frame for about this long: so
            much time must pass before a source counts a second time [s].
        gate_probability: a measurement as far off as this share of honest ones is an outlier.
        restart_after_s: a source that disagrees with its own past for this long starts anew [s].
    """

    RANGES: ClassVar[Ranges] = {
        'scale_drift': (0.0, 1.0),
        'shift_drift': (0.0, 1.0),
        'segment_std': (0.0, 1.0),
        'gate_probability': (0.5, 1.0 - 1e-9),
        'correlation_s': (0.0, None),
        'restart_after_s': (0.0, None),
    }

    scale_drift: float = 0.01
    shift_drift: float = 0.005
    segment_std: float = 0.02
    correlation_s: float = 0.5
    gate_probability: float = 0.999
    restart_after_s: float = 1.0

    def __post_init__(self) -> None:
        _checked(self, 'scale_drift', 0.0, 1.0)
        _checked(self, 'shift_drift', 0.0, 1.0)
        _checked(self, 'segment_std', 0.0, 1.0)
        _checked(self, 'correlation_s', 0.0)
        _checked(self, 'gate_probability', 0.5, 1.0 - 1e-9)
        _checked(self, 'restart_after_s', 0.0)


@dataclass(frozen=True)
class GroundingConfig:
    """How disparity becomes metres: ``1/Z = (disparity - shift) / scale``.

    Attributes:
        max_depth_std_at_20m: depth is metric when its relative standard deviation at 20 m is
            below this.
        max_coast_s: a source without an accepted measurement for this long is forgotten [s].
    """

    RANGES: ClassVar[Ranges] = {
        'max_depth_std_at_20m': (ABOVE_ZERO, None),
        'max_coast_s': (ABOVE_ZERO, None),
    }

    manual: ManualConfig = field(default_factory=ManualConfig)
    ground_plane: GroundPlaneConfig = field(default_factory=GroundPlaneConfig)
    lidar: LidarConfig = field(default_factory=LidarConfig)
    odometry: OdometryConfig = field(default_factory=OdometryConfig)
    parallax: ParallaxConfig = field(default_factory=ParallaxConfig)
    sky: SkyConfig = field(default_factory=SkyConfig)
    metric_network: MetricNetworkConfig = field(default_factory=MetricNetworkConfig)
    filter: FilterConfig = field(default_factory=FilterConfig)
    max_depth_std_at_20m: float = 0.1
    max_coast_s: float = 5.0

    def __post_init__(self) -> None:
        _positive(self, 'max_depth_std_at_20m', 'max_coast_s')
        others = [name for name in self.enabled_sources if name != 'manual']
        if self.manual_on_word and others:
            raise ConfigError(
                'manual grounding without scale_std_relative is taken on your word and cannot be '
                f'fused with {", ".join(others)}: state scale_std_relative, or disable them'
            )

    @property
    def enabled_sources(self) -> tuple[str, ...]:
        """Names of the enabled sources."""
        return tuple(
            entry.name
            for entry in fields(self)
            if getattr(getattr(self, entry.name), 'enabled', False)
        )

    @property
    def manual_on_word(self) -> bool:
        """Whether scale and shift are taken as given, without a standard deviation."""
        return self.manual.enabled and math.isnan(self.manual.scale_std_relative)
