"""LiDAR-inertial odometry as a node: `points` and `imu` in; `odometry`, `odometry_imu`, `path`, clouds and TF out."""

import sys

from nodes.base import PipelineNode
from nodes.process import run


class OdometryNode(PipelineNode):
    """The odometry stage alone, for a graph of several processes."""

    default_name = "odometry"
    stage_names = ("odometry",)


def main() -> None:
    """Entry point of the executable `odometry_node`."""
    sys.exit(run(OdometryNode))


if __name__ == "__main__":
    main()
