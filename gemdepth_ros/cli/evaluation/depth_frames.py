"""Whose rays the depth images of a bag have: truth must be seen by the camera that is judged.

Clouds and poses are carried to the camera by /tf_static. A depth image is not: its pixels are
compared with the image's one by one, so it must be aligned ("registered") to the image.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gemdepth_ros.bags.reader import BagReader
from gemdepth_ros.cli.evaluation.bag_truth import IMAGE, depth_images
from gemdepth_ros.errors import BagError
from gemdepth_ros.geometry.transform_tree import TransformTree


def foreign_depth(
    reader: BagReader,
    image: str,
    named: tuple[str, ...],
    transforms: TransformTree,
    *,
    automatic: bool,
) -> dict[str, str]:
    """Return the depth images that could be truth but are in another frame than the images.

    Frames that /tf_static puts at one place, such as a stereo camera's depth and its left image,
    count as one.

    Args:
        reader: of the bag, opened.
        image: topic of the images.
        named: topics that the user names.
        transforms: static ones.
        automatic: nothing is named: all depth images are looked at.

    Returns:
        What is wrong, by topic.
    """
    topics = reader.topics
    asked = [name for name in named if name in topics and topics[name].message_type == IMAGE]
    candidates = depth_images(topics) if automatic else tuple(asked)
    ours = _frame_of(reader, image) if candidates else None
    foreign: dict[str, str] = {}
    for topic in candidates:
        theirs = _frame_of(reader, topic)
        if ours is None or theirs is None or _are_one(ours, theirs, transforms):
            continue
        foreign[topic] = f'{topic} is in the frame {theirs!r}, the images are in {ours!r}'
    return foreign


def foreign_notes(foreign: Mapping[str, str], *, automatic: bool) -> list[str]:
    """Return a line for each topic of `foreign_depth`: what is done, and how to have it else."""
    if automatic:
        return [
            f'{text}: it is not taken for true depth; if it is aligned to the images, pixel by '
            f'pixel, name it: --ground-truth {topic}'
            for topic, text in foreign.items()
        ]
    return [
        f'{text}: it is true depth because it was named; unless it is aligned to the images, '
        'pixel by pixel, different rays are compared'
        for text in foreign.values()
    ]


def _frame_of(reader: BagReader, topic: str) -> str | None:
    """Return the frame_id of a topic's first message; None: there is none to be read."""
    try:
        first = next(iter(reader.messages([topic])), None)
    except BagError:  # whoever reads the topic for its frames says what is damaged
        return None
    return None if first is None else str(first.message.header.frame_id).lstrip('/')


def _are_one(ours: str, theirs: str, transforms: TransformTree) -> bool:
    if ours == theirs:
        return True
    between = transforms.find(ours, theirs)
    return between is not None and np.allclose(between, np.eye(4), atol=1e-6)
