"""A line detector without a network: the runtime answers with the maps that a test gives it."""

from pathlib import Path

import numpy as np

from perception.inference.model_card import Model, ModelCard
from perception.lines.config import LinesConfig
from perception.lines.detector import LineDetector

SIDE = 64  # px of the maps


def card(**fields):
    planes = ("batch", 3, "height", "width")
    values = {
        "name": "fake",
        "family": "lsdnet",
        "task": "lines",
        "inputs": [{"name": "images", "shape": planes}],
        "outputs": [{"name": name, "shape": ("batch", "height", "width")} for name in ("heat", "angle")],
        "input_size": (SIDE, SIDE),
        "licence": "none",
        "training_data": "none",
        "files": {},
    }
    return ModelCard.model_validate({**values, **fields})


class FakeRuntime:
    """Answers with `heat` and `angle` (H, W), always in the same memory, as runtimes do."""

    backend, precision, device, choice = "fake", "bf16", "cpu", "there is no other"

    def __init__(self, heat, angle):
        self.outputs_by_name = {"heat": heat[None].copy(), "angle": angle[None].copy()}
        self.inputs, self.outputs = card().inputs, card().outputs
        self.seen, self.warm, self.num_closed = [], [], 0

    def infer(self, inputs):
        self.seen.append(inputs["images"].copy())
        return self.outputs_by_name

    def warm_up(self, shapes):
        self.warm.append(dict(shapes))

    def close(self):
        self.num_closed += 1


def bar(row=30, left=8, right=56):
    """Maps with one horizontal line, three px wide."""
    heat, angle = np.zeros((SIDE, SIDE), dtype=np.float32), np.ones((SIDE, SIDE), dtype=np.float32)
    heat[row - 1 : row + 2, left : right + 1] = 0.9
    return heat, angle


def detector(maps=None, config=None, **fields):
    return LineDetector(Model(card(**fields), Path()), config or LinesConfig(), FakeRuntime(*(maps or bar())))
