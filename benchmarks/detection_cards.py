"""Writes measured accuracies into model cards: `python -m benchmarks.detection_cards RESULT.json [FOLDER OF CARDS]`."""

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.detection_accuracy import BF16_LOSS, COCO, GENERATED, KITTI, MODELS
from benchmarks.peers import OURS
from benchmarks.result import Result, read
from perception.inference.model_card import PACKAGED, ModelCard, read_card, write_card

SHOWN = ("AP", "AP50")
AP_LOSS = "ap_loss_bf16"  # what `auto` reads


def update(result: Result, folder: Path) -> list[str]:
    """Put the numbers of a result into the cards in `folder`; the names of those that were written.

    Numbers of the same images replace older ones; metrics that the result does not have stay. Raises `ModelError`.
    """
    written = []
    for name in MODELS:
        path, found = folder / f"{name}.json", dict(measured(result, name))
        if path.is_file() and found:
            card = read_card(path)
            metrics = {key: value for key, value in card.metrics.items() if key not in found} | found
            write_card(ModelCard.model_validate(card.model_dump() | {"metrics": metrics}), path)
            written.append(name)
    return written


def measured(result: Result, name: str) -> Iterator[tuple[str, float]]:
    """Names and values of the metrics of one model: percent with one decimal, points of AP with two."""
    for place in (GENERATED, COCO, KITTI):
        data = f"{place}, {name}"
        images = result.value(OURS, data, "images")
        for metric in SHOWN:
            value = result.value(OURS, data, metric)
            if value is not None and images is not None:
                yield f"{metric}, {place}, {images:.0f} images", round(value, 1)
        loss = result.value(OURS, data, BF16_LOSS)
        if loss is not None:
            yield AP_LOSS, round(loss, 2)


def main(source: str, folder: str = str(PACKAGED)) -> None:
    """Update the cards and say which."""
    print("\n".join(update(read(Path(source)), Path(folder))))


if __name__ == "__main__":
    main(*sys.argv[1:])
