"""Opening whatever a user names as a source."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.bags.salvage import salvage_mcap
from gemdepth_ros.cli.evaluation.bag_source import is_bag, open_bag_source
from gemdepth_ros.cli.evaluation.kitti_source import kitti_kind, open_kitti_source
from gemdepth_ros.cli.evaluation.media_source import open_media_source
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.evaluation.source import EvaluationSource, Findings, SourceFrame
from gemdepth_ros.cli.evaluation.tum_source import is_tum, open_tum_source
from gemdepth_ros.errors import BagError


def open_evaluation_source(
    path: Path, settings: EvaluationSettings, work: Path
) -> EvaluationSource:
    """Open a bag, a KITTI or TUM folder, a video or a folder of images.

    An mcap file that was cut off is read as far as it goes.

    Args:
        path: what the user names.
        settings: of the evaluation.
        work: folder for what is left of a damaged bag.

    Raises:
        GemDepthError: nothing there can be evaluated.
    """
    path = path.expanduser()
    if not path.exists():
        raise BagError(f'there is nothing at {path}')
    if is_bag(path):
        return _open_bag(path, settings, work)
    if path.is_dir() and is_tum(path):
        return open_tum_source(path, settings)
    if path.is_dir() and kitti_kind(path) is not None:
        return open_kitti_source(path, settings)
    return open_media_source(path, settings)


def _open_bag(path: Path, settings: EvaluationSettings, work: Path) -> EvaluationSource:
    try:
        with BagReader(path):
            pass
    except BagError as error:
        files = [path] if path.suffix == '.mcap' else sorted(path.glob('*.mcap'))
        if len(files) != 1:
            raise
        return _salvaged(files[0], settings, work, error)
    return open_bag_source(path, settings)


def _salvaged(
    file: Path, settings: EvaluationSettings, work: Path, error: BagError
) -> EvaluationSource:
    target = work / 'salvaged'
    shutil.rmtree(target, ignore_errors=True)
    count = salvage_mcap(file, target)
    source = open_bag_source(target, settings)
    opened = source.open

    def with_note(findings: Findings) -> Iterator[SourceFrame]:
        findings.note(f'{error}; its first {count} messages are evaluated')
        return opened(findings)

    return replace(source, description=f'what is left of {file}', open=with_note)
