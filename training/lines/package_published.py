"""Make the packaged model of the published weights of LSDNet:

    python training/lines/package_published.py LSDNET_NPZ "METRIC=VALUE" ...

LSDNET_NPZ holds the folded convolutions of the published network as `w_00`, `b_00`, ... in the order of its layers.
Writes perception/models/lsdnet.safetensors, lsdnet.onnx and lsdnet.json (the card); the notice of their licence is
perception/models/lsdnet.LICENSE.txt. What the present card says was measured stays, but for the metrics given.
"""

import sys
from pathlib import Path

import numpy as np

from perception.inference.export import Description
from perception.inference.lsdnet_export import write_lsdnet
from perception.inference.model_card import PACKAGED, open_model
from perception.networks.lsdnet import published_lsdnet

NAME = "lsdnet"
NUM_LAYERS = 14
DESCRIPTION = Description(
    name=NAME,
    classes=(),
    licence="BSD-3-Clause, Copyright (c) 2022, iitpvisionlab; the notice is lsdnet.LICENSE.txt beside the card",
    training_data=(
        "Wireframe train split of ShanghaiTech (5000 photos, research use), by the authors of LSDNet; these are their "
        "published weights, batch norms folded."
    ),
)


def main(fixture: Path, metrics: dict[str, float | str]) -> None:
    """Write the files of the model."""
    with np.load(fixture, allow_pickle=False) as arrays:
        weights, biases = ([arrays[f"{kind}_{row:02d}"] for row in range(NUM_LAYERS)] for kind in "wb")
    network = published_lsdnet(weights, biases)
    write_lsdnet(network, DESCRIPTION.model_copy(update={"metrics": {**_measured(), **metrics}}), PACKAGED)


def _measured() -> dict[str, float | str]:
    """What the present card says was measured."""
    if not (PACKAGED / f"{NAME}.json").is_file():
        return {}
    return {key: value for key, value in open_model(NAME).card.metrics.items() if key != "onnx_agreement"}


def number_or_text(value: str) -> float | str:
    """A number where it is one."""
    try:
        return float(value)
    except ValueError:
        return value


if __name__ == "__main__":
    pairs = (item.partition("=") for item in sys.argv[2:])
    main(Path(sys.argv[1]), {key: number_or_text(value) for key, _, value in pairs})
