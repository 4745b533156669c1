"""Online inference: one frame in, its disparity and pose out, in bounded memory."""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gemdepth_ros.errors import InferenceError
from gemdepth_ros.geometry import se3
from gemdepth_ros.geometry.window_chain import ChainStep, WindowChain
from gemdepth_ros.inference.anchor_policy import anchor_is_stale, view_overlap
from gemdepth_ros.inference.causal import CausalEngine
from gemdepth_ros.inference.config import StreamingConfig
from gemdepth_ros.inference.continuity import reset_reason
from gemdepth_ros.inference.encoded import EncodedFrame, EngineOutput, PatchGrid
from gemdepth_ros.inference.engines.guard import GuardedStep
from gemdepth_ros.inference.engines.pool import EnginePool
from gemdepth_ros.inference.frame_input import FrameInput
from gemdepth_ros.inference.memory import stream_bytes
from gemdepth_ros.inference.preprocessing import network_size
from gemdepth_ros.inference.readout import Readout
from gemdepth_ros.inference.stream_engine import Engine, check_mode, grid_of, make_engine
from gemdepth_ros.interfaces import Float64Array, ResetReason, VideoFrame, WindowPoses
from gemdepth_ros.model import DepthNetwork, is_metric
from gemdepth_ros.model.vda import NEAREST_M

MEGABYTE = 1e6

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class StreamOutput:
    """Result for one frame.

    Attributes:
        stamp_ns: capture time of the frame.
        disparity_HW: affine-invariant disparity at the network's size, float32, on the device;
            inverse depth [1/m] where the network is metric.
        session_from_camera: pose of the frame in the session's coordinates, float64 [4, 4]; None
            when the network predicts no poses.
        position_std: standard deviation of the position [session units].
        rotation_std: standard deviation of the rotation [rad].
        lost: whether the trajectory was broken at this frame.
        fov_rad: predicted field of view (height, width); None without poses.
        window: poses of the frames behind this result; None without poses.
        interval_ns: capture time since the previous frame of the stream; 0 for the first.
        dropped_before: frames that were lost in that interval, as far as known.
        age_frames: frames that came after this one and helped to answer it (``lookahead``).
        segment: causal mode: number of the segment since the session began.
        scale: factor applied to the network's disparity so that segments join.
        shift: offset added after it.
        reset: why the session started anew at this frame, or None.
        frames: frames behind this result, where there are no poses to tell.
    """

    stamp_ns: int
    disparity_HW: Tensor
    session_from_camera: Float64Array | None
    position_std: float
    rotation_std: float
    lost: bool
    fov_rad: tuple[float, float] | None
    window: WindowPoses | None
    interval_ns: int
    dropped_before: int
    age_frames: int
    segment: int
    scale: float
    shift: float
    reset: ResetReason | None
    frames: int = 1

    @property
    def window_frames(self) -> int:
        """Frames behind this result."""
        return self.frames if self.window is None else len(self.window.stamps_ns)


@dataclass(frozen=True)
class _Record:
    """What must be remembered of a frame until it is answered and out of every window."""

    stamp_ns: int
    interval_ns: int
    dropped_before: int
    reset: ResetReason | None


