"""From image to network input: the size rule and the normalisation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gemdepth_ros.errors import ImageError
from gemdepth_ros.inference.preprocessing import MEAN, STD, network_size, preprocess

SIDES = st.integers(64, 4000)


@given(height=SIDES, width=SIDES, input_size=st.integers(28, 1000))
def test_sizes_are_multiples_of_a_patch_near_the_aspect_ratio(
    height: int, width: int, input_size: int
) -> None:
    assume(max(height, width) < 4 * min(height, width))
    found_height, found_width = network_size(height, width, input_size)
    assert found_height % 14 == found_width % 14 == 0
    # Each side is rounded to a patch, by half a patch or by a whole one upwards.
    scale = found_height / height
    assert abs(found_width - scale * width) <= 14 * (1 + width / height)
    if max(height, width) <= 1.78 * min(height, width):
        assert min(found_height, found_width) >= input_size


@given(height=SIDES, width=SIDES, input_size=st.integers(28, 1000))
def test_the_rule_does_not_prefer_a_direction(height: int, width: int, input_size: int) -> None:
    assume(max(height, width) < 4 * min(height, width))
    assert network_size(width, height, input_size) == network_size(height, width, input_size)[::-1]


@pytest.mark.parametrize(('height', 'width'), [(0, 10), (10, 0), (-3, 10)])
def test_empty_images_are_refused(height: int, width: int) -> None:
    with pytest.raises(ImageError, match=f'must not be empty, got {width}x{height}'):
        network_size(height, width, 518)


@pytest.mark.parametrize(('height', 'width'), [(1, 100_000), (100_000, 1)])
def test_images_that_would_not_fit_in_memory_are_refused(height: int, width: int) -> None:
    with pytest.raises(ImageError, match='too large: lower input_size'):
        network_size(height, width, 518)


@pytest.mark.parametrize('shape', [(56, 70), (100, 333)])
def test_the_tensor_of_a_flat_image(shape: tuple[int, int]) -> None:
    image = np.empty((*shape, 3), np.uint8)
    image[:] = (255, 0, 51)
    tensor = preprocess(image, (56, 70))
    assert (tensor.shape, tensor.dtype) == ((3, 56, 70), np.float32)
    assert tensor.flags.c_contiguous
    expected = (np.array([1.0, 0.0, 0.2]) - MEAN) / STD
    np.testing.assert_allclose(
        tensor, np.broadcast_to(expected[:, None, None], tensor.shape), 1e-5
    )


def test_an_image_of_the_right_size_is_not_resized() -> None:
    image = np.random.default_rng(0).integers(0, 256, (28, 42, 3), np.uint8)
    tensor = preprocess(image, (28, 42))
    back = (tensor.transpose(1, 2, 0).astype(np.float64) * STD + MEAN) * 255
    np.testing.assert_allclose(back, image, atol=1e-3)


def test_cubic_overshoot_is_kept() -> None:
    """The network was trained on values outside [0, 1]; clipping would change its input."""
    image = np.zeros((20, 20, 3), np.uint8)
    image[:, 10:] = 255
    red = preprocess(image, (56, 56))[0] * STD[0] + MEAN[0]
    assert red.max() > 1.01
    assert red.min() < -0.01


def test_a_view_of_an_image_works() -> None:
    """Cropped and mirrored arrays are not contiguous."""
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    view = image[2:50, ::-1]
    np.testing.assert_array_equal(preprocess(view, (56, 70)), preprocess(view.copy(), (56, 70)))
