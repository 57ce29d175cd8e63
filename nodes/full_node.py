"""The whole pipeline in one process: items go from stage to stage by reference, results are published."""

import sys

from nodes.base import PipelineNode
from nodes.process import run
from perception.pipeline.full import FULL


class FullNode(PipelineNode):
    """Every stage of the pipeline."""

    default_name = "perception"
    stage_names = tuple(stage.name for stage in FULL.stages)


def main() -> None:
    """Entry point of the executable `full_node`."""
    sys.exit(run(FullNode))


if __name__ == "__main__":
    main()
