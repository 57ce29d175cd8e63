"""What a detector with distance distributions is trained on: class, box and distribution terms over assigned points.

Sources: C. Feng et al., "TOOD", ICCV 2021; X. Li et al., "Generalized Focal Loss", NeurIPS 2020.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from perception.core.errors import InvalidInput
from perception.networks.assigner import Assignment, GroundTruth, Predictions, assign
from perception.networks.config import DetectionLossConfig
from perception.networks.detection_points import (
    boxes_from,
    complete_iou,
    distances_from,
    level_points,
    mean_distances,
    to_corners,
)
from perception.networks.leyolo_graph import NUM_BINS, NUM_SIDES, STRIDES

LAST_BIN_MARGIN = 0.01  # cells: targets stay this far below the last bin, so that the next one exists


@dataclass(frozen=True, slots=True)
class Targets:
    """Objects of a batch of images, as data sets give them."""

    image_ids: Tensor  # (N,) int64, row in the batch
    classes: Tensor  # (N,) int64
    boxes: Tensor  # (N, 4) float32, cx, cy, w, h as shares of the sides of the network's input
    is_ignored: Tensor | None = None  # (N,) bool: neither to be found nor background; None: no object is


@dataclass(frozen=True, slots=True)
class DetectionLoss:
    """The loss of a batch: the sum of its weighted terms, times the number of images."""

    total: Tensor  # scalar with gradient
    box: Tensor  # scalar, weighted, without gradient, as the two below
    classes: Tensor
    distances: Tensor


def detection_loss(outputs: Sequence[Tensor], targets: Targets, config: DetectionLossConfig) -> DetectionLoss:
    """Loss of the raw outputs of P3, P4, P5, each (B, 64 + num_classes, H, W), in float32. Raises `InvalidInput`."""
    with torch.autocast(outputs[0].device.type, enabled=False):
        return _loss([output.float() for output in outputs], targets, config)


def _loss(outputs: Sequence[Tensor], targets: Targets, config: DetectionLossConfig) -> DetectionLoss:
    logits = torch.cat([output.flatten(2) for output in outputs], dim=2).transpose(1, 2)
    num_classes = logits.shape[-1] - NUM_SIDES * NUM_BINS
    box_logits, class_logits = logits.split([NUM_SIDES * NUM_BINS, num_classes], dim=-1)
    points, strides = level_points(outputs, STRIDES)
    bins = torch.arange(NUM_BINS, device=logits.device, dtype=logits.dtype)
    boxes = boxes_from(points, mean_distances(box_logits, bins))
    height, width = (side * STRIDES[0] for side in outputs[0].shape[-2:])
    ignored, targets = _divided(targets)
    truth = ground_truth(targets, len(logits), num_classes, (height, width))
    found = Predictions(class_logits.detach().sigmoid(), boxes.detach() * strides, points * strides)
    assignment = assign(truth, found, config.assignment)

    total_score = assignment.scores.sum().clamp(min=1)
    counts = None if ignored is None else _is_judged(ignored, assignment.scores, (points, strides), (height, width))
    class_term = functional.binary_cross_entropy_with_logits(class_logits, assignment.scores, counts, reduction="sum")
    box_term, distance_term = _box_terms(box_logits, boxes, assignment, (points, strides))
    gains = logits.new_tensor([config.box_gain, config.class_gain, config.distance_gain])
    terms = gains * torch.stack([box_term, class_term, distance_term]) / total_score
    return DetectionLoss(terms.sum() * len(logits), *terms.detach())


def ground_truth(targets: Targets, num_images: int, num_classes: int, size_px: tuple[int, int]) -> GroundTruth:
    """Objects padded per image, boxes as corners in px of an input of `size_px` (H, W). Raises `InvalidInput`."""
    image_ids, classes = targets.image_ids.long(), targets.classes.long()
    _check_range("image_ids", image_ids, num_images)
    _check_range("classes", classes, num_classes)
    if not torch.isfinite(targets.boxes).all():
        raise InvalidInput("boxes: hold a value that is not finite; clean the labels")
    counts = torch.bincount(image_ids, minlength=num_images)
    order = torch.argsort(image_ids, stable=True)
    place = torch.arange(len(order), device=order.device) - (counts.cumsum(0) - counts)[image_ids[order]]
    most = int(counts.max()) if len(order) else 0
    height, width = size_px
    scale = targets.boxes.new_tensor([width, height, width, height])
    boxes = targets.boxes.new_zeros(num_images, most, NUM_SIDES)
    padded = classes.new_zeros(num_images, most)
    boxes[image_ids[order], place] = to_corners(targets.boxes[order] * scale)
    padded[image_ids[order], place] = classes[order]
    return GroundTruth(boxes, padded)


def _divided(targets: Targets) -> tuple[Targets | None, Targets]:
    """The ignored objects, None where there are none, and the others."""
    if targets.is_ignored is None or not targets.is_ignored.any():
        return None, targets
    parts = (targets.is_ignored, ~targets.is_ignored)
    ignored, learned = (Targets(targets.image_ids[part], targets.classes[part], targets.boxes[part]) for part in parts)
    return ignored, learned


def _is_judged(ignored: Targets, scores: Tensor, cells: tuple[Tensor, Tensor], size_px: tuple[int, int]) -> Tensor:
    """(B, A, num_classes) 0 where a cell touches an ignored object of the class and has nothing to find, else 1."""
    points, strides = cells  # in cells, px per cell
    height, width = size_px
    boxes = to_corners(ignored.boxes * ignored.boxes.new_tensor([width, height, width, height]))
    low, high = boxes[:, None].split(2, dim=-1)
    centers, half = points * strides, strides / 2
    touches = ((centers + half > low) & (centers - half < high)).all(dim=-1)  # (N, A)
    row, point = touches.nonzero(as_tuple=True)
    judged = torch.ones_like(scores)
    judged[ignored.image_ids[row], point, ignored.classes[row]] = 0
    return torch.maximum(judged, (scores > 0).to(judged.dtype))


def _check_range(name: str, values: Tensor, limit: int) -> None:
    if len(values) and (int(values.min()) < 0 or int(values.max()) >= limit):
        raise InvalidInput(f"{name}: {int(values.min())} to {int(values.max())}, expected 0 to {limit - 1}")


def _box_terms(
    box_logits: Tensor, boxes: Tensor, assignment: Assignment, cells: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Sums over positive points, weighted by their target score: of 1 - complete IoU, and of the distributions."""
    points, strides = cells
    positive = assignment.is_positive
    weights = assignment.scores.sum(dim=-1)[positive]
    wanted = assignment.boxes / strides
    ious = complete_iou(boxes[positive], wanted[positive])
    distances = distances_from(points, wanted)[positive].clamp(0, NUM_BINS - 1 - LAST_BIN_MARGIN)
    entropies = distribution_loss(box_logits[positive].unflatten(-1, (NUM_SIDES, NUM_BINS)), distances).mean(dim=-1)
    return (weights * (1 - ious)).sum(), (weights * entropies).sum()


def distribution_loss(logits: Tensor, distances: Tensor) -> Tensor:
    """Cross entropy of logits (..., bins) with the two bins beside each distance (...), by nearness."""
    lower = distances.floor().long()
    share = (distances - lower).to(logits.dtype)
    log_odds = logits.log_softmax(dim=-1)
    at_lower = log_odds.gather(-1, lower[..., None])[..., 0]
    at_upper = log_odds.gather(-1, lower[..., None] + 1)[..., 0]
    return -(at_lower * (1 - share) + at_upper * share)
