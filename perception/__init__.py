"""perception: LiDAR-inertial odometry and camera perception for robots, with or without ROS."""

import os

__version__ = "0.1.0"

# One process ends up with several OpenMP runtimes. These must stand before numba is imported; a user's own values win.
os.environ.setdefault("NUMBA_THREADING_LAYER", "omp")  # the others crash or depend on the order of imports
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning pools starve each other on a busy machine
