"""ROS bags without ROS: reading, writing and making them through the `rosbags` library.

Nothing here imports rclpy. The folder's parts, from the bytes up: `typestore` (which messages
exist), `stamps`, `images`, `clouds` and `messages` (numpy <-> messages), `writer` and `reader`
(bags), `convert` (bag -> bag), `recording` (typed sensor data), `kitti` (folders -> recording)
and `from_recording` (recording -> bag).
"""
