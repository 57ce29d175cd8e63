"""perception: LiDAR-inertial odometry and camera perception for robots, with or without ROS."""

__version__ = "0.1.0"
