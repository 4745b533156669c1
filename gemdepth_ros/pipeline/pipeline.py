"""``DepthPipeline``: one camera frame in, depth, cloud and motion out."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gemdepth_ros.geometry.point_cloud import organized_cloud
from gemdepth_ros.grounding.manual import manual_state
from gemdepth_ros.hub import locate, read_record
from gemdepth_ros.hub.records import sha256_of
from gemdepth_ros.inference.device import choose_placement
from gemdepth_ros.inference.preprocessing import network_size
from gemdepth_ros.inference.streaming import StreamOutput, StreamSession
from gemdepth_ros.interfaces import (
    EgoMotion,
    Float32Array,
    GroundingState,
    OrganizedCloud,
    OutputRequest,
    PinholeIntrinsics,
    PipelineOutput,
    ResetReason,
    UInt8Array,
    VideoFrame,
)
from gemdepth_ros.model import build_gemdepth
from gemdepth_ros.pipeline.config import GroundingConfig, PipelineConfig
from gemdepth_ros.pipeline.products import (
    PreviewColours,
    as_array,
    at_image_size,
    metric_depth,
    relative_depth,
)

UNTRAINED = 'seeded (untrained)'
UNKNOWN_VARIANCE = 9999.0  # what odometry consumers take for "do not use"
DEFAULT_FOV_RAD = 1.0  # horizontal, when neither the camera nor the network knows one
DIGEST_DIGITS = 12

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Products:
    """The images of one output; None where nobody asked."""

    disparity: Float32Array | None = None
    relative_depth: Float32Array | None = None
    depth_m: Float32Array | None = None
    cloud: OrganizedCloud | None = None
    preview_rgb: UInt8Array | None = None


class DepthPipeline:
    """Everything between a decoded image and the values that are published.

    Not thread-safe: one thread owns it, and the device.

    Raises:
        WeightsError: the weights are missing or do not fit.
        ConfigError: the device or a value is impossible.
    """

    def __init__(self, config: PipelineConfig | None = None) -> None:
        self.config = config or PipelineConfig()
        network = self.config.network
        if network.threads:
            torch.set_num_threads(network.threads)
        placement = choose_placement(network.device, network.dtype)
        weights = locate(network.weights) if network.weights else None
        self.trained = weights is not None
        self.weights_description = _description(weights)
        logger.info(
            'network %s on %s in %s (%s), weights: %s',
            network.preset,
            placement.device,
            str(placement.dtype).removeprefix('torch.'),
            placement.reason,
            self.weights_description,
        )
        self._model = build_gemdepth(
            network.preset,
            weights,
            placement.device,
            placement.dtype,
        )
        self._session = StreamSession(self._model, self.config.streaming)
        self._preview = PreviewColours()
        self._grounding = _grounding_state(self.config.grounding)

    @property
    def reset_counts(self) -> dict[ResetReason, int]:
        """How often the stream started anew, by reason."""
        return dict(self._session.reset_counts)

    def warm_up(self, height: int, width: int) -> None:
        """Run once on an empty image of this size, so that the first frame is not slow."""
        session = StreamSession(self._model, self.config.streaming)
        session.step(VideoFrame(np.zeros((height, width, 3), np.uint8), stamp_ns=0))

    def reset(self, reason: ResetReason = ResetReason.REQUEST) -> None:
        """Forget the stream's past; the next frame starts anew."""
        self._session.reset(reason)

    def close(self) -> None:
        """Give back the device's memory; the pipeline cannot be used, only closed, afterwards."""
        for held in ('_session', '_model'):
            vars(self).pop(held, None)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def process(self, frame: VideoFrame, request: OutputRequest | None = None) -> PipelineOutput:
        """Take the next frame; return what was asked for.

        Raises:
            InferenceError: the output was not finite; the stream has been reset.
        """
        started = time.monotonic()
        request = request or OutputRequest()
        result = self._session.step(frame)
        assert result is not None  # PipelineConfig refuses a lookahead
        if result.reset is not None:
            self._preview.forget()
        camera = frame.camera or _predicted_camera(frame, result)
        products = self._products(frame, result, camera, request)
        return PipelineOutput(
            stamp_ns=frame.stamp_ns,
            frame_id=frame.frame_id,
            camera=camera,
            camera_is_predicted=frame.camera is None,
            predicted_fov_deg=(math.degrees(result.fov_rad[1]), math.degrees(result.fov_rad[0])),
            network_size=network_size(frame.height, frame.width, self.config.streaming.input_size),
            window_frames=len(result.window.stamps_ns),
            motion=self._motion(result),
            grounding=self._grounding,
            reset=result.reset,
            processing_ms=(time.monotonic() - started) * 1e3,
            disparity=products.disparity,
            relative_depth=products.relative_depth,
            depth_m=products.depth_m,
            cloud=products.cloud,
            preview_rgb=products.preview_rgb,
        )

    @torch.inference_mode()
    def _products(
        self,
        frame: VideoFrame,
        result: StreamOutput,
        camera: PinholeIntrinsics,
        request: OutputRequest,
    ) -> _Products:
        """Images and cloud, computed only as far as they were asked for."""
        if not (request.depth or request.points or request.preview):
            return _Products()
        on_device = at_image_size(result.disparity_HW, (frame.height, frame.width))
        wanted = request.depth or request.preview
        disparity = as_array(on_device) if wanted else None
        preview = None
        if request.preview and disparity is not None:
            preview = self._preview(disparity)
        if not (request.depth or request.points):
            return _Products(disparity=disparity, preview_rgb=preview)
        metric = self._grounding.metric
        if metric:
            depth = as_array(metric_depth(on_device, self._grounding, self.config.products))
        else:
            depth = as_array(relative_depth(on_device))
        cloud = None
        if request.points:
            step = self.config.products.cloud_decimation
            cloud = organized_cloud(depth, frame.image_rgb, camera, step, metric=metric)
        return _Products(
            disparity=disparity,
            relative_depth=depth if request.depth and not metric else None,
            depth_m=depth if request.depth and metric else None,
            cloud=cloud,
            preview_rgb=preview,
        )

    def _motion(self, result: StreamOutput) -> EgoMotion:
        """Camera motion, in metres only when the translation factor is known."""
        factor = self._grounding.translation_factor
        metric = math.isfinite(factor)
        pose = result.session_from_camera.copy()
        covariance = np.eye(6) * UNKNOWN_VARIANCE
        if metric:
            pose[:3, 3] *= factor
        if metric and not result.lost:
            position, rotation = factor * result.position_std, result.rotation_std
            covariance = np.diag([position**2] * 3 + [rotation**2] * 3)
        return EgoMotion(pose, covariance, metric, result.lost, result.window)


def _description(weights: Path | None) -> str:
    """Name of the weights and the first digits of their digest, for status and reports."""
    if weights is None:
        return UNTRAINED
    record = read_record(weights)
    digest = record.sha256 if record else sha256_of(weights)
    return f'{weights.name} sha256:{digest[:DIGEST_DIGITS]}'


def _grounding_state(config: GroundingConfig) -> GroundingState:
    if config.source == 'manual':
        return manual_state(config.scale, config.shift, config.translation_factor)
    return GroundingState()


def _predicted_camera(frame: VideoFrame, result: StreamOutput) -> PinholeIntrinsics:
    """Intrinsics from the predicted field of view, with square pixels and a centred axis.

    The horizontal angle alone is used: the vertical one would contradict it on a crop.
    """
    height, width = frame.height, frame.width
    fov = result.fov_rad[1]
    if not 0.05 < fov < math.pi - 0.05:
        fov = DEFAULT_FOV_RAD
    focal = (width / 2) / math.tan(fov / 2)
    return PinholeIntrinsics(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
