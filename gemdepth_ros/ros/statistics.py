"""What the node knows about its own work: one record, several renderings."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from gemdepth_ros.interfaces import GroundingState, PipelineOutput, ResetReason
from gemdepth_ros.pipeline.measurements import (
    FrameCounter,
    FrameCounts,
    LatencySummary,
    LatencyWindow,
    RateMeter,
)


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
    """

    stamp_ns: int
    frame_id: str
    network_size: tuple[int, int]
    window_frames: int
    grounding: GroundingState
    fov_ratio: float

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
        counts: where the frames are.
        latency: callback to publish [ms].
        input_hz: images per second.
        output_hz: outputs per second.
        image_age_s: time since the last image, or since activation when none came [s].
        image_topic: where images are expected.
        last_problem: why the last frame was rejected or withheld.
        problem_age_s: time since then; NaN when there was none [s].
        camera_note: why the camera's intrinsics are not known; empty when they are.
        rectification: how the rectification was decided.
        resets: how often each reason occurred.
        last_reset: the newest reason; empty before the first.
        losses_counted: whether images that were lost on the way can be seen.
        newest: about the newest output; None before the first.
    """

    time_s: float
    state: str = 'unconfigured'
    fault: str = ''
    mode: str = ''
    weights: str = ''
    trained: bool = False
    counts: FrameCounts = field(default_factory=FrameCounts)
    latency: LatencySummary = field(default_factory=LatencySummary)
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
    losses_counted: bool = True
    newest: OutputFacts | None = None


class NodeStatistics:
    """Filled by the callbacks and the worker; read by the timers.

    Every field is replaced as a whole, so a reader sees an old or a new value, nothing between.
    """

    def __init__(self) -> None:
        self.counter = FrameCounter()
        self.latency = LatencyWindow()
        self.image_topic = ''
        self.camera_note = ''
        self.rectification = ''
        self.last_reset = ''
        self.losses_counted = True
        self._started_s = time.monotonic()
        self._arrivals = RateMeter()
        self._outputs = RateMeter()
        self._problem: tuple[float, str] | None = None
        self._resets: dict[str, int] = {}
        self._newest: OutputFacts | None = None

    def arrived(self, time_s: float, lost_before: int) -> None:
        """Note an image and the losses before it."""
        self._arrivals.add(time_s)
        self.counter.arrived(lost_before)

    def problem(self, text: str) -> None:
        """Note why a frame gave no output."""
        self._problem = (time.monotonic(), text)

    def resets_are(self, counts: Mapping[ResetReason, int]) -> None:
        """Take over the pipeline's reset counts; the reason that grew is the newest."""
        now = {reason.value: count for reason, count in dict(counts).items() if count}
        grown = [name for name, count in now.items() if count > self._resets.get(name, 0)]
        if grown:
            self.last_reset = grown[-1]
        self._resets = now

    def published(self, output: PipelineOutput, arrived_s: float) -> None:
        """Note an output that has been published."""
        now_s = time.monotonic()
        self.latency.add((now_s - arrived_s) * 1e3)
        self._outputs.add(now_s)
        self._newest = OutputFacts.of(output)
        self.counter.processed()

    def snapshot(self) -> Snapshot:
        """Return the work so far; state, fault and weights are the node's to add."""
        now_s = time.monotonic()
        last_s = self._arrivals.last_s
        problem_s, problem = self._problem or (math.nan, '')
        return Snapshot(
            time_s=now_s,
            counts=self.counter.snapshot(),
            latency=self.latency.summary(),
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
            losses_counted=self.losses_counted,
            newest=self._newest,
        )
