"""LiDAR side: odometry, place recognition, mapping. Knows no ROS."""
