"""What objects look like: embeddings of their boxes, by which a track that was lost is known again."""

from collections.abc import Iterator

import numpy as np

from perception.core.errors import ModelError
from perception.detection.tracking.config import AppearanceConfig
from perception.inference.model_card import Model, open_model
from perception.inference.runtime import Runtime, make_runtime
from perception.networks.reid_graph import TASK
from perception.networks.reid_input import crop

WHITE = np.float32(255.0)
BATCH = 8  # cut-outs at once


class Appearance:
    """Embeds boxes of images. Serves one thread at a time. Raises `ModelError` for a model of another task."""

    def __init__(self, model: Model, config: AppearanceConfig, runtime: Runtime | None = None) -> None:
        card = model.card
        if card.task != TASK:
            raise ModelError(f"model {card.name}: task is {card.task!r}, expected {TASK!r}; choose another one")
        self.runtime = runtime or make_runtime(model, config.backend, "auto", config.num_threads)
        self._input, self._output = card.inputs[0], card.outputs[0]
        self._size = int(self._input.shape[2]), int(self._input.shape[3])
        self.dimensions = int(self._output.shape[1])

    def embed(self, pixels: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """Unit vectors (N, D) float32 of the boxes `corners` (N, 4) of an image (H, W, 3) uint8 RGB."""
        vectors = np.zeros((len(corners), self.dimensions), dtype=np.float32)
        for rows, crops in self._batches(pixels, corners):
            vectors[rows] = self.runtime.infer({self._input.name: crops})[self._output.name][: len(vectors[rows])]
        return vectors

    def close(self) -> None:
        """Free what the runtime holds."""
        self.runtime.close()

    def _batches(self, pixels: np.ndarray, corners: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        for first in range(0, len(corners), BATCH):
            rows = slice(first, first + BATCH)
            cut = np.stack([crop(pixels, box.astype(np.float64), self._size) for box in corners[rows]])
            yield rows, np.ascontiguousarray(cut.transpose(0, 3, 1, 2), dtype=np.float32) / WHITE


def open_appearance(config: AppearanceConfig) -> Appearance:
    """The configured network. Raises `ModelError`, `ConfigError`, `MissingDependency`."""
    return Appearance(open_model(config.model), config)
