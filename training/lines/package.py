"""Make a packaged model of trained weights: python training/lines/package.py WEIGHTS NAME "METRIC=VALUE" ...

Writes perception/models/NAME.safetensors, NAME.onnx and NAME.json (the card).
"""

import sys
from pathlib import Path

from perception.inference.export import Description
from perception.inference.lsdnet_export import write_lsdnet
from perception.inference.model_card import PACKAGED
from perception.networks.lsdnet import load_lsdnet

TRAINING_DATA = (
    "Pictures of generated worlds only (`perception pictures --format lines`, seeds below 1000000, "
    "training/lines/README.md); no recorded image and no weights of others."
)


def main(weights: Path, name: str, metrics: dict[str, float | str]) -> None:
    """Write the files of one model."""
    description = Description(
        name=name,
        classes=(),
        licence="Apache-2.0",
        training_data=TRAINING_DATA,
        is_generated_data=True,
        metrics=metrics,
    )
    write_lsdnet(load_lsdnet(weights), description, PACKAGED)


def number_or_text(value: str) -> float | str:
    """A number where it is one."""
    try:
        return float(value)
    except ValueError:
        return value


if __name__ == "__main__":
    pairs = (item.partition("=") for item in sys.argv[3:])
    main(Path(sys.argv[1]), sys.argv[2], {key: number_or_text(value) for key, _, value in pairs})
