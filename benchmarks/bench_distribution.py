"""Our code beside the libraries of the ROS distribution that can do the same, in milliseconds.

    python benchmarks/bench_distribution.py [--repeat 500]

sensor_msgs_py and tf_transformations must be installed; docs/node.md says which of the two does
what. A LiDAR's cloud of 120,000 points, a cloud of obstacles of 60,000, a window of 32 poses.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import numpy as np
from bench_messages import measure
from geometry_msgs.msg import Quaternion
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import PointCloud2, PointField

from gemdepth_ros.ros import conversions, point_clouds, rotations
from gemdepth_ros.ros.distribution import installed

LIDAR_POINTS, OBSTACLE_POINTS, WINDOW = 120_000, 60_000, 32
FIELDS = (('x', 0, 7), ('y', 4, 7), ('z', 8, 7), ('intensity', 16, 7), ('ring', 20, 4))
Case = Callable[[], object]


def lidar_cloud() -> PointCloud2:
    """Return a cloud as drivers send it: 32 bytes a point, coordinates first."""
    message = PointCloud2(height=1, width=LIDAR_POINTS, point_step=32, row_step=32 * LIDAR_POINTS)
    message.fields = [
        PointField(name=name, offset=offset, datatype=datatype, count=1)
        for name, offset, datatype in FIELDS
    ]
    message.data.frombytes(bytes(32 * LIDAR_POINTS))
    return message


def clouds(library: object) -> dict[str, tuple[Case, Case]]:
    """Return by name our code and sensor_msgs_py."""
    lidar = lidar_cloud()
    points = np.random.default_rng(0).normal(size=(OBSTACLE_POINTS, 3)).astype(np.float32)
    head = conversions.header(0, 'cam')
    return {
        'read a cloud': (
            lambda: point_clouds.read_points(lidar),
            lambda: library.read_points(lidar, ('x', 'y', 'z')),
        ),
        'write a cloud': (
            lambda: conversions.points_message(points, 0, 'cam'),
            lambda: library.create_cloud_xyz32(head, points),
        ),
    }


def turns(library: object) -> dict[str, tuple[Case, Case]]:
    """Return by name our code (scipy) and tf_transformations."""
    random = Rotation.random(WINDOW, rng=0)
    quaternion, matrices = random[0].as_quat(), random.as_matrix()
    padded = np.tile(np.eye(4), (WINDOW, 1, 1))
    padded[:, :3, :3] = matrices
    messages = [Quaternion() for _ in matrices]
    angles = np.array([0.1, 0.2, 0.3])
    return {
        'one quaternion to a matrix': (
            lambda: Rotation.from_quat(quaternion).as_matrix(),
            lambda: library.quaternion_matrix(quaternion),
        ),
        'roll, pitch and yaw to a matrix': (
            lambda: Rotation.from_euler('xyz', angles).as_matrix(),
            lambda: library.euler_matrix(*angles, axes='sxyz'),
        ),
        'quaternions of a window': (
            lambda: conversions.fill_rotations(messages, matrices),
            lambda: [library.quaternion_from_matrix(matrix) for matrix in padded],
        ),
    }


def main() -> int:
    """Measure and print a table; return 1 when a library is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repeat', type=int, default=500)
    repeat = parser.parse_args().repeat
    found = {name: installed(name) for name in (point_clouds.LIBRARY, rotations.LIBRARY)}
    missing = [name for name, module in found.items() if module is None]
    if missing:
        sys.stderr.write(f'not installed: {", ".join(missing)}\n')
        return 1
    cases = {**clouds(found[point_clouds.LIBRARY]), **turns(found[rotations.LIBRARY])}
    # "Read a cloud" of ours includes the library's reading where it is used.
    print(f'{"median [ms] of " + str(repeat):36}{"ours":>9}{"library":>9}')
    for name, pair in cases.items():
        ours, theirs = (measure(case, repeat)['median_ms'] for case in pair)
        print(f'{name:36}{ours:9.3f}{theirs:9.3f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
