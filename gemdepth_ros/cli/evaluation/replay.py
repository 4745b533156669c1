"""The first half of an evaluation: every frame through the network, one record per frame."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from gemdepth_ros.cli.evaluation.prediction import Prediction, Predictor
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.evaluation.source import (
    EvaluationSource,
    Findings,
    SourceFrame,
    usable_frames,
)
from gemdepth_ros.cli.evaluation.workspace import ImageShelf, Workspace
from gemdepth_ros.evaluation.even_records import nearest_to
from gemdepth_ros.evaluation.latency import Survivor, simulate_latency
from gemdepth_ros.evaluation.metrics import resize_to
from gemdepth_ros.evaluation.protocols import Region
from gemdepth_ros.evaluation.records import FrameRecord
from gemdepth_ros.interfaces import Float32Array, Float64Array, PipelineOutput, VideoFrame

SAVING_SHARE = 20  # a state that takes a second to save is saved every 20 seconds at most

Observer = Callable[
    [VideoFrame, PipelineOutput | None, 'Float32Array | None', 'Float64Array | None'], None
]
Progress = Callable[[int, 'int | None'], None]


@dataclass
class ReplayCounts:
    """What became of the frames.

    Attributes:
        width: of the images [px].
        height: of the images [px].
        first_ns: stamp of the first processed frame [ns].
        last_ns: stamp of the last one [ns].
        resumed_at: records that were there already.
    """

    width: int = 0
    height: int = 0
    first_ns: int = 0
    last_ns: int = 0
    resumed_at: int = 0
    findings: Findings = field(default_factory=Findings)


class Replay:
    """Drive a source through a predictor into the records of a workspace.

    Args:
        source: the recording.
        predictor: freshly made.
        settings: of the evaluation.
        space: its working files; what is there already is not done again.
        observer: called once for each frame that is predicted now.
        progress: told (images seen, images in all or None).
    """

    def __init__(
        self,
        source: EvaluationSource,
        predictor: Predictor,
        settings: EvaluationSettings,
        space: Workspace,
        observer: Observer | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._source, self._predictor, self._space = source, predictor, space
        self._settings = settings
        self._region = Region(settings.crop, settings.max_depth_m, settings.min_depth_m)
        self._observer, self._progress = observer, progress
        given = (source.count, settings.max_frames)
        self._expected = min((count for count in given if count is not None), default=None)
        self.counts = ReplayCounts()
        self.images = ImageShelf(space.work / 'images', settings.samples)

    def run(self) -> ReplayCounts:
        """Process all frames.

        Raises:
            GemDepthError: nothing of the source can be read, or the disk is full.
        """
        self._resume()
        saved_at, pause = time.monotonic(), self._settings.checkpoint_s
        for frame, prediction in self._predictor.predict(self._remaining()):
            self._keep(frame, prediction)
            if time.monotonic() - saved_at >= pause:
                began = time.monotonic()
                snapshot = self._predictor.snapshot()
                if snapshot is not None:
                    self._space.save_state(snapshot)
                saved_at = time.monotonic()
                if pause:  # 0 asks for a state after every frame, at any price
                    pause = max(pause, SAVING_SHARE * (saved_at - began))
        return self.counts

    def _resume(self) -> None:
        self.counts.resumed_at = self._space.resume(self._predictor.restore)

    def _remaining(self) -> Iterator[SourceFrame]:
        """Yield the frames that have no record yet; the others are only counted."""
        done = self.counts.resumed_at
        for number, survivor in enumerate(self._survivors()):
            frame = survivor.frame
            if number == 0:
                self.counts.first_ns = frame.video.stamp_ns
                self.counts.width, self.counts.height = frame.video.width, frame.video.height
            self.counts.last_ns = frame.video.stamp_ns
            if self._progress is not None:
                self._progress(self.counts.findings.frames, self._expected)
            if number < done:
                self.images.offer(None)
                continue
            yield _with_drops(survivor)

    def _survivors(self) -> Iterator[Survivor[SourceFrame]]:
        findings = self.counts.findings
        frames = usable_frames(self._source.open(findings), findings, self._settings.max_frames)
        latency_ns = round(self._settings.simulated_latency_ms * 1e6)
        return simulate_latency(frames, latency_ns, lambda frame: frame.video.stamp_ns)

    def _keep(self, frame: SourceFrame, prediction: Prediction) -> None:
        self._space.records.append(make_record(frame, prediction, self._region))
        self.images.offer(frame.video.image_rgb)
        if self._observer is not None:
            self._observer(frame.video, prediction.output, frame.truth_m, frame.world_from_camera)


def make_record(frame: SourceFrame, prediction: Prediction, region: Region) -> FrameRecord:
    """Return what is kept of a frame.

    Where the true depth map has another size than the image, the prediction is resized to it, as
    the published scripts do (disparity bilinear, depth by the nearest pixel).
    """
    disparity, camera = prediction.disparity, prediction.camera
    depth, std, moving = prediction.depth_m, prediction.depth_std_m, frame.moving
    valid = frame.video.valid
    pixels = truth = None
    if frame.truth_m is not None:
        height, width = frame.truth_m.shape
        if disparity.shape != (height, width):
            disparity = resize_to(disparity, height, width).astype(np.float32)
            camera = camera.resized(width, height)
        depth, std = nearest_to(depth, height, width), nearest_to(std, height, width)
        moving, valid = nearest_to(moving, height, width), nearest_to(valid, height, width)
        counted = region.valid(frame.truth_m)
        if valid is not None:
            counted &= valid
        pixels = np.flatnonzero(counted).astype(np.int32)
        truth = frame.truth_m.ravel()[pixels].astype(np.float32)
    elif moving is not None:
        moving = nearest_to(moving, *disparity.shape)
    return FrameRecord(
        index=frame.index,
        stamp_ns=frame.video.stamp_ns,
        disparity=disparity,
        camera=np.array([camera.fx, camera.fy, camera.cx, camera.cy]),
        depth_m=depth,
        depth_std_m=std,
        truth_pixels=pixels,
        truth_m=truth,
        moving=moving,
        world_from_camera=frame.world_from_camera,
        own_from_camera=prediction.own_from_camera,
        own_metric=prediction.own_metric,
        lost=prediction.lost,
        scale=prediction.scale,
        scale_std=prediction.scale_std,
        reset=prediction.reset,
        latency_ms=prediction.latency_ms,
    )


def _with_drops(survivor: Survivor[SourceFrame]) -> SourceFrame:
    """Tell the pipeline what was passed over; odometry that came meanwhile is not lost."""
    frame, dropped = survivor.frame, survivor.dropped
    if not dropped:
        return frame
    earlier = tuple(sample for item in dropped for sample in item.readings.odometry)
    readings = replace(frame.readings, odometry=(*earlier, *frame.readings.odometry))
    video = replace(frame.video, dropped_before=frame.video.dropped_before + len(dropped))
    return replace(frame, video=video, readings=readings)
