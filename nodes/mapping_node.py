"""Mapping as a node: points and IMU in, fixes and wheels where they are; the map and the robot's place in it out."""

import sys

from nodes.base import PipelineNode
from nodes.description import alone
from nodes.process import run
from perception.pipeline.spec import Pipeline


class MappingNode(PipelineNode):
    """Odometry and mapping in one process, which publishes what the odometry node does, too.

    `map -> odom` corrects one certain odometry. Another process with the same scans may lose some of them, or start
    again, and then its frame `odom` is another one.
    """

    default_name = "mapping"
    stage_names = alone("mapping")

    def chosen(self) -> Pipeline:
        """Mapping, whatever `mapping.is_enabled` says."""
        return self._described.fed_by(self.streams())


def main() -> None:
    """Entry point of the executable `mapping_node`."""
    sys.exit(run(MappingNode))


if __name__ == "__main__":
    main()
