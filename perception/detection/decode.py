"""From the raw outputs of a LeYOLO head to boxes and scores, in NumPy.

An output of level s (stride in px) is (64 + num_classes, H, W): logits of the distances of the left, top, right and
bottom side, 16 bins each, then class logits. Levels come as P3, P4, P5.
"""

from collections.abc import Sequence

import numpy as np

from perception.core.errors import InvalidInput
from perception.detection.boxes import to_centers
from perception.networks.leyolo_graph import NUM_BINS, NUM_SIDES, STRIDES

BOX_CHANNELS = NUM_SIDES * NUM_BINS
CELL_MIDDLE = np.float32(0.5)


def decode(outputs: Sequence[np.ndarray]) -> np.ndarray:
    """Every point as (4 + num_classes, A) float32: cx, cy, w, h in px of the input, then scores in 0..1.

    `outputs` are those of one image. Raises `InvalidInput`.
    """
    outputs = checked(outputs)
    logits = np.concatenate([output.reshape(len(output), -1) for output in outputs], axis=1)
    cells, strides = points(outputs)
    boxes = to_centers(corners_at(logits[:BOX_CHANNELS].T, cells)) * strides[:, None]
    return np.concatenate([boxes.T, sigmoid(logits[BOX_CHANNELS:])])


def checked(outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs of one image as contiguous float32, with their shapes examined. Raises `InvalidInput`."""
    shapes = [np.shape(output) for output in outputs]
    fits = len(shapes) == len(STRIDES) and all(len(shape) == 3 for shape in shapes)
    if not fits or len({shape[0] for shape in shapes}) > 1 or shapes[0][0] <= BOX_CHANNELS:
        raise InvalidInput(f"outputs: shapes {shapes}, expected three of ({BOX_CHANNELS} + classes, H, W)")
    for stride, shape in zip(STRIDES, shapes):
        ratio = stride // STRIDES[0]
        if shapes[0][1:] != (shape[1] * ratio, shape[2] * ratio):
            raise InvalidInput(f"outputs: shapes {shapes} are not of levels with strides {STRIDES}")
    return [np.ascontiguousarray(output, dtype=np.float32) for output in outputs]


def points(outputs: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Middles (A, 2) x, y of all cells, in cells, row by row, level after level, and strides (A,) in px; float32."""
    cells, strides = [], []
    for output, stride in zip(outputs, STRIDES):
        _, height, width = output.shape
        cells.append(cells_at(np.arange(height * width), width))
        strides.append(np.full(height * width, stride, dtype=np.float32))
    return np.concatenate(cells), np.concatenate(strides)


def cells_at(points: np.ndarray, width: int) -> np.ndarray:
    """Middles (K, 2) float32 x, y, in cells, of the points (K,) of a level that is `width` cells wide."""
    rows, columns = np.divmod(points, width)
    return np.stack([columns, rows], axis=1).astype(np.float32) + CELL_MIDDLE


def corners_at(box_logits: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Corners (K, 4) float32 in cells, from logits (K, 64) at points (K, 2)."""
    sides = box_logits.reshape(-1, NUM_SIDES, NUM_BINS)
    weights = np.exp(sides - sides.max(axis=-1, keepdims=True))
    bins = np.arange(NUM_BINS, dtype=np.float32)
    distances = (weights @ bins) / weights.sum(axis=-1)
    return np.concatenate([cells - distances[:, :2], cells + distances[:, 2:]], axis=1)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) in the type of `logits`, without overflow."""
    tail = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1, tail) / (1 + tail)
