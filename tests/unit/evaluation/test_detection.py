import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from perception.cli import main
from perception.core.classes import DETECTED
from perception.core.errors import ConfigError, InvalidInput
from perception.detection.boxes import DetectedBoxes
from perception.detection.config import NmsConfig
from perception.evaluation.detection import Protocol, average_precision, evaluate_detector, find, results_of
from perception.evaluation.detection_matching import IGNORED, KINDS, MAX_KEPT, UNMATCHED, Tally, match
from perception.evaluation.detection_report import confusion_picture, crop, percent, render_report
from perception.evaluation.detection_run import DetectionOptions
from perception.evaluation.detection_truth import NONE, ImageTruth, class_map, truth_of
from perception.io.datasets.opening import open_dataset
from perception.io.datasets.pictures import write_jpeg

OURS = tuple(kind.label for kind in DETECTED)
SIZE = (96, 64)  # px, width and height of the pictures
BOX = (16.0, 24.0, 48.0, 56.0)  # px; sides are whole cells of stride 8


def boxes(*rows: tuple[float, ...]) -> DetectedBoxes:
    """Rows of x_low, y_low, x_high, y_high, score, class."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return DetectedBoxes(table[:, :4].astype(np.float32), table[:, 4].astype(np.float32), table[:, 5].astype(np.int64))


def image(*rows: tuple[float, ...], ignored: tuple[int, ...] = (), name: str = "picture.jpg") -> ImageTruth:
    """Rows of x_low, y_low, x_high, y_high, class."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    is_ignored = np.isin(np.arange(len(table)), ignored)
    return ImageTruth(7, name, SIZE, table[:, :4].copy(), table[:, 4].astype(np.int64), is_ignored, grey)


def grey() -> np.ndarray:
    return np.full((SIZE[1], SIZE[0], 3), 90, dtype=np.uint8)


