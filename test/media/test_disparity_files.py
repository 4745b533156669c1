"""Disparity maps as files: what is written can be read back, within the stated error."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from gemdepth_ros.errors import ImageError, InferenceError
from gemdepth_ros.media import decode_png16, encode_png16, read_disparity
from gemdepth_ros.media.disparity_files import DisparityWriter

MAPS = stn.arrays(
    np.float32,
    stn.array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.floats(0, 2.0**127, width=32, allow_subnormal=False),
)


@settings(max_examples=200, deadline=None)
@given(MAPS)
def test_png_error_is_at_most_half_a_unit(disparity: np.ndarray) -> None:
    content, unit = encode_png16(disparity)
    error = np.abs(decode_png16(content, unit).astype(np.float64) - disparity)
    largest = float(disparity.max())
    rounding = largest * 2**-23  # of float32 itself
    assert error.max() <= unit / 2 + rounding
    if largest > 0:
        assert unit <= 2 * largest / 65535
        assert np.log2(unit) == round(np.log2(unit))


def test_unit_is_steady_while_the_range_is() -> None:
    units = {
        encode_png16(np.array([[largest]], np.float32))[1] for largest in np.linspace(9, 15, 50)
    }
    assert units == {2.0**-12}


def test_unit_at_an_exact_power_of_two() -> None:
    content, unit = encode_png16(np.array([[65535.0, 1.0]], np.float32))
    assert unit == 1.0
    assert decode_png16(content, unit).tolist() == [[65535.0, 1.0]]


def test_any_reader_sees_a_16_bit_grey_image(tmp_path: Path) -> None:
    facts = DisparityWriter(tmp_path / 'disparity', 'png16').write(
        3, 0, np.array([[0, 1], [2, 4]], np.float32)
    )
    assert facts == {'file': 'disparity/000003.png', 'unit': 2.0**-13}
    values = cv2.imread(str(tmp_path / str(facts['file'])), cv2.IMREAD_UNCHANGED)
    assert values.dtype == np.uint16
    assert values.tolist() == [[0, 8192], [16384, 32768]]


def test_npz_is_exact(tmp_path: Path) -> None:
    disparity = np.random.default_rng(0).random((9, 7), np.float32)
    facts = DisparityWriter(tmp_path / 'disparity', 'npz').write(12, 123456789012345678, disparity)
    path = tmp_path / str(facts['file'])
    assert path.name == '000012.npz'
    assert np.array_equal(read_disparity(path), disparity)
    assert int(np.load(path)['stamp_ns']) == 123456789012345678


@pytest.mark.parametrize('value', [np.nan, np.inf, -1.0])
@pytest.mark.parametrize('form', ['png16', 'npz'])
def test_what_must_not_be_published_is_refused(tmp_path: Path, value: float, form: str) -> None:
    disparity = np.ones((4, 4), np.float32)
    disparity[1, 2] = value
    with pytest.raises(InferenceError, match='frame 5'):
        DisparityWriter(tmp_path, form).write(5, 0, disparity)
    assert not list(tmp_path.iterdir())


def test_png_without_its_unit(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r'index\.json'):
        read_disparity(tmp_path / '000000.png')


def test_other_png_is_no_disparity() -> None:
    content = cv2.imencode('.png', np.zeros((3, 3, 3), np.uint8))[1].tobytes()
    with pytest.raises(ImageError, match='16-bit'):
        decode_png16(content, 1.0)
