"""What a network for line segments is trained on: a term of its heat map and one of its directions.

Both after `lsdnet.md`, section 4: the published program has no training code.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from perception.networks.config import LineLossConfig

TWICE = 2 * math.pi  # the angle of a map is a share of pi, and directions are compared by twice their angle
SMOOTH = 1.0  # px: added to both sums of the Dice term, so that an empty picture has one
LEAST_HEAT = 0.05  # of a teacher: directions where it sees no line mean nothing


@dataclass(frozen=True, slots=True)
class LineTargets:
    """Maps of a batch that are to be learned."""

    heat: Tensor  # (B, H, W) float32, 0..1: on a line
    angle: Tensor  # (B, H, W) float32, 0..1: direction as a share of pi
    is_known: Tensor  # (B, H, W) bool: pixels whose heat is learned
    has_angle: Tensor  # (B, H, W) bool: pixels whose direction is learned


@dataclass(frozen=True, slots=True)
class LineLoss:
    """The loss of a batch, summed over its images; terms per image, weighted, without gradient."""

    total: Tensor  # scalar with gradient
    heat: Tensor
    angle: Tensor


def line_loss(logits: Tensor, targets: LineTargets, config: LineLossConfig) -> LineLoss:
    """Loss of both maps before their sigmoid, (B, 2, H, W), in float32."""
    with torch.autocast(logits.device.type, enabled=False):
        logits = logits.float()
        heat = heat_term(logits[:, 0], targets, config, config.line_weight)
        angle = angle_term(logits[:, 1], targets.angle, targets.has_angle.float()) * config.angle_gain
        return LineLoss((heat + angle).sum(), heat.detach().mean(), angle.detach().mean())


def taught_loss(logits: Tensor, teacher: Tensor, is_known: Tensor, config: LineLossConfig) -> LineLoss:
    """Loss of both maps, (B, 2, H, W), against those that a teacher answers, also before their sigmoid.

    Directions count as much as the teacher is sure of a line.
    """
    with torch.autocast(logits.device.type, enabled=False):
        logits, maps = logits.float(), torch.sigmoid(teacher.float())
        targets = LineTargets(maps[:, 0], maps[:, 1], is_known, is_known)
        weight = torch.where(maps[:, 0] > LEAST_HEAT, maps[:, 0], 0.0) * is_known
        heat = heat_term(logits[:, 0], targets, config, line_weight=1.0)  # a teacher's shares are to be met, not passed
        angle = angle_term(logits[:, 1], maps[:, 1], weight) * config.angle_gain
        return LineLoss((heat + angle).sum(), heat.detach().mean(), angle.detach().mean())


def heat_term(logits: Tensor, targets: LineTargets, config: LineLossConfig, line_weight: float) -> Tensor:
    """Cross entropy, lines with more weight, plus the Dice term; (B, H, W) to (B,)."""
    weight = targets.is_known.float()
    gain = logits.new_tensor(line_weight)
    entropy = functional.binary_cross_entropy_with_logits(logits, targets.heat, reduction="none", pos_weight=gain)
    heat = _mean(entropy, weight) * config.heat_gain
    if config.dice_gain == 0.0:
        return heat
    shares = torch.sigmoid(logits) * weight
    overlap = 2 * (shares * targets.heat).sum(dim=(1, 2)) + SMOOTH
    area = (shares + targets.heat * weight).sum(dim=(1, 2)) + SMOOTH
    return heat + config.dice_gain * (1 - overlap / area)


def angle_term(logits: Tensor, angle: Tensor, weight: Tensor) -> Tensor:
    """1 - cos of twice the angle between both directions, a mean by `weight`; (B, H, W) to (B,).

    0 and 1 are the same direction, which the cosine knows.
    """
    return _mean(1 - torch.cos(TWICE * (torch.sigmoid(logits) - angle)), weight)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum(dim=(1, 2)) / weight.sum(dim=(1, 2)).clamp(min=1.0)
