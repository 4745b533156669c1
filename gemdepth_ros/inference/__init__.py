"""Running the network over videos (windowed, offline) and over live streams (sessions)."""

from gemdepth_ros.inference.config import StreamingConfig, WindowConfig
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
