"""What the launch files are made of: arguments, rig descriptions, and the processes they start.

Only ``description``, ``actions`` and ``replay`` import launch and launch_ros, which come with a
ROS distribution; the tables and the rig loader work without.
"""
