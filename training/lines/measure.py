"""F^H and sAP of a network: python training/lines/measure.py WEIGHTS_OR_CARD DATA [BACKEND] [PRECISION]

DATA: a set with line segments, or the array file of the 20 re-annotated images (`jpg_<id>`, `gt_<id>`). Weights of a
run that goes on can be measured at any time. F^H is the best over scores of 0.40 to 0.90 in steps of 0.05.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from perception.evaluation.lines import ImageLines, heat_f_score, structural_ap
from perception.inference.export import Description
from perception.inference.lsdnet_export import write_lsdnet
from perception.inference.model_card import Model, open_model
from perception.io.datasets.pictures import read_color
from perception.lines.config import LinesConfig
from perception.lines.detector import LineDetector
from perception.networks.lsdnet import load_lsdnet
from perception.training.line_pictures import read_line_pictures

THRESHOLDS = np.arange(0.40, 0.901, 0.05)
Pictures = Iterator[tuple[np.ndarray, np.ndarray]]


def main(source: str, data: Path, backend: str = "onnx", precision: str = "f32") -> None:
    """Print both measures."""
    with TemporaryDirectory() as folder:
        config = LinesConfig(backend=backend, precision=precision, num_threads=1, score_threshold=0.0)
        detector = LineDetector(_model(source, Path(folder)), config)
        images = [_judged(detector, pixels, truth) for pixels, truth in _pictures(data)]
        detector.close()
    heat = heat_f_score(images, THRESHOLDS)
    structural = " ".join(f"{100 * value:.1f}" for value in structural_ap(images).values())
    best = THRESHOLDS[int(np.argmax(heat.f_scores))]
    print(f"{backend} {precision}: F^H {100 * heat.f_score:.2f} at {best:.2f}, sAP5/10/15 {structural}")
    print("F^H by score: " + " ".join(f"{t:.2f}:{100 * f:.1f}" for t, f in zip(THRESHOLDS, heat.f_scores)))


def _model(source: str, folder: Path) -> Model:
    if not source.endswith(".safetensors"):
        return open_model(source)
    description = Description(name="run", classes=(), licence="-", training_data="-")
    return write_lsdnet(load_lsdnet(Path(source)), description, folder)


def _pictures(data: Path) -> Pictures:
    if data.suffix == ".npz":
        with np.load(data, allow_pickle=False) as arrays:
            for name in (name.removeprefix("jpg_") for name in arrays.files if name.startswith("jpg_")):
                pixels = cv2.imdecode(arrays[f"jpg_{name}"], cv2.IMREAD_COLOR)
                assert pixels is not None  # the file is whole: its arrays were read
                yield cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), arrays[f"gt_{name}"]
        return
    pictures = read_line_pictures([data])
    for row, file in enumerate(pictures.files):
        yield read_color(file), pictures.segments_of(row)


def _judged(detector: LineDetector, pixels: np.ndarray, truth: np.ndarray) -> ImageLines:
    found = detector.detect(pixels)
    height, width = pixels.shape[:2]
    return ImageLines("", (width, height), truth.astype(np.float32), found.segments, found.scores)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
