"""Reading COCO folders: what is kept, what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.training.pictures import PictureStore, read_pictures
from tests.unit.training.conftest import write_set

CLASSES = ("pedestrian", "car")


def edited(folder: Path, change: Any) -> Path:
    path = folder / "annotations" / "instances.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return folder


def test_boxes_become_corners_and_categories_the_numbers_of_the_classes(tmp_path: Path) -> None:
    folder = write_set(tmp_path, num_pictures=2)
    content = json.loads((folder / "annotations" / "instances.json").read_text())
    pictures = read_pictures([folder, folder], CLASSES)
    assert len(pictures) == 4
    x, y, width, height = content["annotations"][0]["bbox"]
    boxes = pictures.boxes_of(2)
    assert boxes.corners[0].tolist() == [x, y, x + width, y + height]
    assert boxes.classes.tolist() == [1, 0]


def test_names_of_other_sets_are_understood_and_unknown_categories_are_background(tmp_path: Path) -> None:
    def rename(content: dict[str, Any]) -> None:
        content["categories"][0]["name"], content["categories"][1]["name"] = "toaster", "person"

    pictures = read_pictures([edited(write_set(tmp_path), rename)], CLASSES)
    assert set(pictures.boxes.classes) == {0}
    assert len(pictures.boxes) == len(pictures)


def test_crowds_are_ignored_objects(tmp_path: Path) -> None:
    def crowd(content: dict[str, Any]) -> None:
        content["annotations"][0]["iscrowd"] = 1

    pictures = read_pictures([edited(write_set(tmp_path), crowd)], CLASSES)
    assert pictures.boxes.is_ignored.tolist()[:3] == [True, False, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.pop("annotations"), "annotations is missing"),
        (lambda content: content["annotations"][0].update(bbox=[1, 2, -3, 4]), "bbox"),
        (lambda content: content["annotations"][0].update(category_id=77), "category_id"),
        (lambda content: content["images"][0].update(file_name="../../secret.jpg"), "leaves the folder"),
        (lambda content: content["images"][0].update(width=0), "width"),
        (lambda content: content.update(annotations=[]), "holds no object"),
    ],
)
def test_damaged_labels_are_refused_by_name(tmp_path: Path, change: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_pictures([edited(write_set(tmp_path), change)], CLASSES)


def test_a_folder_without_labels_and_no_folder_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"instances\.json is not there"):
        read_pictures([tmp_path], CLASSES)
    with pytest.raises(InvalidInput, match="at least one"):
        read_pictures([], CLASSES)


def test_a_picture_of_another_size_than_its_label_is_refused(tmp_path: Path) -> None:
    def shrink(content: dict[str, Any]) -> None:
        content["images"][0]["width"] = 80

    store = PictureStore(read_pictures([edited(write_set(tmp_path), shrink)], CLASSES), 1.0)
    with pytest.raises(InvalidInput, match="its labels say 80x64"):
        store[0]


def test_decoded_pictures_are_kept_up_to_the_limit(pictures_folder: Path) -> None:
    pictures = read_pictures([pictures_folder], CLASSES)
    one = 96 * 64 * 3 / 1e9
    store = PictureStore(pictures, 1.5 * one)
    first, second = store[0], store[1]
    assert store[0] is first
    assert store[1] is not second and np.array_equal(store[1], second)
