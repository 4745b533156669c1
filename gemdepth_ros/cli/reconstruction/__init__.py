"""The parts of ``gemdepth-ros reconstruct``: frames in, one accumulated cloud out."""

DEFAULT_VOXEL_M = 0.1
DEFAULT_MAX_DEPTH_M = 25.0
