"""From decoded points or raw outputs of a network to the few boxes that remain: candidates, then suppression.

Candidates have a score strictly above the threshold; the best are kept; then, best first, each box removes those
whose IoU with it is strictly above the threshold. Equal scores are ordered by point, then by class. Boxes of different
classes are moved apart before, so that they never meet.
"""

import math
from collections.abc import Sequence

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.types import check
from perception.detection import decode
from perception.detection.boxes import DetectedBoxes, to_corners
from perception.detection.config import NmsConfig
from perception.kernels import boxes as kernels
from perception.networks.leyolo_graph import NUM_SIDES, STRIDES

CLASS_SHIFT = 7680  # px between the boxes of neighbouring classes; larger than any input
LOGIT_MARGIN = 1e-3  # the first sieve works on logits and is this much wider than the threshold
MIN_SCORE = 1e-6  # thresholds below it sieve nothing out by logits


VALIDATION = NmsConfig(score_threshold=0.001, is_multi_label=True)


def detections(decoded: np.ndarray, config: NmsConfig) -> DetectedBoxes:
    """Boxes of one image from (4 + num_classes, A) float32: cx, cy, w, h in px, then scores. Raises `InvalidInput`."""
    check("decoded", decoded, (None, None), np.float32)
    if len(decoded) <= NUM_SIDES:
        raise InvalidInput(f"decoded: {len(decoded)} rows, expected 4 + the number of classes")
    scores = decoded[NUM_SIDES:]
    points, classes = _select(scores, config, config.score_threshold)
    corners = to_corners(decoded[:NUM_SIDES, points].T)
    return _suppressed(corners, scores[classes, points], classes, points, config)


def detections_from_outputs(outputs: Sequence[np.ndarray], config: NmsConfig) -> DetectedBoxes:
    """The same as `detections(decode(outputs))`, but only candidates are decoded. Raises `InvalidInput`."""
    found, first = [], 0
    for level, stride in zip(decode.checked(outputs), STRIDES):
        corners, scores, classes, points = _candidates(level, stride, config)
        if len(points):
            found.append((corners, scores, classes, points + first))
        first += level[0].size
    if not found:
        return DetectedBoxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    corners, scores, classes, points = found[0] if len(found) == 1 else map(np.concatenate, zip(*found))
    return _suppressed(corners, scores, classes, points, config)


def _candidates(level: np.ndarray, stride: int, config: NmsConfig) -> tuple[np.ndarray, ...]:
    """Corners (K, 4) px, scores, classes and points of the candidates of one level (64 + num_classes, H, W)."""
    flat = level.reshape(len(level), -1)
    points, classes = _select(flat[decode.BOX_CHANNELS :], config, _logit(config.score_threshold) - LOGIT_MARGIN)
    scores = decode.sigmoid(flat[decode.BOX_CHANNELS + classes, points])
    is_above = scores > np.float32(config.score_threshold)
    points, classes, scores = points[is_above], classes[is_above], scores[is_above]
    corners = kernels.corners(flat[: decode.BOX_CHANNELS], points, level.shape[2], stride)
    return corners, scores, classes, points


def _select(scores: np.ndarray, config: NmsConfig, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Points and classes (K,) of the candidates among scores (C, A)."""
    allowed = np.ones(len(scores), dtype=np.bool_)
    if config.classes:
        unknown = [number for number in config.classes if not 0 <= number < len(scores)]
        if unknown:
            raise InvalidInput(f"classes: {unknown} are unknown; the network has 0 to {len(scores) - 1}")
        allowed[:] = False
        allowed[list(config.classes)] = True
    select = kernels.all_classes if config.is_multi_label else kernels.best_classes
    return select(scores, allowed, threshold)


def _suppressed(
    corners: np.ndarray, scores: np.ndarray, classes: np.ndarray, points: np.ndarray, config: NmsConfig
) -> DetectedBoxes:
    is_finite = np.isfinite(corners).all(axis=1)
    corners, scores, classes, points = corners[is_finite], scores[is_finite], classes[is_finite], points[is_finite]
    order = np.lexsort((classes, points, -scores))[: config.max_candidates]
    corners, scores, classes = corners[order], scores[order], classes[order]
    shift = np.float32(0 if config.is_class_agnostic else CLASS_SHIFT) * classes.astype(np.float32)
    kept = kernels.suppress(corners + shift[:, None], config.iou_threshold, config.max_detections)
    return DetectedBoxes(corners[kept], scores[kept], classes[kept])


def _logit(score: float) -> float:
    if score < MIN_SCORE:
        return -math.inf
    return math.inf if score >= 1 else math.log(score / (1 - score))
