"""Opening a KITTI folder, whichever of its layouts it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemdepth_ros.bags import kitti_clip, kitti_odometry, kitti_raw
from gemdepth_ros.bags.kitti_files import KittiOptions
from gemdepth_ros.errors import BagError

if TYPE_CHECKING:
    from pathlib import Path

    from gemdepth_ros.bags.recording import Recording

_LAYOUTS = (
    (kitti_clip.matches, kitti_clip.open_clip, kitti_clip.LOOKED_FOR),
    (kitti_raw.matches, kitti_raw.open_drive, kitti_raw.LOOKED_FOR),
    (kitti_odometry.matches, kitti_odometry.open_sequence, kitti_odometry.LOOKED_FOR),
)


def open_kitti(folder: Path, options: KittiOptions | None = None) -> Recording:
    """Open a KITTI folder; its layout is recognised by its files.

    Args:
        folder: a clip, a drive of the raw data, or a sequence of the odometry benchmark.
        options: what the user may choose.

    Raises:
        BagError: the folder is missing, of no known layout, or damaged.
    """
    if not folder.is_dir():
        raise BagError(f'KITTI folder {folder} does not exist')
    for matches, open_layout, _ in _LAYOUTS:
        if matches(folder):
            return open_layout(folder, options or KittiOptions())
    looked_for = '; '.join(description for *_, description in _LAYOUTS)
    raise BagError(f'{folder} is no KITTI folder. Looked for {looked_for}')
