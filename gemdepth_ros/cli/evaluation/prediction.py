"""What makes the predictions: the streaming pipeline, or the published offline windows."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gemdepth_ros import __version__
from gemdepth_ros.cli.evaluation.pipeline_settings import pipeline_config
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.evaluation.source import SourceFrame
from gemdepth_ros.errors import ConfigError
from gemdepth_ros.evaluation.result import SystemFacts
from gemdepth_ros.hub import locate, read_record, sha256_of
from gemdepth_ros.inference import WindowConfig, WindowedPredictor
from gemdepth_ros.inference.device import choose_placement
from gemdepth_ros.interfaces import (
    Float32Array,
    Float64Array,
    OutputRequest,
    PinholeIntrinsics,
    PipelineOutput,
)
from gemdepth_ros.model import build_network
from gemdepth_ros.pipeline import DepthPipeline
from gemdepth_ros.pipeline.config import PipelineConfig
from gemdepth_ros.pipeline.snapshot import restore_snapshot, take_snapshot

DIGEST_DIGITS = 12
WANTED = OutputRequest(depth=True, points=False, preview=False, depth_std=True)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What was predicted for one frame.

    Attributes:
        disparity: float32 [H, W]; NaN where there is none.
        camera: intrinsics of the maps.
        depth_m: float32 [H, W]; None when not metric.
        depth_std_m: float32 [H, W]; None when not stated.
        own_from_camera: float64 [4, 4]; None when there is no trajectory.
        own_metric: whether it is in metres.
        lost: whether the trajectory is broken here.
        scale: stated s of grounding; NaN when not metric.
        scale_std: its standard deviation.
        reset: why the stream started anew; empty: it did not.
        latency_ms: time that it took [ms].
        output: all of the pipeline's output; None offline.
    """

    disparity: Float32Array
    camera: PinholeIntrinsics
    depth_m: Float32Array | None = None
    depth_std_m: Float32Array | None = None
    own_from_camera: Float64Array | None = None
    own_metric: bool = False
    lost: bool = False
    scale: float = float('nan')
    scale_std: float = float('nan')
    reset: str = ''
    latency_ms: float = 0.0
    output: PipelineOutput | None = None


class Predictor(Protocol):
    """Frames in, predictions out, in order."""

    def facts(self) -> SystemFacts:
        """Return what makes the predictions."""

    def predict(self, frames: Iterable[SourceFrame]) -> Iterator[tuple[SourceFrame, Prediction]]:
        """Yield each frame with its prediction."""

    def snapshot(self) -> bytes | None:
        """Return the state, or None when a killed evaluation must start anew."""

    def restore(self, snapshot: bytes) -> None:
        """Go on from a state."""

    def close(self) -> None:
        """Give the device's memory back."""


def open_predictor(settings: EvaluationSettings) -> Predictor:
    """Return the predictor that the settings describe.

    Raises:
        GemDepthError: weights, device or a value do not fit.
    """
    if settings.mode == 'offline':
        return OfflinePredictor(settings)
    return PipelinePredictor(settings)


class PipelinePredictor:
    """The node's own pipeline, frame by frame."""

    def __init__(self, settings: EvaluationSettings) -> None:
        self._settings = settings
        self._config = pipeline_config(settings)
        self._pipeline = DepthPipeline(self._config)

    def facts(self) -> SystemFacts:
        """Return what makes the predictions."""
        place = choose_placement(self._settings.device, self._config.network.dtype)
        return _facts(
            self._settings,
            self._config,
            weights=self._pipeline.weights_description,
            trained=self._pipeline.trained,
            device=place.device.type,
            dtype=str(place.dtype).removeprefix('torch.'),
        )

    def predict(self, frames: Iterable[SourceFrame]) -> Iterator[tuple[SourceFrame, Prediction]]:
        """Process the frames one by one."""
        for frame in frames:
            yield frame, _of_output(self._pipeline.process(frame.video, WANTED, frame.readings))

    def snapshot(self) -> bytes | None:
        """Return the pipeline's state; compiled and exported networks have theirs elsewhere."""
        if self._config.streaming.backend != 'eager':
            return None
        return take_snapshot(self._pipeline)

    def restore(self, snapshot: bytes) -> None:
        """Go on from a state."""
        restore_snapshot(self._pipeline, snapshot)

    def close(self) -> None:
        """Give the device's memory back."""
        self._pipeline.close()


