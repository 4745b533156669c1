"""The sibling network's weights in the catalogue: names, licences, and the network they fit."""

from __future__ import annotations

import pytest

from gemdepth_ros.hub import CATALOGUE
from gemdepth_ros.hub.catalogue import NETWORKS

VDA = [name for name in CATALOGUE if name.startswith('vda-')]


def test_the_command_lines_know_every_network() -> None:
    from gemdepth_ros.model.vda_config import all_presets

    assert list(NETWORKS) == list(all_presets())


@pytest.mark.parametrize('name', VDA)
def test_an_entry_is_the_preset_of_its_name(name: str) -> None:
    assert CATALOGUE[name].preset == name
    assert name in NETWORKS


def test_six_files_under_their_published_names() -> None:
    assert [(CATALOGUE[name].repo, CATALOGUE[name].filename) for name in VDA] == [
        ('depth-anything/Video-Depth-Anything-Small', 'video_depth_anything_vits.pth'),
        ('depth-anything/Video-Depth-Anything-Base', 'video_depth_anything_vitb.pth'),
        ('depth-anything/Video-Depth-Anything-Large', 'video_depth_anything_vitl.pth'),
        (
            'depth-anything/Metric-Video-Depth-Anything-Small',
            'metric_video_depth_anything_vits.pth',
        ),
        (
            'depth-anything/Metric-Video-Depth-Anything-Base',
            'metric_video_depth_anything_vitb.pth',
        ),
        (
            'depth-anything/Metric-Video-Depth-Anything-Large',
            'metric_video_depth_anything_vitl.pth',
        ),
    ]


@pytest.mark.parametrize('name', VDA)
def test_only_the_small_ones_are_free_for_commerce(name: str) -> None:
    entry = CATALOGUE[name]
    free = name.endswith('small')
    assert entry.licence.startswith('Apache-2.0' if free else 'CC-BY-NC-4.0')
    assert ('no commercial use' in entry.notice) is not free
    assert ('metres' in entry.notice) is ('metric' in name)
