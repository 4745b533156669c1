"""``GroundingEstimator``: one frame's disparity and measurements in, metres (or not) out."""

from __future__ import annotations

import logging
import math

import numpy as np

from gemdepth_ros.geometry.linear import inverted
from gemdepth_ros.grounding.config import GroundingConfig
from gemdepth_ros.grounding.fusion import Estimate, Kind, Opinion, fuse
from gemdepth_ros.grounding.ground_plane import read_ground_plane
from gemdepth_ros.grounding.inputs import GroundingInput
from gemdepth_ros.grounding.lidar import read_lidar
from gemdepth_ros.grounding.manual import manual_measurement, manual_state
from gemdepth_ros.grounding.metric_network import metric_network_opinion
from gemdepth_ros.grounding.odometry import OdometryBaselines
from gemdepth_ros.grounding.parallax import ParallaxTracker
from gemdepth_ros.grounding.reading import Reading
from gemdepth_ros.grounding.scene import Scene
from gemdepth_ros.grounding.sky import read_sky
from gemdepth_ros.grounding.tilt import MotionPitch, known_tilt
from gemdepth_ros.grounding.track import GaussianTrack
from gemdepth_ros.interfaces import Float64Array, GroundingState, ResetReason

MAX_STEP_S = 10.0  # a longer pause says no more
LOOSE = 1e4  # times the values' size: nothing is known, and sums keep their digits
BEHIND_INFINITY = 3.0  # sigmas
STILL_FLOW_PX = 0.15
# More frames than this part of the recent ones that show a wrong calibration refuse a source.
FAULT_MEMORY = 0.2
MAX_FAULTS = 0.35
FEW_FAULTS = 0.1  # a calibration does not heal: it takes this few to be believed again
NO_CAMERA = (
    'grounding: the camera is not calibrated (CameraInfo without focal length): '
    'only manual and sky can work'
)

logger = logging.getLogger(__name__)


