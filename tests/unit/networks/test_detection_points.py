import math

import pytest

torch = pytest.importorskip("torch")

from perception.networks import detection_points as points  # noqa: E402


def random_boxes(count: int, seed: int) -> "torch.Tensor":
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 50
    return torch.cat([low, low + 1 + torch.rand(count, 2, generator=generator, dtype=torch.float64) * 40], dim=1)


def test_complete_iou_of_boxes_counted_by_hand():
    first = torch.tensor([[0.0, 0, 4, 2]], dtype=torch.float64)
    second = torch.tensor([[2.0, 0, 4, 4]], dtype=torch.float64)  # overlap 4, union 12, middles (2, 1) and (3, 2)
    aspect = 4 / math.pi**2 * (math.atan(2 / 4) - math.atan(4 / 2)) ** 2
    want = 1 / 3 - 2 / 32 - aspect / (aspect - 1 / 3 + 1) * aspect
    assert float(points.complete_iou(first, second)) == pytest.approx(want, abs=1e-6)


def test_complete_iou_is_1_for_equal_boxes_and_symmetric():
    first, second = random_boxes(200, 0), random_boxes(200, 1)
    assert torch.allclose(points.complete_iou(first, first), torch.ones(200, dtype=torch.float64), atol=1e-6)
    assert torch.allclose(points.complete_iou(first, second), points.complete_iou(second, first), atol=1e-9)
    assert (points.complete_iou(first, second) <= 1).all()


def test_boxes_apart_are_pulled_together():
    first = torch.tensor([[0.0, 0, 2, 2]], requires_grad=True)
    points.complete_iou(first, torch.tensor([[10.0, 0, 12, 2]])).sum().backward()
    assert float(first.grad[0, 0] + first.grad[0, 2]) > 0  # the middle moves to the right


def test_complete_iou_of_boxes_without_area_is_finite_with_its_gradient():
    empty = torch.zeros(1, 4, requires_grad=True)
    value = points.complete_iou(empty, torch.tensor([[0.0, 0, 2, 2]]))
    value.sum().backward()
    assert torch.isfinite(value).all() and torch.isfinite(empty.grad).all()


def test_boxes_and_distances_come_back():
    boxes, middles = random_boxes(50, 3), random_boxes(50, 4)[:, :2]
    assert torch.allclose(points.boxes_from(middles, points.distances_from(middles, boxes)), boxes)
    assert torch.allclose(points.to_corners(points.to_centers(boxes)), boxes)


def test_distances_are_the_means_of_their_distributions():
    logits = torch.full((1, 2, 64), -1e4)
    logits[0, 0, [3, 16 + 5, 32 + 0, 48 + 15]] = 0.0
    logits[0, 1, [2, 3, 16, 32, 48]] = 0.0  # two equal bins on the left
    distances = points.mean_distances(logits, torch.arange(16.0))
    assert distances[0].tolist() == [[3, 5, 0, 15], [2.5, 0, 0, 0]]
