"""Make the packaged model of trained weights: python training/detection/package.py WEIGHTS NAME "METRIC=VALUE" ...

Writes perception/models/NAME.safetensors (float16), NAME.onnx and NAME.json (the card).
"""

import sys
from pathlib import Path

import torch

from perception.core.classes import DETECTED
from perception.inference.export import Description, write_leyolo
from perception.inference.model_card import PACKAGED, file_entry, write_card
from perception.networks.weights import load_leyolo, save_leyolo

TRAINING_DATA = (
    "Pictures of generated worlds only (`perception pictures`, seeds below 1000000, training/detection/README.md); "
    "no recorded image and no weights of others."
)


def main(weights: Path, name: str, metrics: dict[str, float | str]) -> None:
    """Write the files of one model."""
    network = load_leyolo(weights)
    description = Description(
        name=name,
        classes=tuple(kind.label for kind in DETECTED),
        licence="Apache-2.0",
        training_data=TRAINING_DATA,
        is_generated_data=True,
        metrics=metrics,
    )
    model = write_leyolo(network, description, PACKAGED)
    file = PACKAGED / f"{name}.safetensors"
    save_leyolo(network, file, torch.float16)
    files = {**model.card.files, "weights": file_entry(file)}
    write_card(model.card.model_copy(update={"files": files}), PACKAGED / f"{name}.json")


def number_or_text(value: str) -> float | str:
    """A number where it is one."""
    try:
        return float(value)
    except ValueError:
        return value


if __name__ == "__main__":
    pairs = (item.partition("=") for item in sys.argv[3:])
    main(Path(sys.argv[1]), sys.argv[2], {key: number_or_text(value) for key, _, value in pairs})
