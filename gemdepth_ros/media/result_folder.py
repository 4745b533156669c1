"""The folder that ``gemdepth-ros infer`` writes, frame by frame."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.interfaces import UInt8Array
from gemdepth_ros.media.comparison_video import STEM, ComparisonVideo
from gemdepth_ros.media.disparity_files import DisparityFormat, DisparityWriter
from gemdepth_ros.media.frame_tap import FrameTap
from gemdepth_ros.media.json_list import JsonListWriter
from gemdepth_ros.media.poses import PoseWriter
from gemdepth_ros.media.source import MediaFrame
from gemdepth_ros.media.streamed_frame import StreamedFrame

DISPARITY_FOLDER = 'disparity'
INDEX = 'index.json'
_OURS = (INDEX, 'poses.tum', 'poses.json', f'{STEM}.mp4', f'{STEM}.avi')
_VALUES = {
    'png16': 'disparity = pixel value * unit of the frame',
    'npz': 'array "disparity", float32',
}
_AFFINE = 'affine-invariant, larger is nearer, no metric unit, not depth'
_INVERSE_DEPTH = 'inverse depth in 1/m: depth in metres is 1 / disparity'


class ResultFolder:
    """Disparity files, poses, an index and a comparison video; a context manager.

    Nothing is collected: each result goes to disk when it comes.

    Args:
        folder: where to write; made if it is missing.
        form: ``png16`` or ``npz``.
        frame_rate_hz: of the clip.
        facts: what the index says about the run.
        video: whether to write the comparison video.
        overwrite: delete the results of a former run first. Files that are not results are never
            touched. ``check_folder`` says beforehand whether the folder may be used.
        poses: whether results have poses; else no pose file is written.
        metric: whether disparity is inverse depth in 1/m.
    """

    def __init__(
        self,
        folder: Path,
        form: DisparityFormat,
        frame_rate_hz: float,
        facts: Mapping[str, object],
        *,
        video: bool = True,
        overwrite: bool = False,
        poses: bool = True,
        metric: bool = False,
    ) -> None:
        if overwrite and folder.is_dir():
            _remove_results(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.count = 0
        self.has_video = video
        self._disparity = DisparityWriter(folder / DISPARITY_FOLDER, form)
        self._poses = PoseWriter(folder) if poses else None
        self._video = ComparisonVideo(folder, frame_rate_hz) if video else None
        header = {
            **facts,
            'frame_rate_hz': frame_rate_hz,
            'format': form,
            'meaning': f'{_VALUES[form]}; {_INVERSE_DEPTH if metric else _AFFINE}',
        }
        self._index = JsonListWriter(folder / INDEX, header)

    def __enter__(self) -> ResultFolder:
        """Return the folder itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all files; the index says whether the run came to its end."""
        with contextlib.ExitStack() as files:  # one that cannot be closed must not leave another
            files.callback(self._index.close, {'count': self.count, 'complete': kind is None})
            if self._poses is not None:
                files.callback(self._poses.close)
            if self._video is not None:
                files.callback(self._video.close)

    @property
    def video_path(self) -> Path | None:
        """The comparison video, once it has a frame."""
        return None if self._video is None else self._video.path

    def add(self, frame: MediaFrame, result: StreamedFrame) -> None:
        """Write the result of one frame.

        Raises:
            InferenceError: the result has values that are not finite.
        """
        entry = self._disparity.write(frame.index, frame.stamp_ns, result.disparity)
        if self._poses is not None:
            self._poses.add(frame.index, frame.stamp_ns, result)
        if self._video is not None:
            self._video.add(frame.image_rgb, result.disparity)
        named = {'name': frame.name} if frame.name else {}
        self._index.add({'index': frame.index, 'stamp_ns': frame.stamp_ns, **named, **entry})
        self.count += 1


def check_folder(folder: Path, source: Path, *, overwrite: bool) -> None:
    """Refuse an output folder before any work is done.

    Args:
        folder: where results shall go.
        source: the clip, which must not lie where results are replaced.
        overwrite: whether a former run's results may be replaced.

    Raises:
        ConfigError: there is something in the way.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f'output {folder} is a file; give a folder')
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise ConfigError(f'output folder {folder} is not empty; use another, or --force')
    inside = source.resolve()
    if folder.resolve() in (inside, *inside.parents):
        raise ConfigError(f'output folder {folder} holds the input {source}; use another folder')


def _remove_results(folder: Path) -> None:
    for name in _OURS:
        (folder / name).unlink(missing_ok=True)
    maps = folder / DISPARITY_FOLDER
    if maps.is_dir():
        for path in maps.iterdir():
            if re.fullmatch(r'\d{6,}\.(png|npz)', path.name):
                path.unlink()


def write_results(
    frames: Iterable[MediaFrame],
    predict: Callable[[Iterator[UInt8Array]], Iterable[StreamedFrame]],
    results: ResultFolder,
    capacity: int,
    on_frame: Callable[[int], None] = lambda count: None,
) -> int:
    """Send a clip through a predictor into a result folder, in constant memory.

    Args:
        frames: the clip.
        predict: takes the images and yields one result per image, in order, some images late.
        results: where they go.
        capacity: most images that ``predict`` may read ahead.
        on_frame: called with the number of results written so far.

    Returns:
        How many frames were read.
    """
    tap = FrameTap(frames, capacity, keep_images=results.has_video)
    for result in predict(tap.images()):
        results.add(tap.take(result.index), result)
        on_frame(results.count)
    if len(tap):
        raise RuntimeError(f'{len(tap)} frames of {tap.read} got no result')
    return tap.read
