"""Settings of the node itself; those of the depth pipeline are in ``PipelineConfig``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.ros.calibration import RectifiedInput
from gemdepth_ros.ros.config_fields import check_fields
from gemdepth_ros.ros.conversions import DepthEncoding
from gemdepth_ros.ros.qos import QosMode

TfMode = Literal['none', 'camera', 'odom_to_base', 'inverted']
ImageTransport = Literal['raw', 'compressed']
ODOM_FRAME = 'gemdepth_odom'
BASE_MODES = ('odom_to_base', 'inverted')


@dataclass(frozen=True)
class NodeConfig:
    """Topics, frames, time and supervision.

    Attributes:
        autostart: configure and activate without a lifecycle manager.
        image_transport: subscribe `image` (raw) or `image/compressed` (compressed).
        qos: reliability of the input subscriptions; auto follows what the publishers offer.
        input_is_rectified: whether the images are rectified; auto decides from the topic's name,
            D, and whether K fits the image.
        camera_info_tolerance_s: an image takes the newest CameraInfo whose stamp is at most this
            far from its own when there is none with the same stamp [s]; without one, the camera's
            last CameraInfo stays in force.
        tf_mode: none publishes no transforms; camera publishes odom_frame -> the camera's own
            leaf `<camera frame>_gemdepth` and the window's key frames; odom_to_base publishes
            odom_frame -> base_frame, which nobody else may publish; inverted publishes
            base_frame -> odom_frame, a leaf beside a localisation that owns the base. The last
            two need the static transform from base_frame to the camera, and metres.
        odom_frame: name of the frame in which the motion is given; the default gets the node's
            namespace in front, as in front/gemdepth_odom, and is odom for tf_mode odom_to_base.
        base_frame: the vehicle's frame, x forward and z up, of odom_to_base, inverted and
            base_height_m, and of odometry without a child_frame_id.
        base_height_m: height of base_frame above the ground, 0 for a base_footprint [m]; then
            the static transform to the camera replaces mounting.*; NaN: it does not.
        path_poses: poses that ~/path keeps; when it is full every second one is dropped.
        path_period_s: ~/path is sent at most this often [s].
        use_imu: subscribe `imu`, whose orientation tells grounding.ground_plane which way is
            down.
        depth_encoding: of ~/depth/image_rect; 32FC1 is metres, 16UC1 millimetres.
        stale_after_s: a warning appears when no image came for this long [s].
        latency_warn_ms: a warning appears when the p99 latency exceeds this [ms]; a collision
            monitor with source_timeout 1.0 stops the robot beyond 1000.
        status_period_s: period of ~/status between frames [s].
        stop_timeout_s: how long a stop waits for the frame in work [s].
        warm_up_height: image height of a trial run while configuring; 0 makes none [px].
        warm_up_width: image width of a trial run while configuring; 0 makes none [px].
    """

    autostart: bool = True
    image_transport: ImageTransport = 'raw'
    qos: QosMode = 'auto'
    input_is_rectified: RectifiedInput = 'auto'
    camera_info_tolerance_s: float = field(
        default=1.0, metadata={'min': 0.0, 'max': 3600.0, 'live': True}
    )
    tf_mode: TfMode = 'none'
    odom_frame: str = ODOM_FRAME
    base_frame: str = 'base_link'
    base_height_m: float = math.nan
    path_poses: int = field(default=500, metadata={'min': 2, 'max': 5000})
    path_period_s: float = field(default=1.0, metadata={'min': 0.0, 'max': 3600.0})
    use_imu: bool = False
    depth_encoding: DepthEncoding = '32FC1'
    stale_after_s: float = field(default=2.0, metadata={'min': 0.1, 'max': 3600.0, 'live': True})
    latency_warn_ms: float = field(default=1000.0, metadata={'min': 1.0, 'max': 1e6, 'live': True})
    status_period_s: float = field(default=1.0, metadata={'min': 0.05, 'max': 60.0})
    stop_timeout_s: float = field(default=2.0, metadata={'min': 0.0, 'max': 60.0})
    warm_up_height: int = field(default=0, metadata={'min': 0, 'max': 16384})
    warm_up_width: int = field(default=0, metadata={'min': 0, 'max': 16384})

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ('odom_frame', 'base_frame'):
            frame = getattr(self, name)
            if not frame or frame.startswith('/') or ' ' in frame:
                raise ConfigError(
                    f"{name} must be a frame name without a leading '/', got {frame!r}"
                )
        if self.odom_frame == self.base_frame:
            raise ConfigError(f'odom_frame and base_frame must differ, both are {frame!r}')
        if (self.warm_up_height == 0) != (self.warm_up_width == 0):
            raise ConfigError(
                'warm_up_height and warm_up_width go together, got '
                f'{self.warm_up_height} and {self.warm_up_width}'
            )


def odom_frame_in(namespace: str, config: NodeConfig) -> str:
    """Return the odometry frame of a node in ``namespace``: two cameras must not share one.

    A name that the user chose is taken as it is. The parent of a base has the name of REP 105.
    """
    if config.odom_frame != ODOM_FRAME:
        return config.odom_frame
    name = 'odom' if config.tf_mode == 'odom_to_base' else ODOM_FRAME
    prefix = namespace.strip('/')
    return f'{prefix}/{name}' if prefix else name
