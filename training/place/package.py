"""Make the packaged place network of trained weights: python training/place/package.py WEIGHTS "METRIC=VALUE" ...

Writes perception/models/bevplace.safetensors (float16), bevplace.onnx (the encoder) and bevplace.json (the card).
"""

import sys
from pathlib import Path

from perception.inference.export import Description
from perception.inference.model_card import PACKAGED
from perception.inference.rein_export import write_rein
from perception.networks.rein import load_rein

NAME = "bevplace"
TRAINING_DATA = (
    "LiDAR views of generated worlds only (`perception train place`, seeds below 1000000, training/place/README.md); "
    "no recorded scan and no weights of others."
)


def main(weights: Path, metrics: dict[str, float | str]) -> None:
    """Write the files of the model."""
    words = {"licence": "Apache-2.0", "training_data": TRAINING_DATA, "is_generated_data": True}
    write_rein(load_rein(weights), Description(name=NAME, classes=(), metrics=metrics, **words), PACKAGED)


def number_or_text(value: str) -> float | str:
    """A number where it is one."""
    try:
        return float(value)
    except ValueError:
        return value


if __name__ == "__main__":
    pairs = (item.partition("=") for item in sys.argv[2:])
    main(Path(sys.argv[1]), {key: number_or_text(value) for key, _, value in pairs})
