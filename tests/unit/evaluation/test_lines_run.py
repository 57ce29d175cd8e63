"""Detectors and files of segments judged on a data set of drawn images, from the command line to the page."""

import json
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from perception.cli import main
from perception.core.errors import InvalidInput
from perception.evaluation.lines import HEAT_THRESHOLDS, ImageLines
from perception.evaluation.lines_files import LineTruth, read_found, write_found
from perception.evaluation.lines_report import FOUND, TRUE, drawn
from perception.evaluation.lines_run import NUMBERS, PAGE, RESULTS, evaluate_detector, evaluate_stored
from perception.io.datasets.opening import open_dataset
from perception.io.datasets.pictures import write_jpeg
from perception.lines.segments import FoundLines

SIZE = (96, 64)  # px, width and height
SQUARES = ((20, 12, 70, 50), (10, 20, 40, 56), (30, 8, 88, 40))  # px, corners of what is drawn in each image


def borders(square: tuple[int, int, int, int]) -> list[list[float]]:
    """The four sides of a filled square, between the pixels inside and outside."""
    left, top, right, bottom = (float(side) - 0.5 for side in square)
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    return [[*a, *b] for a, b in pairwise(corners)]


def picture(square: tuple[int, int, int, int]) -> np.ndarray:
    left, top, right, bottom = square
    pixels = np.full((SIZE[1], SIZE[0], 3), 40, dtype=np.uint8)
    pixels[top:bottom, left:right] = 200
    return pixels


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    rows = []
    for number, square in enumerate(SQUARES):
        write_jpeg(folder / "images" / f"{number}.jpg", picture(square))
        rows.append({"filename": f"{number}.jpg", "width": SIZE[0], "height": SIZE[1], "lines": borders(square)})
    (folder / "lines.json").write_text(json.dumps(rows))
    return folder


def perfect(scores: float = 0.8):
    """A detector that knows what is drawn."""
    answers = {picture(square).tobytes(): borders(square) for square in SQUARES}

    def detect(pixels: np.ndarray) -> FoundLines:
        nearest = min(answers, key=lambda known: cv2.norm(np.frombuffer(known, np.uint8).reshape(pixels.shape), pixels))
        segments = np.array(answers[nearest], dtype=np.float32)
        return FoundLines(segments, np.full(len(segments), scores, dtype=np.float32))

    return detect


def run(*arguments: object):
    return CliRunner().invoke(main, ["evaluate", "lines", *map(str, arguments)])


def test_a_detector_that_knows_everything_is_perfect(data):
    steps = []
    truth = LineTruth(open_dataset(data))
    found = evaluate_detector(perfect(), truth, HEAT_THRESHOLDS, 0.7, lambda done, total: steps.append((done, total)))
    assert found.heat.f_score > 0.95
    assert found.structural == {5: 1.0, 10: 1.0, 15: 1.0}
    assert found.heat.thresholds[found.use] == 0.7
    assert found.counts() == {
        "images": 3,
        "true segments": 12,
        "found segments": 12,
        "found segments at the threshold of use": 12,
    }
    assert steps[0] == (1, 6)
    assert steps[-1] == (6, 6)
    assert found.milliseconds is not None


def test_a_threshold_of_use_that_is_not_among_the_others_is_added(data):
    found = evaluate_detector(perfect(0.8), LineTruth(open_dataset(data)), HEAT_THRESHOLDS, 0.81)
    assert found.heat.thresholds[found.use] == 0.81
    assert found.counts()["found segments at the threshold of use"] == 0
    assert found.heat.f_scores[found.use] == 0.0
    assert found.heat.f_score > 0.95


def test_a_damaged_image_costs_itself_and_is_named(data):
    (data / "images" / "1.jpg").write_bytes(b"no picture")
    found = evaluate_detector(perfect(), LineTruth(open_dataset(data)))
    assert found.counts()["images"] == 2
    assert "1.jpg" in found.notes[0]


