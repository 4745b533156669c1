"""Single rotations, by tf_transformations where it is installed, else by scipy.

It is the quicker one for a single rotation, but has no arrays of them: what is computed for a
whole window at once stays with scipy (``conversions.fill_rotations``).
"""

from __future__ import annotations

from scipy.spatial.transform import Rotation

from gemdepth_ros.interfaces import Float64Array
from gemdepth_ros.ros.distribution import installed

LIBRARY = 'tf_transformations'


def of_quaternion(xyzw: Float64Array) -> Float64Array:
    """Return the matrix of a unit quaternion (x, y, z, w), float64 [3, 3]."""
    library = installed(LIBRARY)
    matrix: Float64Array
    if library is None:
        matrix = Rotation.from_quat(xyzw).as_matrix()
    else:
        matrix = library.quaternion_matrix(xyzw)[:3, :3]
    return matrix


def of_angles(rpy_rad: Float64Array) -> Float64Array:
    """Return the matrix of roll, pitch and yaw, float64 [3, 3].

    Args:
        rpy_rad: [3] about the parent's fixed x, y and z, in this order, as in URDF [rad].
    """
    library = installed(LIBRARY)
    matrix: Float64Array
    if library is None:
        matrix = Rotation.from_euler('xyz', rpy_rad).as_matrix()
    else:
        matrix = library.euler_matrix(*rpy_rad, axes='sxyz')[:3, :3]
    return matrix
