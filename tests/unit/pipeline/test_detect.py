"""`perception detect`: files of every kind in, annotated files and COCO results out; bad ones are named."""

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from rosbags.typesys import Stores

from perception.cli import main
from perception.core.errors import InvalidInput, ModelError
from perception.detection import detector as detectors
from perception.io.datasets.pictures import read_color
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.detect import command_config, detect
from tests.unit.detection.fakes import CLASSES, SURE, detector
from tests.unit.io.bags import IMAGE, START_NS, Factory, write_ros2

BOX = (1, 160.0, 120.0, 480.0, 360.0, SURE)  # px of the input of 640x480; pictures have 160x120


@pytest.fixture
def opened(monkeypatch):
    """Detectors without a network, as they are opened."""
    opened = []

    def open_fake(config, size):
        opened.append(detector([BOX], config))
        return opened[-1]

    monkeypatch.setattr(detectors, "open_detector", open_fake)
    return opened


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (120, 160, 3), dtype=np.uint8)


def write_image(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture(seed))
    return path


def write_video(path, num_frames=6, rate=20.0):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (160, 120))
    for number in range(num_frames):
        writer.write(picture(number))
    writer.release()
    return path


def write_bag(folder, num_frames=4):
    factory = Factory(Stores.ROS2_JAZZY)
    stamps = [START_NS + number * 50_000_000 for number in range(num_frames)]
    images = [
        ("/front/image_raw", IMAGE, ns, factory.image(ns, picture(row), "front")) for row, ns in enumerate(stamps)
    ]
    return write_ros2(folder, images)


def config(**fields):
    return command_config(PerceptionConfig.model_validate(fields))


def read(folder):
    return json.loads((folder / "detections.json").read_text()), json.loads((folder / "images.json").read_text())


def test_an_image_gives_coco_results_and_an_annotated_image(tmp_path, opened):
    found = detect([write_image(tmp_path / "street.png")], config(), tmp_path / "out")
    results, images = read(tmp_path / "out")
    assert images["images"] == [{"id": 1, "file_name": "street.png", "width": 160, "height": 120, "stamp_ns": 1}]
    assert [category["name"] for category in images["categories"]] == list(CLASSES)
    (result,) = results
    assert result["bbox"] == pytest.approx([40, 30, 80, 60], abs=0.01)
    assert (result["image_id"], result["category_id"], result["category"]) == (1, 2, CLASSES[1])
    assert "track_id" not in result
    assert read_color(tmp_path / "out" / "annotated" / "street.png.jpg").shape == (120, 160, 3)
    assert found.counts.to_json() == {"images": 1, "objects": 1, "tracks": 0, "by_class": {CLASSES[1]: 1}}
    assert found.loss is None


def test_pycocotools_reads_the_results(tmp_path, opened):
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    detect([write_image(tmp_path / "street.png")], config(), tmp_path / "out")
    truth = coco.COCO(str(tmp_path / "out" / "images.json"))
    assert len(truth.loadRes(str(tmp_path / "out" / "detections.json")).anns) == 1


def test_a_folder_is_searched_with_its_folders_and_unreadable_files_are_counted(tmp_path, opened):
    folder = tmp_path / "set"
    write_image(folder / "1" / "a.jpg")
    write_image(folder / "2" / "a.jpg", seed=1)
    (folder / "2" / "broken.jpg").write_bytes((folder / "2" / "a.jpg").read_bytes()[:200])
    (folder / "notes.txt").write_text("no image")
    found = detect([folder], config(), tmp_path / "out")
    assert [image["file_name"] for image in read(tmp_path / "out")[1]["images"]] == ["1/a.jpg", "2/a.jpg"]
    assert (tmp_path / "out" / "annotated" / "2" / "a.jpg").is_file()
    assert "broken.jpg" in str(found.loss)
    assert len(opened) == 1


def test_a_video_becomes_a_video_whose_objects_are_followed(tmp_path, opened):
    tracked = command_config(PerceptionConfig(), is_tracked=True)
    found = detect([write_video(tmp_path / "clip.mp4")], tracked, tmp_path / "out")
    results, images = read(tmp_path / "out")
    assert len(images["images"]) == len(results) == 6
    assert {result["track_id"] for result in results[1:]} == {1}
    assert images["images"][1]["stamp_ns"] - images["images"][0]["stamp_ns"] == 50_000_000
    assert found.counts.to_json()["tracks"] == 1
    video = cv2.VideoCapture(str(tmp_path / "out" / "annotated" / "clip.mp4"))
    assert (video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)) == (6, 20.0)
    video.release()


