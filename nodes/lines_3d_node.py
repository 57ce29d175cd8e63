"""Line segments in space as a node: images, points and IMU in; segments in the frame of each camera out."""

import sys

from nodes.base import PipelineNode
from nodes.description import alone
from nodes.process import run
from perception.pipeline.spec import Pipeline


class Lines3dNode(PipelineNode):
    """Segments in space for the cameras of `input.camera_topics`, or else for the one on the topic `image`.

    The stages before it run in the same process: the odometry moves the points to the time of each image. Only what
    this node is for is published; poses are those of the odometry node.
    """

    default_name = "lines_3d"
    stage_names = alone("lines_3d")
    published = ("lines_3d",)

    def chosen(self) -> Pipeline:
        """Segments in space, whatever `lines.is_enabled` says."""
        return self._described.fed_by(self.streams())

    def streams(self) -> tuple[str, ...]:
        """All sensors, even where the configuration names no topic of a camera."""
        return ("scan", "imu", "image_raw")


def main() -> None:
    """Entry point of the executable `lines_3d_node`."""
    sys.exit(run(Lines3dNode))


if __name__ == "__main__":
    main()
