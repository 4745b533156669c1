"""What a live node published, as the predictions of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from gemdepth_ros import __version__
from gemdepth_ros.bags.images import read_pixels
from gemdepth_ros.bags.reader import BagMessage, BagReader
from gemdepth_ros.bags.stamps import header_stamp_ns
from gemdepth_ros.cli.evaluation.pipeline_settings import pipeline_config
from gemdepth_ros.cli.evaluation.prediction import Prediction
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.evaluation.source import SourceFrame
from gemdepth_ros.cli.evaluation.through_ros import topics
from gemdepth_ros.cli.evaluation.through_ros.claims import Claims, MotionClaim
from gemdepth_ros.errors import ConfigError
from gemdepth_ros.evaluation.result import SystemFacts
from gemdepth_ros.geometry.se3 import from_parts
from gemdepth_ros.interfaces import Float32Array, Float64Array, PinholeIntrinsics

AHEAD = 3  # frames whose depth must have come before a frame counts as complete


@dataclass(eq=False)
class _Published:
    """What came for one stamp."""

    messages: dict[str, Any] = field(default_factory=dict)
    received_ns: int = 0


class RecordedPredictor:
    """Predictions read from the recording of a live node; frames without one are passed over.

    Args:
        recording: bag with the node's topics and the images.
        image: topic of the images.
        settings: that the node ran with.
        status: the node's last gemdepth_ros/Status.

    Attributes:
        sent_ns: stamp of each image that the recorder saw, to its reception [ns].
        answered_ns: stamp of each depth to its reception [ns].
    """

    def __init__(
        self, recording: Path, image: str, settings: EvaluationSettings, status: Any
    ) -> None:
        self.sent_ns: dict[int, int] = {}
        self.answered_ns: dict[int, int] = {}
        self._recording, self._image = recording, image
        self._settings, self._status = settings, status

    def facts(self) -> SystemFacts:
        """Return what made the predictions."""
        config = pipeline_config(self._settings)
        return SystemFacts(
            version=__version__,
            weights=self._status.weights,
            trained=bool(self._status.trained),
            mode=self._status.mode,
            window=self._settings.window,
            input_size=self._settings.input_size,
            network_size=(int(self._status.input_height), int(self._status.input_width)),
            device=f'{self._settings.device}, live node over DDS',
            dtype=self._settings.dtype,
            grounding=config.grounding.enabled_sources,
            settings=self._settings.overrides,
        )

    def predict(self, frames: Iterable[SourceFrame]) -> Iterator[tuple[SourceFrame, Prediction]]:
        """Yield the frames for which depth came, with it."""
        claims = Claims(pipeline_config(self._settings).motion.max_factor_std)
        with BagReader(self._recording) as reader:
            wanted = [self._image, *topics.OUTPUTS]
            present = [name for name in wanted if name in reader.topics]
            published = _Matched(reader.messages(present), self)
            for frame in frames:
                found = published.of(frame.video.stamp_ns)
                if found is not None:
                    claim = claims.of(
                        found.messages.get(topics.ODOMETRY), found.messages.get(topics.STATUS)
                    )
                    yield frame, self._prediction(frame, found, claim)
            published.drain()

    def snapshot(self) -> bytes | None:
        """A recording is quickly read again."""
        return None

    def restore(self, snapshot: bytes) -> None:
        """Never called: there are no snapshots."""
        raise ConfigError(f'a recording has no state to restore ({len(snapshot)} bytes)')

    def close(self) -> None:
        """Nothing is held."""

    def note(self, item: BagMessage) -> None:
        """Keep the times of images and depth."""
        if item.topic == self._image:
            self.sent_ns.setdefault(header_stamp_ns(item.message), item.stamp_ns)
        elif item.topic in (topics.DEPTH, topics.DISPARITY):
            self.answered_ns.setdefault(header_stamp_ns(item.message), item.stamp_ns)

    def _prediction(self, frame: SourceFrame, found: _Published, claim: MotionClaim) -> Prediction:
        messages = found.messages
        depth = None
        if topics.DEPTH in messages:
            depth = read_pixels(messages[topics.DEPTH]).astype(np.float32)
            # Pixels without depth (edges) stay NaN: they have truth, and count as not predicted.
            with np.errstate(divide='ignore'):
                disparity = (np.float32(1) / depth).astype(np.float32)
        else:
            disparity = read_pixels(messages[topics.DISPARITY]).astype(np.float32)
        std = messages.get(topics.DEPTH_STD)
        odometry = messages.get(topics.ODOMETRY)
        stamp_ns = frame.video.stamp_ns
        sent_ns = self.sent_ns.get(stamp_ns)
        return Prediction(
            disparity=disparity,
            camera=_camera(messages, frame, disparity),
            depth_m=depth,
            depth_std_m=None if std is None else read_pixels(std).astype(np.float32),
            own_from_camera=None if odometry is None else _pose(odometry),
            own_metric=claim.metric,
            lost=claim.lost,
            reset=claim.reset,
            latency_ms=math.nan if sent_ns is None else (found.received_ns - sent_ns) / 1e6,
        )


class _Matched:
    """Messages in the order of their reception, gathered by stamp; few are held at a time."""

    def __init__(self, messages: Iterator[BagMessage], predictor: RecordedPredictor) -> None:
        self._messages = messages
        self._predictor = predictor
        self._held: dict[int, _Published] = {}
        self._newest = -1
        self._ended = False

    def of(self, stamp_ns: int) -> _Published | None:
        """Return what came for a stamp, or None; older stamps are forgotten."""
        while not self._ended and sum(stamp > stamp_ns for stamp in self._held) < AHEAD:
            self._next()
        for old in [stamp for stamp in self._held if stamp < stamp_ns]:
            del self._held[old]
        found = self._held.pop(stamp_ns, None)
        complete = found is not None and bool(
            {topics.DEPTH, topics.DISPARITY} & found.messages.keys()
        )
        return found if complete else None

    def drain(self) -> None:
        """Read to the end, for the times."""
        while not self._ended:
            self._next()
            self._held.clear()

    def _next(self) -> None:
        item = next(self._messages, None)
        if item is None:
            self._ended = True
            return
        self._predictor.note(item)
        if item.topic in topics.OUTPUTS:
            stamp_ns = header_stamp_ns(item.message)
            held = self._held.setdefault(stamp_ns, _Published())
            # The status comes again until the next frame, and may tell of that one's reset then.
            held.messages.setdefault(item.topic, item.message)
            if item.topic in (topics.DEPTH, topics.DISPARITY):
                held.received_ns = item.stamp_ns


def _camera(
    messages: dict[str, Any], frame: SourceFrame, disparity: Float32Array
) -> PinholeIntrinsics:
    info = messages.get(topics.DEPTH_INFO, messages.get(topics.RELATIVE_INFO))
    if info is not None:
        p = info.p
        return PinholeIntrinsics(int(info.width), int(info.height), p[0], p[5], p[2], p[6])
    if frame.video.camera is not None:
        return frame.video.camera
    height, width = disparity.shape
    return PinholeIntrinsics(width, height, width, width, (width - 1) / 2, (height - 1) / 2)


def _pose(odometry: Any) -> Float64Array:
    """Return odom from the camera's optical frame: what tf_mode none publishes."""
    pose = odometry.pose.pose
    q, p = pose.orientation, pose.position
    rotation = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    return from_parts(rotation, np.array([p.x, p.y, p.z]))
