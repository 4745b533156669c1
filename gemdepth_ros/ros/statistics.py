"""What the node knows about its own work: one record, several renderings."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from gemdepth_ros.interfaces import GroundingState, PipelineOutput, ResetReason
from gemdepth_ros.pipeline.measurements import (
    DeviceMemory,
    FrameCounter,
    FrameCounts,
    LatencySummary,
    LatencyWindow,
    RateMeter,
)

RECENT_FRAMES = 20  # how far back resets count as repeated
LARGEST_STAMP_LATENCY_S = 10.0  # an older stamp is of another clock: a bag's, a counter


@dataclass(frozen=True)
class OutputFacts:
    """What is worth knowing about an output after its maps are gone.

    Attributes:
        stamp_ns: capture time [ns].
        frame_id: the camera's optical frame.
        network_size: (height, width) of the network's input.
        window_frames: frames behind the output.
        grounding: what is known about metres.
        fov_ratio: given over predicted horizontal field of view; NaN when not both are known.
        camera_predicted: whether the intrinsics are only the predicted field of view.
    """

    stamp_ns: int
    frame_id: str
    network_size: tuple[int, int]
    window_frames: int
    grounding: GroundingState
    fov_ratio: float
    camera_predicted: bool = False

    @classmethod
    def of(cls, output: PipelineOutput) -> OutputFacts:
        """Extract the facts of an output."""
        camera, fov_ratio = output.camera, math.nan
        if not output.camera_is_predicted and output.predicted_fov_deg[0] > 0:
            given_deg = math.degrees(2 * math.atan(camera.width / 2 / camera.fx))
            fov_ratio = given_deg / output.predicted_fov_deg[0]
        return cls(
            stamp_ns=output.stamp_ns,
            frame_id=output.frame_id,
            network_size=output.network_size,
            window_frames=output.window_frames,
            grounding=output.grounding,
            fov_ratio=fov_ratio,
            camera_predicted=output.camera_is_predicted,
        )


@dataclass(frozen=True)
class Snapshot:
    """The node's work at one moment.

    Attributes:
        time_s: of the snapshot on the steady clock [s].
        state: ``unconfigured``, ``inactive`` or ``active``.
        fault: what stopped the node; empty when nothing did.
        mode: streaming mode.
        weights: what the weights are.
        trained: False: the output means nothing.
        fallback: what was made smaller for lack of memory; empty when nothing was.
        device_memory: of the device that the network runs on; None on the host.
        backend: what computes the frames.
        backend_fault: why the configured backend is not used; empty while it is.
        counts: where the frames are.
        latency: callback to publish [ms].
        stamp_latency: capture stamp to publish on the ROS clock [ms]; NaN where stamps are not of
            that clock.
        input_hz: images per second.
        output_hz: outputs per second.
        image_age_s: time since the last image, or since activation when none came [s].
        image_topic: where images are expected.
        last_problem: why the last frame was rejected or withheld.
        problem_age_s: time since then; NaN when there was none [s].
        camera_note: why the camera's intrinsics are not known; empty when they are.
        rectification: how the rectification was decided.
        resets: how often each reason occurred since activation.
        last_reset: the newest reason; empty before the first.
        recent_resets: for each of the last frames the reason of its reset, or ''.
        losses_counted: whether images that were lost on the way can be seen.
        newest: about the newest output; None before the first.
        sensor_notes: what is wrong with other sensors, one line each.
        motion_fault: why the motion, or its transform, is refused.
        motion_note: why a transform is withheld for the time being.
    """

    time_s: float
    state: str = 'unconfigured'
    fault: str = ''
    mode: str = ''
    weights: str = ''
    trained: bool = False
    fallback: str = ''
    device_memory: DeviceMemory | None = None
    backend: str = ''
    backend_fault: str = ''
    counts: FrameCounts = field(default_factory=FrameCounts)
    latency: LatencySummary = field(default_factory=LatencySummary)
    stamp_latency: LatencySummary = field(default_factory=LatencySummary)
    input_hz: float = 0.0
    output_hz: float = 0.0
    image_age_s: float = math.nan
    image_topic: str = ''
    last_problem: str = ''
    problem_age_s: float = math.nan
    camera_note: str = ''
    rectification: str = ''
    resets: Mapping[str, int] = field(default_factory=dict)
    last_reset: str = ''
    recent_resets: tuple[str, ...] = ()
    losses_counted: bool = True
    newest: OutputFacts | None = None
    sensor_notes: tuple[str, ...] = ()
    motion_fault: str = ''
    motion_note: str = ''


class NodeStatistics:
    """Filled by the callbacks and the worker; read by the timers.

    Every field is replaced as a whole, so a reader sees an old or a new value, nothing between.
    """

    def __init__(self, resets_before: Mapping[ResetReason, int] | None = None) -> None:
        """Begin to count.

        Args:
            resets_before: the pipeline's reset counts at this moment; they are not this stream's.
        """
        self.counter = FrameCounter()
        self.latency = LatencyWindow()
        self.image_topic = ''
        self.camera_note = ''
        self.rectification = ''
        self.last_reset = ''
        self.losses_counted = True
        self.sensor_notes: tuple[str, ...] = ()
        self.motion_fault = ''
        self.motion_note = ''
        self._started_s = time.monotonic()
        self._arrivals = RateMeter()
        self._outputs = RateMeter()
        self._problem: tuple[float, str] | None = None
        self._resets_before = dict(resets_before or {})
        self._resets: dict[str, int] = {}
        self._recent_resets: deque[str] = deque(maxlen=RECENT_FRAMES)
        self._stamp_latency = LatencyWindow()
        self._newest: OutputFacts | None = None

    def arrived(self, time_s: float, lost_before: int) -> None:
        """Note an image and the losses before it."""
        self._arrivals.add(time_s)
        self.counter.arrived(lost_before)

    def problem(self, text: str) -> None:
        """Note why a frame gave no output."""
        self._problem = (time.monotonic(), text)

    def resets_are(self, counts: Mapping[ResetReason, int], *, at_frame: bool) -> None:
        """Take over the pipeline's reset counts; the reason that grew is the newest.

        Args:
            counts: by reason, since the pipeline exists.
            at_frame: whether a frame has been worked on since the last call.
        """
        since = {r.value: count - self._resets_before.get(r, 0) for r, count in counts.items()}
        now = {name: count for name, count in since.items() if count}
        grown = [name for name, count in now.items() if count > self._resets.get(name, 0)]
        if grown:
            self.last_reset = grown[-1]
        if at_frame:
            self._recent_resets.append(grown[-1] if grown else '')
        self._resets = now

    def published(self, output: PipelineOutput, arrived_s: float, ros_now_ns: int) -> None:
        """Note an output that has been published.

        Args:
            output: the output.
            arrived_s: when its image arrived, on the steady clock [s].
            ros_now_ns: the present on the ROS clock [ns].
        """
        now_s = time.monotonic()
        self._note_stamp_latency((ros_now_ns - output.stamp_ns) * 1e-9)
        self.latency.add((now_s - arrived_s) * 1e3)
        self._outputs.add(now_s)
        self._newest = OutputFacts.of(output)
        self.counter.processed()

    def _note_stamp_latency(self, latency_s: float) -> None:
        if 0 <= latency_s <= LARGEST_STAMP_LATENCY_S:
            self._stamp_latency.add(latency_s * 1e3)
        else:  # stamps of another clock say nothing, and neither do the ones before
            self._stamp_latency = LatencyWindow()

    def snapshot(self) -> Snapshot:
        """Return the work so far; state, fault and weights are the node's to add."""
        now_s = time.monotonic()
        last_s = self._arrivals.last_s
        problem_s, problem = self._problem or (math.nan, '')
        return Snapshot(
            time_s=now_s,
            counts=self.counter.snapshot(),
            latency=self.latency.summary(),
            stamp_latency=self._stamp_latency.summary(),
            input_hz=self._arrivals.rate_hz(now_s),
            output_hz=self._outputs.rate_hz(now_s),
            image_age_s=now_s - (self._started_s if last_s is None else last_s),
            image_topic=self.image_topic,
            last_problem=problem,
            problem_age_s=now_s - problem_s,
            camera_note=self.camera_note,
            rectification=self.rectification,
            resets=self._resets,
            last_reset=self.last_reset,
            recent_resets=tuple(self._recent_resets),
            losses_counted=self.losses_counted,
            newest=self._newest,
            sensor_notes=self.sensor_notes,
            motion_fault=self.motion_fault,
            motion_note=self.motion_note,
        )
