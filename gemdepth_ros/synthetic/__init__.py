"""A small world with exact ground truth, for tests and for demonstrations without real data."""

from gemdepth_ros.synthetic.render import SyntheticDrive, SyntheticFrame, render_drive

__all__ = ['SyntheticDrive', 'SyntheticFrame', 'render_drive']
