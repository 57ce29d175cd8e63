"""Cameras as a node: images and `camera_info` in; `image_rect` and `camera_info_rect` out, for those who listen."""

import sys

from nodes.base import PipelineNode
from nodes.process import run


class CameraNode(PipelineNode):
    """The camera stage alone, for the cameras of `input.camera_topics`, or else for the one on the topic `image`."""

    default_name = "camera"
    stage_names = ("camera",)

    def streams(self) -> tuple[str, ...]:
        """Images, even where the configuration names no topic."""
        return ("image_raw",)


def main() -> None:
    """Entry point of the executable `camera_node`."""
    sys.exit(run(CameraNode))


if __name__ == "__main__":
    main()
