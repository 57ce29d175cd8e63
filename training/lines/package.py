"""Make a packaged model of trained weights: python training/lines/package.py [--taught] WEIGHTS NAME "METRIC=VALUE" ...

Writes perception/models/NAME.safetensors, NAME.onnx and NAME.json (the card). `--taught`: the published network was
the teacher, which the card then says.
"""

import shutil
import sys
from pathlib import Path

from perception.inference.export import Description
from perception.inference.lsdnet_export import write_lsdnet
from perception.inference.model_card import PACKAGED
from perception.networks.lsdnet import load_lsdnet

PICTURES = (
    "Pictures of generated worlds only (`perception pictures --format lines`, seeds below 1000000, "
    "training/lines/README.md); "
)
ALONE = PICTURES + "no recorded image and no weights of others."
TAUGHT = PICTURES + "the published LSDNet, trained on the Wireframe images (research use), taught it on them."
TEACHER = "Apache-2.0; its teacher is BSD-3-Clause, (c) 2022 iitpvisionlab, see the notice beside"
NOTICE = ".LICENSE.txt"


def main(weights: Path, name: str, is_taught: bool, metrics: dict[str, float | str]) -> None:
    """Write the files of one model."""
    description = Description(
        name=name,
        classes=(),
        licence=TEACHER if is_taught else "Apache-2.0",
        training_data=TAUGHT if is_taught else ALONE,
        is_generated_data=not is_taught,  # what a teacher tells comes from its photos
        metrics=metrics,
    )
    write_lsdnet(load_lsdnet(weights), description, PACKAGED)
    if is_taught:
        shutil.copyfile(PACKAGED / f"lsdnet{NOTICE}", PACKAGED / f"{name}{NOTICE}")


def number_or_text(value: str) -> float | str:
    """A number where it is one."""
    try:
        return float(value)
    except ValueError:
        return value


if __name__ == "__main__":
    is_taught = "--taught" in sys.argv
    weights_file, model_name, *pairs = (item for item in sys.argv[1:] if item != "--taught")
    measured = (pair.partition("=") for pair in pairs)
    main(Path(weights_file), model_name, is_taught, {key: number_or_text(value) for key, _, value in measured})
