"""``DepthPipeline``: one camera frame in, depth, cloud and motion out."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import replace

import numpy as np

from gemdepth_ros.errors import ConfigError, DeviceMemoryError
from gemdepth_ros.inference.memory_budget import choose_stream
from gemdepth_ros.inference.preprocessing import network_size
from gemdepth_ros.inference.streaming import StreamOutput
from gemdepth_ros.interfaces import (
    OutputRequest,
    PinholeIntrinsics,
    PipelineOutput,
    ResetReason,
    VideoFrame,
)
from gemdepth_ros.model import VideoDepthAnything
from gemdepth_ros.pipeline.config import PipelineConfig
from gemdepth_ros.pipeline.device_memory import device_memory, empty_cache
from gemdepth_ros.pipeline.known_weights import depth_error_of, motion_error_of
from gemdepth_ros.pipeline.measurements import DeviceMemory
from gemdepth_ros.pipeline.memory_fallback import is_out_of_memory, smaller_stream
from gemdepth_ros.pipeline.metres import Metres
from gemdepth_ros.pipeline.network import LoadedNetwork, Network
from gemdepth_ros.pipeline.product_builder import ProductBuilder
from gemdepth_ros.pipeline.readings import NOTHING_MEASURED, SensorReadings
from gemdepth_ros.pipeline.self_mask import load_self_mask

DEFAULT_FOV_RAD = 1.0  # horizontal, when neither the camera nor the network knows one

LEVEL_IS_A_GUESS = (
    'mounting.pitch_deg is unknown: ~/points_mark and ~/points_clear take the camera as level; if '
    'it looks 5 degrees up, a box of 0.6 m at 8 m is cleared instead of marked'
)

logger = logging.getLogger(__name__)


class DepthPipeline:
    """Everything between a decoded image and the values that are published.

    Not thread-safe: one thread owns it, and the device.

    Raises:
        WeightsError: the weights are missing or do not fit.
        ConfigError: the device or a value is impossible.
    """

    def __init__(
        self, config: PipelineConfig | None = None, network: Network | None = None
    ) -> None:
        """Load the network, unless it is given.

        Args:
            config: of network, stream, metres and products.
            network: a loaded one, which several pipelines may share.
        """
        self.config = config or PipelineConfig()
        self._network = network or LoadedNetwork(self.config.network)
        self._model = self._network.model
        check_metric_network(self.config, self._model)
        self.trained = self._network.trained
        self.weights_description = self._network.weights_description
        self._session = self._network.session(self.config.streaming)
        self._fallbacks: list[str] = []
        self._wished = self.config.streaming
        self._fits = not self._wished.memory_budget_gb
        error = depth_error_of(self.config.network)
        if self.trained and not error and self._on_sources_word():
            logger.warning(
                "nobody measured these weights' own error (network.depth_error is 0): what is "
                'stated of metres is that of scale and shift alone; measure it with '
                'gemdepth-ros evaluate'
            )
        mask_file = self.config.products.self_mask
        self_mask = load_self_mask(mask_file) if mask_file else None
        self._metres = Metres(
            self.config,
            trained=self.trained,
            depth_error=error,
            motion_error=motion_error_of(self.config.network),
            self_mask=self_mask,
        )
        noise = self.config.products.noise
        noise = replace(noise, relative=max(noise.relative, error))
        products = replace(self.config.products, noise=noise)
        self._products = ProductBuilder(products, self._metres.mounting, self_mask)

    @property
    def reset_counts(self) -> dict[ResetReason, int]:
        """How often the stream started anew, by reason."""
        return dict(self._session.reset_counts)

    @property
    def fallback(self) -> str:
        """What was made smaller for lack of memory; empty when nothing was."""
        return '; '.join(self._fallbacks)

    @property
    def backend(self) -> str:
        """What computes the frames."""
        return str(self._session.backend)

    @property
    def backend_fault(self) -> str:
        """Why the configured backend is not used; empty while it is."""
        return str(self._session.backend_fault)

    @property
    def device_memory(self) -> DeviceMemory | None:
        """Memory of the network's device; None on the host, and when closed."""
        return device_memory(vars(self).get('_model'))

    def warm_up(self, height: int, width: int) -> None:
        """Run on an image of this size, so that the first frame is not slow.

        What compiles or is exported is made here, and checked once.

        Raises:
            DeviceMemoryError: not even the smallest setting fits into the device's memory.
        """
        random = np.random.default_rng(0)
        for number in range(1 if self.config.streaming.backend == 'eager' else 2):
            image = random.integers(0, 256, (height, width, 3), np.uint8)
            self._step(VideoFrame(image, stamp_ns=number))
        if self.config.streaming.backend == 'eager':
            self._session = self._network.session(self.config.streaming)
        else:
            self._session.restart()
        # The camera's images may have another size. What ran out of memory stays smaller.
        self._fits = not self._wished.memory_budget_gb or bool(self._fallbacks)

    def reset(self, reason: ResetReason = ResetReason.REQUEST) -> None:
        """Forget the stream's past; the next frame starts anew."""
        self._session.reset(reason)

    def close(self) -> None:
        """Give back the device's memory; the pipeline cannot be used, only closed, afterwards."""
        for held in ('_session', '_model', '_network'):
            vars(self).pop(held, None)
        empty_cache()

    def process(
        self,
        frame: VideoFrame,
        request: OutputRequest | None = None,
        readings: SensorReadings = NOTHING_MEASURED,
    ) -> PipelineOutput:
        """Take the next frame; return what was asked for.

        Args:
            frame: the newest image.
            request: products that somebody wants; by default depth and points.
            readings: what other sensors measured since the last frame, for grounding.

        Raises:
            InferenceError: the output was not finite (the stream has been reset).
            DeviceMemoryError: not even the smallest setting fits into the device's memory.
            ConfigError: the self-mask has another size than the image.
        """
        started = time.monotonic()
        result = self._step(frame)
        try:
            return self._output(frame, result, request or OutputRequest(), readings, started)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            shortage = next(iter(str(error).splitlines()), type(error).__name__)
        self._make_smaller(frame, shortage)
        raise DeviceMemoryError(
            f'out of memory for the depth and clouds of this frame ({shortage}); goes on with '
            f'{self._fallbacks[-1]}'
        )

    def _output(
        self,
        frame: VideoFrame,
        result: StreamOutput,
        request: OutputRequest,
        readings: SensorReadings,
        started: float,
    ) -> PipelineOutput:
        if result.reset is not None:
            self._products.forget()
        grounding, motion = self._metres.update(frame, result, readings)
        mounting = self._products.mounting = readings.mounting or self._metres.mounting
        if request.costmap and grounding.metric and mounting and math.isnan(mounting.pitch_rad):
            grounding = replace(grounding, messages=(*grounding.messages, LEVEL_IS_A_GUESS))
        camera = frame.camera or _predicted_camera(frame, result)
        products = self._products.build(frame, result.disparity_HW, camera, grounding, request)
        return PipelineOutput(
            stamp_ns=frame.stamp_ns,
            frame_id=frame.frame_id,
            camera=camera,
            camera_is_predicted=frame.camera is None,
            predicted_fov_deg=_fov_deg(result),
            network_size=network_size(frame.height, frame.width, self.config.streaming.input_size),
            window_frames=result.window_frames,
            motion=motion,
            grounding=grounding,
            reset=result.reset,
            processing_ms=(time.monotonic() - started) * 1e3,
            disparity=products.disparity,
            relative_depth=products.relative_depth,
            depth_m=products.depth_m,
            cloud=products.cloud,
            preview_rgb=products.preview_rgb,
            depth_std_m=products.depth_std_m,
            mark_points=products.mark_points,
            clear_points=products.clear_points,
            normals=products.normals,
            normals_rgb=products.normals_rgb,
        )

    def _step(self, frame: VideoFrame) -> StreamOutput:
        """Take a frame; when it does not fit into memory, with a smaller setting from now on."""
        if not self._fits:
            self._fit_budget(frame)
        while True:
            try:
                result = self._network.step(self._session, frame)
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                shortage = next(iter(str(error).splitlines()), type(error).__name__)
            # Outside the handler: the traceback held the tensors that did not fit.
            self._make_smaller(frame, shortage)
        assert result is not None  # PipelineConfig refuses a lookahead
        return result

    def _fit_budget(self, frame: VideoFrame) -> None:
        """Choose mode, window and input size for the memory that there is."""
        limits, model = self._wished, self._model
        choice = choose_stream(
            model.config, model.dtype, (frame.height, frame.width), limits.memory_budget_gb, limits
        )
        logger.info('memory: %s', choice.reason)
        self._fits = True
        if choice.streaming != self.config.streaming:
            self.config = replace(self.config, streaming=choice.streaming)
            self._session = self._network.session(choice.streaming)

    def _on_sources_word(self) -> bool:
        grounding = self.config.grounding
        return bool(grounding.enabled_sources) and not grounding.manual_on_word

    def _make_smaller(self, frame: VideoFrame, shortage: str) -> None:
        size = f'{frame.width}x{frame.height}'
        smaller = smaller_stream(self._session.config)
        if smaller is None:
            self._session.reset(ResetReason.DEVICE_MEMORY)
            empty_cache()
            raise DeviceMemoryError(
                f'out of memory at {size}, even with streaming.window '
                f'{self._session.config.window} and streaming.input_size '
                f'{self._session.config.input_size}: use network.dtype float16, a smaller '
                f'network, or free the device ({shortage})'
            )
        config, text = smaller
        self._session.reconfigure(config, ResetReason.DEVICE_MEMORY)
        self.config = replace(self.config, streaming=config)
        self._fallbacks.append(text)
        empty_cache()
        logger.warning('out of memory at %s (%s); goes on with %s', size, shortage, text)


