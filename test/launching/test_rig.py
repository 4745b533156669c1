"""Rig descriptions: what they mean, and that a mistake is one clear line."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.launching.rig import load_rig
from gemdepth_ros.pipeline.config import MountingConfig
from gemdepth_ros.pipeline.metres import camera_mounting

CONFIG = Path(__file__).parents[2] / 'config'
CAMERA = {'optical_frame': 'cam', 'parent': 'base_link', 'xyz_m': [1.0, 0.2, 1.5]}
RIG: dict[str, Any] = {'rig': {'base_height_m': 0.1, 'cameras': {'front': CAMERA}}}


def written(folder: Path, content: Any) -> Path:
    path = folder / 'rig.yaml'
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def changed(**values: Any) -> dict[str, Any]:
    """The rig with other values of its camera."""
    result = copy.deepcopy(RIG)
    result['rig']['cameras']['front'].update(values)
    return result


@pytest.mark.parametrize('path', sorted(CONFIG.glob('rig_*.yaml')), ids=lambda path: path.name)
def test_the_shipped_rigs_load(path: Path) -> None:
    rig = load_rig(path)
    assert rig.base_frame == 'base_link'
    assert {edge.child for edge in rig.transforms} >= {c.frame for c in rig.cameras.values()}
    assert all(1.0 < camera.height_m < 2.5 for camera in rig.cameras.values())


def test_a_camera_that_looks_ahead_has_optical_axes(tmp_path: Path) -> None:
    (edge,) = load_rig(written(tmp_path, RIG)).transforms
    assert (edge.parent, edge.child) == ('base_link', 'cam')
    # A point 10 m ahead, 2 m to the right and 1 m below the camera.
    found = edge.parent_from_child @ [2.0, 1.0, 10.0, 1.0]
    np.testing.assert_allclose(found[:3], [11.0, -1.8, 0.5], atol=1e-12)


def test_height_counts_from_the_ground_through_all_frames(tmp_path: Path) -> None:
    rig = changed(parent='mast', xyz_m=[0.0, 0.0, 0.3], rpy_deg=[0.0, 7.0, 0.0])
    rig['rig']['frames'] = {
        'mast': {'parent': 'roof', 'xyz_m': [0.0, 0.0, 0.5]},
        'roof': {'parent': 'base_link', 'xyz_m': [0.0, 0.0, 1.2], 'rpy_deg': [0, 0, 180]},
    }
    loaded = load_rig(written(tmp_path, rig))
    camera = loaded.cameras['front']
    assert camera.height_m == pytest.approx(2.1)
    assert camera.pitch_deg == pytest.approx(7.0)
    assert [edge.child for edge in loaded.transforms] == ['roof', 'mast', 'cam']


@settings(max_examples=60, deadline=None)
@given(st.floats(-40, 40), st.floats(-60, 60), st.floats(-180, 180), st.floats(0.3, 4.0))
def test_the_mounting_is_the_pose_that_the_transforms_give(
    roll: float, pitch: float, yaw: float, height: float
) -> None:
    """Up to a turn about the vertical and the place, which a mounting does not have."""
    rig = changed(xyz_m=[1.0, -2.0, height], rpy_deg=[roll, pitch, yaw])
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_rig(written(Path(folder), rig))
    camera = loaded.cameras['front']
    mounting = camera_mounting(
        MountingConfig(
            height_m=camera.height_m, pitch_deg=camera.pitch_deg, roll_deg=camera.roll_deg
        )
    )
    assert mounting is not None
    assert mounting.base_from_camera is not None
    np.testing.assert_allclose(
        mounting.base_from_camera[2, :3], loaded.transforms[0].parent_from_child[2, :3], atol=1e-6
    )
    assert camera.height_m == pytest.approx(height + 0.1, abs=1e-5)


def test_a_mask_lies_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / 'bonnet.png').write_bytes(b'any')
    camera = load_rig(written(tmp_path, changed(self_mask='bonnet.png'))).cameras['front']
    assert camera.parameters()['products.self_mask'] == str(tmp_path / 'bonnet.png')
    assert (
        'products.self_mask' not in load_rig(written(tmp_path, RIG)).cameras['front'].parameters()
    )


def with_frames(**frames: Any) -> dict[str, Any]:
    result = copy.deepcopy(RIG)
    result['rig']['frames'] = frames
    return result


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        ('rig: [1, 2', 'while parsing a flow sequence'),
        ('!!python/object/apply:os.system ["true"]', 'could not determine a constructor'),
        ('rig: {cameras: {a: {}, a: {}}}', "'a' is there twice"),
        ('', 'must be a mapping of names, got None'),
        ('rig: {1: 2}', 'must be a mapping of names'),
        ({'rigs': {}}, "unknown entry 'rigs'; known: rig"),
        ({'rig': {}}, 'has no cameras'),
        ({'rig': {'cameras': {'front': {}}}}, 'cameras.front.parent is missing'),
        (changed(hight_m=1.0), "cameras.front has an unknown entry 'hight_m'; known: optical"),
        (changed(xyz_m=[1, 2]), 'cameras.front.xyz_m must be three numbers, got [1, 2]'),
        (changed(xyz_m=[1, 2, True]), 'must be three numbers'),
        (changed(xyz_m=[1, 2, float('inf')]), 'must be three numbers'),
        (changed(xyz_m=[0, 0, -0.1]), 'would be 0 m above the ground'),
        (changed(optical_frame='/cam'), "without spaces or leading '/', got '/cam'"),
        (changed(optical_frame='base_link'), "'base_link' has two parents, or is the base"),
        (changed(parent='roof'), "the parent 'roof' of 'cam' does not lead to 'base_link'"),
        (changed(rectified='maybe'), "must be one of auto, true, false, got 'maybe'"),
        (changed(self_mask='no.png'), 'self_mask: there is no file'),
        (changed(image='two words'), "image cannot be 'two words'"),
        (changed(image=5), 'image cannot be 5'),
        ({'rig': {'cameras': {'1st': CAMERA}}}, 'is no camera name'),
        ({'rig': {'base_height_m': 'low', 'cameras': {'a': CAMERA}}}, 'must be a number'),
        (with_frames(a={'parent': 'b'}, b={'parent': 'a'}), 'does not lead to'),
        (with_frames(cam={'parent': 'base_link'}), "'cam' has two parents"),
        (with_frames(a={'parent': 'base_link', 'child': 'b'}), "unknown entry 'child'"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, content: Any, words: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        load_rig(path)
    assert words in str(caught.value)
    assert '\n' not in str(caught.value)
    assert str(path) in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='No such file'):
        load_rig(tmp_path / 'none.yaml')
    with pytest.raises(ConfigError, match='too many for a rig description'):
        load_rig(written(tmp_path, '# ' + 'x' * (1 << 20)))
    (tmp_path / 'binary.yaml').write_bytes(b'\xff\xfe\x00\x01')
    with pytest.raises(ConfigError, match='rig '):
        load_rig(tmp_path / 'binary.yaml')
