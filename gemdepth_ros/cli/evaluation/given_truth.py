"""What ``--ground-truth`` and ``--masks`` name, sorted by what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gemdepth_ros.cli.evaluation.settings import AUTO, NONE, EvaluationSettings
from gemdepth_ros.cli.evaluation.truth_files import (
    FrameKey,
    Lookup,
    depth_folder,
    mask_folder,
    pose_file,
)
from gemdepth_ros.errors import BagError, ConfigError


def _nothing(_: FrameKey) -> None:
    return None


@dataclass(frozen=True, eq=False)
class GivenTruth:
    """Truth that the user names.

    Attributes:
        automatic: what the source itself holds counts.
        topics: of a bag.
        depth: look-up of depth maps; None: none was named.
        depth_words: where from.
        poses: look-up of poses; None: none was named.
        pose_words: where from.
        masks: look-up of masks; None: none was named.
        mask_words: where from.
        mask_topic: topic of masks; empty: none was named.
    """

    automatic: bool
    topics: tuple[str, ...] = ()
    depth: Lookup | None = None
    depth_words: str = 'none'
    poses: Lookup | None = None
    pose_words: str = 'none'
    masks: Lookup | None = None
    mask_words: str = 'none'
    mask_topic: str = ''


def given_truth(settings: EvaluationSettings, depth_factor: float = 0.0) -> GivenTruth:
    """Open what the settings name.

    Args:
        settings: of the evaluation.
        depth_factor: of depth maps in folders, when the settings give none.

    Raises:
        GemDepthError: something named does not exist or cannot be read.
    """
    names = [name for name in settings.ground_truth if name not in (AUTO, NONE)]
    topics, folders, files = _sorted_names(names)
    depth, poses, masks = None, None, None
    if folders:
        depth = depth_folder(folders[0], settings.depth_factor or depth_factor)
    if files:
        poses = pose_file(files[0], settings.tolerance_ns)
    mask_path = Path(settings.masks).expanduser()
    if settings.masks and mask_path.is_dir():
        masks = mask_folder(mask_path)
    elif settings.masks and not settings.masks.startswith('/'):
        raise BagError(f'masks {settings.masks} are no folder and no topic (/name)')
    return GivenTruth(
        automatic=AUTO in settings.ground_truth,
        topics=tuple(topics),
        depth=depth,
        depth_words=f'depth maps in {folders[0].name}' if folders else 'none',
        poses=poses,
        pose_words=f'pose file {files[0].name}' if files else 'none',
        masks=masks,
        mask_words=f'masks in {mask_path.name}' if masks else 'none',
        mask_topic='' if masks else settings.masks,
    )


def _sorted_names(names: Sequence[str]) -> tuple[list[str], list[Path], list[Path]]:
    """Return topics, folders and files."""
    topics, folders, files = [], [], []
    for name in names:
        path = Path(name).expanduser()
        if path.is_dir():
            folders.append(path)
        elif path.is_file():
            files.append(path)
        elif name.startswith('/') and not path.suffix:
            topics.append(name)
        else:
            raise BagError(f'ground truth {name} is no folder, no file and no topic (/name)')
    for what, found in (('folder of depth maps', folders), ('file of poses', files)):
        if len(found) > 1:
            raise ConfigError(f'only one {what} can be the truth, got {found[0]} and {found[1]}')
    return topics, folders, files


def require_no_topics(truth: GivenTruth, kind: str) -> None:
    """Refuse topics where the source is no bag.

    Raises:
        ConfigError: there are some.
    """
    if truth.topics:
        raise ConfigError(f'{kind} has no topics: --ground-truth {truth.topics[0]} needs a bag')
    if truth.mask_topic:
        raise ConfigError(f'{kind} has no topics: --masks {truth.mask_topic} needs a bag')
