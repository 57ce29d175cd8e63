import pytest

torch = pytest.importorskip("torch")

from perception.networks.assigner import GroundTruth, Predictions, assign, points_inside  # noqa: E402
from perception.networks.config import AssignmentConfig  # noqa: E402

CONFIG = AssignmentConfig()

SIDE = 8  # points per row and column, one pixel apart


def grid() -> "torch.Tensor":
    steps = torch.arange(SIDE) + 0.5
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([columns, rows], dim=-1).reshape(-1, 2)


def predictions(boxes: "torch.Tensor", scores: "torch.Tensor") -> Predictions:
    return Predictions(scores[None].expand(1, -1, -1).clone(), boxes[None].clone(), grid())


def perfect(box: list[float], num_classes: int = 2) -> Predictions:
    """Every point predicts `box`, with a score that rises with its row."""
    scores = torch.linspace(0.1, 0.9, SIDE * SIDE)[:, None].repeat(1, num_classes)
    return predictions(torch.tensor(box).repeat(SIDE * SIDE, 1), scores)


def truth(boxes: list[list[float]], classes: list[int]) -> GroundTruth:
    return GroundTruth(torch.tensor([boxes]), torch.tensor([classes]))


def test_points_on_the_border_of_a_box_are_outside():
    inside = points_inside(grid(), torch.tensor([[[0.5, 0.0, 2.0, 1.0]]]))
    assert inside[0, 0].nonzero().ravel().tolist() == [1]


def test_an_object_gets_the_best_points_inside_it_and_no_more():
    box = [0.0, 0.0, 8.0, 4.0]
    got = assign(truth([box], [1]), perfect(box), CONFIG)
    assert got.is_positive[0].nonzero().ravel().tolist() == list(range(22, 32))
    assert (got.classes[got.is_positive] == 1).all()
    assert (got.scores[0, :, 0] == 0).all()


def test_the_best_point_learns_the_best_overlap_and_the_others_less():
    box = [0.0, 0.0, 8.0, 4.0]
    got = assign(truth([box], [1]), perfect(box), CONFIG)
    scores = got.scores[0, 22:32, 1]
    assert float(scores[-1]) == pytest.approx(1.0, abs=1e-5)
    assert (scores.diff() > 0).all()
    want = torch.sqrt(torch.linspace(0.1, 0.9, 64)[22:32])  # alpha 0.5, equal overlaps
    assert torch.allclose(scores, want / want[-1], atol=1e-5)


def test_a_disputed_point_goes_to_the_object_it_overlaps_most():
    wide, narrow = [0.0, 0.0, 8.0, 8.0], [2.0, 2.0, 6.0, 6.0]
    got = assign(truth([wide, narrow], [0, 1]), perfect(narrow), AssignmentConfig(top=64))
    inside = points_inside(grid(), torch.tensor([[narrow]]))[0, 0]
    assert (got.object_ids[0, inside] == 1).all()
    assert (got.object_ids[0, ~inside] == 0).all()
    assert got.is_positive.all()
    assert ((got.scores > 0).sum(dim=-1) <= 1).all()


def test_padding_and_images_without_objects_claim_nothing():
    box = [0.0, 0.0, 8.0, 4.0]
    padded = assign(truth([box, [0.0] * 4], [1, 0]), perfect(box), CONFIG)
    alone = assign(truth([box], [1]), perfect(box), CONFIG)
    assert torch.equal(padded.scores, alone.scores)
    none = assign(GroundTruth(torch.zeros(1, 0, 4), torch.zeros(1, 0, dtype=torch.int64)), perfect(box), CONFIG)
    assert not none.is_positive.any() and float(none.scores.sum()) == 0


def test_fewer_points_than_an_object_may_claim_are_no_error():
    few = Predictions(
        torch.full((1, 2, 1), 0.5), torch.tensor([[[0.0, 0, 4, 4]] * 2]), torch.tensor([[1.0, 1], [9, 9]])
    )
    got = assign(truth([[0.0, 0, 4, 4]], [0]), few, CONFIG)
    assert got.is_positive.tolist() == [[True, False]]
