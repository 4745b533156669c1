"""A bag (ROS 2 mcap or sqlite3, ROS 1) as a source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from gemdepth_ros.bags.reader import BagReader, TopicSummary
from gemdepth_ros.cli.evaluation.bag_truth import (
    CLOUD,
    BagTruth,
    TruthTopics,
    choose_truth_topics,
)
from gemdepth_ros.cli.evaluation.depth_frames import foreign_depth, foreign_notes
from gemdepth_ros.cli.evaluation.given_truth import GivenTruth, given_truth
from gemdepth_ros.cli.evaluation.pipeline_settings import pipeline_config
from gemdepth_ros.cli.evaluation.settings import EvaluationSettings
from gemdepth_ros.cli.evaluation.source import EvaluationSource, Findings, SourceFrame
from gemdepth_ros.cli.evaluation.truth_files import FrameKey, looked_up
from gemdepth_ros.cli.reconstruction.bag_frames import BagFrames
from gemdepth_ros.cli.reconstruction.recording import (
    BAG_SUFFIXES,
    SourceOptions,
    image_and_info,
)
from gemdepth_ros.cli.reconstruction.sensors import (
    NOT_WANTED,
    SensorTopics,
    choose_topics,
    static_transforms,
)
from gemdepth_ros.errors import BagError


def is_bag(path: Path) -> bool:
    """Return whether the path is a bag, finished or not."""
    if path.suffix in BAG_SUFFIXES or (path / 'metadata.yaml').is_file():
        return True
    return path.is_dir() and any(item.suffix in BAG_SUFFIXES for item in path.iterdir())


def open_bag_source(path: Path, settings: EvaluationSettings) -> EvaluationSource:
    """Open a bag with the truth that it holds or that the settings name.

    Raises:
        GemDepthError: the bag is damaged, or a topic is missing.
    """
    with BagReader(path) as reader:
        topics = reader.topics
        storage = reader.summary.storage
        problems: list[str] = []
        transforms = static_transforms(reader, problems.append)
        options = SourceOptions(topic=settings.topic, intrinsics=settings.intrinsics)
        summary, info = image_and_info(path, topics, options)
        image, count = summary.name, summary.message_count
        if not count:
            raise BagError(f'bag {path} holds no messages of {image}: nothing to evaluate')
        truth = given_truth(settings)
        automatic = truth.automatic
        foreign = foreign_depth(reader, image, truth.topics, transforms, automatic=automatic)
    chosen = choose_truth_topics(
        topics, truth.topics, truth.mask_topic, automatic=automatic, foreign=foreign
    )
    problems += foreign_notes(foreign, automatic=automatic)

    def frames(findings: Findings) -> Iterator[SourceFrame]:
        if not info and settings.intrinsics is None:
            findings.note(
                f'no camera_info beside {image}: the field of view is a guess of the network'
            )
        for problem in problems:
            findings.note(problem)
        sensors = _grounding_topics(settings, topics, findings)
        held = BagTruth(path, chosen, topics, transforms, settings.tolerance_ns, findings)
        images = BagFrames(
            path, image, info, settings.intrinsics, sensors, findings.note, findings.bad_image
        )
        return _frames(images, held, truth, chosen, findings)

    return EvaluationSource(
        kind=f'rosbag {storage}' if storage == 'ros1' else f'rosbag2 {storage}',
        description=f'{image} of {path}',
        open=frames,
        count=count,
        depth_truth=_depth_words(chosen, topics, truth),
        pose_truth=f'odometry {chosen.poses}' if chosen.poses else truth.pose_words,
        mask_truth=f'masks {chosen.masks}' if chosen.masks else truth.mask_words,
    )


def _frames(
    images: BagFrames,
    held: BagTruth,
    truth: GivenTruth,
    chosen: TruthTopics,
    findings: Findings,
) -> Iterator[SourceFrame]:
    for number, video, readings in images.numbered():
        key = FrameKey(number, number, video.stamp_ns)
        depth = held.depth(video) if chosen.depth else None
        pose = held.pose(video) if chosen.poses else None
        mask = held.mask(video) if chosen.masks else None
        yield SourceFrame(
            number,
            video,
            depth if truth.depth is None else looked_up(truth.depth, key, 'depth maps', findings),
            pose if truth.poses is None else looked_up(truth.poses, key, 'poses', findings),
            mask if truth.masks is None else looked_up(truth.masks, key, 'masks', findings),
            readings,
        )


def _depth_words(
    chosen: TruthTopics, topics: Mapping[str, TopicSummary], truth: GivenTruth
) -> str:
    if not chosen.depth or truth.depth is not None:
        return truth.depth_words
    cloud = topics[chosen.depth].message_type == CLOUD
    return f'LiDAR {chosen.depth}, projected' if cloud else f'depth images {chosen.depth}'


def _grounding_topics(
    settings: EvaluationSettings, topics: Mapping[str, TopicSummary], findings: Findings
) -> SensorTopics:
    """Return the sensors that enabled sources of metres need."""
    enabled = pipeline_config(settings).grounding.enabled_sources

    def wish(source: str) -> str:
        return '' if source in enabled else NOT_WANTED

    return choose_topics(topics, wish('lidar'), wish('odometry'), findings.note)
