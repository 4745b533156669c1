"""A synthetic drive, written as a bag frame by frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gemdepth_ros.bags.from_recording import TF_STATIC_TOPIC
from gemdepth_ros.bags.qos import LATCHED
from gemdepth_ros.bags.writer import BagWriter, Storage, TimedMessage, in_time_order
from gemdepth_ros.cli.synthesis.camera import Camera
from gemdepth_ros.cli.synthesis.faults import FaultPlan
from gemdepth_ros.cli.synthesis.instruments import (
    ImuTopic,
    Instrument,
    LidarTopic,
    Truth,
    WheelTopic,
)
from gemdepth_ros.cli.synthesis.rig import static_transforms
from gemdepth_ros.geometry.se3 import inverse

if TYPE_CHECKING:
    from gemdepth_ros.cli.synthesis.options import SynthesisOptions
    from gemdepth_ros.interfaces import PinholeIntrinsics
    from gemdepth_ros.synthetic import SyntheticDrive

# Streams of random numbers: each instrument keeps its own whatever else is on the vehicle.
_FAULTS, _WHEELS, _IMU, _LIDAR = range(1, 5)


@dataclass(frozen=True)
class Synthesized:
    """What was written.

    Attributes:
        name: for people.
        camera: intrinsics of the images.
        frames: camera frames that are in the bag.
        messages: all messages.
    """

    name: str
    camera: PinholeIntrinsics
    frames: int
    messages: int


def make_drive(options: SynthesisOptions) -> SyntheticDrive:
    """Return the drive that the options describe.

    Raises:
        ConfigError: the world does not make such a drive, or there is no such device.
    """
    from gemdepth_ros.inference.device import choose_placement
    from gemdepth_ros.synthetic import SyntheticDrive
    from gemdepth_ros.synthetic.config import INDOOR, VARIED, WorldConfig

    device = choose_placement(options.device, 'float32').device
    world = VARIED if options.varied else WorldConfig()
    if options.kind == 'indoor':
        world = INDOOR
    world = dataclasses.replace(world, frame_rate_hz=(options.rate_hz,) * 2)
    size = options.height, options.width
    return SyntheticDrive(
        options.frames, *size, options.seed, kind=options.kind, device=device, config=world
    )


def write_drive(
    options: SynthesisOptions,
    target: Path,
    storage: Storage = Storage.MCAP,
    *,
    compress: bool = False,
    overwrite: bool = False,
    on_frame: Callable[[], None] | None = None,
) -> Synthesized:
    """Render a drive into a bag.

    Args:
        options: what it shall hold.
        target: folder of the bag.
        storage: its storage.
        compress: compress it by zstd.
        overwrite: replace a bag at ``target``.
        on_frame: called after each frame.

    Raises:
        GemDepthError: the drive cannot be made or the bag cannot be written.
    """
    drive = make_drive(options)
    plan = FaultPlan(options.faults, options.frames, _random(options, _FAULTS))
    camera = Camera(drive, options, plan)
    instruments = list(_instruments(drive, options))
    count = 0
    with BagWriter(target, storage, compress=compress, overwrite=overwrite) as writer:
        writer.add_topic(TF_STATIC_TOPIC, 'tf2_msgs/msg/TFMessage', LATCHED)
        for source in (camera, *instruments):
            for topic, kind in source.topics().items():
                writer.add_topic(topic, kind)
        groups = _groups(drive, options, camera, instruments, on_frame)
        for topic, stamp_ns, message in in_time_order(groups):
            writer.write(topic, message, stamp_ns)
            count += 1
    name = f'synthetic {options.kind}, seed {options.seed}'
    return Synthesized(name, drive.camera, int((~plan.dropped).sum()), count)


def _instruments(drive: SyntheticDrive, options: SynthesisOptions) -> Iterator[Instrument]:
    truth = Truth(drive)
    yield truth
    if options.odometry:
        yield WheelTopic(drive, truth, _random(options, _WHEELS))
    if options.imu:
        orientation = options.imu_orientation
        yield ImuTopic(drive, truth, _random(options, _IMU), orientation=orientation)
    for rings in options.lidar_rings:
        random = _random(options, _LIDAR, rings)
        yield LidarTopic(drive, rings, options.lidar_rings, options.lidar_field_deg, random)


def _groups(
    drive: SyntheticDrive,
    options: SynthesisOptions,
    camera: Camera,
    instruments: list[Instrument],
    on_frame: Callable[[], None] | None,
) -> Iterator[list[TimedMessage]]:
    """Yield the messages from each frame to the next; the first has the static transforms."""
    last = options.frames - 1
    for index in range(options.frames):
        # All instruments end with the last frame, with what is measured at its time.
        start_s, end_s = drive.time_s(index), drive.time_s(min(index + 1.0, last + 1e-3))
        group = list(camera.messages(index))
        for instrument in instruments:
            group += instrument.messages(start_s, end_s)
        if index == 0:
            first_ns = min(message.stamp_ns for message in group)
            base_from_camera = inverse(drive.camera_from_base)
            rings, imu = options.lidar_rings, options.imu
            group.insert(0, static_transforms(base_from_camera, rings, imu=imu, stamp_ns=first_ns))
        yield group
        if on_frame is not None:
            on_frame()


def _random(options: SynthesisOptions, *stream: int) -> np.random.Generator:
    return np.random.default_rng([options.seed, *stream])
