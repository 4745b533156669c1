"""A rig description: where the cameras sit, what they are called, and what they see of the car.

The file is YAML (see config/rig_kitti.yaml). Everything in it is checked; a mistake is one line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.geometry import se3
from gemdepth_ros.interfaces import Float64Array
from gemdepth_ros.launching.rig_file import Section, read_yaml
from gemdepth_ros.launching.rig_geometry import (
    BODY_FROM_OPTICAL,
    base_from_frames,
    pitch_and_roll,
    transform,
)

CAMERA_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*')
RECTIFIED = ('auto', 'true', 'false')
TOPIC = re.compile(r'[A-Za-z/][A-Za-z0-9_/]*')


@dataclass(frozen=True, eq=False)
class StaticTransform:
    """One edge of /tf_static.

    Attributes:
        parent: frame.
        child: frame.
        parent_from_child: float64 [4, 4], translation in metres.
    """

    parent: str
    child: str
    parent_from_child: Float64Array


@dataclass(frozen=True)
class RigCamera:
    """One camera of a rig.

    Attributes:
        name: of the camera; its node gets it as namespace where there are several.
        frame: the optical frame, which its images carry.
        image: image topic, or empty.
        camera_info: camera_info topic, or empty.
        rectified: whether the images are rectified: auto, true or false.
        self_mask: PNG in which the vehicle is white, or empty.
        height_m: above the ground [m].
        pitch_deg: angle of the optical axis below the horizon [deg].
        roll_deg: > 0 when the image's right side hangs lower [deg].
    """

    name: str
    frame: str
    image: str
    camera_info: str
    rectified: str
    self_mask: str
    height_m: float
    pitch_deg: float
    roll_deg: float

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the camera's node."""
        values = {
            'mounting.height_m': self.height_m,
            'mounting.pitch_deg': self.pitch_deg,
            'mounting.roll_deg': self.roll_deg,
            'input_is_rectified': self.rectified,
        }
        return values | ({'products.self_mask': self.self_mask} if self.self_mask else {})


@dataclass(frozen=True, eq=False)
class Rig:
    """Cameras on a vehicle.

    Attributes:
        base_frame: the vehicle's frame, x forward, y left, z up.
        cameras: by name, in the order of the file.
        transforms: static ones, from the base outwards.
    """

    base_frame: str
    cameras: Mapping[str, RigCamera]
    transforms: tuple[StaticTransform, ...]


def load_rig(path: Path | str) -> Rig:
    """Read a rig description.

    Raises:
        ConfigError: the file cannot be read, or something in it is wrong.
    """
    path = Path(path).expanduser()
    rig = Section(f'rig {path}', read_yaml(path)).only('rig').section('rig')
    rig.only('base_frame', 'base_height_m', 'frames', 'cameras')
    base_frame = rig.frame('base_frame', 'base_link')
    frames = [_frame(name, part) for name, part in rig.parts('frames')]
    sections = dict(rig.parts('cameras'))
    if not sections:
        raise ConfigError(f'{rig.where} has no cameras: name one at least')
    frames += [_camera_frame(part) for part in sections.values()]
    ordered, base_from = base_from_frames(rig.where, base_frame, frames)
    height_m = rig.number('base_height_m', 0.0)
    cameras = {}
    for name, part in sections.items():
        base_from_camera = base_from[part.frame('optical_frame')]
        cameras[name] = _camera(name, part, base_from_camera, height_m, path.parent)
    edges = tuple(StaticTransform(*edge) for edge in ordered)
    return Rig(base_frame, cameras, edges)


def _frame(name: str, part: Section) -> tuple[str, str, Float64Array]:
    part.only('parent', 'xyz_m', 'rpy_deg')
    part.check_frame(name)
    return part.frame('parent'), name, transform(part.vector('xyz_m'), part.vector('rpy_deg'))


def _camera_frame(part: Section) -> tuple[str, str, Float64Array]:
    """The optical frame: ``rpy_deg`` turns a body with x along the view, then come its axes."""
    body = transform(part.vector('xyz_m'), part.vector('rpy_deg'))
    optical = se3.from_parts(BODY_FROM_OPTICAL, body[:3, 3] * 0)
    return part.frame('parent'), part.frame('optical_frame'), body @ optical


def _camera(
    name: str, part: Section, base_from_camera: Float64Array, base_height_m: float, folder: Path
) -> RigCamera:
    part.only('optical_frame', 'parent', 'xyz_m', 'rpy_deg', 'image', 'camera_info',
              'rectified', 'self_mask')  # fmt: skip
    if not CAMERA_NAME.fullmatch(name):
        raise ConfigError(
            f'{part.where} is no camera name: letters, digits and _ after a letter, it becomes a '
            'namespace'
        )
    height_m = base_height_m + float(base_from_camera[2, 3])
    if not height_m > 0:
        raise ConfigError(
            f'{part.where} would be {height_m:g} m above the ground: its height is base_height_m '
            'and the z of its transforms'
        )
    pitch_rad, roll_rad = pitch_and_roll(base_from_camera)
    return RigCamera(
        name=name,
        frame=part.frame('optical_frame'),
        image=part.word('image', '', TOPIC),
        camera_info=part.word('camera_info', '', TOPIC),
        rectified=part.choice('rectified', RECTIFIED),
        self_mask=_mask(part, folder),
        height_m=round(height_m, 6),  # and no -0.0 below
        pitch_deg=round(math.degrees(pitch_rad), 6) + 0.0,
        roll_deg=round(math.degrees(roll_rad), 6) + 0.0,
    )


def _mask(part: Section, folder: Path) -> str:
    text = part.word('self_mask', '')
    if not text:
        return ''
    mask = (folder / Path(text).expanduser()).resolve()
    if not mask.is_file():
        raise ConfigError(f'{part.where}.self_mask: there is no file {mask}')
    return str(mask)
