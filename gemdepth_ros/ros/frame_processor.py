"""What happens to one image on the worker's thread: decode, rectify, process, publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gemdepth_ros.errors import GemDepthError, ImageError
from gemdepth_ros.interfaces import OutputRequest, PipelineOutput, ResetReason, VideoFrame
from gemdepth_ros.pipeline.config import PipelineConfig
from gemdepth_ros.pipeline.measurements import DeviceMemory
from gemdepth_ros.pipeline.readings import NOTHING_MEASURED, SensorReadings
from gemdepth_ros.ros import conversions
from gemdepth_ros.ros.calibration import Rectifier
from gemdepth_ros.ros.camera_input import QueuedImage
from gemdepth_ros.ros.statistics import NodeStatistics

FindCameraInfo = Callable[[int, tuple[int, int], str], Any]


class Pipeline(Protocol):
    """What the node needs of ``DepthPipeline``."""

    @property
    def config(self) -> PipelineConfig:
        """What it was made from."""

    @property
    def trained(self) -> bool:
        """False: the weights are random."""

    @property
    def weights_description(self) -> str:
        """What the weights are."""

    @property
    def fallback(self) -> str:
        """What was made smaller for lack of memory; empty when nothing was."""

    @property
    def device_memory(self) -> DeviceMemory | None:
        """Memory of the network's device; None on the host."""

    @property
    def backend(self) -> str:
        """What computes the frames."""

    @property
    def backend_fault(self) -> str:
        """Why the configured backend is not used; empty while it is."""

    @property
    def reset_counts(self) -> Mapping[ResetReason, int]:
        """How often the stream started anew, by reason."""

    def warm_up(self, height: int, width: int) -> None:
        """Run once, so that the first frame is not slow."""

    def process(
        self,
        frame: VideoFrame,
        request: OutputRequest | None = None,
        readings: SensorReadings = NOTHING_MEASURED,
    ) -> PipelineOutput:
        """Take the next frame, and what other sensors say about it."""

    def reset(self, reason: ResetReason = ResetReason.REQUEST) -> None:
        """Forget the stream's past."""

    def close(self) -> None:
        """Give back the device's memory."""


class MotionState(Protocol):
    """Why motion is refused or withheld; empty when it is not."""

    fault: str
    note: str


class OutputSink(Protocol):
    """Where outputs go."""

    def request(self) -> OutputRequest:
        """Return what somebody listens to."""

    def publish(self, output: PipelineOutput) -> None:
        """Send an output."""

    @property
    def motion(self) -> MotionState:
        """What became of the motion."""


class Sensors(Protocol):
    """What other sensors say."""

    def readings(self, stamp_ns: int, frame_id: str, size: tuple[int, int]) -> SensorReadings:
        """Return what was measured for an image."""

    @property
    def notes(self) -> Mapping[str, str]:
        """By sensor, what is wrong with it."""


class FrameProcessor:
    """Turn queued images into published outputs; each frame leaves in exactly one way."""

    def __init__(
        self,
        pipeline: Pipeline,
        sink: OutputSink,
        statistics: NodeStatistics,
        rectifier: Rectifier,
        find_camera_info: FindCameraInfo,
        unwanted: Callable[[], bool],
        report: Callable[[str], None],
        ros_now_ns: Callable[[], int],
        sensors: Sensors | None = None,
    ) -> None:
        """Prepare for one stream.

        Args:
            pipeline: owned by the worker's thread while the stream runs.
            sink: the topics.
            statistics: where frames are counted.
            rectifier: of the camera.
            find_camera_info: from (stamp in ns, (height, width), frame) to a CameraInfo or None.
            unwanted: whether results are no longer wanted, because the node is stopping.
            report: told why a frame gave no output.
            ros_now_ns: the present on the ROS clock [ns].
            sensors: other sensors, or None.
        """
        self._sensors = sensors
        self._pipeline = pipeline
        self._sink = sink
        self._statistics = statistics
        self._rectifier = rectifier
        self._find_camera_info = find_camera_info
        self._unwanted = unwanted
        self._report = report
        self._ros_now_ns = ros_now_ns
        self._missed = 0  # frames since the last one that the pipeline saw

    def process(self, item: QueuedImage, dropped: int) -> None:
        """Work on one image; a bad image or a bad output is counted and the stream goes on.

        Raises:
            Exception: what is neither the image's nor the output's fault; the node must stop.
        """
        self._missed += dropped
        try:
            frame = self._decode(item)
        except ImageError as error:
            self._missed += 1
            self._statistics.counter.rejected()
            self._report(f'image rejected: {error}')
            return
        self._missed = 0
        try:
            output = self._pipeline.process(frame, self._sink.request(), self._readings(frame))
        except GemDepthError as error:
            self._statistics.counter.failed()
            self._report(f'output withheld: {error}')
            return
        except Exception:
            self._statistics.counter.failed()
            raise
        finally:
            self._statistics.resets_are(self._pipeline.reset_counts, at_frame=True)
        if self._unwanted():
            self._statistics.counter.dropped()
            return
        self._sink.publish(output)
        motion = self._sink.motion
        self._statistics.motion_fault, self._statistics.motion_note = motion.fault, motion.note
        self._statistics.published(output, item.arrived_s, self._ros_now_ns())

    def reset(self) -> None:
        """Forget the past of the stream, on request."""
        self._pipeline.reset(ResetReason.REQUEST)
        self._statistics.resets_are(self._pipeline.reset_counts, at_frame=False)

    def _readings(self, frame: VideoFrame) -> SensorReadings:
        if self._sensors is None:
            return NOTHING_MEASURED
        size = (frame.height, frame.width)
        result = self._sensors.readings(frame.stamp_ns, frame.frame_id, size)
        self._statistics.sensor_notes = tuple(self._sensors.notes.values())
        return result

    def _decode(self, item: QueuedImage) -> VideoFrame:
        stamp_ns = conversions.stamp_to_ns(item.message.header.stamp)
        image_rgb = conversions.image_to_rgb(item.message)
        height, width = image_rgb.shape[:2]
        frame_id = item.message.header.frame_id
        camera_info = self._find_camera_info(stamp_ns, (height, width), frame_id)
        rectified = self._rectifier.apply(image_rgb, camera_info)
        self._statistics.camera_note = rectified.note
        self._statistics.rectification = self._rectifier.decision
        return VideoFrame(
            image_rgb=rectified.image_rgb,
            stamp_ns=stamp_ns,
            frame_id=frame_id,
            camera=rectified.camera,
            dropped_before=self._missed,
            valid=rectified.valid,
        )
