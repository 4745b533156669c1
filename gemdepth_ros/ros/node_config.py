"""Settings of the node itself; those of the depth pipeline are in ``PipelineConfig``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.ros.calibration import RectifiedInput
from gemdepth_ros.ros.config_fields import check_fields
from gemdepth_ros.ros.conversions import DepthEncoding
from gemdepth_ros.ros.qos import QosMode

TfMode = Literal['none', 'camera']
ImageTransport = Literal['raw', 'compressed']
ODOM_FRAME = 'gemdepth_odom'


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
            leaf `<camera frame>_gemdepth` and the window's key frames.
        odom_frame: name of the frame in which the motion is given; the default gets the node's
            namespace in front, as in front/gemdepth_odom.
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
    depth_encoding: DepthEncoding = '32FC1'
    stale_after_s: float = field(default=2.0, metadata={'min': 0.1, 'max': 3600.0, 'live': True})
    latency_warn_ms: float = field(default=1000.0, metadata={'min': 1.0, 'max': 1e6, 'live': True})
    status_period_s: float = field(default=1.0, metadata={'min': 0.05, 'max': 60.0})
    stop_timeout_s: float = field(default=2.0, metadata={'min': 0.0, 'max': 60.0})
    warm_up_height: int = field(default=0, metadata={'min': 0, 'max': 16384})
    warm_up_width: int = field(default=0, metadata={'min': 0, 'max': 16384})

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.odom_frame or self.odom_frame.startswith('/') or ' ' in self.odom_frame:
            raise ConfigError(
                f"odom_frame must be a frame name without a leading '/', got {self.odom_frame!r}"
            )
        if (self.warm_up_height == 0) != (self.warm_up_width == 0):
            raise ConfigError(
                'warm_up_height and warm_up_width go together, got '
                f'{self.warm_up_height} and {self.warm_up_width}'
            )


def odom_frame_in(namespace: str, odom_frame: str) -> str:
    """Return the odometry frame of a node in ``namespace``: two cameras must not share one.

    A name that the user chose is taken as it is.
    """
    prefix = namespace.strip('/')
    return f'{prefix}/{odom_frame}' if prefix and odom_frame == ODOM_FRAME else odom_frame
