import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.detection import decode


def outputs(num_classes: int, height: int = 8, width: int = 4, seed: int = 0) -> list[np.ndarray]:
    """Outputs of the three levels for an input of 8 * height x 8 * width px."""
    rng = np.random.default_rng(seed)
    shapes = [(64 + num_classes, height // n, width // n) for n in (1, 2, 4)]
    return [rng.normal(0, 2, shape).astype(np.float32) for shape in shapes]


def test_sharp_distributions_give_the_box_counted_by_hand():
    levels = [np.zeros_like(level) for level in outputs(2)]
    level = levels[1]  # stride 16, 4 x 2 cells
    for side, distance in enumerate((1, 2, 3, 4)):  # left, top, right, bottom
        level[side * 16 + distance, 3, 1] = 100.0
    level[64:, 3, 1] = (0.0, np.log(3.0))
    row = 8 * 4 + 3 * 2 + 1
    decoded = decode.decode(levels)
    # cell (1.5, 3.5): x from 0.5 to 4.5, y from 1.5 to 7.5
    assert decoded[:, row] == pytest.approx([2.5 * 16, 4.5 * 16, 4 * 16, 6 * 16, 0.5, 0.75], abs=1e-4)


def test_points_run_row_by_row_and_level_by_level():
    cells, strides = decode.points(outputs(1))
    assert strides.tolist() == [8.0] * 32 + [16.0] * 8 + [32.0] * 2
    assert cells[:5].tolist() == [[0.5, 0.5], [1.5, 0.5], [2.5, 0.5], [3.5, 0.5], [0.5, 1.5]]
    assert cells[-1].tolist() == [0.5, 1.5]


def test_scores_and_distances_stay_finite_for_extreme_logits():
    levels = outputs(1)
    levels[0][...] = 1e30
    levels[1][...] = -1e30
    assert np.isfinite(decode.decode(levels)).all()


@pytest.mark.parametrize(
    "shapes",
    [
        [(65, 4, 4), (65, 2, 2)],
        [(65, 4, 4), (65, 2, 2), (66, 1, 1)],
        [(64, 4, 4), (64, 2, 2), (64, 1, 1)],
        [(65, 4, 4), (65, 4, 4), (65, 1, 1)],
        [(1, 65, 4, 4), (1, 65, 2, 2), (1, 65, 1, 1)],
    ],
)
def test_outputs_of_another_form_are_refused(shapes):
    with pytest.raises(InvalidInput, match="outputs"):
        decode.decode([np.zeros(shape, dtype=np.float32) for shape in shapes])