def test_the_cameras_of_a_recording_need_no_lidar(tmp_path, opened):
    found = detect([write_bag(tmp_path / "bag")], config(), tmp_path / "out")
    names = [image["file_name"] for image in read(tmp_path / "out")[1]["images"]]
    assert names == [f"front/{START_NS + number * 50_000_000}" for number in range(4)]
    video = cv2.VideoCapture(str(next((tmp_path / "out" / "annotated").glob("*_front.mp4"))))
    assert (video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)) == (4, 20.0)
    video.release()
    assert any("not calibrated" in note for note in found.notes)


def test_several_sources_share_the_detector_and_their_names_do_not_meet(tmp_path, opened):
    paths = [
        write_image(tmp_path / "a" / "x.jpg"),
        write_image(tmp_path / "b" / "x.jpg"),
        write_image(tmp_path / "y.jpg"),
        write_image(tmp_path / "set" / "z.jpg").parent,
    ]
    detect([*paths, tmp_path / "gone.jpg"], config(), tmp_path / "out")
    names = [image["file_name"] for image in read(tmp_path / "out")[1]["images"]]
    assert names == ["1_x.jpg/x.jpg", "2_x.jpg/x.jpg", "y.jpg", "set/z.jpg"]
    assert len({str(path) for path in (tmp_path / "out").rglob("*.jpg")}) >= 4
    assert len(opened) == 1


def test_without_a_folder_nothing_is_written(tmp_path, opened):
    path = write_image(tmp_path / "street.png")
    assert detect([path], config()).counts.num_images == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("make", ["missing.jpg", "text.jpg", "text.mp4", "empty", "file.txt"])
def test_where_nothing_can_be_read_that_is_an_error_and_nothing_is_written(tmp_path, opened, make):
    path = tmp_path / make
    if make == "empty":
        path.mkdir()
    elif make != "missing.jpg":
        path.write_text("no image")
    with pytest.raises(InvalidInput, match=make):
        detect([path], config(), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.json"))
    assert not opened


def test_an_image_with_too_many_pixels_is_not_decoded(tmp_path, opened):
    path = write_image(tmp_path / "street.png")
    with pytest.raises(InvalidInput, match="max_image_pixels"):
        detect([path], config(input={"max_image_pixels": 1000}))


def test_a_model_that_is_not_there_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("PERCEPTION_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match="no-such-model"):
        detect([write_image(tmp_path / "street.png")], config(detection={"model": "no-such-model"}), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.json"))


def test_the_command_prints_a_table_and_ends_with_3_where_something_was_lost(tmp_path, opened):
    good = write_image(tmp_path / "street.png")
    done = CliRunner().invoke(main, ["detect", str(good), str(tmp_path / "gone.jpg"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 3
    assert CLASSES[1] in done.output
    assert "1 objects in 1 images" in " ".join(done.output.split())
    assert "gone.jpg: does not exist" in " ".join(done.output.split())
    assert "detection: fake on fake, f32, cpu" in done.output
    assert CliRunner().invoke(main, ["detect", str(good)]).exit_code == 0


def test_options_of_the_command_reach_the_configuration(tmp_path, opened):
    good = write_image(tmp_path / "street.png")
    options = ["--score", "0.9", "--backend", "onnx", "--model", "other", "--set", "detection.nms.iou_threshold=0.5"]
    done = CliRunner().invoke(main, ["detect", str(good), *options])
    assert done.exit_code == 0, done.output
    used = opened[0].config
    assert (used.nms.score_threshold, used.backend, used.model, used.nms.iou_threshold) == (0.9, "onnx", "other", 0.5)
    assert not used.tracking.is_enabled
    wrong = CliRunner().invoke(main, ["detect", str(good), "--backend", "abacus"])
    assert wrong.exit_code == 2
    assert "detection.backend" in wrong.output
    assert CliRunner().invoke(main, ["detect"]).exit_code == 2
