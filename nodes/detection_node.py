"""Detection as a node: images in; `detections` and `detections_image` beside each of them, for those who listen."""

import sys

from nodes.base import PipelineNode
from nodes.description import alone
from nodes.process import run
from perception.pipeline.spec import Pipeline


class DetectionNode(PipelineNode):
    """Detection on the cameras of `input.camera_topics`, or else on the one on the topic `image`.

    The camera stage runs in the same process, so that each image comes over the graph once.
    """

    default_name = "detection"
    stage_names = alone("detection")
    published = ("detections",)

    def chosen(self) -> Pipeline:
        """Detection, whatever `detection.is_enabled` says."""
        return self._described.fed_by(self.streams())

    def streams(self) -> tuple[str, ...]:
        """Images, even where the configuration names no topic."""
        return ("image_raw",)


def main() -> None:
    """Entry point of the executable `detection_node`."""
    sys.exit(run(DetectionNode))


if __name__ == "__main__":
    main()
