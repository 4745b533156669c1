"""Temporal depth and camera motion from one camera, as a ROS 2 node and as a library.

The interface generator installs ``gemdepth_ros.msg`` beside this package in a colcon prefix;
``extend_path`` lets it be found from the source tree and from an editable install as well.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
__version__ = '0.1.0'