class StreamSession:
    """All state of one camera's stream over a model that holds none.

    Args:
        model: a network in evaluation mode; several sessions may share it.
        config: mode and sizes.
        engines: backends of the model that other sessions use as well.
    """

    def __init__(
        self,
        model: DepthNetwork,
        config: StreamingConfig | None = None,
        engines: EnginePool | None = None,
    ) -> None:
        self._model = model
        self._engines = engines or EnginePool(model)
        self._fast: GuardedStep | None = None
        self.config = config or StreamingConfig()
        check_mode(model, self.config)
        self._input = FrameInput(model.device, self.config.preprocessing)
        self.reset_counts = dict.fromkeys(ResetReason, 0)
        self._pending_reset: ResetReason | None = None
        self._size: tuple[int, int] | None = None
        self._grid: PatchGrid | None = None
        self._forget()

    def _forget(self) -> None:
        self._engine: Engine | None = None
        self._previous: VideoFrame | None = None
        self._number = -1
        self._stale_anchor = False
        # A segment's oldest key frames come from the segment before the previous one.
        reach = self.config.stride * 3 * (self.config.window + self.config.lookahead + 2)
        self._records: OrderedDict[int, _Record] = OrderedDict()
        self._records_capacity = reach
        self._chain = WindowChain(reach)

    def reset(self, reason: ResetReason = ResetReason.REQUEST) -> None:
        """Forget everything; the next frame starts a new session and carries the reason."""
        self._forget()
        self.reset_counts[reason] += 1
        self._pending_reset = reason

    def restart(self) -> None:
        """Forget all frames, as if none had come; memory and backends of a causal stream stay."""
        engine = self._engine
        self._forget()
        self._pending_reset = None
        self.reset_counts = dict.fromkeys(ResetReason, 0)
        if isinstance(engine, CausalEngine):
            engine.restart()
            self._engine = engine
            if self._fast is not None:
                self._fast.restart()

    def reconfigure(self, config: StreamingConfig, reason: ResetReason) -> None:
        """Go on with other settings: forget everything, the position tables included."""
        check_mode(self._model, config)
        self.config = config
        self._grid = self._size = self._fast = None
        self._engines.forget()
        self.reset(reason)

    @property
    def backend(self) -> str:
        """What computes the frames: ``eager``, also after a backend was refused, or its name."""
        return self._fast.name if self._fast else 'eager'

    @property
    def backend_fault(self) -> str:
        """Why the configured backend is not used; empty while it is."""
        return self._fast.fault if self._fast else ''

    @property
    def nbytes(self) -> int:
        """Memory of the session's tensors [byte]; 0 before the first frame.

        ``memory.stream_bytes`` knows it beforehand.
        """
        tables = self._grid.nbytes if self._grid else 0
        return tables + (self._engine.nbytes if self._engine else 0)

    @torch.inference_mode()
    def step(self, frame: VideoFrame) -> StreamOutput | None:
        """Take the next frame and answer it (or the one ``lookahead`` frames before it).

        Returns:
            The answer; None only while fewer than ``lookahead`` frames came before this one.

        Raises:
            InferenceError: the output was not finite; the session has been reset.
        """
        image = self.prepare(frame)
        return self.finish(frame, [level[0] for level in self.encode(image)])

    @torch.inference_mode()
    def encode(self, image: Tensor) -> list[Tensor]:
        """Encode what ``prepare`` gave: four levels, each [1, L, C]."""
        assert self._grid is not None
        if self._fast is not None and self._fast.active:
            return self._fast.encode(image[None])
        return self._model.encode(image[None], self._grid.encoder_positions_1LC)

    @torch.inference_mode()
    def prepare(self, frame: VideoFrame) -> Tensor:
        """First half of ``step``: reset if the frame cannot continue; return the network's input.

        For callers that encode frames of several sessions at once; ``finish`` must follow.

        Returns:
            float32 [3, h, w] on the model's device.
        """
        reason = reset_reason(self._previous, frame, self.config.max_gap_s)
        if reason is not None:
            self.reset(reason)
        size = network_size(frame.height, frame.width, self.config.input_size)
        if self._grid is None or self._size != size:
            self._grid, self._size = grid_of(self._model, size), size
        if self._engine is None:
            self._fast = self._engines.guarded(self._grid, self.config)
            self._engine = make_engine(self._model, self._grid, self.config, self._fast)
            expected = stream_bytes(self._model.config, self.config, *size, self._model.dtype)
            logger.info(
                '%s stream, window %d, network input %dx%d: %.1f MB by the formula, %.1f MB held',
                self.config.mode,
                self.config.window,
                size[1],
                size[0],
                expected / MEGABYTE,
                self.nbytes / MEGABYTE,
            )
        return self._input(frame.image_rgb, size)

    @torch.inference_mode()
    def finish(self, frame: VideoFrame, levels_LC: Sequence[Tensor]) -> StreamOutput | None:
        """Second half of ``step``, with the frame's four encoder levels, each [L, C]."""
        assert self._engine is not None
        self._number += 1
        self._remember(frame)
        first, second, third, fourth = (level[None] for level in levels_LC)
        try:
            output = self._engine.step(
                EncodedFrame(self._number, (first, second, third, fourth)),
                keep=self._number % self.config.stride == 0,
                refresh_anchor=self._stale_anchor,
            )
        except BaseException:
            # An interrupted step leaves half a frame in the buffers; what was known of the old
            # session's unit must not be taken for the new one's.
            self._forget()
            self._pending_reset = ResetReason.INTERRUPTED
            raise
        return None if output is None else self._result(output)

    def _remember(self, frame: VideoFrame) -> None:
        interval = frame.stamp_ns - self._previous.stamp_ns if self._previous else 0
        reset, self._pending_reset = self._pending_reset, None
        if reset is ResetReason.INTERRUPTED:  # not where another reason came after it
            self.reset_counts[reset] += 1
        self._records[self._number] = _Record(
            frame.stamp_ns, interval, frame.dropped_before, reset
        )
        anchor = self._engine.anchor if self._engine else None
        if anchor is not None and anchor in self._records:  # the anchor outlives younger frames
            self._records.move_to_end(anchor)
            self._records.move_to_end(self._number)
        while len(self._records) > self._records_capacity:
            self._records.popitem(last=False)
        self._previous = frame

    def _result(self, output: EngineOutput) -> StreamOutput:
        if output.encodings_T9 is None:
            return self._result_without_poses(output)
        readout = Readout.of(output.disparity_HW, output.encodings_T9)
        record = self._records[output.number]
        self._refuse_unless(readout.finite, record)
        poses = readout.camera_from_world
        step = self._chain.add(list(output.numbers), poses, output.index)
        fov = readout.fov_rad[output.index].tolist()
        self._judge_anchor(output, readout, (fov[0], fov[1]))
        return StreamOutput(
            record.stamp_ns,
            output.disparity_HW,
            step.session_from_camera,
            step.position_std,
            step.rotation_std,
            step.lost,
            (fov[0], fov[1]),
            self._window_poses(output, poses, step),
            record.interval_ns,
            record.dropped_before,
            self._number - output.number,
            output.segment,
            output.scale,
            output.shift,
            record.reset,
        )

    def _refuse_unless(self, finite: bool, record: _Record) -> None:
        """Reset and raise when the network's numbers are none."""
        if not finite:
            self.reset(ResetReason.NON_FINITE_OUTPUT)
            raise InferenceError(
                f'the network gave NaN or infinity for the frame at {record.stamp_ns} ns: '
                'check the weights, or use float32'
            )

    def _result_without_poses(self, output: EngineOutput) -> StreamOutput:
        """Result of a network that predicts none; its anchor's age alone is judged."""
        record = self._records[output.number]
        self._refuse_unless(bool(torch.isfinite(output.disparity_HW).all()), record)
        disparity = output.disparity_HW
        if is_metric(self._model):
            disparity = 1 / disparity.clamp_min(NEAREST_M)
        anchor = self._engine.anchor if self._engine else None
        age = 0 if anchor is None else self._number - anchor
        self._stale_anchor = age > self.config.anchor_max_age
        return StreamOutput(
            record.stamp_ns,
            disparity,
            session_from_camera=None,
            position_std=math.nan,
            rotation_std=math.nan,
            lost=False,
            fov_rad=None,
            window=None,
            interval_ns=record.interval_ns,
            dropped_before=record.dropped_before,
            age_frames=self._number - output.number,
            segment=output.segment,
            scale=output.scale,
            shift=output.shift,
            reset=record.reset,
            frames=len(output.numbers),
        )

    def _judge_anchor(
        self, output: EngineOutput, readout: Readout, fov_rad: tuple[float, float]
    ) -> None:
        """Decide before the next frame whether the anchor still shows what the camera sees."""
        poses = readout.camera_from_world
        anchor_from_camera = poses[0] @ se3.inverse(poses[output.index])
        overlap = view_overlap(anchor_from_camera, fov_rad, readout.disparity)
        self._stale_anchor = anchor_is_stale(
            self._number - output.numbers[0], overlap, self.config
        )

    def _window_poses(
        self, output: EngineOutput, camera_from_window: Float64Array, step: ChainStep
    ) -> WindowPoses:
        """Poses relative to the window's first frame, and that frame's place in the session."""
        window_from_camera = se3.inverse(camera_from_window)
        window_from_reference = window_from_camera[0].copy()
        window_from_reference[:3, 3] *= step.unit_in_session
        return WindowPoses(
            tuple(self._records[number].stamp_ns for number in output.numbers),
            camera_from_window[0] @ window_from_camera,
            step.session_from_window @ window_from_reference,
            step.unit_in_session,
        )
