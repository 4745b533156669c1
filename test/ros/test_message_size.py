"""Outputs that one message cannot hold are named with their size."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np

from gemdepth_ros.ros.message_size import LARGEST_MESSAGE, oversized

PROFILE = Path(__file__).parents[2] / 'config' / 'fastdds_shm.xml'


def output(depth=(10, 10), cloud=(5, 5), normals=None):
    return SimpleNamespace(
        relative_depth=np.zeros(depth, np.float32),
        depth_m=None,
        disparity=None,
        preview_rgb=None,
        normals_rgb=None,
        cloud=SimpleNamespace(xyz=np.zeros((*cloud, 3), np.float32), normals=normals),
    )


def test_the_limit_is_that_of_the_profile():
    sizes = {
        element.tag.rsplit('}', 1)[-1]: int(element.text)
        for element in ElementTree.parse(PROFILE).iter()
        if element.tag.endswith(('segment_size', 'maxMessageSize'))
    }
    assert sizes == {'segment_size': LARGEST_MESSAGE, 'maxMessageSize': LARGEST_MESSAGE}


def test_what_fits_is_not_mentioned():
    assert oversized(output()) == ''
    assert oversized(output(cloud=(1024, 1024))) == ''


def test_what_does_not_fit_is_named_with_size_and_remedy():
    text = oversized(output(cloud=(1025, 1024)))
    assert 'points 16 MiB' in text
    assert 'products.cloud_decimation' in text
    assert 'depth' not in text.split(': ', 1)[1].split(';')[0]
    assert 'points 27 MiB' in oversized(output(cloud=(1000, 1000), normals=True))
    assert 'depth 17 MiB' in oversized(output(depth=(2100, 2100)))
