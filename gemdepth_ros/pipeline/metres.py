"""Metres for one stream: the grounding of its depth and the trajectory of its camera."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from torch import Tensor

from gemdepth_ros.geometry import se3
from gemdepth_ros.grounding.config import GroundingConfig
from gemdepth_ros.grounding.estimator import GroundingEstimator
from gemdepth_ros.grounding.inputs import (
    BoolArray,
    CameraMounting,
    CoarseDisparity,
    GroundingInput,
    down_of,
)
from gemdepth_ros.grounding.manual import manual_state
from gemdepth_ros.grounding.pose_chain import UNKNOWN_VARIANCE, ChainedPose, PoseChain
from gemdepth_ros.inference.streaming import StreamOutput
from gemdepth_ros.interfaces import (
    EgoMotion,
    GroundingState,
    ResetReason,
    UInt8Array,
    VideoFrame,
    WindowPoses,
)
from gemdepth_ros.pipeline.config import MountingConfig, PipelineConfig
from gemdepth_ros.pipeline.odometry_motion import OdometryMotion
from gemdepth_ros.pipeline.readings import SensorReadings
from gemdepth_ros.pipeline.self_mask import check_self_mask

# Cells per side of the sample that grounding sees, at most: about every fourth pixel of KITTI.
# With far fewer the road itself is as steep as an edge from cell to cell, beyond a few metres.
COARSE_SIDE = 330
# After these the trajectory itself starts anew; after the others it goes on from where it was.
FRESH_START = (ResetReason.REQUEST, ResetReason.BACKWARD_TIME)


def camera_mounting(config: MountingConfig) -> CameraMounting | None:
    """Return the mounting that the configuration gives, or None when it gives no height.

    The base lies on the ground straight below the camera, x forward and z up. A pitch that is
    not given stays unknown to the ground plane, and counts as level for the costmap's heights.
    """
    if math.isnan(config.height_m):
        return None
    pitch = math.radians(0.0 if math.isnan(config.pitch_deg) else config.pitch_deg)
    roll = math.radians(0.0 if math.isnan(config.roll_deg) else config.roll_deg)
    up = -down_of(pitch, roll)
    forward = np.array([0.0, 0.0, 1.0]) - up[2] * up
    forward /= np.linalg.norm(forward)
    rotation = np.stack([forward, np.cross(up, forward), up])
    std = math.radians(config.angle_std_deg)
    return CameraMounting(
        se3.from_parts(rotation, np.array([0.0, 0.0, config.height_m])),
        config.height_m,
        config.height_std_m,
        math.radians(config.pitch_deg),
        std,
        math.radians(config.roll_deg),
        std,
    )


class Metres:
    """Keeps what is known about metres from frame to frame.

    Args:
        config: the pipeline's configuration.
        trained: random weights give no metres unless the configuration insists.
        depth_error: relative error of the network's own depth. What sources say of scale and
            shift does not hold it, and depth is no surer than the network.
        motion_error: relative error of the network's own motion, likewise.
        self_mask: bool [H, W], True where the camera sees its own vehicle, or None.
    """

    def __init__(
        self,
        config: PipelineConfig,
        *,
        trained: bool,
        depth_error: float = 0.0,
        motion_error: float = 0.0,
        self_mask: BoolArray | None = None,
    ) -> None:
        allowed = trained or config.network.allow_untrained_metric
        self._grounding = config.grounding if allowed else GroundingConfig()
        self._estimator = GroundingEstimator(self._grounding)
        self._chain = PoseChain(config.motion)
        self._by_odometry = OdometryMotion(self._grounding.odometry)
        self._depth_error, self._motion_error = depth_error, motion_error
        self._max_factor_std = config.motion.max_factor_std
        self._view = CoarseView(self_mask)
        self._started = False
        self._factor_valid = True
        self.mounting = camera_mounting(config.mounting)

    def update(
        self, frame: VideoFrame, result: StreamOutput, readings: SensorReadings
    ) -> tuple[GroundingState, EgoMotion | None]:
        """Take one frame and what was measured since the one before.

        The motion is None when the network predicts no poses and no odometry stands in.

        Raises:
            ConfigError: the self-mask has another size than the image.
        """
        restarted = result.reset is not None and self._started
        self._started = True
        if restarted:
            # A new session counts its translations in a new unit.
            self._factor_valid = False
            self._estimator.forget_given_factor()
            if result.reset in FRESH_START:
                self._chain.reset()
                self._by_odometry.forget()
        state = self._state(frame, result, readings)
        if self._grounding.manual_on_word and not self._factor_valid:
            state = replace(state, translation_factor=math.nan, translation_factor_std=math.nan)
        if result.session_from_camera is None or result.window is None:
            mounting = readings.mounting or self.mounting
            return state, self._by_odometry.update(frame.stamp_ns, readings.odometry, mounting)
        pose = ChainedPose(
            frame.stamp_ns,
            result.session_from_camera,
            result.position_std,
            result.rotation_std,
            result.lost or restarted,
            self._estimator.standing_still,
            result.window,
            self._estimator.moving,
        )
        motion = self._chain.update(pose, state)
        if motion.metric and math.isnan(state.translation_factor_std):
            # A factor on the user's word: nobody knows how good it is.
            unknown = np.eye(6) * UNKNOWN_VARIANCE
            motion = replace(motion, covariance=unknown, step_covariance=None)
        window = _in_odometry(motion, result.window, result.stamp_ns, state)
        return state, replace(motion, window=window)

    def _state(
        self, frame: VideoFrame, result: StreamOutput, readings: SensorReadings
    ) -> GroundingState:
        if self._grounding.manual_on_word:
            manual = self._grounding.manual
            return manual_state(manual.scale, manual.shift, manual.translation_factor)
        if not self._grounding.enabled_sources:
            return GroundingState()
        gray: UInt8Array | None = None
        if self._grounding.parallax.enabled:
            gray = np.asarray(cv2.cvtColor(frame.image_rgb, cv2.COLOR_RGB2GRAY), np.uint8)
        disparity = self._view.of(result.disparity_HW, frame)
        state = self._estimator.update(
            GroundingInput(
                frame.stamp_ns,
                disparity,
                frame.camera,
                gray,
                result.session_from_camera,
                0.0 if result.session_from_camera is None else result.position_std,
                result.segment,
                result.lost,
                result.reset,
                readings.lidar,
                readings.odometry,
                readings.mounting or self.mounting,
                readings.gravity_camera,
                sky=None if readings.sky is None else coarse_mask(readings.sky, disparity),
            )
        )
        state = no_surer_than(self._depth_error, state, self._grounding.max_depth_std_at_20m)
        return motion_no_surer_than(self._motion_error, state, self._max_factor_std)


def no_surer_than(depth_error: float, state: GroundingState, limit: float) -> GroundingState:
    """Add the network's own relative error to what is stated of depth, and judge it again.

    Args:
        depth_error: of depth where scale and shift are right.
        state: what the sources say.
        limit: metric depth has a relative standard deviation at 20 m below this.
    """
    if depth_error == 0:
        return state
    std = math.hypot(state.depth_std_at_20m, depth_error)
    messages = state.messages
    if state.metric and std >= limit:
        messages += (
            f'grounding: the sources agree, but these weights are wrong by {depth_error:.0%} of '
            f'depth, more than grounding.max_depth_std_at_20m ({limit:.0%}): no metres',
        )
    metric = state.metric and std < limit
    return replace(state, metric=metric, depth_std_at_20m=std, messages=messages)


def motion_no_surer_than(
    motion_error: float, state: GroundingState, limit: float
) -> GroundingState:
    """Add the network's own relative error to what is stated of the translation factor.

    Args:
        motion_error: of the motion where the factor is right.
        state: what the sources say.
        limit: motion is in metres up to this relative standard deviation of the factor.
    """
    factor, std = state.translation_factor, state.translation_factor_std
    if motion_error == 0 or not (math.isfinite(factor) and math.isfinite(std)):
        return state
    relative = math.hypot(std / factor, motion_error)
    messages = state.messages
    if std / factor <= limit < relative:
        messages += (
            'grounding: the translation factor is known, but the motion of these weights is '
            f'wrong by {motion_error:.0%}, more than motion.max_factor_std ({limit:.0%}): no '
            'motion in metres',
        )
    return replace(state, translation_factor_std=relative * factor, messages=messages)


def coarse_disparity(disparity_HW: Tensor, height: int, width: int) -> CoarseDisparity:
    """Sample the network's map, whose corner cells are the image's corner pixels."""
    rows, columns = disparity_HW.shape
    step = max(-(-max(rows, columns) // COARSE_SIDE), 1)
    values = disparity_HW[::step, ::step].float().cpu().numpy()
    step_y = (height - 1) / max(rows - 1, 1) * step
    step_x = (width - 1) / max(columns - 1, 1) * step
    return CoarseDisparity(values, step_x, step_y)


class CoarseView:
    """What grounding sees of the world: nothing where the image shows none of it.

    A bonnet is a plane as parallel to the ground as the road is, and what a rectification leaves
    black has some depth to the network as well.

    Args:
        self_mask: bool [H, W], True where the camera sees its own vehicle, or None.
    """

    def __init__(self, self_mask: BoolArray | None) -> None:
        self._self_mask = self_mask
        # Both stay the same from frame to frame: (valid, the grid's shape, where it shows nothing)
        self._known: tuple[BoolArray | None, tuple[int, ...], BoolArray] | None = None

    def of(self, disparity_HW: Tensor, frame: VideoFrame) -> CoarseDisparity:
        """Return the sample of the network's map, NaN around what is not of the world.

        Raises:
            ConfigError: the self-mask has another size than the image.
        """
        grid = coarse_disparity(disparity_HW, frame.height, frame.width)
        if self._self_mask is None and frame.valid is None:
            return grid
        values = np.where(self._hidden(grid, frame), np.float32(np.nan), grid.values)
        return replace(grid, values=values)

    def _hidden(self, grid: CoarseDisparity, frame: VideoFrame) -> BoolArray:
        known = self._known
        if known is not None and known[0] is frame.valid and known[1] == grid.values.shape:
            return known[2]
        world = np.ones((frame.height, frame.width), bool)
        if self._self_mask is not None:
            check_self_mask(self._self_mask, frame.height, frame.width)
            world &= ~self._self_mask
        if frame.valid is not None:
            world &= frame.valid
        seen = coarse_mask(world, grid).astype(np.uint8)
        # The network's edges are not sharp: the cells beside the vehicle are partly its own.
        hidden: BoolArray = cv2.erode(seen, np.ones((3, 3), np.uint8)) == 0
        self._known = (frame.valid, grid.values.shape, hidden)
        return hidden


def coarse_mask(mask: BoolArray, grid: CoarseDisparity) -> BoolArray:
    """Sample a mask of the image's size: a cell is set when all of the image around it is.

    Args:
        mask: bool [H, W].
        grid: whose cells are wanted.

    Returns:
        bool [h, w].
    """
    size = tuple(2 * int(step / 2) + 1 for step in (grid.step_x, grid.step_y))
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, size)
    whole = np.asarray(cv2.erode(mask.astype(np.uint8), kernel), bool)
    rows, columns = (np.arange(count, dtype=np.float64) for count in grid.values.shape)
    y = np.rint(grid.offset_y + rows * grid.step_y).astype(np.intp).clip(0, mask.shape[0] - 1)
    x = np.rint(grid.offset_x + columns * grid.step_x).astype(np.intp).clip(0, mask.shape[1] - 1)
    result: BoolArray = whole[y[:, None], x]
    return result


def _in_odometry(
    motion: EgoMotion, window: WindowPoses, newest_ns: int, state: GroundingState
) -> WindowPoses:
    """Put the window's poses where the trajectory has its newest frame, in the same unit."""
    factor = state.translation_factor if motion.metric else 1.0
    newest = len(window.stamps_ns) - 1
    for index, stamp_ns in enumerate(window.stamps_ns):
        if stamp_ns == newest_ns:
            newest = index
    unit = window.unit_in_session * factor
    reference_from_newest = window.reference_from_camera[newest].copy()
    reference_from_newest[:3, 3] *= unit
    return replace(
        window,
        session_from_reference=motion.odom_from_camera @ se3.inverse(reference_from_newest),
        unit_in_session=unit,
    )
