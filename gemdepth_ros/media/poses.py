"""Camera poses of a clip as TUM and JSON files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gemdepth_ros.errors import InferenceError
from gemdepth_ros.interfaces import Float64Array
from gemdepth_ros.media.json_list import JsonListWriter
from gemdepth_ros.media.streamed_frame import StreamedFrame

NOTE = (
    'Poses as the network gives them, window by window. Translations have no unit, and the unit '
    'changes from window to window: this is not one trajectory.'
)


class PoseWriter:
    """Write one pose per frame to ``poses.tum`` and ``poses.json``.

    ``poses.json`` has the network's ``camera_from_world`` (4x4, row by row) and ``intrinsics``
    (3x3, pixels of the frame), and the ``window`` in whose unit the translation is. ``poses.tum``
    has what that format asks for, the camera's place in the world: ``stamp tx ty tz qx qy qz qw``
    of the inverse.
    """

    def __init__(self, folder: Path) -> None:
        self._tum = (folder / 'poses.tum').open('w', encoding='utf-8')
        self._tum.write(f'# {NOTE}\n# world_from_camera: stamp_s tx ty tz qx qy qz qw\n')
        self._json = JsonListWriter(
            folder / 'poses.json',
            {'note': NOTE, 'chained': False, 'axes': 'OpenCV: x right, y down, z forward'},
        )

    def add(self, index: int, stamp_ns: int, result: StreamedFrame) -> None:
        """Write the pose of one frame; an infinite focal length is written as null.

        Args:
            index: 0-based number of the frame.
            stamp_ns: its time [ns].
            result: the predictor's result for it.

        Raises:
            InferenceError: the pose is not finite.
        """
        camera_from_world = result.camera_from_world
        if not np.isfinite(camera_from_world).all():
            raise InferenceError(f'frame {index}: the pose is not finite')
        rotation = camera_from_world[:3, :3].T
        position = -rotation @ camera_from_world[:3, 3]
        numbers = (*position, *quaternion_xyzw(rotation))
        seconds = f'{stamp_ns // 10**9}.{stamp_ns % 10**9:09d}'
        self._tum.write(f'{seconds} {" ".join(f"{float(value):.9g}" for value in numbers)}\n')
        self._json.add(
            {
                'index': index,
                'stamp_ns': stamp_ns,
                'window': result.window,
                'camera_from_world': camera_from_world.tolist(),
                'intrinsics': result.intrinsics.tolist(),
            }
        )

    def close(self) -> None:
        """End both files."""
        self._tum.close()
        self._json.close({})


def quaternion_xyzw(rotation: Float64Array) -> Float64Array:
    """Return the unit quaternion x y z w, w >= 0, of a rotation matrix.

    The largest of the four components is found first and the others are divided by it (Shepperd,
    "Quaternion from rotation matrix", J. Guidance and Control 1, 1978), so nothing is lost near
    half turns.

    Args:
        rotation: float64 [3, 3], orthonormal.
    """
    r = rotation
    trace = float(np.trace(r))
    # Four times the product of each pair of components; row i is 4 q_i (x, y, z, w).
    products = np.array(
        [
            [1 + 2 * r[0, 0] - trace, r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]],
            [r[0, 1] + r[1, 0], 1 + 2 * r[1, 1] - trace, r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]],
            [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], 1 + 2 * r[2, 2] - trace, r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], 1 + trace],
        ]
    )
    row = products[int(np.argmax(np.diag(products)))]
    unit: Float64Array = row / np.linalg.norm(row)
    return unit if unit[3] >= 0 else -unit
