"""TUM RGB-D folders (and Bonn's): rgb.txt, depth.txt, groundtruth.txt, joined by time.

Lists are joined by stamps, never by line: the streams drop frames, and pairs by line drift apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gemdepth_ros.cli.evaluation.given_truth import GivenTruth, given_truth, require_no_topics
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.evaluation.source import EvaluationSource, Findings, SourceFrame
from gemdepth_ros.cli.evaluation.truth_files import (
    FrameKey,
    looked_up,
    nearest_stamp,
    pose_file,
    read_depth_map,
)
from gemdepth_ros.errors import BagError, ImageError
from gemdepth_ros.interfaces import Float32Array, PinholeIntrinsics, VideoFrame
from gemdepth_ros.media.image_folder import read_image

TUM_FACTOR = 5000.0
CALIBRATION_HINT = (
    'no intrinsics: the field of view is a guess of the network, and TAE uses it (--intrinsics '
    'FX FY CX CY; of TUM freiburg3 535.4 539.2 320.1 247.6)'
)


def is_tum(folder: Path) -> bool:
    """Return whether the folder has TUM's layout."""
    return (folder / 'rgb.txt').is_file()


def open_tum_source(folder: Path, settings: EvaluationSettings) -> EvaluationSource:
    """Open a TUM RGB-D folder with its truth.

    Raises:
        GemDepthError: a list is missing or damaged.
    """
    truth = given_truth(settings, TUM_FACTOR)
    require_no_topics(truth, f'TUM folder {folder}')
    reader = _TumFrames(folder, settings, truth)
    return EvaluationSource(
        kind='TUM RGB-D folder',
        description=f'TUM RGB-D folder {folder}',
        open=reader.frames,
        count=len(reader.images),
        depth_truth=reader.depth_words,
        pose_truth=reader.pose_words,
        mask_truth=truth.mask_words,
    )


class _TumFrames:
    """Reads the images with what belongs to their times."""

    def __init__(self, folder: Path, settings: EvaluationSettings, truth: GivenTruth) -> None:
        self.images = sorted(_stamped_files(folder, 'rgb.txt').items())
        self._settings, self._truth = settings, truth
        self._depths: dict[int, Path] = {}
        self.depth_words, self.pose_words = truth.depth_words, truth.pose_words
        self._poses = truth.poses
        if truth.automatic and (folder / 'depth.txt').is_file():
            self._depths = _stamped_files(folder, 'depth.txt')
            self.depth_words = 'depth images of the folder, joined by time'
        if truth.automatic and (folder / 'groundtruth.txt').is_file():
            self._poses = pose_file(folder / 'groundtruth.txt', settings.tolerance_ns)
            self.pose_words = 'groundtruth.txt'
        self._depth_stamps = np.array(sorted(self._depths), np.int64)

    def frames(self, findings: Findings) -> Iterator[SourceFrame]:
        """Read the frames in order."""
        if self._settings.intrinsics is None:
            findings.note(CALIBRATION_HINT)
        for index, (stamp_ns, path) in enumerate(self.images):
            try:
                image = read_image(path)
            except ImageError as error:
                findings.bad_image(error)
                continue
            key = FrameKey(index, index, stamp_ns)
            yield SourceFrame(
                index,
                VideoFrame(image, stamp_ns, camera=self._camera(image)),
                looked_up(self._depth, key, 'depth maps', findings),
                looked_up(self._poses, key, 'poses', findings),
                looked_up(self._truth.masks, key, 'masks', findings),
            )

    def _camera(self, image: npt.NDArray[np.uint8]) -> PinholeIntrinsics | None:
        given = self._settings.intrinsics
        return PinholeIntrinsics(image.shape[1], image.shape[0], *given) if given else None

    def _depth(self, key: FrameKey) -> Float32Array | None:
        if self._truth.depth is not None:
            found: Float32Array | None = self._truth.depth(key)
            return found
        nearest = nearest_stamp(self._depth_stamps, key.stamp_ns, self._settings.tolerance_ns)
        if nearest is None:
            return None
        return read_depth_map(self._depths[nearest], self._settings.depth_factor or TUM_FACTOR)


def _stamped_files(folder: Path, name: str) -> dict[int, Path]:
    """Return the files of one of TUM's lists (``seconds path``) by stamp [ns]."""
    path = folder / name
    found = {}
    try:
        lines = path.read_text('utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BagError(f'cannot read {path}: {error}') from error
    for number, line in enumerate(lines):
        words = line.partition('#')[0].split()
        if not words:
            continue
        try:
            seconds, _, rest = words[0].partition('.')
            stamp_ns = int(seconds) * 10**9 + int((rest + '000000000')[:9])
            found[stamp_ns] = folder / words[1]
        except (ValueError, IndexError) as error:
            raise BagError(
                f'line {number + 1} of {path} is not "seconds file": {line!r}'
            ) from error
    if not found:
        raise BagError(f'{path} lists no images')
    return found
