import json

import cv2
import numpy as np
import pytest

from perception.core.classes import DETECTED, Class
from perception.core.errors import InvalidInput
from perception.detection.boxes import DetectedBoxes
from perception.detection.tracking.config import TrackingConfig
from perception.evaluation.tracking import measure
from perception.evaluation.tracking_run import clips_of, followed, in_detected
from perception.io.datasets.opening import open_dataset

NAMES = {1: "car", 2: "animal", 3: "person"}
CAR = DETECTED.index(Class.CAR)


def write_set(path, videos=("a", "b"), length=6):
    """COCO labels of short videos, one folder each: a white car that moves, and an animal, which is not detected."""
    images, annotations = [], []
    for number, video in enumerate(videos):
        (path / "images" / video).mkdir(parents=True)
        for k in range(length):
            x = 10 + 6 * k
            pixels = np.zeros((60, 90, 3), dtype=np.uint8)
            pixels[20:40, x : x + 20] = 255
            name = f"{video}/{k:06d}.png"
            assert cv2.imwrite(str(path / "images" / name), pixels)
            image = {"id": len(images), "file_name": name, "width": 90, "height": 60}
            for category, box in ((1, [x, 20, 20, 20]), (2, [60, 0, 20, 15])):
                annotations.append(
                    {
                        "image_id": len(images),
                        "category_id": category,
                        "bbox": box,
                        "instance_id": category + 10 * number,
                    }
                )
            images.append({**image, "stamp_ns": (k + 1) * 100_000_000})
    categories = [{"id": number, "name": name} for number, name in NAMES.items()]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (path / "annotations").mkdir(parents=True)
    (path / "annotations" / "instances.json").write_text(json.dumps(content))
    return path


def bright(pixels):
    """Instead of a network: the box around what is white."""
    rows, columns = np.nonzero(pixels[..., 0] > 128)
    corners = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], dtype=np.float32)
    return DetectedBoxes(corners, np.array([0.9], dtype=np.float32), np.array([CAR]))


def test_folders_of_pictures_are_clips_and_only_detected_classes_are_asked_for(tmp_path):
    clips = clips_of(open_dataset(write_set(tmp_path)))
    assert [len(clip) for clip in clips] == [6, 6]
    assert {kind for clip in clips for moment in clip for kind in moment.labels.class_ids.tolist()} == {Class.CAR}
    assert [moment.stamp_ns for moment in clips[0]] == [(k + 1) * 100_000_000 for k in range(6)]


def test_a_detector_that_is_right_is_followed_from_the_image_that_confirms(tmp_path):
    clips = clips_of(open_dataset(write_set(tmp_path)))
    result = measure(list(followed(clip, bright, TrackingConfig())) for clip in clips)
    assert (result.num_true, result.num_found, result.switches) == (12, 10, 0)
    assert (result.precision, result.recall) == pytest.approx((1.0, 10 / 12))
    at_once = measure(list(followed(clip, bright, TrackingConfig(num_confirming=1))) for clip in clips)
    assert (at_once.hota, at_once.idf1) == pytest.approx((1.0, 1.0))


def test_a_set_without_labelled_images_is_refused(tmp_path):
    write_set(tmp_path, videos=())
    with pytest.raises(InvalidInput, match="no image has labelled objects"):
        clips_of(open_dataset(tmp_path / "annotations" / "instances.json"))


def test_classes_of_another_detector_are_found_by_name_and_the_rest_is_left_out():
    boxes = DetectedBoxes(
        np.tile(np.array([0, 0, 9, 9], dtype=np.float32), (4, 1)),
        np.array([0.9, 0.8, 0.7, 0.6], dtype=np.float32),
        np.array([2, 0, 1, 2]),
    )
    ours = in_detected(boxes, ("person", "toaster", "car"))
    assert [DETECTED[k] for k in ours.classes] == [Class.CAR, Class.PEDESTRIAN, Class.CAR]
    np.testing.assert_allclose(ours.scores, [0.9, 0.8, 0.6])
