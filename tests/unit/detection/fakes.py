"""A detector without a network: the runtime answers what the test tells it to."""

from pathlib import Path

import numpy as np

from perception.detection.config import DetectionConfig
from perception.detection.detector import Detector
from perception.inference.model_card import Model, ModelCard

CLASSES = ("car", "pedestrian", "chair")
HEAD = 64  # channels of the box
SURE, NEVER = 4.0, -12.0  # class logits


def card(**fields):
    channels = HEAD + len(CLASSES)
    values = {
        "name": "fake",
        "family": "leyolo",
        "task": "detection",
        "inputs": [{"name": "images", "shape": ("batch", 3, "height", "width")}],
        "outputs": [
            {"name": f"p{level}", "shape": ("batch", channels, f"height/{2**level}", f"width/{2**level}")}
            for level in (3, 4, 5)
        ],
        "multiples": {"height": 32, "width": 32},
        "classes": CLASSES,
        "licence": "none",
        "training_data": "none",
        "files": {},
    }
    return ModelCard.model_validate({**values, **fields})


class FakeRuntime:
    """Puts `boxes` (class, x1, y1, x2, y2, logit), px of the input, into its answers."""

    backend, precision, device, choice = "fake", "f32", "cpu", "there is no other"

    def __init__(self, boxes=(), bad=None, shape=("batch", 3, "height", "width")):
        self.boxes, self.bad, self.seen, self.warm, self.num_closed = list(boxes), bad, [], [], 0
        self.inputs = card(inputs=[{"name": "images", "shape": shape}], multiples={}).inputs
        self.outputs = card().outputs

    def infer(self, inputs):
        (image,) = inputs["images"]
        self.seen.append(image.copy())
        _, height, width = image.shape
        outputs = {}
        for level in (3, 4, 5):
            stride = 2**level
            outputs[f"p{level}"] = np.full(
                (1, HEAD + len(CLASSES), height // stride, width // stride), NEVER, dtype=np.float32
            )
        for kind, x1, y1, x2, y2, logit in self.boxes:
            put_box(outputs["p4"][0], 16, kind, (x1, y1, x2, y2), logit)
        if self.bad is not None:
            outputs["p3"][0, 0, 0, 0] = self.bad
        return outputs

    def warm_up(self, shapes):
        self.warm.append(dict(shapes))

    def close(self):
        self.num_closed += 1


def put_box(level, stride, kind, corners, logit):
    """Write a box into the cell at its middle: each side is a weighted pair of neighbouring bins."""
    x1, y1, x2, y2 = (value / stride for value in corners)
    column, row = int((x1 + x2) / 2), int((y1 + y2) / 2)
    for side, distance in enumerate((column + 0.5 - x1, row + 0.5 - y1, x2 - column - 0.5, y2 - row - 0.5)):
        low = min(int(distance), 14)
        share = distance - low
        logits = np.full(16, -40.0)
        logits[low] = np.log(max(1.0 - share, 1e-9))
        logits[low + 1] = np.log(max(share, 1e-9))
        level[side * 16 : side * 16 + 16, row, column] = logits
    level[HEAD + kind, row, column] = logit


def detector(boxes=(), config=None, bad=None, shape=("batch", 3, "height", "width")):
    config = config or DetectionConfig()
    return Detector(Model(card(), Path()), config, FakeRuntime(boxes, bad, shape))
