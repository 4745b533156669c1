"""Videos and folders of images: no truth of their own, so consistency, unless truth is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gemdepth_ros.cli.evaluation.given_truth import GivenTruth, given_truth, require_no_topics
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.evaluation.source import EvaluationSource, Findings, SourceFrame
from gemdepth_ros.cli.evaluation.truth_files import FrameKey, looked_up
from gemdepth_ros.interfaces import PinholeIntrinsics, VideoFrame
from gemdepth_ros.media import FrameSource, open_source

NO_INTRINSICS = 'no intrinsics: the field of view is a guess of the network (--intrinsics)'


def open_media_source(path: Path, settings: EvaluationSettings) -> EvaluationSource:
    """Open a video, a folder of images or an image.

    Raises:
        GemDepthError: nothing there can be read.
    """
    media = open_source(path, settings.rate_hz)
    kind = 'folder of images' if path.is_dir() else 'video'
    truth = given_truth(settings)
    require_no_topics(truth, f'{kind} {path}')

    def frames(findings: Findings) -> Iterator[SourceFrame]:
        if settings.intrinsics is None:
            findings.note(NO_INTRINSICS)
        return _frames(media, settings, truth, findings)

    return EvaluationSource(
        kind=kind,
        description=f'{kind} {path}',
        open=frames,
        count=media.stated_frames,
        depth_truth=truth.depth_words,
        pose_truth=truth.pose_words,
        mask_truth=truth.mask_words,
    )


def _frames(
    media: FrameSource, settings: EvaluationSettings, truth: GivenTruth, findings: Findings
) -> Iterator[SourceFrame]:
    for frame in media.readable(findings.bad_image):
        stem = Path(frame.name).stem
        number = int(stem) if stem.isdecimal() else frame.index
        key = FrameKey(frame.index, number, frame.stamp_ns)
        height, width = frame.image_rgb.shape[:2]
        given = settings.intrinsics
        camera = PinholeIntrinsics(width, height, *given) if given else None
        yield SourceFrame(
            frame.index,
            VideoFrame(frame.image_rgb, frame.stamp_ns, camera=camera),
            looked_up(truth.depth, key, 'depth maps', findings),
            looked_up(truth.poses, key, 'poses', findings),
            looked_up(truth.masks, key, 'masks', findings),
        )