def test_a_set_without_lines_is_refused(tmp_path):
    write_jpeg(tmp_path / "images" / "1.jpg", picture(SQUARES[0]))
    content = {"images": [{"id": 1, "file_name": "1.jpg", "width": 96, "height": 64}], "annotations": []}
    (tmp_path / "instances.json").write_text(json.dumps(content | {"categories": [{"id": 1, "name": "car"}]}))
    with pytest.raises(InvalidInput, match="none has labels of lines"):
        evaluate_detector(perfect(), LineTruth(open_dataset(tmp_path)))


def test_what_is_written_is_read_again_and_judged_the_same(data, tmp_path):
    truth = LineTruth(open_dataset(data))
    first = evaluate_detector(perfect(), truth)
    write_found(tmp_path / "found.json", first.images)
    second = evaluate_stored(tmp_path / "found.json", truth)
    np.testing.assert_array_equal(first.heat.matched, second.heat.matched)
    assert second.structural == first.structural
    assert second.milliseconds is None


def test_found_segments_of_images_of_another_size_are_scaled(tmp_path):
    lines = np.array([[0.5, 0.5, 10.5, 20.5]], dtype=np.float32)
    write_found(tmp_path / "f.json", [ImageLines("a/b.png", SIZE, lines[:0], lines, np.ones(1, dtype=np.float32))])
    stored = read_found(tmp_path / "f.json")
    assert stored.of("b.jpg", (192, 64)).segments.tolist() == [[1.5, 0.5, 21.5, 20.5]]
    with pytest.raises(InvalidInput, match=r"no image c\.jpg"):
        stored.of("c.jpg", SIZE)


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"lines": [[1, 2, 3]]}, "lines"),
        ({"scores": [0.5]}, "scores"),
        ({"scores": [0.5, float("inf")]}, "JSON"),
        ({"width": 0}, "width"),
        ({"filename": 3}, "filename"),
    ],
)
def test_a_wrong_file_of_segments_is_refused_with_the_place(tmp_path, row, named):
    good = {"filename": "a.png", "width": 9, "height": 9, "lines": [[1, 2, 3, 4]] * 2, "scores": [0.5, 0.5]}
    (tmp_path / "f.json").write_text(json.dumps([good | row]))
    with pytest.raises(InvalidInput, match=named):
        read_found(tmp_path / "f.json")


def test_an_image_that_is_listed_twice_is_refused(tmp_path):
    (tmp_path / "f.json").write_text(json.dumps([{"filename": "a", "width": 9, "height": 9, "lines": []}] * 2))
    with pytest.raises(InvalidInput, match="twice"):
        read_found(tmp_path / "f.json")


def test_the_command_finds_the_squares_with_classic_lsd_and_writes_a_page(data, tmp_path):
    done = run("--model", "lsd", "--data", data, "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert printed["F^H"] > 0.9
    written = json.loads((tmp_path / "out" / NUMBERS).read_text())
    assert written["F^H"] == printed["F^H"]
    assert written["detector"] == "lsd, advanced"
    assert set(written["images"]) == {"0.jpg", "1.jpg", "2.jpg"}
    page = (tmp_path / "out" / PAGE).read_text()
    assert page.count("<figure>") == 4  # two at either end: no image is among the best and the worst by much
    assert all(word in page for word in ("Worst images", "Best images", "sAP10", "Precision by recall"))
    again = run("--found", tmp_path / "out" / RESULTS, "--data", data)
    assert again.exit_code == 0, again.output
    assert f"{100 * printed['F^H']:.1f} %" in again.output


def test_true_lines_are_green_and_found_ones_red_on_top():
    pixels = np.zeros((40, 60, 3), dtype=np.uint8)
    shown = drawn(pixels, np.array([[5.0, 10, 50, 10]]), np.array([[20.0, 10, 30, 10], [5, 30, 50, 30]]))
    for row, column, colour in ((10, 10, TRUE), (10, 25, FOUND), (30, 25, FOUND)):
        assert np.abs(shown[row, column].astype(int) - colour).max() < 30  # edges are smoothed
    assert shown.shape == pixels.shape


def test_large_images_are_shown_small():
    assert drawn(np.zeros((1000, 2000, 3), dtype=np.uint8), np.zeros((0, 4)), np.zeros((0, 4))).shape == (320, 640, 3)
