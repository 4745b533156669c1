"""What instruments beside the camera measure on a drive: IMU, wheels, LiDAR.

Each takes the true motion as a function of time and a random generator of its own, so that
leaving one out does not change the others.
"""