def outputs(images: np.ndarray, *rows: tuple[float, ...], num_classes: int) -> list[np.ndarray]:
    """Raw heads that answer boxes (x_low, y_low, x_high, y_high, score, class), sides in cells of stride 8."""
    height, width = images.shape[2:]
    levels = []
    for stride in (8, 16, 32):
        level = np.zeros((64 + num_classes, height // stride, width // stride), dtype=np.float32)
        level[64:] = -20.0
        levels.append(level)
    for x, y, x_high, y_high, score, kind in rows:
        column, row = int((x + x_high) / 16), int((y + y_high) / 16)
        cell = 8.0 * np.array([column + 0.5, row + 0.5])
        distances = np.concatenate([cell - (x, y), np.array([x_high, y_high]) - cell]) / 8.0
        for side, distance in enumerate(distances):
            low = int(distance)
            share = distance - low
            bins = np.full(16, -30.0)
            bins[low], bins[low + 1] = np.log(max(1.0 - share, 1e-12)), np.log(max(share, 1e-12))
            levels[0][side * 16 : side * 16 + 16, row, column] = bins
        levels[0][64 + int(kind), row, column] = np.log(score / (1.0 - score))
    return levels


def coco_set(folder: Path, names: tuple[str, ...], annotations: list[dict], num_images: int = 2) -> Path:
    entries = []
    for number in range(num_images):
        write_jpeg(folder / "images" / f"{number}.jpg", grey())
        entries.append({"id": 10 + number, "file_name": f"{number}.jpg", "width": SIZE[0], "height": SIZE[1]})
    content = {
        "images": entries,
        "categories": [{"id": 3 + row, "name": name} for row, name in enumerate(names)],
        "annotations": [{"id": row, "iscrowd": 0, **entry} for row, entry in enumerate(annotations, start=1)],
    }
    (folder / "instances.json").write_text(json.dumps(content))
    return folder


def test_classes_of_the_same_names_are_compared_one_by_one():
    found = class_map(("dog", "cat", "traffic light"), {5: "traffic_light", 2: "cat"})
    assert found.names == ("cat", "traffic light")
    assert found.of_network.tolist() == [NONE, 0, 1]
    assert found.of_set == {2: 0, 5: 1}
    assert found.category_ids == (2, 5)


def test_classes_that_mean_the_same_are_compared_and_others_are_not():
    found = class_map(OURS, {1: "Car", 2: "Van", 4: "Pedestrian", 6: "Cyclist", 7: "Tram", 9: "DontCare"})
    assert found.names == ("bicycle", "car", "pedestrian")
    assert found.of_set == {1: 1, 2: 1, 4: 2, 6: 0}
    assert found.category_ids == (6, 1, 4)
    assert [OURS[row] for row in np.flatnonzero(found.of_network != NONE)] == ["bicycle", "car", "pedestrian"]


def test_boxes_of_classes_that_the_set_does_not_have_are_dropped_and_counted():
    kept, dropped = class_map(("pizza", "car"), {1: "car"}).compared(boxes((*BOX, 0.9, 0), (*BOX, 0.8, 1)))
    assert dropped == 1
    assert kept.classes.tolist() == [0]
    assert kept.scores.tolist() == pytest.approx([0.8])


def test_a_set_without_a_common_class_is_refused(tmp_path):
    dataset = open_dataset(coco_set(tmp_path, ("pizza",), []))
    with pytest.raises(InvalidInput, match="shares no class"):
        truth_of(dataset, OURS)


def test_a_limit_takes_images_evenly_spread(tmp_path):
    dataset = open_dataset(coco_set(tmp_path, ("car",), [], num_images=9))
    assert list(truth_of(dataset, OURS, 3).rows) == [0, 4, 8]
    assert len(truth_of(dataset, OURS)) == 9


def test_regions_without_labels_are_ignored_for_every_class(tmp_path):
    drive = tmp_path / "drive"
    write_jpeg(drive / "image_02" / "000000.jpg", grey())
    place = "-1 -1 -1 -1000 -1000 -1000 -10"
    lines = [
        f"0 -1 DontCare -1 -1 -10 0 0 100 100 {place}",
        "0 4 Car 0 0 -1.5 621 187 700 300 1.5 1.6 4.0 0 1.5 20 0",
        "0 5 Pedestrian 0 3 -1.5 10 187 40 300 1.7 0.6 0.8 -5 1.5 20 0",
    ]
    (drive / "labels_tracking.txt").write_text("\n".join(lines) + "\n")
    P = "700 0 600 0 0 700 180 0 0 0 1 0"
    (drive / "calib.txt").write_text(f"P2: {P}\nR_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0\n")
    truth = truth_of(open_dataset(drive), OURS)
    ((found,),) = list(truth.images())
    names = [truth.classes.names[row] for row in found.classes]
    assert truth.classes.names == ("bicycle", "car", "pedestrian", "truck")
    assert sorted(names) == ["bicycle", "car", "car", "pedestrian", "pedestrian", "truck"]
    assert found.is_ignored.sum() == 4  # the region, once for each class; hidden objects are asked for
    assert found.boxes[names.index("car", names.index("car") + 1)].tolist() == pytest.approx(
        [621 * 96 / 1242, 187 * 64 / 375, 700 * 96 / 1242, 300 * 64 / 375], abs=1e-4
    )


def test_perfect_boxes_have_a_precision_of_one():
    pytest.importorskip("pycocotools")
    summary, per_class = average_precision(
        [image((*BOX, 0), (50, 2, 90, 40, 1))], [boxes((*BOX, 0.9, 0), (50, 2, 90, 40, 0.8, 1))], "ab"
    )
    assert [summary[key] for key in ("AP", "AP50", "AR 100")] == pytest.approx([1.0] * 3)
    assert np.array(per_class) == pytest.approx(np.ones((2, 3)))


def test_half_of_the_objects_give_half_of_the_precision():
    pytest.importorskip("pycocotools")
    truth = [image((*BOX, 0), (50, 2, 90, 40, 0))]
    summary, _ = average_precision(truth, [boxes((*BOX, 0.9, 0), (60, 50, 80, 60, 0.2, 0))], ["a"])
    assert summary["AP"] == pytest.approx(51 / 101)  # precision 1 at the recalls 0, 0.01 ... 0.5
    assert summary["AR 100"] == pytest.approx(0.5)


def test_a_box_of_another_class_counts_for_nothing():
    pytest.importorskip("pycocotools")
    summary, per_class = average_precision([image((*BOX, 0))], [boxes((*BOX, 0.9, 1))], "ab")
    assert summary["AP"] == 0.0
    assert per_class == [(0.0, 0.0, 0.0), (None, None, None)]  # no object asks for the second class


def test_boxes_in_ignored_regions_are_neither_right_nor_wrong():
    pytest.importorskip("pycocotools")
    truth = [image((*BOX, 0), (60, 0, 96, 60, 0), ignored=(1,))]
    summary, _ = average_precision(truth, [boxes((62, 2, 80, 20, 0.95, 0), (*BOX, 0.9, 0))], ["a"])
    assert summary["AP"] == pytest.approx(1.0)


def test_no_boxes_at_all_are_judged_too():
    pytest.importorskip("pycocotools")
    summary, _ = average_precision([image((*BOX, 0))], [boxes()], ["a"])
    assert summary["AP"] == 0.0


def test_results_have_the_form_and_the_rounding_of_coco():
    found = results_of([image()], [boxes((1.00004, 2, 11.5, 8.25, 0.123456, 1))], (5, 9))
    assert found == [{"image_id": 7, "category_id": 9, "bbox": [1.0, 2.0, 10.5, 6.25], "score": 0.12346}]


def test_each_object_is_taken_once_by_the_best_box_of_its_class():
    truth = image((*BOX, 0), (50, 0, 90, 20, 1))
    found = boxes((*BOX, 0.9, 0), (16, 24, 48, 50, 0.8, 0), (50, 0, 90, 20, 0.7, 0), (0, 0, 5, 5, 0.6, 1))
    assert match(truth, found).tolist() == [0, UNMATCHED, 1, UNMATCHED]


def test_a_later_box_of_the_right_class_wins_over_a_better_one_of_another():
    assert match(image((*BOX, 0)), boxes((*BOX, 0.9, 1), (*BOX, 0.4, 0))).tolist() == [UNMATCHED, 0]


def test_a_box_inside_an_ignored_region_of_its_class_is_left_out():
    truth = image((0, 0, 60, 60, 0), ignored=(0,))
    assert match(truth, boxes((5, 5, 15, 15, 0.9, 0), (5, 5, 15, 15, 0.8, 1))).tolist() == [IGNORED, UNMATCHED]


def test_an_image_without_objects_or_boxes_is_matched():
    assert match(image(), boxes((*BOX, 0.9, 0))).tolist() == [UNMATCHED]
    assert match(image((*BOX, 0)), boxes()).tolist() == []


def test_confusion_precision_and_recall_follow_the_matches():
    tally = Tally(("a", "b"))
    tally.add(
        image((*BOX, 0), (50, 0, 90, 20, 1)), boxes((*BOX, 0.9, 0), (50, 0, 90, 20, 0.7, 0), (0, 0, 9, 9, 0.6, 1))
    )
    tally.add(image((*BOX, 0)), boxes())
    assert tally.confusion.tolist() == [[1, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert (tally.precision(0), tally.recall(0)) == (0.5, 0.5)
    assert (tally.precision(1), tally.recall(1)) == (0.0, 0.0)
    assert tally.totals() == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert [len(tally.failures(kind)) for kind in KINDS] == [1, 1, 1]


def test_the_worst_failures_are_kept_and_come_first():
    tally = Tally(("a",))
    for number in range(2 * MAX_KEPT):
        tally.add(image(), boxes((*BOX, (number + 1) / 100, 0)))
        tally.add(image((0, 0, number + 1, 9, 0)), boxes())
    wrong, missed = tally.failures(KINDS[0]), tally.failures(KINDS[2])
    assert [round(failure.score, 2) for failure in wrong] == [k / 100 for k in range(2 * MAX_KEPT, MAX_KEPT, -1)]
    assert [failure.box[2] for failure in missed] == list(range(2 * MAX_KEPT, MAX_KEPT, -1))


def test_boxes_come_back_in_pixels_of_the_image():
    def heads(images):
        return outputs(images, (144, 192, 272, 320, 0.9, 0), num_classes=2)

    (found,) = find(heads, np.zeros((SIZE[1] * 4, SIZE[0] * 4, 3), dtype=np.uint8), Protocol(768), NmsConfig())
    # 384 x 256 px become 768 x 512 with a border of 16 px, since the published loader adds half a stride
    assert found.corners.tolist() == [pytest.approx([64, 88, 128, 152], abs=1e-3)]
    assert found.scores.tolist() == pytest.approx([0.9], abs=1e-6)


def test_a_detector_is_run_over_a_set_and_judged(tmp_path):
    pytest.importorskip("pycocotools")
    right = {"image_id": 10, "category_id": 4, "bbox": [16, 24, 32, 32], "area": 1024}
    other = {"image_id": 11, "category_id": 3, "bbox": [16, 24, 32, 32], "area": 1024}
    truth = truth_of(open_dataset(coco_set(tmp_path, ("person", "car", "pizza"), [right, other])), OURS)
    seen = []

    def heads(images):
        left, top = (images.shape[3] - SIZE[0]) // 2, (images.shape[2] - SIZE[1]) // 2  # px of border
        corners = np.add(BOX, (left, top, left, top))
        return outputs(images, (*corners, 0.9, OURS.index("car")), num_classes=len(OURS))

    found = evaluate_detector(heads, truth, Protocol(96), lambda done, total: seen.append((done, total)))
    assert truth.classes.names == ("car", "pedestrian")
    assert seen == [(1, 2), (2, 2)]
    assert found.counts["objects"] == 2
    assert found.counts["images"] == 2
    assert [(row["image_id"], row["category_id"]) for row in found.results] == [(10, 4), (11, 4)]
    assert found.results[0]["bbox"] == pytest.approx([16, 24, 32, 32], abs=1e-2)
    by_name = {entry.name: entry for entry in found.classes}
    assert by_name["car"].average_precision_50 == pytest.approx(1.0)  # of equal scores the right box comes first
    assert by_name["car"].precision == 0.5
    assert by_name["pedestrian"].recall == 0.0
    assert found.tally.confusion.tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]
    json.dumps(found.to_json(), allow_nan=False)


def test_an_image_that_is_damaged_costs_itself_and_is_reported(tmp_path):
    pytest.importorskip("pycocotools")
    folder = coco_set(tmp_path, ("car",), [{"image_id": 10, "category_id": 3, "bbox": [16, 24, 32, 32]}])
    (folder / "images" / "1.jpg").write_bytes(b"no picture")
    found = evaluate_detector(
        lambda images: outputs(images, num_classes=len(OURS)), truth_of(open_dataset(folder), OURS), Protocol(96)
    )
    assert found.counts["images"] == 1
    assert "1.jpg" in found.notes[0]


def test_a_set_without_a_readable_image_is_refused(tmp_path):
    folder = coco_set(tmp_path, ("car",), [])
    for file in (folder / "images").iterdir():
        file.unlink()
    with pytest.raises(InvalidInput, match="no labelled image"):
        evaluate_detector(lambda images: [], truth_of(open_dataset(folder), OURS), Protocol(96))


def test_a_side_that_networks_cannot_take_is_refused():
    with pytest.raises(ConfigError, match="side"):
        DetectionOptions("any", Path("any"), side=100)


def test_a_picture_of_a_failure_shows_both_boxes():
    tally = Tally(("a", "b"))
    tally.add(image((*BOX, 0)), boxes((18, 26, 48, 56, 0.9, 1)))
    (failure,) = tally.failures(KINDS[1])
    colours = {tuple(colour) for colour in crop(grey(), failure).reshape(-1, 3).tolist()}
    assert {(220, 50, 47), (60, 180, 75), (90, 90, 90)} <= colours


def test_the_confusion_is_a_picture_with_counts_and_escaped_names():
    picture = confusion_picture(("<b>", "car"), np.array([[3, 0, 1], [0, 0, 0], [0, 2, 0]]))
    assert "&lt;b&gt;" in picture
    assert "<b>" not in picture
    assert [text in picture for text in (">3<", ">1<", ">2<", ">0<")] == [True, True, True, False]


def test_shares_are_written_in_percent_and_their_absence_as_a_dash():
    assert (percent(0.1234), percent(None)) == ("12.3 %", "-")


class FakeRuntime:
    """Answers every image with one car."""

    backend, precision = "fake", "f32"

    def __init__(self) -> None:
        self.is_open = True

    def infer(self, inputs):
        levels = outputs(inputs["images"], (*BOX, 0.9, OURS.index("car")), num_classes=len(OURS))
        return {name: level[None] for name, level in zip(("p3", "p4", "p5"), levels)}

    def close(self) -> None:
        self.is_open = False


@pytest.fixture
def fake_model(monkeypatch):
    from types import SimpleNamespace

    from perception.inference import model_card, runtime

    made = FakeRuntime()
    card = SimpleNamespace(name="fake-nano", classes=OURS)
    monkeypatch.setattr(model_card, "open_model", lambda name: SimpleNamespace(card=card))
    monkeypatch.setattr(runtime, "make_runtime", lambda *arguments, **named: made)
    return made


def test_the_command_writes_numbers_boxes_and_a_page_that_needs_nothing_else(tmp_path, fake_model):
    pytest.importorskip("pycocotools")
    objects = [{"image_id": 10, "category_id": 3, "bbox": [16, 24, 32, 32]}]
    data = coco_set(tmp_path / "<set>", ("car", "stop sign"), objects)
    words = ["evaluate", "detection", "--model", "fake-nano", "--data", str(data), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [*words, "--side", "96", "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    assert not fake_model.is_open
    numbers = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert numbers["model"] == "fake-nano"
    assert numbers["summary"] == json.loads(result.stdout)["summary"]
    assert len(json.loads((tmp_path / "out" / "detections.json").read_text())) == 2
    page = (tmp_path / "out" / "evaluation.html").read_text()
    assert "<set>" not in page
    assert "data:image/jpeg;base64," in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_the_command_prints_tables(tmp_path, fake_model):
    pytest.importorskip("pycocotools")
    data = coco_set(tmp_path, ("car",), [{"image_id": 10, "category_id": 3, "bbox": [16, 24, 32, 32]}])
    words = ["evaluate", "detection", "--model", "any", "--data", str(data), "--side", "96", "--limit", "1"]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 0
    for word in ("AP50", "car", "Counts", "Milliseconds of an image"):
        assert word in result.output


def test_a_page_is_made_of_an_evaluation_without_failures(tmp_path):
    pytest.importorskip("pycocotools")
    folder = coco_set(tmp_path, ("car",), [])
    found = evaluate_detector(
        lambda images: outputs(images, num_classes=len(OURS)), truth_of(open_dataset(folder), OURS), Protocol(96)
    )
    page = render_report(found, "nothing <at all>", [("data", "none")])
    assert "nothing &lt;at all&gt;" in page
    assert "Failures" not in page
