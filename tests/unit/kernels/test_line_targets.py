"""The nearest segments of pixels: the kernel against its definition."""

import numpy as np
import pytest

from perception.kernels.line_targets import nearest_segments, nearest_segments_numpy

COSINE = float(np.cos(2 * np.radians(10.0)))
CASES = {
    "one of every direction": [
        [20, 20, 30 * np.cos(t) + 20, 30 * np.sin(t) + 20] for t in np.linspace(0, 2 * np.pi, 17)
    ],
    "outside, far and without length": [[-50, -50, -3, -3], [-5, 10, 90, 12], [7, 7, 7, 7], [1e7, 0, 0, 1e7]],
    "parallel and crossing": [[2, 10, 40, 10], [2, 12, 40, 12], [20, 2, 22, 30], [0, 0, 47, 31]],
    "not finite": [[np.nan, 0, 5, 5], [0, 0, np.inf, 5], [3, 3, 20, 9]],
    "none": np.zeros((0, 4)),
}


@pytest.mark.parametrize("name", [*CASES, "random"])
def test_the_kernel_gives_what_its_definition_gives(name: str) -> None:
    rng = np.random.default_rng(3)
    segments = np.array(CASES.get(name, rng.uniform(-10, 60, (40, 4))), dtype=np.float32)
    given = (segments, 32, 48, 3.0, 1.5, COSINE)
    distance, direction, is_ambiguous = nearest_segments(*given)
    with np.errstate(invalid="ignore"):
        expected = nearest_segments_numpy(*given)
    np.testing.assert_allclose(distance, expected[0], atol=1e-4)
    is_settled = np.isfinite(distance)
    is_settled[is_settled] = (_second_distance(segments, 32, 48) - expected[0].clip(max=99))[is_settled] > 1e-3
    np.testing.assert_allclose(direction[is_settled], expected[1][is_settled], atol=1e-6)
    assert (is_ambiguous != expected[2])[is_settled].sum() <= 1  # one at a distance of exactly 1.5 px, perhaps


def _second_distance(segments: np.ndarray, height: int, width: int) -> np.ndarray:
    """Distance of the second nearest segment, inf where there is none; of those a tie may go either way."""
    maps = [nearest_segments_numpy(row[None], height, width, 3.0, 1.5, COSINE)[0] for row in segments]
    maps += [np.full((height, width), np.inf, np.float32)] * 2
    return np.sort(np.array(maps), axis=0)[1]


def test_directions_are_shares_of_pi_with_x_right_and_y_down() -> None:
    ends = {0.0: (2, 8, 13, 8), 0.5: (8, 2, 8, 13), 0.25: (3, 3, 12, 12), 0.75: (3, 12, 12, 3)}
    for share, segment in ends.items():
        for row in (segment, (*segment[2:], *segment[:2])):
            _, direction, is_ambiguous = nearest_segments(np.array([row], np.float32), 16, 16, 3.0, 1.5, COSINE)
            assert direction[8, 8] == pytest.approx(share, abs=1e-6)
            assert not is_ambiguous.any()


def test_a_pixel_between_two_directions_is_ambiguous_and_one_at_a_bend_of_five_degrees_is_not() -> None:
    cross = np.array([[0, 8, 15, 8], [8, 0, 8, 15]], np.float32)
    assert nearest_segments(cross, 16, 16, 3.0, 1.5, COSINE)[2][8, 8]
    bend = np.array([[0, 8, 8, 8], [8, 8, 16, 8 + 8 * np.tan(np.radians(5))]], np.float32)
    assert not nearest_segments(bend, 16, 16, 3.0, 1.5, COSINE)[2].any()
