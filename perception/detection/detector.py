"""The detector: an image of any size in, boxes of that image out. Letterbox, network, suppression, and back.

Buffers are made once for each size of images: a frame that needs no scaling is read once and written once, as the
planes that the network reads.
"""

from collections import OrderedDict
from dataclasses import dataclass

import cv2
import numpy as np

from perception.core.errors import ConfigError, ModelError
from perception.core.types import check
from perception.detection import letterbox
from perception.detection.boxes import DetectedBoxes
from perception.detection.config import DetectionConfig, NmsConfig
from perception.detection.decode import BOX_CHANNELS
from perception.detection.letterbox import GREY, Letterbox
from perception.detection.nms import detections_from_outputs
from perception.inference.model_card import Model, ModelCard, open_model
from perception.inference.runtime import Runtime, make_runtime
from perception.kernels import boxes as box_kernels
from perception.kernels import images
from perception.networks.leyolo_graph import STRIDES

TASK = "detection"
MAX_SIZES = 16  # of images whose buffers are kept, e.g. cameras of a robot


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """The input of the network for images of one size."""

    letterbox: Letterbox
    tensor: np.ndarray  # (1, 3, H, W) float32, grey around the image
    scaled: np.ndarray | None  # (h, w, 3) uint8, work space; None: the image needs no scaling


class Detector:
    """Finds objects in images. Serves one thread at a time.

    `runtime` is closed with `close`. Raises `ModelError` for a model that is no detector of this family, `ConfigError`
    for classes that it does not know.
    """

    def __init__(self, model: Model, config: DetectionConfig, runtime: Runtime | None = None) -> None:
        check_card(model.card)
        self.card, self.config = model.card, config
        self.nms = nms_for(config, model.card.classes)
        self.runtime = runtime or make_runtime(model, config.backend, config.precision, config.num_threads)
        self._inputs: OrderedDict[tuple[int, int], Input] = OrderedDict()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by class index."""
        return self.card.classes

    def detect(self, pixels: np.ndarray) -> DetectedBoxes:
        """Objects in pixels (H, W, 3) uint8 RGB or (H, W) grey, in px of them, best first.

        Raises `InvalidInput` for another array, `ModelError` where the network fails or its answer is not finite.
        """
        given = self.prepare(pixels)
        outputs = self.runtime.infer({self.card.inputs[0].name: given.tensor})
        return self.boxes(outputs, given.letterbox)

    def prepare(self, pixels: np.ndarray) -> Input:
        """The input of the network with the image in it; valid until the next call."""
        color = np.ndim(pixels) == 3
        check("pixels", pixels, (None, None, 3) if color else (None, None), np.uint8)
        if not color:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)
        given = self._input(pixels.shape[:2])
        box = given.letterbox
        if given.scaled is not None:
            pixels = cv2.resize(pixels, box.resized[::-1], dst=given.scaled, interpolation=cv2.INTER_LINEAR)
        images.planes(pixels, given.tensor[0], box.top, box.left)
        return given

    def boxes(self, outputs: dict[str, np.ndarray], box: Letterbox) -> DetectedBoxes:
        """Boxes of the image from the outputs of the network. Raises `ModelError` where these are not finite."""
        levels = [outputs[spec.name][0] for spec in self.card.outputs]
        for spec, level in zip(self.card.outputs, levels):
            if not np.isfinite(level).all():
                raise ModelError(
                    f"{self.card.name}: output {spec.name!r} is not finite on {self.runtime.backend} with "
                    f"{self.runtime.precision}; use detection.precision=f32 or another backend"
                )
        found = detections_from_outputs(levels, self.nms)
        corners = box.to_source(found.corners)
        has_area = (corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1])  # the border has boxes, too
        return DetectedBoxes(corners[has_area], found.scores[has_area], found.classes[has_area])

    def warm_up(self, size: tuple[int, int]) -> None:
        """Do now what the first image of `size` (height, width) would wait for."""
        self.runtime.warm_up({self.card.inputs[0].name: self._input(size).tensor.shape})

    def close(self) -> None:
        """Free what the runtime holds."""
        self.runtime.close()

    def _input(self, size: tuple[int, int]) -> Input:
        given = self._inputs.get(size)
        if given is None:
            if len(self._inputs) >= MAX_SIZES:
                self._inputs.popitem(last=False)
            box = letterbox_for(self.runtime.inputs[0].shape, self.config, size)
            tensor = np.full((1, 3, *box.size), images.SHARES[GREY], dtype=np.float32)
            scaled = None if box.resized == box.source else np.empty((*box.resized, 3), dtype=np.uint8)
            given = self._inputs[size] = Input(box, tensor, scaled)
        return given


def open_detector(config: DetectionConfig, size: tuple[int, int]) -> Detector:
    """The configured detector, ready for images of `size` (height, width).

    Raises `ModelError`, `ConfigError`, and `MissingDependency` where the package of the backend is not installed.
    """
    model = open_model(config.model)
    check_card(model.card)
    spec = model.card.inputs[0]
    shapes = {spec.name: (1, 3, *letterbox_for(spec.shape, config, size).size)}
    runtime = make_runtime(model, config.backend, config.precision, config.num_threads, shapes=shapes)
    detector = Detector(model, config, runtime)
    detector.warm_up(size)
    return detector


def check_card(card: ModelCard) -> None:
    """Raise `ModelError` unless a card is that of a detector whose outputs this part understands."""
    if card.task != TASK:
        raise ModelError(f"model {card.name}: task is {card.task!r}, expected {TASK!r}; choose another detection.model")
    if len(card.inputs) != 1 or len(card.inputs[0].shape) != 4 or card.inputs[0].dtype != "float32":
        raise ModelError(f"model {card.name}: inputs: expected one of (batch, 3, height, width) float32")
    channels = BOX_CHANNELS + len(card.classes)
    if len(card.outputs) != len(STRIDES) or any(spec.shape[1:2] != (channels,) for spec in card.outputs):
        raise ModelError(
            f"model {card.name}: outputs: expected {len(STRIDES)} of (batch, {channels}, ...), {BOX_CHANNELS} for the "
            f"box and one for each of its {len(card.classes)} classes"
        )


def nms_for(config: DetectionConfig, names: tuple[str, ...]) -> NmsConfig:
    """The suppression with the classes of `config` as numbers. Raises `ConfigError` for classes that are unknown."""
    unknown = [name for name in config.classes if name not in names]
    if unknown:
        raise ConfigError(f"detection.classes: {', '.join(unknown)} is unknown; the model has {', '.join(names)}")
    if any(number >= len(names) for number in config.nms.classes):
        raise ConfigError(f"detection.nms.classes: {config.nms.classes}; the model has 0 to {len(names) - 1}")
    numbers = tuple(names.index(name) for name in config.classes) or config.nms.classes
    return config.nms.model_copy(update={"classes": numbers})


def letterbox_for(shape: tuple[int | str, ...], config: DetectionConfig, size: tuple[int, int]) -> Letterbox:
    """How an image of `size` (height, width) lies in an input of `shape` (batch, 3, height, width).

    Where the network has an input of one size, that counts. Raises `InvalidInput` for an image without pixels.
    """
    height, width = shape[2:]
    if isinstance(height, int) and isinstance(width, int):
        return letterbox.fixed(size, (height, width))
    match config.fit:
        case "square":
            return letterbox.fixed(size, (config.side, config.side))
        case "validation":
            return letterbox.validation(size, config.side)
    return letterbox.minimum(size, config.side)


def warm_up() -> None:
    """Compile the kernels, or load them from the cache. No model is opened."""
    images.warm_up()
    box_kernels.warm_up()
