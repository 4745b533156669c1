"""Sources of metres as parameters and topics of the node, for bench_grounding_node.py."""

from __future__ import annotations

from dataclasses import dataclass, field

IMAGE, CAMERA_INFO = '/camera/image_rect', '/camera/camera_info'
WHEELS, IMU, SKY = '/wheel/odometry', '/imu/data', '/ground_truth/sky_mask'
RINGS = (64, 16, 1)

# The node takes the camera's height and tilt from /tf_static.
MOUNTED = {'base_height_m': 0.0}


@dataclass(frozen=True)
class Case:
    """One set of sources.

    Attributes:
        name: for the table.
        sources: of ``grounding`` that are enabled.
        parameters: others of the node.
        inputs: topics of the node that are not the camera's, with those of the bag.
    """

    name: str
    sources: tuple[str, ...]
    parameters: dict[str, object] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)

    def arguments(self, common: dict[str, object]) -> list[str]:
        """Return the command line of the node."""
        remappings = {'image': IMAGE, 'camera_info': CAMERA_INFO, **self.inputs}
        enabled = {f'grounding.{source}.enabled': 'true' for source in self.sources}
        words = ['--ros-args']
        for name, topic in remappings.items():
            words += ['--remap', f'{name}:={topic}']
        for name, value in {**common, **enabled, **self.parameters}.items():
            words += ['--param', f'{name}:={value}']
        return words


def lidar(rings: int) -> dict[str, str]:
    """Return the input of one of the bag's LiDARs."""
    return {'lidar/points': f'/lidar_{rings}/points'}


RELATIVE = Case('relative', ())
CASES = (
    *(Case(f'lidar, rings: {rings}', ('lidar',), inputs=lidar(rings)) for rings in RINGS),
    Case('ground_plane', ('ground_plane',), MOUNTED),
    Case('ground_plane + IMU', ('ground_plane',), {**MOUNTED, 'use_imu': 'true'}, {'imu': IMU}),
    Case('ground_plane + sky', ('ground_plane', 'sky'), MOUNTED, {'sky_mask': SKY}),
    Case('odometry + parallax', ('odometry', 'parallax'), MOUNTED, {'odometry': WHEELS}),
    Case(
        'all but LiDAR',
        ('ground_plane', 'sky', 'odometry', 'parallax'),
        {**MOUNTED, 'use_imu': 'true'},
        {'odometry': WHEELS, 'sky_mask': SKY, 'imu': IMU},
    ),
    Case(
        'all, rings: 16',
        ('lidar', 'ground_plane', 'sky', 'odometry', 'parallax'),
        {**MOUNTED, 'use_imu': 'true'},
        {'odometry': WHEELS, 'sky_mask': SKY, 'imu': IMU, **lidar(16)},
    ),
)


def manual(scale: float, shift: float) -> Case:
    """Return the case of constants that somebody has measured."""
    constants = {'grounding.manual.scale': scale, 'grounding.manual.shift': shift}
    return Case('manual, from the first third', ('manual',), constants)
