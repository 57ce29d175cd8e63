"""Objects that are real but not asked for: their cells learn nothing about their class, and all else as before."""

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra torch")

from perception.networks.config import DetectionLossConfig  # noqa: E402
from perception.networks.detection_losses import Targets, detection_loss  # noqa: E402

NUM_CLASSES, SIDE = 3, 64  # px of the input
STRIDES = (8, 16, 32)


def outputs() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(1, 64 + NUM_CLASSES, SIDE // stride, SIDE // stride) for stride in STRIDES]
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


def targets(corners: list[list[float]], classes: list[int], ignored: list[bool] | None) -> Targets:
    boxes = torch.tensor(corners).reshape(-1, 4) / SIDE
    centers = torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], dim=1)
    flags = None if ignored is None else torch.tensor(ignored, dtype=torch.bool)
    return Targets(torch.zeros(len(boxes), dtype=torch.int64), torch.tensor(classes, dtype=torch.int64), centers, flags)


def class_gradients(wanted: Targets) -> list[torch.Tensor]:
    levels = outputs()
    detection_loss(levels, wanted, DetectionLossConfig()).total.backward()
    return [level.grad[0, 64:] for level in levels]


def test_cells_that_touch_an_ignored_object_learn_nothing_about_its_class() -> None:
    small, middle, large = class_gradients(targets([[17.0, 9.0, 22.0, 15.0]], [1], [True]))
    assert small[1, 1, 2] == 0  # the box lies in the cell of x 16 to 24, y 8 to 16
    assert middle[1, 0, 1] == 0 and large[1, 0, 0] == 0
    for level in (small, middle, large):
        assert (level == 0).sum() == 1
    assert (small[[0, 2], 1, 2] != 0).all()


def test_a_point_that_has_an_object_to_find_learns_it_beside_an_ignored_one_of_the_same_class() -> None:
    box = [8.0, 8.0, 40.0, 40.0]
    both = class_gradients(targets([box, box], [1, 1], [False, True]))
    alone = class_gradients(targets([box], [1], None))
    learns = [(level != 0) & (other != 0) for level, other in zip(both, alone)]
    assert sum(int(level[1].sum()) for level in learns) > 0
    for level, other, same in zip(both, alone, learns):
        assert torch.equal(level[same], other[same])


@pytest.mark.parametrize("ignored", [None, [False, False]])
def test_without_ignored_objects_the_loss_is_what_it_was(ignored: list[bool] | None) -> None:
    corners = [[4.0, 4.0, 30.0, 40.0], [30.0, 20.0, 60.0, 60.0]]
    found = detection_loss(outputs(), targets(corners, [0, 2], ignored), DetectionLossConfig()).total
    more = targets([*corners, [1.0, 1.0, 3.0, 3.0]], [0, 2, 1], [False, False, True])
    fewer = detection_loss(outputs(), more, DetectionLossConfig())
    plain = detection_loss(outputs(), targets(corners, [0, 2], None), DetectionLossConfig())
    assert torch.equal(found, plain.total)
    assert fewer.classes < plain.classes and torch.equal(fewer.box, plain.box)


def test_a_batch_with_nothing_but_ignored_objects_has_a_finite_loss() -> None:
    loss = detection_loss(outputs(), targets([[0.0, 0.0, 64.0, 64.0]], [2], [True]), DetectionLossConfig())
    assert torch.isfinite(loss.total) and loss.box == 0 and loss.distances == 0
