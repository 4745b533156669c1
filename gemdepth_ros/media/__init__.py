"""Videos and image folders in; disparity, poses and a comparison video out.

No torch and no ROS: frames and results are numpy arrays. Memory does not grow with the clip.
"""

from __future__ import annotations

from gemdepth_ros.media.colormap import SteadyRange, colour_map
from gemdepth_ros.media.disparity_files import (
    DisparityFormat,
    decode_png16,
    encode_png16,
    read_disparity,
)
from gemdepth_ros.media.frame_tap import FrameTap
from gemdepth_ros.media.result_folder import (
    ResultFolder,
    check_folder,
    write_results,
)
from gemdepth_ros.media.source import FrameSource, MediaFrame, open_source
from gemdepth_ros.media.streamed_frame import StreamedFrame

__all__ = [
    'DisparityFormat',
    'FrameSource',
    'FrameTap',
    'MediaFrame',
    'ResultFolder',
    'SteadyRange',
    'StreamedFrame',
    'check_folder',
    'colour_map',
    'decode_png16',
    'encode_png16',
    'open_source',
    'read_disparity',
    'write_results',
]
