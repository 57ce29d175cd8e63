"""Mapping: odometry, place recognition, pose graph and saved maps joined. Knows no ROS."""