class GroundingEstimator:
    """Fuses the enabled sources over time.

    Each source has its own small Gaussian state, which drifts and gates; these are independent of
    each other and fused for every frame. Not thread-safe.
    """

    def __init__(self, config: GroundingConfig | None = None) -> None:
        self.config = config or GroundingConfig()
        self._odometry = OdometryBaselines(self.config.odometry)
        self._parallax = ParallaxTracker(self.config.parallax)
        self._motion = MotionPitch()
        self._factor_given = True
        self._forget()

    def _forget(self) -> None:
        self._tracks: dict[str, GaussianTrack] = {}
        self._faults: dict[str, Float64Array] = {}
        self._revoked: set[str] = set()
        self._stamp_ns: int | None = None
        self._segment = 0
        self._messages: list[str] = []
        self._estimate: Estimate | None = None
        self._odometry.forget()
        self._parallax.forget()
        self._motion.forget()

    def reset(self, reason: ResetReason) -> None:
        """Forget everything that was measured: a new session has a new scale and shift."""
        logger.info('grounding starts anew: %s', reason.value)
        self._forget()

    def forget_given_factor(self) -> None:
        """No longer believe the configured translation factor: a new session has a new unit."""
        self._factor_given = False

    @property
    def standing_still(self) -> bool:
        """Whether odometry or the images say that the camera stands; False when nobody knows."""
        if self.config.odometry.enabled and math.isfinite(self._odometry.speed_mps):
            return self._odometry.still
        return self._parallax.step_flow_px < STILL_FLOW_PX

    @property
    def moving(self) -> bool:
        """Whether odometry says that the vehicle moves or turns; False when nobody knows."""
        return self.config.odometry.enabled and self._odometry.moving

    def update(self, frame: GroundingInput) -> GroundingState:
        """Take the next frame; never raises for what sensors do."""
        if frame.reset is not None:
            self.reset(frame.reset)
        self._messages = []
        scene = Scene(frame.disparity, frame.camera)
        self._advance(frame, scene)
        if scene.empty:
            self._note(f'grounding: only {int(scene.known.sum())} cells have a disparity')
        else:
            self._read_sources(frame, scene)
        return self._state(frame.stamp_ns, scene)

    def _advance(self, frame: GroundingInput, scene: Scene) -> None:
        """Let all states drift to the frame's time."""
        elapsed = 0.0
        if self._stamp_ns is not None:
            elapsed = (frame.stamp_ns - self._stamp_ns) * 1e-9
            if elapsed < 0:
                self._note(f'grounding: the frame is {-elapsed:.3f} s older than the one before')
                elapsed = 0.0
        self._stamp_ns = frame.stamp_ns
        joined = frame.segment != self._segment
        self._segment = frame.segment
        limits = self.config.filter
        join = limits.segment_std**2 if joined else 0.0
        elapsed = min(elapsed, MAX_STEP_S)
        scale = limits.scale_drift**2 * elapsed + join
        shift = limits.shift_drift**2 * elapsed + join
        for name, track in self._tracks.items():
            track.drift(_drift(name, track.mean, scale, shift, scene))
        self._motion.add(frame.session_from_camera, lost=frame.lost)

    def _read_sources(self, frame: GroundingInput, scene: Scene) -> None:
        config = self.config
        if config.odometry.enabled:
            self._take('odometry', self._odometry.read(frame), frame, scene)
        if config.sky.enabled and frame.sky is not None:
            self._take('sky', read_sky(frame.sky, scene, config.sky), frame, scene)
        geometric = config.lidar.enabled or config.ground_plane.enabled or config.parallax.enabled
        if frame.camera is None:
            if geometric:
                self._note(NO_CAMERA)
            return
        if config.lidar.enabled and frame.lidar is not None:
            scale = 1.0 / self._estimate.x[0] if self._estimate else math.nan
            reading = read_lidar(frame.lidar, scene, frame.stamp_ns, config.lidar, scale)
            self._take('lidar', reading, frame, scene)
        if config.ground_plane.enabled:
            tilt = known_tilt(frame, self._motion.evidence, config.ground_plane)
            self._note(tilt.message)
            reading = read_ground_plane(scene, frame.mounting, tilt, config.ground_plane)
            self._take('ground_plane', reading, frame, scene)
        if config.parallax.enabled:
            factor = self._known_factor(frame.stamp_ns)
            self._take('parallax', self._parallax.read(frame, scene, factor), frame, scene)

    def _known_factor(self, now_ns: int) -> float:
        """Metres per session unit from odometry, or from the last estimate; NaN when unknown."""
        odometry = self._tracks.get('odometry')
        if odometry is not None and odometry.age_s(now_ns) <= self.config.max_coast_s:
            return math.exp(odometry.value[0])
        estimate = self._estimate
        if estimate is None or 'parallax' not in estimate.sources:
            return math.nan
        return math.exp(estimate.x[2])

    def _note(self, message: str) -> None:
        if message:
            self._messages.append(message)

    def _take(self, name: str, reading: Reading, frame: GroundingInput, scene: Scene) -> None:
        """Filter one reading into its source's state."""
        self._note(reading.message)
        if self._is_revoked(name, reading):
            self._tracks.pop(name, None)
            return
        if reading.measurement is None:
            return
        if not reading.measurement.finite:
            self._note(f'{name}: the measurement is not finite and is left out')
            return
        track = self._tracks.get(name)
        if track is None:
            loose = LOOSE * np.maximum(np.abs(reading.measurement.mean), 1e-6)
            track = self._tracks[name] = GaussianTrack(self.config.filter, loose)
        if not track.update(reading.measurement, frame.stamp_ns):
            self._note(f'{name}: the measurement disagrees with those before and is left out')

    def _is_revoked(self, name: str, reading: Reading) -> bool:
        """Whether a source has shown itself miscalibrated in many of its recent frames."""
        # As vectors: a wrong transform is wrong the same way in every frame, an error of the
        # disparity that looks like one is not.
        faults = self._faults.get(name, np.zeros(2))
        if len(reading.fault) or reading.measurement is not None:
            newest = reading.fault if len(reading.fault) else np.zeros(2)
            faults = self._faults[name] = faults + FAULT_MEMORY * (newest - faults)
        share = float(np.linalg.norm(faults))
        if share > MAX_FAULTS:
            self._revoked.add(name)
        elif share < FEW_FAULTS:
            self._revoked.discard(name)
        return name in self._revoked

    def _opinions(self, now_ns: int) -> list[Opinion]:
        """What the sources know that have been heard of lately."""
        opinions = []
        config = self.config
        if config.manual.enabled:
            given = manual_measurement(config.manual)
            noise: Float64Array = inverted(given.information)
            opinions.append(Opinion('manual', 'affine', given.mean, noise))
            if self._factor_given and math.isfinite(config.manual.translation_factor):
                mean = np.array([math.log(config.manual.translation_factor)])
                variance = np.array([[config.manual.scale_std_relative**2]])
                opinions.append(Opinion('manual', 'log_factor', mean, variance))
        if config.metric_network.enabled:
            opinions.append(metric_network_opinion(config.metric_network))
        for name, track in self._tracks.items():
            if track.age_s(now_ns) <= config.max_coast_s:
                opinions.append(Opinion(name, _KINDS[name], track.value, track.covariance))
        return opinions

    def _state(self, now_ns: int, scene: Scene) -> GroundingState:
        config = self.config
        manual = config.manual
        if config.manual_on_word:
            return manual_state(manual.scale, manual.shift, manual.translation_factor)
        opinions = self._opinions(now_ns)
        estimate = self._estimate = fuse(opinions, scene.spread)
        if estimate is None:
            return self._without_affine(opinions)
        self._note(estimate.message)
        if not scene.empty:
            estimate = self._plausible(estimate, scene)
        return self._published(estimate, opinions)

    def _plausible(self, estimate: Estimate, scene: Scene) -> Estimate:
        """Nothing is behind infinity: a state that says so must doubt its shift."""
        u, v = estimate.x[:2]
        inverse = u * scene.low - v
        row = np.array([scene.low, -1.0])
        std = math.sqrt(max(float(row @ estimate.covariance[:2, :2] @ row), 0.0))
        noise = 0.02 * u * scene.spread  # what a network's sky may be off
        if inverse >= -BEHIND_INFINITY * std - noise:
            return estimate
        self._note('grounding: a tenth of the image would be behind infinity: the shift is wrong')
        covariance = estimate.covariance.copy()
        covariance[1, 1] += inverse**2
        return Estimate(estimate.x, covariance, estimate.sources, estimate.message)

    def _without_affine(self, opinions: list[Opinion]) -> GroundingState:
        """Nobody knows scale and shift; the motion's factor may still be known."""
        factor = next((o for o in opinions if o.kind == 'log_factor'), None)
        if factor is None:
            return GroundingState(messages=tuple(self._messages))
        value, std = math.exp(factor.mean[0]), math.sqrt(factor.covariance[0, 0])
        covariance = (math.nan,) * 8 + (std**2,)
        return GroundingState(
            translation_factor=value,
            translation_factor_std=value * std,
            sources=(factor.name,),
            covariance=covariance,
            messages=tuple(self._messages),
        )

    def _published(self, estimate: Estimate, opinions: list[Opinion]) -> GroundingState:
        u, v, log_factor = (float(x) for x in estimate.x)
        covariance = estimate.covariance
        of_shift = np.array([-v / u**2, 1.0 / u])
        depth_std = estimate.depth_std_at_20m
        factor_std = math.sqrt(covariance[2, 2])
        # Without a source of g the prior's standard deviation would be published.
        factor_known = factor_std < 1.0 and any(
            o.kind in ('session_affine', 'log_factor') for o in opinions
        )
        factor = math.exp(log_factor) if factor_known else math.nan
        return GroundingState(
            metric=depth_std < self.config.max_depth_std_at_20m,
            scale=1.0 / u,
            shift=v / u,
            scale_std=math.sqrt(covariance[0, 0]) / u**2,
            shift_std=math.sqrt(max(float(of_shift @ covariance[:2, :2] @ of_shift), 0.0)),
            translation_factor=factor,
            translation_factor_std=factor * factor_std,
            depth_std_at_20m=depth_std,
            sources=tuple(dict.fromkeys(estimate.sources)),
            covariance=tuple(float(value) for value in covariance.ravel()),
            messages=tuple(self._messages),
        )


_KINDS: dict[str, Kind] = {
    'lidar': 'affine',
    'ground_plane': 'affine',
    'parallax': 'session_affine',
    'odometry': 'log_factor',
    'sky': 'shift',
}


def _drift(
    name: str, mean: Float64Array, scale: float, shift: float, scene: Scene
) -> Float64Array:
    """Covariance that one step of drift adds to a source's state.

    Args:
        name: of the source.
        mean: its state.
        scale: relative variance of the scale.
        shift: variance of the inverse depth, relative to the median inverse depth.
        scene: for the median disparity.
    """
    if name == 'odometry':
        return np.array([[scale]])
    if name == 'sky':
        return np.array([[shift * scene.spread**2]])
    middle = abs(float(mean[0] * scene.middle - mean[1]))
    result: Float64Array = scale * np.outer(mean, mean) + np.diag([0.0, shift * middle**2])
    return result
