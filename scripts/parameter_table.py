"""Write docs/parameters.md from the configuration; needs a sourced ROS 2."""

from __future__ import annotations

from pathlib import Path

from gemdepth_ros.ros.parameter_table import parameter_table

FILE = Path(__file__).parents[1] / 'docs' / 'parameters.md'

if __name__ == '__main__':
    FILE.write_text(parameter_table())
    print(FILE)
