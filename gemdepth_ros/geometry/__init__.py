"""Geometry in numpy and float64: transforms, trajectories, clouds. No network, no ROS."""
