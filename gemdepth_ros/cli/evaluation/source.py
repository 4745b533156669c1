"""A recording with its truth, frame by frame: where all kinds of sources meet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from gemdepth_ros.errors import BagError, GemDepthError
from gemdepth_ros.interfaces import Float32Array, Float64Array, VideoFrame
from gemdepth_ros.pipeline.readings import NOTHING_MEASURED, SensorReadings

T = TypeVar('T')
BAD_IMAGES = 'images that cannot be decoded'


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """One image and what is true at its moment.

    Attributes:
        index: number in the source, from 0; images that cannot be decoded have theirs, too.
        video: the image.
        truth_m: true depth, float32 [h, w] [m], NaN unknown; None when there is none.
        world_from_camera: true pose, float64 [4, 4]; None when unknown.
        moving: bool [H, W], pixels of moving objects; None when unknown.
        readings: what other sensors measured, for the grounding.
    """

    index: int
    video: VideoFrame
    truth_m: Float32Array | None = None
    world_from_camera: Float64Array | None = None
    moving: npt.NDArray[np.bool_] | None = None
    readings: SensorReadings = NOTHING_MEASURED


@dataclass
class Findings:
    """What is noticed while a source is read; the list of notes is bounded by kinds.

    Attributes:
        notes: one line each, none twice.
        frames: images seen.
        unusable: of these, damaged or of another size than the first.
    """

    notes: list[str] = field(default_factory=list)
    frames: int = 0
    unusable: int = 0
    _left_out: dict[str, _LeftOut] = field(default_factory=dict, repr=False)

    def note(self, text: str) -> None:
        """Keep a line, once."""
        if text not in self.notes:
            self.notes.append(text)

    def leave_out(self, what: str, error: GemDepthError) -> None:
        """Count a frame that lacks something damaged: one line for each kind, with its number.

        Args:
            what: the kind, for example ``masks that cannot be read``.
            error: what is wrong with this one.
        """
        known = self._left_out.get(what)
        if known is None:
            known = self._left_out[what] = _LeftOut(len(self.notes), str(error))
            self.notes.append('')
        known.count += 1
        self.notes[known.place] = f'{what} are left out ({known.count}); the first: {known.first}'

    def tried(self, what: str, work: Callable[[], T]) -> T | None:
        """Return what ``work`` gives; damage costs the frame, see `leave_out`, not the rest."""
        try:
            return work()
        except GemDepthError as error:
            self.leave_out(what, error)
            return None

    def bad_image(self, error: GemDepthError) -> None:
        """Count an image that cannot be decoded."""
        self.frames += 1
        self.unusable += 1
        self.leave_out(BAD_IMAGES, error)

    def require_usable(self) -> None:
        """Refuse a source in which no image can be decoded.

        Raises:
            BagError: there were images, and none was usable.
        """
        if 0 < self.frames == self.unusable:
            first = self._left_out[BAD_IMAGES].first
            raise BagError(f'none of the {self.frames} images can be decoded; the first: {first}')


@dataclass
class _LeftOut:
    """The place of its note, the first error, and how many there were."""

    place: int
    first: str
    count: int = 0


@dataclass(frozen=True, eq=False)
class EvaluationSource:
    """A recording that can be read from its start any number of times.

    Attributes:
        kind: ``KITTI clip``, ``rosbag2 mcap``, ``video``, ...
        description: one line for people.
        open: returns its frames, and reports what it notices.
        count: images that there should be, or None when unknown.
        depth_truth: where true depth comes from, or ``none``.
        pose_truth: where true poses come from, or ``none``.
        mask_truth: where masks come from, or ``none``.
    """

    kind: str
    description: str
    open: Callable[[Findings], Iterator[SourceFrame]]
    count: int | None
    depth_truth: str = 'none'
    pose_truth: str = 'none'
    mask_truth: str = 'none'


def usable_frames(
    frames: Iterable[SourceFrame], findings: Findings, max_frames: int | None
) -> Iterator[SourceFrame]:
    """Yield the frames that can be evaluated, and keep account of the others.

    Where the source breaks in the middle, its beginning is evaluated and a note says so; a source
    that gives nothing at all is the caller's error to raise.

    Raises:
        GemDepthError: the source cannot be read, or none of its images can.
    """
    size: tuple[int, int] | None = None
    iterator = iter(frames)
    while max_frames is None or findings.frames < max_frames:
        try:
            frame = next(iterator)
        except StopIteration:
            findings.require_usable()
            return
        except GemDepthError as error:
            if findings.frames == 0:
                raise
            findings.note(f'the source ends early, after {findings.frames} images: {error}')
            return
        findings.frames += 1
        here = frame.video.height, frame.video.width
        size = size or here
        if here == size:
            yield frame
            continue
        findings.unusable += 1
        findings.note(
            f'images of another size than the first ({size[1]}x{size[0]}) are left out; the first '
            f'is number {frame.index} with {here[1]}x{here[0]}'
        )
