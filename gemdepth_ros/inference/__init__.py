"""Running the network over videos (windowed, offline) and over live streams (sessions)."""

from typing import TYPE_CHECKING

from gemdepth_ros.inference.config import StreamingConfig, WindowConfig
from gemdepth_ros.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from gemdepth_ros.inference.group import StreamGroup
    from gemdepth_ros.inference.streaming import StreamOutput, StreamSession
    from gemdepth_ros.inference.windowed import WindowedFrame, WindowedPredictor, WindowedResult

__all__ = [
    'StreamGroup',
    'StreamOutput',
    'StreamSession',
    'StreamingConfig',
    'WindowConfig',
    'WindowedFrame',
    'WindowedPredictor',
    'WindowedResult',
]

__getattr__ = lazy_exports(
    __name__,
    {
        'StreamGroup': 'gemdepth_ros.inference.group',
        'StreamOutput': 'gemdepth_ros.inference.streaming',
        'StreamSession': 'gemdepth_ros.inference.streaming',
        'WindowedFrame': 'gemdepth_ros.inference.windowed',
        'WindowedPredictor': 'gemdepth_ros.inference.windowed',
        'WindowedResult': 'gemdepth_ros.inference.windowed',
    },
)
