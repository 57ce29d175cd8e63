"""Line segments as a node: images in; segments, vanishing points and attitude beside each, for those who listen."""

import sys

from nodes.base import PipelineNode
from nodes.description import alone
from nodes.process import run
from perception.pipeline.spec import Pipeline


class LinesNode(PipelineNode):
    """Line segments in the images of `input.camera_topics`, or else of the one on the topic `image`.

    The camera stage runs in the same process, so that each image comes over the graph once.
    """

    default_name = "lines"
    stage_names = alone("lines")
    published = ("lines",)

    def chosen(self) -> Pipeline:
        """Line segments, whatever `lines.is_enabled` says."""
        return self._described.fed_by(self.streams())

    def streams(self) -> tuple[str, ...]:
        """Images, even where the configuration names no topic."""
        return ("image_raw",)


def main() -> None:
    """Entry point of the executable `lines_node`."""
    sys.exit(run(LinesNode))


if __name__ == "__main__":
    main()
