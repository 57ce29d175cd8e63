"""LiDAR-inertial odometry (placeholder, replaced by the filter)."""
