"""Online inference: one frame in, its disparity and pose out, bounded memory.

This is the plain sliding form: at every frame the whole window is evaluated anew (with the
encoder's levels kept), and the newest frame's result is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gemdepth_ros.errors import InferenceError
from gemdepth_ros.geometry.window_chain import ChainStep, WindowChain
from gemdepth_ros.inference.config import StreamingConfig
from gemdepth_ros.inference.continuity import reset_reason
from gemdepth_ros.inference.preprocessing import network_size, preprocess
from gemdepth_ros.interfaces import Float64Array, ResetReason, VideoFrame, WindowPoses
from gemdepth_ros.model import GemDepth, GemDepthOutput
from gemdepth_ros.model.gemdepth import grid_size


@dataclass(frozen=True, eq=False)
class StreamOutput:
    """Result for the newest frame.

    Attributes:
        stamp_ns: capture time of the frame.
        disparity_HW: affine-invariant disparity at the network's size, float32, on the device.
        session_from_camera: pose of the frame in the session's coordinates, float64 [4, 4].
        position_std: standard deviation of the position [session units].
        rotation_std: standard deviation of the rotation [rad].
        lost: whether the trajectory was broken at this frame.
        fov_rad: predicted field of view (height, width).
        window: poses of the frames behind this result.
        reset: why the session started anew at this frame, or None.
    """

    stamp_ns: int
    disparity_HW: Tensor
    session_from_camera: Float64Array
    position_std: float
    rotation_std: float
    lost: bool
    fov_rad: tuple[float, float]
    window: WindowPoses
    reset: ResetReason | None


@dataclass(frozen=True, eq=False)
class _Held:
    """A frame that is still part of the window."""

    number: int
    stamp_ns: int
    levels: list[Tensor]  # four encoder levels, each [L, C]


class StreamSession:
    """All state of one camera's stream over a model that holds none.

    Args:
        model: a network in evaluation mode; several sessions may share it.
        config: mode and sizes.
    """

    def __init__(self, model: GemDepth, config: StreamingConfig | None = None) -> None:
        self._model = model
        self.config = config or StreamingConfig()
        self.reset_counts = dict.fromkeys(ResetReason, 0)
        self._pending_reset: ResetReason | None = None
        self._forget()

    def _forget(self) -> None:
        self._previous: VideoFrame | None = None
        self._window: list[_Held] = []
        self._number = 0
        self._chain = WindowChain(self.config.window + 1)

    def reset(self, reason: ResetReason = ResetReason.REQUEST) -> None:
        """Forget everything; the next frame starts a new session and carries the reason."""
        self._forget()
        self.reset_counts[reason] += 1
        self._pending_reset = reason

    @torch.inference_mode()
    def step(self, frame: VideoFrame) -> StreamOutput:
        """Take the next frame and return its result.

        Raises:
            InferenceError: the output was not finite; the session has been reset.
        """
        reason = reset_reason(self._previous, frame, self.config.max_gap_s)
        if reason is not None:
            self.reset(reason)
        size = network_size(frame.height, frame.width, self.config.input_size)
        self._push(frame, size)
        output = self._evaluate(size)
        if not _finite(output):
            self.reset(ResetReason.NON_FINITE_OUTPUT)
            raise InferenceError(
                f'the network gave NaN or infinity for the frame at {frame.stamp_ns} ns: '
                'check the weights, or use float32'
            )
        self._previous = frame
        reset, self._pending_reset = self._pending_reset, None
        return self._result(frame, output, reset)

    def _push(self, frame: VideoFrame, size: tuple[int, int]) -> None:
        """Encode the frame and make room: the oldest recent frame leaves, the anchor stays."""
        image = torch.from_numpy(preprocess(frame.image_rgb, size))[None]
        levels = self._model.encode(image.to(self._model.device))
        self._window.append(_Held(self._number, frame.stamp_ns, [level[0] for level in levels]))
        self._number += 1
        if len(self._window) > self.config.window:
            too_old = self._number - self._window[0].number > self.config.anchor_max_age
            del self._window[0 if too_old or self.config.window == 1 else 1]

    def _evaluate(self, size: tuple[int, int]) -> GemDepthOutput:
        held = zip(*(frame.levels for frame in self._window), strict=True)
        levels = [torch.stack(level) for level in held]
        return self._model.decode(levels, 1, *grid_size(*size))

    def _result(
        self, frame: VideoFrame, output: GemDepthOutput, reset: ResetReason | None
    ) -> StreamOutput:
        poses = output.camera_from_world[0].double().cpu().numpy()
        step = self._chain.add([held.number for held in self._window], poses)
        fov = output.pose_encoding[0, -1, 7:9].tolist()
        return StreamOutput(
            frame.stamp_ns,
            output.disparity_BTHW[0, -1],
            step.session_from_camera,
            step.position_std,
            step.rotation_std,
            step.lost,
            (fov[0], fov[1]),
            self._window_poses(poses, step),
            reset,
        )

    def _window_poses(self, camera_from_window: Float64Array, step: ChainStep) -> WindowPoses:
        """Poses relative to the window's first frame, and that frame's place in the session."""
        reference = camera_from_window[0]
        reference_from_camera = reference @ np.linalg.inv(camera_from_window)
        window_from_reference = np.linalg.inv(reference)
        window_from_reference[:3, 3] *= step.unit_in_session
        return WindowPoses(
            tuple(held.stamp_ns for held in self._window),
            reference_from_camera,
            step.session_from_window @ window_from_reference,
            step.unit_in_session,
        )


def _finite(output: GemDepthOutput) -> bool:
    disparity = torch.isfinite(output.disparity_BTHW[0, -1]).all()
    poses = torch.isfinite(output.camera_from_world).all()
    return bool(disparity & poses)
