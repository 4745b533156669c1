"""A fast, deterministic stand-in for ``DepthPipeline`` with the same behaviour at its edges.

Disparity is the image's brightness; the camera moves forward by one unit per frame. Reset
reasons, the choice between relative and metric products, and errors are as in the real one.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np

from gemdepth_ros.errors import InferenceError
from gemdepth_ros.geometry.point_cloud import coloured_points
from gemdepth_ros.interfaces import (
    EgoMotion,
    GroundingState,
    OrganizedCloud,
    OutputRequest,
    PinholeIntrinsics,
    PipelineOutput,
    ResetReason,
    VideoFrame,
    WindowPoses,
)
from gemdepth_ros.pipeline.config import PipelineConfig
from gemdepth_ros.pipeline.measurements import DeviceMemory
from gemdepth_ros.pipeline.readings import SensorReadings

POISON = 255  # an image that is all white makes the output non-finite
BOMB = 254  # an image that is all this grey raises what nobody expects


@dataclass
class FakePipeline:
    config: PipelineConfig
    trained: bool = True
    delay_s: float = 0.0
    weights_description: str = 'fake sha256:000000000000'
    frames: list[VideoFrame] = field(default_factory=list)
    requests: list[OutputRequest] = field(default_factory=list)
    readings: list[SensorReadings | None] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    warmed_up: tuple[int, int] | None = None
    closed: bool = False
    fallback: str = ''
    device_memory: DeviceMemory | None = None
    backend: str = 'eager'
    backend_fault: str = ''

    def __post_init__(self):
        self._counts = Counter()
        self._previous = None
        self._pending = None
        self._positions = deque(maxlen=self.config.streaming.window)
        self._z = 0.0

    @property
    def reset_counts(self):
        return dict(self._counts)

    def warm_up(self, height, width):
        self.warmed_up = (height, width)

    def reset(self, reason=ResetReason.REQUEST):
        self._counts[reason] += 1
        self._forget()

    def close(self):
        self.closed = True

    def process(self, frame, request=None, readings=None):
        assert not self.closed
        request = request or OutputRequest()
        self.threads.add(threading.current_thread().name)
        self.frames.append(frame)
        self.requests.append(request)
        self.readings.append(readings)
        time.sleep(self.delay_s)
        reset = self._reason(frame)
        if reset is not None:
            self.reset(reset)
        self._previous = frame
        if (frame.image_rgb == POISON).all():
            self.reset(ResetReason.NON_FINITE_OUTPUT)
            raise InferenceError('the network gave 3 values that are not finite')
        if (frame.image_rgb == BOMB).all():
            raise ZeroDivisionError('a bug in the network')
        self._z += 1.0
        self._positions.append((frame.stamp_ns, self._z))
        return self._output(frame, request, reset)

    def _forget(self):
        self._previous = None
        self._positions.clear()

    def _reason(self, frame):
        before = self._previous
        if before is None:
            return None
        if frame.image_rgb.shape != before.image_rgb.shape:
            return ResetReason.SIZE_CHANGE
        if frame.camera and before.camera and frame.camera != before.camera:
            return ResetReason.CAMERA_CHANGE
        if frame.stamp_ns <= before.stamp_ns:
            return ResetReason.BACKWARD_TIME
        if frame.stamp_ns - before.stamp_ns > self.config.streaming.max_gap_s * 1e9:
            return ResetReason.GAP
        return None

    def _output(self, frame, request, reset):
        height, width = frame.image_rgb.shape[:2]
        disparity = frame.image_rgb.mean(axis=2, dtype=np.float32) + 1
        config = self.config.grounding.manual
        metric = config.enabled
        depth = config.scale / (disparity - config.shift) if metric else 1 / disparity
        depth = depth.astype(np.float32)
        predicted = PinholeIntrinsics(width, height, width, width, width / 2, height / 2)
        step = self.config.products.cloud_decimation
        return PipelineOutput(
            stamp_ns=frame.stamp_ns,
            frame_id=frame.frame_id,
            camera=frame.camera or predicted,
            camera_is_predicted=frame.camera is None,
            predicted_fov_deg=(53.13, 40.0),
            network_size=(70, 70),
            window_frames=len(self._positions),
            disparity=disparity if request.depth else None,
            relative_depth=depth if request.depth and not metric else None,
            depth_m=depth if request.depth and metric else None,
            cloud=_cloud(depth, frame, step, metric) if request.points else None,
            preview_rgb=frame.image_rgb if request.preview else None,
            motion=self._motion(reset),
            grounding=self._grounding(),
            reset=reset,
            processing_ms=1.0,
        )

    def _grounding(self):
        config = self.config.grounding.manual
        if not config.enabled:
            return GroundingState()
        return GroundingState(
            metric=True,
            scale=config.scale,
            shift=config.shift,
            translation_factor=config.translation_factor,
            sources=('manual',),
        )

    def _motion(self, reset):
        factor = self.config.grounding.manual.translation_factor
        metric = math.isfinite(factor)
        pose = np.eye(4)
        pose[2, 3] = self._z * (factor if metric else 1.0)
        first = self._positions[0][1]
        reference_from_camera = np.stack([np.eye(4)] * len(self._positions))
        reference_from_camera[:, 2, 3] = [z - first for _, z in self._positions]
        session_from_reference = np.eye(4)
        session_from_reference[2, 3] = first * (factor if metric else 1.0)
        window = WindowPoses(
            stamps_ns=tuple(stamp for stamp, _ in self._positions),
            reference_from_camera=reference_from_camera,
            session_from_reference=session_from_reference,
            unit_in_session=factor if metric else 1.0,
        )
        covariance = np.diag([1.0, 2.0, 3.0, 0.1, 0.2, 0.3])
        return EgoMotion(pose, covariance, metric, reset is not None, window)


def _cloud(depth, frame, step, metric):
    depth = depth[::step, ::step]
    rows, columns = np.indices(depth.shape, np.float32)
    xyz = np.stack([columns * depth, rows * depth, depth], axis=-1)
    return OrganizedCloud(coloured_points(xyz, frame.image_rgb[::step, ::step]), metric)