def check_metric_network(config: PipelineConfig, model: object) -> None:
    """Refuse the network's own metres where it has none.

    Raises:
        ConfigError: ``grounding.metric_network`` with weights that are not metric.
    """
    metric = isinstance(model, VideoDepthAnything) and model.config.metric
    if config.grounding.metric_network.enabled and not metric:
        raise ConfigError(
            'grounding.metric_network.enabled needs metric weights (network.weights '
            'vda-metric-small, -base or -large); these give disparity without a unit'
        )


def _fov_deg(result: StreamOutput) -> tuple[float, float]:
    """Field of view (horizontal, vertical) [deg]; NaN when the network predicts none."""
    vertical, horizontal = result.fov_rad or (math.nan, math.nan)
    return math.degrees(horizontal), math.degrees(vertical)


def _predicted_camera(frame: VideoFrame, result: StreamOutput) -> PinholeIntrinsics:
    """Intrinsics from the predicted field of view, with square pixels and a centred axis.

    The horizontal angle alone is used: the vertical one would contradict it on a crop.
    """
    height, width = frame.height, frame.width
    fov = DEFAULT_FOV_RAD if result.fov_rad is None else result.fov_rad[1]
    if not 0.05 < fov < math.pi - 0.05:
        fov = DEFAULT_FOV_RAD
    focal = (width / 2) / math.tan(fov / 2)
    return PinholeIntrinsics(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