class OfflinePredictor:
    """The published windows: they see later frames, and their poses are not chained."""

    def __init__(self, settings: EvaluationSettings) -> None:
        if settings.overrides:
            raise ConfigError('--set is about the streaming pipeline; offline windows have none')
        self._settings = settings
        window = WindowConfig.preset(settings.window)
        place = choose_placement(settings.device, pipeline_config(settings).network.dtype)
        weights = locate(settings.weights) if settings.weights else None
        model = build_network(settings.preset, weights, place.device, place.dtype)
        self._windows = WindowedPredictor(model, window)
        record = read_record(weights) if weights else None
        digest = record.sha256 if record else sha256_of(weights) if weights else ''
        self._facts = _facts(
            settings,
            pipeline_config(settings),
            weights=f'{weights.name} sha256:{digest[:DIGEST_DIGITS]}'
            if weights
            else 'seeded (untrained)',
            trained=weights is not None,
            device=place.device.type,
            dtype=str(place.dtype).removeprefix('torch.'),
        )

    def facts(self) -> SystemFacts:
        """Return what makes the predictions."""
        return self._facts

    def predict(self, frames: Iterable[SourceFrame]) -> Iterator[tuple[SourceFrame, Prediction]]:
        """Predict window by window; frames wait for theirs."""
        waiting: deque[SourceFrame] = deque()

        def images() -> Iterator[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
            for frame in frames:
                waiting.append(frame)
                yield frame.video.image_rgb

        began = time.monotonic()
        for result in self._windows.stream(images(), self._settings.input_size):
            frame = waiting.popleft()
            now = time.monotonic()
            yield (
                frame,
                Prediction(
                    result.disparity,
                    frame.video.camera or _camera(result.intrinsics, result.disparity.shape),
                    result.depth_m,
                    scale=1.0 if result.depth_m is not None else math.nan,
                    latency_ms=(now - began) * 1e3,
                ),
            )
            began = time.monotonic()

    def snapshot(self) -> bytes | None:
        """Windows are not saved."""
        return None

    def restore(self, snapshot: bytes) -> None:
        """Never called: there are no snapshots."""
        raise ConfigError(f'offline windows have no state to restore ({len(snapshot)} bytes)')

    def close(self) -> None:
        """Give the device's memory back."""
        vars(self).pop('_windows', None)


def _of_output(output: PipelineOutput) -> Prediction:
    assert output.disparity is not None  # it was asked for
    return Prediction(
        output.disparity,
        output.camera,
        output.depth_m,
        output.depth_std_m,
        output.motion.odom_from_camera if output.motion else None,
        output.motion is not None and output.motion.metric,
        output.motion is not None and output.motion.lost,
        output.grounding.scale if output.grounding.metric else float('nan'),
        output.grounding.scale_std if output.grounding.metric else float('nan'),
        output.reset.value if output.reset is not None else '',
        output.processing_ms,
        output,
    )


def _camera(matrix: Float64Array, shape: tuple[int, ...]) -> PinholeIntrinsics:
    fx, fy, cx, cy = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
    # Random weights can predict no field of view at all, and some networks never do.
    fx, fy = (float(f) if 0 < f < 1e6 else float(shape[1]) for f in (fx, fy))
    if not math.isfinite(cx + cy):
        cx, cy = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    return PinholeIntrinsics(shape[1], shape[0], fx, fy, float(cx), float(cy))


def _facts(
    settings: EvaluationSettings,
    config: PipelineConfig,
    *,
    weights: str,
    trained: bool,
    device: str,
    dtype: str,
) -> SystemFacts:
    return SystemFacts(
        version=__version__,
        weights=weights,
        trained=trained,
        mode=settings.mode,
        window=settings.window,
        input_size=settings.input_size,
        device=device,
        dtype=dtype,
        simulated_latency_ms=settings.simulated_latency_ms,
        grounding=config.grounding.enabled_sources,
        settings=settings.overrides,
    )
