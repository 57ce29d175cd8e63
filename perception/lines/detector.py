"""The detector: an image of any size in, segments of that image out. Resize, network, regions, and back."""

from collections import OrderedDict

import numpy as np

from perception.core.errors import InvalidInput, ModelError
from perception.core.types import check
from perception.inference.model_card import Model, ModelCard, open_model
from perception.inference.runtime import Runtime, make_runtime
from perception.kernels import line_input
from perception.kernels.line_input import CHANNELS, Scaler
from perception.lines import segments as regions
from perception.lines import selection as selections
from perception.lines.classic import ClassicLsd
from perception.lines.config import LinesConfig
from perception.lines.segments import FoundLines, RegionFinder
from perception.lines.selection import Selection, selected, validated

TASK = "lines"
HEAT, ANGLE = "heat", "angle"  # names of the outputs
MAX_SIZES = 16  # of images whose tables are kept, e.g. cameras of a robot


class LineDetector:
    """Finds line segments in images with a network. Serves one thread at a time.

    `runtime` is closed with `close`. Raises `ModelError` for a model that is no detector of this family.
    """

    def __init__(self, model: Model, config: LinesConfig, runtime: Runtime | None = None) -> None:
        check_card(model.card)
        self.card, self.config = model.card, config
        self.selection = selection_of(config)
        self.runtime = runtime or make_runtime(model, config.backend, config.precision, config.num_threads)
        self._size, self._is_planar = input_of(model.card)
        shape = (CHANNELS, *self._size) if self._is_planar else (*self._size, CHANNELS)
        self._tensor = np.zeros((1, *shape), dtype=np.float32)
        self._finder = RegionFinder(config.regions)
        self._scalers: OrderedDict[tuple[int, int], Scaler] = OrderedDict()

    def detect(self, pixels: np.ndarray) -> FoundLines:
        """Segments in pixels (H, W, 3) uint8 RGB or (H, W) grey, in px of them, best first.

        Raises `InvalidInput` for another array, `ModelError` where the network fails or its answer is not finite.
        """
        outputs = self.runtime.infer({self.card.inputs[0].name: self.prepare(pixels)})
        return self.lines(outputs, pixels.shape[:2])

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """The input of the network with the image in it; valid until the next call."""
        color = np.ndim(pixels) == 3
        check("pixels", pixels, (None, None, CHANNELS) if color else (None, None), np.uint8)
        if pixels.size == 0:
            raise InvalidInput(f"pixels: {pixels.shape[1]}x{pixels.shape[0]} px; give an image with pixels")
        self._scaler(pixels.shape[0], pixels.shape[1])(pixels, self._tensor[0])
        return self._tensor

    def lines(self, outputs: dict[str, np.ndarray], size: tuple[int, ...]) -> FoundLines:
        """Segments of an image of `size` (height, width) from the outputs. Raises `ModelError` for impossible ones."""
        heat, angle = outputs[HEAT][0], outputs[ANGLE][0]
        try:
            found = self._finder.find(heat, angle)
        except InvalidInput as error:
            raise ModelError(
                f"{self.card.name}: {error} on {self.runtime.backend} with {self.runtime.precision}; use "
                f"lines.precision=f32 or another backend"
            ) from None
        if self.config.has_validation:
            found = validated(found, angle, self.config.regions.chord, self.config.lsd.min_log_nfa)
        factors = np.array([size[1] / heat.shape[1], size[0] / heat.shape[0]] * 2, dtype=np.float32)
        half = np.float32(0.5)
        return selected(FoundLines((found.segments + half) * factors - half, found.scores), self.selection)

    def warm_up(self, size: tuple[int, int] = (480, 640)) -> None:
        """Do now what the first image of `size` (height, width) would wait for."""
        self.runtime.warm_up({self.card.inputs[0].name: self._tensor.shape})
        self.prepare(np.zeros((*size, CHANNELS), dtype=np.uint8))
        warm_up()

    def close(self) -> None:
        """Free what the runtime holds."""
        self.runtime.close()

    def _scaler(self, height: int, width: int) -> Scaler:
        scaler = self._scalers.get((height, width))
        if scaler is None:
            if len(self._scalers) >= MAX_SIZES:
                self._scalers.popitem(last=False)
            scaler = self._scalers[height, width] = Scaler((height, width), self._size, self._is_planar)
        return scaler


def open_line_detector(config: LinesConfig, size: tuple[int, int]) -> LineDetector | ClassicLsd:
    """The configured detector, ready for images of `size` (height, width).

    Raises `ModelError`, `ConfigError`, and `MissingDependency` where the package of the backend is not installed.
    """
    detector: LineDetector | ClassicLsd
    if config.detector == "lsd":
        detector = ClassicLsd(config.lsd, selection_of(config))
    else:
        detector = LineDetector(open_model(config.model), config)
    detector.warm_up(size)
    return detector


def selection_of(config: LinesConfig) -> Selection:
    """What segments must be like; a threshold of scores is for those of a network only."""
    min_score = config.score_threshold if config.detector == "lsdnet" else -np.inf
    return Selection(min_score, config.min_length, config.max_segments, config.is_merged)


def input_of(card: ModelCard) -> tuple[tuple[int, int], bool]:
    """Height and width of the network's input, and whether its channels are planes. Raises `ModelError`."""
    shape = card.inputs[0].shape
    is_planar = shape[1] == CHANNELS
    size = shape[2:] if is_planar else shape[1:3]
    height, width = size if all(isinstance(side, int) for side in size) else card.input_size or (0, 0)
    if not (isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0):
        raise ModelError(f"model {card.name}: inputs: of no certain size; the card needs input_size")
    return (height, width), is_planar


def check_card(card: ModelCard) -> None:
    """Raise `ModelError` unless a card is that of a network of lines whose outputs this part understands."""
    if card.task != TASK:
        raise ModelError(f"model {card.name}: task is {card.task!r}, expected {TASK!r}; choose another lines.model")
    spec = card.inputs[0]
    is_image = len(spec.shape) == 4 and CHANNELS in (spec.shape[1], spec.shape[3])
    if len(card.inputs) != 1 or not is_image or spec.dtype != "float32":
        raise ModelError(
            f"model {card.name}: inputs: expected one of (batch, height, width, 3) or (batch, 3, height, width) float32"
        )
    shapes = {output.name: len(output.shape) for output in card.outputs}
    if shapes.get(HEAT) != 3 or shapes.get(ANGLE) != 3:
        raise ModelError(f"model {card.name}: outputs: expected {HEAT!r} and {ANGLE!r} of (batch, height, width)")
    input_of(card)


def warm_up() -> None:
    """Compile the kernels, or load them from the cache. No model is opened."""
    regions.warm_up()
    selections.warm_up()
    line_input.warm_up()
