"""The vehicle's own outline: read, checked, hidden."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.interfaces import UInt8Array
from gemdepth_ros.pipeline.self_mask import check_self_mask, hide, load_self_mask


def saved(path: Path, image: UInt8Array) -> Path:
    assert cv2.imwrite(str(path), image)
    return path


def bonnet(white: int = 255) -> UInt8Array:
    image = np.zeros((40, 60), np.uint8)
    image[30:] = white
    return image


@pytest.mark.parametrize(
    'image',
    [bonnet(), bonnet(1), cv2.cvtColor(bonnet(), cv2.COLOR_GRAY2BGR)],
    ids=['grey', 'ones', 'colour'],
)
def test_white_is_the_vehicle(tmp_path: Path, image: UInt8Array) -> None:
    mask = load_self_mask(saved(tmp_path / 'mask.png', image))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, bonnet() > 0)


def test_a_mask_without_vehicle_masks_nothing(tmp_path: Path) -> None:
    assert not load_self_mask(saved(tmp_path / 'mask.png', bonnet(0))).any()


def test_masked_depth_is_unknown() -> None:
    depth = torch.rand(40, 60) + 1
    hidden = hide(depth, torch.from_numpy(bonnet() > 0))
    assert torch.isnan(hidden[30:]).all()
    assert torch.equal(hidden[:30], depth[:30])
    assert torch.isfinite(depth).all()


def test_what_is_no_mask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'cannot read the self-mask .*gone\.png: No such file'):
        load_self_mask(tmp_path / 'gone.png')
    (tmp_path / 'text.png').write_text('no image')
    with pytest.raises(ConfigError, match='no image that can be read'):
        load_self_mask(tmp_path / 'text.png')
    (tmp_path / 'empty.png').touch()
    with pytest.raises(ConfigError, match='no image that can be read'):
        load_self_mask(tmp_path / 'empty.png')
    photo = np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)
    with pytest.raises(ConfigError, match='has greys'):
        load_self_mask(saved(tmp_path / 'photo.png', photo))
    with pytest.raises(ConfigError, match='white everywhere'):
        load_self_mask(saved(tmp_path / 'white.png', np.full((4, 4), 255, np.uint8)))


def test_a_mask_of_another_size_is_refused() -> None:
    check_self_mask(bonnet() > 0, 40, 60)
    with pytest.raises(ConfigError, match='self-mask is 60x40 but the image is 1242x375'):
        check_self_mask(bonnet() > 0, 375, 1242)
