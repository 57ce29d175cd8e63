"""From raw head outputs to boxes, in torch: the points of the levels, distances to the sides, box algebra.

Source: `X. Li et al.`, "Generalized Focal Loss", NeurIPS 2020 (distances as distributions); Z. Zheng et al.,
"Enhancing Geometric Factors in Model Learning and Inference", 2021 (complete IoU).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

EPSILON = 1e-7
CELL_MIDDLE = 0.5  # cells


def level_points(outputs: Sequence[Tensor], strides: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Points (A, 2) x, y in cells, row by row, level after level, and strides (A, 1) in px, as float32.

    `outputs` are (B, C, H, W) of each level.
    """
    points, repeats = [], []
    for output, stride in zip(outputs, strides):
        height, width = output.shape[-2:]
        x = torch.arange(width, device=output.device, dtype=torch.float32) + CELL_MIDDLE
        y = torch.arange(height, device=output.device, dtype=torch.float32) + CELL_MIDDLE
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        level = torch.stack([columns, rows], dim=-1).reshape(-1, 2)
        points.append(level)
        repeats.append(torch.full_like(level[:, :1], stride))
    return torch.cat(points), torch.cat(repeats)


def mean_distances(logits: Tensor, bins: Tensor) -> Tensor:
    """Expected distances (..., A, 4) in cells of distributions given by logits (..., A, 4 * len(bins))."""
    sides = logits.unflatten(-1, (-1, bins.numel()))
    return sides.softmax(dim=-1) @ bins.to(sides.dtype)


def boxes_from(points: Tensor, distances: Tensor) -> Tensor:
    """Corners x1, y1, x2, y2 from points (A, 2) and distances (..., A, 4) left, top, right, bottom."""
    return torch.cat([points - distances[..., :2], points + distances[..., 2:]], dim=-1)


def distances_from(points: Tensor, boxes: Tensor) -> Tensor:
    """The inverse of `boxes_from`."""
    return torch.cat([points - boxes[..., :2], boxes[..., 2:] - points], dim=-1)


def to_centers(boxes: Tensor) -> Tensor:
    """Corners (..., 4) to cx, cy, w, h."""
    low, high = boxes.split(2, dim=-1)
    return torch.cat([(low + high) / 2, high - low], dim=-1)


def to_corners(boxes: Tensor) -> Tensor:
    """cx, cy, w, h (..., 4) to corners."""
    center, size = boxes.split(2, dim=-1)
    return torch.cat([center - size / 2, center + size / 2], dim=-1)


def complete_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU less penalties for the distance of the middles and the difference of the aspects; corners (..., 4).

    At most 1, and below -1 at worst by the epsilon. No gradient flows through the weight of the aspect term.
    """
    x1, y1, x2, y2 = first.unbind(-1)
    u1, v1, u2, v2 = second.unbind(-1)
    w1, h1, w2, h2 = x2 - x1, y2 - y1 + EPSILON, u2 - u1, v2 - v1 + EPSILON
    overlap = (x2.minimum(u2) - x1.maximum(u1)).clamp(min=0) * (y2.minimum(v2) - y1.maximum(v1)).clamp(min=0)
    iou = overlap / (w1 * h1 + w2 * h2 - overlap + EPSILON)
    diagonal = (x2.maximum(u2) - x1.minimum(u1)) ** 2 + (y2.maximum(v2) - y1.minimum(v1)) ** 2 + EPSILON
    distance = ((u1 + u2 - x1 - x2) ** 2 + (v1 + v2 - y1 - y2) ** 2) / 4
    aspect = (4 / math.pi**2) * (torch.atan(w2 / h2) - torch.atan(w1 / h1)) ** 2
    with torch.no_grad():
        weight = aspect / (aspect - iou + 1 + EPSILON)
    return iou - distance / diagonal - weight * aspect
