"""One disparity map per file: 16-bit PNG with a stated unit, or lossless npz."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from gemdepth_ros.errors import ImageError, InferenceError
from gemdepth_ros.interfaces import Float32Array

DisparityFormat = Literal['png16', 'npz']
_LEVELS = 65535


def encode_png16(disparity: Float32Array) -> tuple[bytes, float]:
    """Return a disparity map as a 16-bit grey PNG: ``value = round(disparity / unit)``.

    The unit is the smallest power of two with which the map's largest value fits into 16 bits. It
    needs this map only, so that a clip can be written while it is read; a power of two seldom
    changes from frame to frame and divides exactly. The error is at most ``unit / 2``, which is
    less than the map's largest value / 65535.

    Args:
        disparity: float32 [H, W], finite and >= 0.

    Returns:
        The PNG file's content and the unit [disparity per step].
    """
    unit = _unit_for(float(disparity.max()))
    values = np.rint(disparity.astype(np.float64) / unit).astype(np.uint16)
    good, encoded = cv2.imencode('.png', values, (cv2.IMWRITE_PNG_COMPRESSION, 3))
    if not good:
        raise ImageError(f'OpenCV cannot encode a 16-bit PNG of shape {list(disparity.shape)}')
    return encoded.tobytes(), unit


def _unit_for(largest: float) -> float:
    if largest <= 0:
        return 1.0
    # frexp: largest / 65535 = m * 2^e with 0.5 <= m < 1, so 2^e is the next power of two above.
    mantissa, exponent = math.frexp(largest / _LEVELS)
    return math.ldexp(1.0, exponent - 1 if mantissa == 0.5 else exponent)


def decode_png16(content: bytes, unit: float) -> Float32Array:
    """Return the disparity, float32 [H, W], in a PNG of ``encode_png16``."""
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.ndim != 2:
        raise ImageError('not a 16-bit grey PNG')
    return (values.astype(np.float64) * unit).astype(np.float32)


def encode_npz(disparity: Float32Array, stamp_ns: int) -> bytes:
    """Return a compressed npz with ``disparity`` (float32 [H, W], exact) and ``stamp_ns``."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, disparity=disparity, stamp_ns=np.array(stamp_ns, np.int64))
    return buffer.getvalue()


def read_disparity(path: Path, unit: float | None = None) -> Float32Array:
    """Read a disparity map that ``gemdepth-ros infer`` wrote.

    Args:
        path: ``.png`` or ``.npz`` file.
        unit: of a PNG, from ``index.json``.

    Returns:
        Affine-invariant disparity, float32 [H, W], larger is nearer.
    """
    if path.suffix == '.npz':
        with np.load(path, allow_pickle=False) as values:
            return np.asarray(values['disparity'], np.float32)
    if unit is None:
        raise ImageError(f"{path} needs its unit: 'unit' of the frame in index.json")
    return decode_png16(path.read_bytes(), unit)


class DisparityWriter:
    """Write the maps of one clip into a folder, as ``000000.png`` or ``000000.npz`` and so on."""

    def __init__(self, folder: Path, form: DisparityFormat) -> None:
        self._folder = folder
        self._form = form
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, index: int, stamp_ns: int, disparity: Float32Array) -> dict[str, object]:
        """Write one map.

        Returns:
            What the index must say about the file: its path in the result folder and, for a PNG,
            its unit.

        Raises:
            InferenceError: the map has values that are negative, infinite or not a number.
        """
        if not (np.isfinite(disparity) & (disparity >= 0)).all():
            raise InferenceError(
                f'frame {index}: the disparity has values that are negative or not finite; '
                f'nothing was written for it'
            )
        facts: dict[str, object] = {}
        if self._form == 'png16':
            content, facts['unit'] = encode_png16(disparity)
            name = f'{index:06d}.png'
        else:
            content = encode_npz(disparity, stamp_ns)
            name = f'{index:06d}.npz'
        (self._folder / name).write_bytes(content)
        return {'file': f'{self._folder.name}/{name}', **facts}
