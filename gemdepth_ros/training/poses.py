"""The truth about a clip's cameras as the network says it: [T, 9] pose encodings."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from gemdepth_ros.interfaces import Float32Array, Float64Array
from gemdepth_ros.training.config import TranslationUnit

SMALLEST_UNIT_M = 1e-3
MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])


def relative_poses(world_from_camera: Float64Array, mirrored: bool = False) -> Float64Array:
    """Return camera_from_first, float64 [T, 4, 4]; the first is exactly the identity.

    A mirrored picture is what a camera sees in a world mirrored at x = 0 of its own frame:
    with M = diag(-1, 1, 1, 1) coordinates become M x, hence poses M P M.

    Args:
        world_from_camera: float64 [T, 4, 4], optical axes.
        mirrored: whether the pictures are flipped left to right.
    """
    relative: Float64Array = np.linalg.inv(world_from_camera) @ world_from_camera[0]
    relative[0] = np.eye(4)
    return MIRROR @ relative @ MIRROR if mirrored else relative


def translation_unit(
    relative: Float64Array, first_inverse_depth: Float32Array, unit: TranslationUnit
) -> float:
    """Return the length [m] that translations are divided by.

    Args:
        relative: camera_from_first, [T, 4, 4].
        first_inverse_depth: of the clip's first frame [1/m]; 0 is sky.
        unit: 'first_depth': median depth of the first frame, without its sky; 'largest': longest
            translation of the clip.
    """
    if unit == 'largest':
        longest = float(np.linalg.norm(relative[:, :3, 3], axis=1).max())
        return longest if longest > SMALLEST_UNIT_M else 1.0
    seen = first_inverse_depth[first_inverse_depth > 0]
    return max(1.0 / float(np.median(seen)), SMALLEST_UNIT_M) if seen.size else 1.0


def pose_encodings(relative: Float64Array, unit_m: float, fov: Float64Array) -> Float32Array:
    """Return translation, quaternion xyzw (w >= 0) and field of view, float32 [T, 9].

    Args:
        relative: camera_from_first, [T, 4, 4].
        unit_m: length of one unit of translation [m].
        fov: field of view (height, width) of each frame, [T, 2] [rad].
    """
    quaternion = Rotation.from_matrix(relative[:, :3, :3]).as_quat()
    quaternion *= np.where(quaternion[:, 3:] < 0, -1.0, 1.0)
    parts = [relative[:, :3, 3] / unit_m, quaternion, fov]
    return np.concatenate(parts, axis=1).astype(np.float32)


def field_of_view(focal: Float64Array, height: float, width: float) -> Float64Array:
    """Return the angles (height, width) [rad] that a picture spans: 2 atan(side / 2 / focal).

    Args:
        focal: fx, fy [px], [T, 2].
        height: of the picture [px]; need not be whole.
        width: likewise.
    """
    angles: Float64Array = 2.0 * np.arctan(np.array([height, width]) / 2.0 / focal[:, ::-1])
    return angles
