"""The metrics on stored segments of the published LSDNet: the 20 re-annotated photos and what they must give."""

import cv2
import numpy as np
import pytest

from perception.evaluation.lines import HEAT_THRESHOLDS, ImageLines, heat_f_score, structural_ap
from tests.shared import shared

SIDE = 288  # px, of the network
POINTS = 0.003  # of a share, for F^H; sAP 0.005


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    with np.load(shared("parity/lsdnet_tiny20.npz"), allow_pickle=False) as file:
        return dict(file)


def images(stored: dict[str, np.ndarray], is_whole: bool = False) -> list[ImageLines]:
    """The images with the published segments, as floats or as the whole numbers that the program printed."""
    found = []
    for name in (key[3:] for key in stored if key.startswith("gt_")):
        height, width = cv2.imdecode(stored[f"jpg_{name}"], cv2.IMREAD_COLOR).shape[:2]
        segments, scale = stored[f"pred_{name}"][:, :4], np.array([width, height] * 2, dtype=np.float32) / SIDE
        placed = np.trunc(np.trunc(segments) * scale) if is_whole else segments * scale
        truth, scores = stored[f"gt_{name}"], stored[f"pred_{name}"][:, 4]
        found.append(ImageLines(name, (width, height), truth, placed.astype(np.float32), scores))
    return found


def test_precision_recall_and_f_are_those_of_the_stored_table(stored):
    scores = heat_f_score(images(stored), HEAT_THRESHOLDS)
    table = stored["fh_table_thr_P_R_F"]
    rows = [int(np.abs(HEAT_THRESHOLDS - threshold).argmin()) for threshold in table[:, 0]]
    have = np.column_stack([scores.precision, scores.recall, scores.f_scores])[rows]
    np.testing.assert_allclose(have, table[:, 1:], atol=POINTS)
    assert scores.f_score == pytest.approx(0.866, abs=POINTS)


def test_whole_numbers_as_the_program_prints_them_score_as_published(stored):
    scores = heat_f_score(images(stored, is_whole=True), [0.6, 0.65, 0.7, 0.75, 0.8])
    np.testing.assert_allclose(scores.f_scores, [0.852, 0.862, 0.862, 0.862, 0.828], atol=POINTS)


def test_end_points_score_as_published(stored):
    assert structural_ap(images(stored)) == pytest.approx({5: 0.266, 10: 0.336, 15: 0.380}, abs=0.005)


@pytest.mark.parametrize(("refine", "expected"), [(0, 0.700), (1, 0.706), (2, 0.741)])
def test_classic_lsd_of_opencv_scores_as_measured(stored, refine, expected):
    detector, judged = cv2.createLineSegmentDetector(refine), []
    for image in images(stored):
        grey = cv2.imdecode(stored[f"jpg_{image.name}"], cv2.IMREAD_GRAYSCALE)
        lines = detector.detect(grey)[0].reshape(-1, 4).astype(np.float32)
        judged.append(ImageLines(image.name, image.size, image.truth, lines, np.ones(len(lines), dtype=np.float32)))
    assert heat_f_score(judged, np.zeros(1)).f_score == pytest.approx(expected, abs=POINTS)
