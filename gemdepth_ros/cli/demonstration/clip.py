"""The clip of the demonstration, as a bag: a KITTI folder, or one that the package renders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gemdepth_ros.cli.demonstration.folder import claim
from gemdepth_ros.cli.demonstration.run import Clip

if TYPE_CHECKING:
    from gemdepth_ros.interfaces import PinholeIntrinsics

SYNTHETIC_FRAMES = 60
SYNTHETIC_SIZE = (188, 621)  # half of KITTI's: rendering takes longer than all the rest
SYNTHETIC_SEED = 0


def make_clip(folder: Path | None, frames: int | None, target: Path) -> tuple[str, Clip]:
    """Write the input bag, the first thing that a demonstration writes.

    Args:
        folder: in one of the layouts of KITTI; None renders a street.
        frames: how many; None takes all, or 60 of the street.
        target: folder of the bag, in the folder of the demonstration; a bag there is replaced.

    Returns:
        Name of the clip, and the clip.

    Raises:
        BagError: the folder cannot be read or the bag cannot be written.
        ConfigError: the folder around ``target`` holds something else than a demonstration.
    """
    from gemdepth_ros.bags.reader import BagReader

    claim(target.parent)
    name, camera = _street(frames, target) if folder is None else _kitti(folder, frames, target)
    with BagReader(target) as reader:
        seconds = reader.summary.duration_ns / 1e9
    return name, Clip(target, seconds, (camera.height, camera.width))


def _street(frames: int | None, target: Path) -> tuple[str, PinholeIntrinsics]:
    from gemdepth_ros.cli.synthesis.options import SynthesisOptions
    from gemdepth_ros.cli.synthesis.write import write_drive

    height, width = SYNTHETIC_SIZE
    options = SynthesisOptions(
        frames=frames or SYNTHETIC_FRAMES,
        height=height,
        width=width,
        seed=SYNTHETIC_SEED,
        lidar_rings=(),  # nobody listens to one
    )
    made = write_drive(options, target, overwrite=True)
    return made.name, made.camera


def _kitti(folder: Path, frames: int | None, target: Path) -> tuple[str, PinholeIntrinsics]:
    from gemdepth_ros.bags.from_recording import write_recording
    from gemdepth_ros.bags.kitti import open_kitti
    from gemdepth_ros.bags.kitti_files import KittiOptions

    recording = open_kitti(folder, KittiOptions()).part(0, frames)
    write_recording(recording, target, overwrite=True)
    return folder.resolve().name, recording.rig.camera
