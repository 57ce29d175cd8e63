import math

import pytest

torch = pytest.importorskip("torch")

from perception.core.errors import InvalidInput  # noqa: E402
from perception.networks.config import DetectionLossConfig  # noqa: E402
from perception.networks.detection_losses import (  # noqa: E402
    Targets,
    detection_loss,
    distribution_loss,
    ground_truth,
)
from perception.networks.leyolo import LeYolo  # noqa: E402
from perception.networks.leyolo_graph import LeYoloConfig  # noqa: E402

CONFIG = DetectionLossConfig()


def outputs(batch: int = 2, num_classes: int = 3, seed: int = 0) -> list["torch.Tensor"]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(batch, 64 + num_classes, 8 // n, 12 // n) for n in (1, 2, 4)]
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


def targets(rows: list[tuple[float, ...]]) -> Targets:
    """Rows image, class, cx, cy, w, h."""
    table = torch.tensor(rows).reshape(-1, 6)
    return Targets(table[:, 0].long(), table[:, 1].long(), table[:, 2:].float())


OBJECTS = [(0, 1, 0.5, 0.5, 0.4, 0.6), (0, 2, 0.3, 0.3, 0.3, 0.3), (1, 0, 0.6, 0.4, 0.5, 0.5)]


def test_a_target_between_two_bins_asks_for_both_by_nearness():
    logits = torch.tensor([[0.0, 1.0, 2.0, 0.0]])
    odds = logits.log_softmax(-1)[0]
    value = distribution_loss(logits, torch.tensor([1.25]))
    assert float(value) == pytest.approx(float(-(0.75 * odds[1] + 0.25 * odds[2])), abs=1e-6)


def test_objects_are_padded_per_image_in_their_order_and_measured_in_pixels():
    truth = ground_truth(
        targets([(1, 2, 0.5, 0.5, 0.5, 1.0), (0, 1, 0.5, 0.5, 1, 1), (1, 0, 0.5, 0.5, 1, 1)]), 3, 3, (64, 96)
    )
    assert truth.classes.tolist() == [[1, 0], [2, 0], [0, 0]]
    assert truth.boxes[1].tolist() == [[24, 0, 72, 64], [0, 0, 96, 64]]
    assert (truth.boxes[0, 1] == 0).all() and (truth.boxes[2] == 0).all()


def test_without_objects_only_the_scores_learn():
    levels = outputs(batch=1)
    loss = detection_loss(levels, targets([]), CONFIG)
    loss.total.backward()
    assert float(loss.box) == float(loss.distances) == 0.0
    soft_plus = sum(torch.nn.functional.softplus(level[:, 64:]).sum().detach() for level in levels)
    assert float(loss.classes) == pytest.approx(0.5 * float(soft_plus), rel=1e-5)
    assert all(float(level.grad[:, :64].abs().sum()) == 0 for level in levels)


def test_the_total_is_the_sum_of_its_terms_times_the_images():
    loss = detection_loss(outputs(), targets(OBJECTS), CONFIG)
    assert float(loss.total.detach()) == pytest.approx(2 * float(loss.box + loss.classes + loss.distances), rel=1e-6)
    assert all(float(term) > 0 for term in (loss.box, loss.classes, loss.distances))
    only_box = detection_loss(outputs(), targets(OBJECTS), DetectionLossConfig(class_gain=0, distance_gain=0))
    assert float(only_box.total.detach()) == pytest.approx(2 * float(loss.box), rel=1e-6)


def test_the_order_of_the_objects_does_not_matter():
    first = detection_loss(outputs(), targets(OBJECTS), CONFIG)
    second = detection_loss(outputs(), targets([OBJECTS[2], OBJECTS[1], OBJECTS[0]]), CONFIG)
    assert float(first.total.detach()) == pytest.approx(float(second.total.detach()), rel=1e-6)


@pytest.mark.parametrize(
    "row", [(2, 0, 0.5, 0.5, 1, 1), (-1, 0, 0.5, 0.5, 1, 1), (0, 3, 0.5, 0.5, 1, 1), (0, 0, math.nan, 0, 1, 1)]
)
def test_labels_that_fit_no_image_or_class_are_refused(row):
    with pytest.raises(InvalidInput):
        detection_loss(outputs(), targets([row]), CONFIG)


def test_a_region_of_mixed_precision_does_not_change_the_loss():
    plain = detection_loss(outputs(), targets(OBJECTS), CONFIG)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = detection_loss(outputs(), targets(OBJECTS), CONFIG)
    assert torch.equal(plain.total, mixed.total)


def test_half_precision_outputs_give_a_loss_in_single_precision():
    levels = [level.detach().bfloat16().requires_grad_() for level in outputs()]
    loss = detection_loss(levels, targets(OBJECTS), CONFIG)
    loss.total.backward()
    assert loss.total.dtype == torch.float32
    assert all(torch.isfinite(level.grad).all() for level in levels)


def test_a_small_network_learns_the_objects_of_one_batch():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = LeYolo(LeYoloConfig(num_classes=3, activation="hard_swish")).train()
    images = torch.rand(2, 3, 64, 64)
    optimizer = torch.optim.SGD((p for p in network.parameters() if p.requires_grad), lr=2e-3, momentum=0.9)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = detection_loss(network(images), targets(OBJECTS), CONFIG)
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        losses.append(float(loss.total.detach()))
    assert losses[-1] < 0.9 * losses[0]
