"""Which points of a detector learn which object: task-aligned assignment.

Source: C. Feng et al., "TOOD: Task-aligned One-stage Object Detection", ICCV 2021, with complete IoU.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from perception.networks.config import AssignmentConfig
from perception.networks.detection_points import complete_iou

INSIDE_MARGIN = 1e-9  # px a point must lie inside a box at least
EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """Objects of a batch, padded to the same number M; a padded row is all zeros, which no point lies in."""

    boxes: Tensor  # (B, M, 4) float, corners in px of the network's input
    classes: Tensor  # (B, M) int64


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a network said at every point, without gradient."""

    scores: Tensor  # (B, A, num_classes) in 0..1
    boxes: Tensor  # (B, A, 4) corners in px
    points: Tensor  # (A, 2) x, y in px


@dataclass(frozen=True, slots=True)
class Assignment:
    """What every point shall learn. Rows of `object_ids`, `boxes`, `classes` mean something where `is_positive`."""

    is_positive: Tensor  # (B, A) bool
    object_ids: Tensor  # (B, A) int64, row in the ground truth of the image
    classes: Tensor  # (B, A) int64
    boxes: Tensor  # (B, A, 4) corners in px
    scores: Tensor  # (B, A, num_classes), zero where not positive


@torch.no_grad()
def assign(truth: GroundTruth, found: Predictions, config: AssignmentConfig) -> Assignment:
    """Give each object the `top` points that already fit it best: score ** alpha * IoU ** beta, inside its box.

    A point that several objects claim goes to the one it overlaps most. Target scores are the metric, scaled so that
    the best point of an object gets its best IoU.
    """
    if truth.boxes.shape[1] == 0:
        return _nothing(truth, found)
    candidates = points_inside(found.points, truth.boxes)
    ious, metric = _alignment(truth, found, candidates, config)
    claims = _best(metric, config.top) & candidates
    claims = _settled(claims, ious)
    object_ids = claims.int().argmax(dim=1)
    rows = torch.arange(len(truth.boxes), device=object_ids.device)[:, None]
    classes = truth.classes[rows, object_ids]
    scores = torch.zeros_like(found.scores)
    scores.scatter_(2, classes[..., None], _target_scores(claims, metric, ious)[..., None])
    return Assignment(claims.any(dim=1), object_ids, classes, truth.boxes[rows, object_ids], scores)


def points_inside(points: Tensor, boxes: Tensor) -> Tensor:
    """(B, M, A) bool: whether each of the points (A, 2) lies strictly in each of the boxes (B, M, 4)."""
    low, high = boxes[:, :, None].split(2, dim=-1)
    return torch.cat([points - low, high - points], dim=-1).amin(dim=-1) > INSIDE_MARGIN


def _alignment(
    truth: GroundTruth, found: Predictions, candidates: Tensor, config: AssignmentConfig
) -> tuple[Tensor, Tensor]:
    """IoU (clipped at 0) and metric (B, M, A) of every object at every point; both 0 for non-candidates."""
    image, row, point = candidates.nonzero(as_tuple=True)
    inside = complete_iou(truth.boxes[image, row], found.boxes[image, point]).clamp(min=0).to(found.scores.dtype)
    scores = found.scores[image, point, truth.classes[image, row]]
    ious = found.scores.new_zeros(candidates.shape)
    metric = torch.zeros_like(ious)
    ious[image, row, point] = inside
    metric[image, row, point] = scores.pow(config.alpha) * inside.pow(config.beta)
    return ious, metric


def _best(metric: Tensor, top: int) -> Tensor:
    best = metric.topk(min(top, metric.shape[-1]), dim=-1).indices
    return torch.zeros_like(metric, dtype=torch.bool).scatter_(2, best, True)


def _settled(claims: Tensor, ious: Tensor) -> Tensor:
    """Claims (B, M, A) with at most one object per point."""
    is_disputed = claims.sum(dim=1, keepdim=True) > 1
    winner = torch.zeros_like(claims).scatter_(1, ious.argmax(dim=1, keepdim=True), True)
    return torch.where(is_disputed, winner, claims)


def _target_scores(claims: Tensor, metric: Tensor, ious: Tensor) -> Tensor:
    """(B, A) target score of the object of every point, 0 where it has none."""
    metric, ious = metric * claims, ious * claims
    best_metric, best_iou = metric.amax(dim=-1, keepdim=True), ious.amax(dim=-1, keepdim=True)
    return (metric * best_iou / (best_metric + EPSILON)).amax(dim=1)


def _nothing(truth: GroundTruth, found: Predictions) -> Assignment:
    none = torch.zeros(found.scores.shape[:2], dtype=torch.int64, device=found.scores.device)
    return Assignment(none.bool(), none, none, torch.zeros_like(found.boxes), torch.zeros_like(found.scores))
