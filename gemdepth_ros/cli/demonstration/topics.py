"""The topics of the demonstration."""

from __future__ import annotations

from typing import Final

NODE: Final = '/depth_node'

IMAGE: Final = '/camera/image_rect'
CAMERA_INFO: Final = '/camera/camera_info'
GROUND_TRUTH: Final = '/ground_truth/odometry'
INPUTS: Final = (IMAGE, CAMERA_INFO, GROUND_TRUTH, '/tf_static')
"""Of the player; recorded as well, so that the output bag can be looked at by itself."""

DEPTH: Final = f'{NODE}/relative/depth'
POINTS: Final = f'{NODE}/relative/points'
ODOMETRY: Final = f'{NODE}/odometry'
EVERY_FRAME: Final = (DEPTH, f'{NODE}/relative/camera_info', POINTS, ODOMETRY)
"""Of the node: one message for each processed frame."""

STATUS: Final = f'{NODE}/status'
STAMPED: Final = (*EVERY_FRAME, f'{NODE}/keyframe_poses', '/tf', STATUS)
"""Of the node: they carry the stamps of images."""

OUTPUTS: Final = (*STAMPED, '/diagnostics')
