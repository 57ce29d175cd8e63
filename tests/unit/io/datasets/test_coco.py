import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perception.core.classes import DETECTED, Class
from perception.core.errors import InvalidInput
from perception.io.datasets.coco import open_coco
from perception.io.datasets.coco_writer import CocoWriter, ImageEntry
from perception.io.datasets.fields import load_json
from perception.io.datasets.pictures import write_jpeg
from tests.unit.io.datasets import made

unhurried = settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))


def written(path, frames):
    path.unlink(missing_ok=True)
    writer = CocoWriter(path)
    for number, labels in enumerate(frames):
        writer.add(made.image(number), labels)
    writer.close()
    return path


def opened(path):
    return open_coco(path, load_json(path))


@given(st.lists(made.labels(), max_size=3))
@unhurried
def test_what_is_written_is_read_again(tmp_path, frames):
    dataset = opened(written(tmp_path / "instances.json", frames))
    got = list(dataset.frames())
    assert len(got) == len(frames)
    assert not dataset.losses.counts
    for number, (frame, want) in enumerate(zip(got, frames)):
        assert frame.name == made.image(number).file_name
        assert frame.stamp_ns == made.image(number).stamp_ns
        made.assert_same_objects(frame.views[0].objects, want)


@given(st.lists(made.labels(), min_size=1, max_size=3))
@unhurried
def test_pycocotools_loads_what_is_written(tmp_path, frames):
    judge = pytest.importorskip("pycocotools.coco")
    coco = judge.COCO(str(written(tmp_path / "instances.json", frames)))
    assert [coco.cats[number]["name"] for number in range(1, 15)] == [kind.label for kind in DETECTED]
    for image_id, want in enumerate(frames, start=1):
        for entry in coco.loadAnns(coco.getAnnIds(image_id)):
            mask = want.instance_map == entry["instance_id"]
            assert np.array_equal(coco.annToMask(entry).astype(bool), mask)
            assert entry["area"] == mask.sum()


def test_a_stop_changes_nothing_in_the_file(tmp_path):
    frames = [made.labels_of(np.full((made.HEIGHT, made.WIDTH), n, np.int32), {n: Class.CAR}) for n in range(1, 6)]
    whole = written(tmp_path / "whole.json", frames).read_bytes()
    path = tmp_path / "instances.json"
    first = CocoWriter(path)
    for number in (3, 0):
        first.add(made.image(number), frames[number])
    first.abort()
    with (tmp_path / "instances.json.part").open("ab") as file:
        file.write(b'["images/cam_front/000001.jpg",{"ima')  # the power failed here
    second = CocoWriter(path)
    assert made.image(3).file_name in second
    assert made.image(1).file_name not in second
    for number, labels in enumerate(frames):
        second.add(made.image(number), labels)
    second.close()
    assert path.read_bytes() == whole
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".part"] == []


def test_a_class_that_is_not_detected_is_left_out(tmp_path):
    instances = np.zeros((made.HEIGHT, made.WIDTH), np.int32)
    instances[2:4, 2:4], instances[5:7, 5:7] = 1, 2
    labels = made.labels_of(instances, {1: Class.ANIMAL, 2: Class.CHAIR})
    objects = opened(written(tmp_path / "instances.json", [labels]))[0].views[0].objects
    assert objects.instance_ids.tolist() == [2]
    assert objects.class_ids.tolist() == [Class.CHAIR]


def test_labels_without_their_map_are_refused(tmp_path):
    labels = made.labels_of(np.zeros((3, 3), np.int32), {})
    with pytest.raises(InvalidInput, match=r"instance_map of .*000000.jpg: expected \(9, 11\), got \(3, 3\)"):
        CocoWriter(tmp_path / "instances.json").add(made.image(), labels)


def content(**changes):
    annotation = {"id": 7, "image_id": 1, "category_id": 3, "bbox": [2, 2, 4, 3], "iscrowd": 0}
    annotation["segmentation"] = [[2, 2, 6, 2, 6, 5, 2, 5]]
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 12, "height": 10}],
        "categories": [{"id": 3, "name": "car"}, {"id": 53, "name": "apple"}],
        "annotations": [{**annotation, "id": 6, "bbox": [0, 0, 1, 1], "segmentation": []}, {**annotation, **changes}],
    }


def test_polygons_are_filled_and_classes_translated(tmp_path):
    dataset = open_coco(tmp_path / "x.json", content(category_id=53))
    view = dataset[0].views[0]
    assert view.objects.class_ids.tolist() == [Class.CAR, Class.OTHERS]
    assert view.category_ids.tolist() == [3, 53]
    assert dataset.categories[53] == "apple"
    assert np.argwhere(view.objects.instance_map == 2).tolist() == [[y, x] for y in range(2, 5) for x in range(2, 6)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bbox": [1, 2, 3]}, "bbox"),
        ({"bbox": [1, 2, -3, 4]}, "size -3x4"),
        ({"category_id": 9}, "category_id: 9"),
        ({"segmentation": [[1, 2, 3]]}, "polygon"),
        ({"segmentation": {"size": [10, 12], "counts": "~~"}}, "counts"),
        ({"segmentation": {"size": [10, 12], "counts": [5, 5]}}, "counts"),
        ({"segmentation": {"size": [10, 12]}}, "counts"),
        ({"segmentation": {"size": [12, 10], "counts": [120]}}, "size"),
        ({"occlusion": 2.0}, "occlusion"),
        ({"instance_id": -4}, "instance_id"),
    ],
)
def test_a_damaged_annotation_costs_itself_and_is_counted(tmp_path, changes, reason):
    dataset = open_coco(tmp_path / "x.json", content(**changes))
    (frame,) = dataset.frames()
    assert frame.views[0].objects.instance_ids.tolist() == [1]
    (text,) = dataset.losses.counts
    assert reason in text
    assert "annotation 7" in text


def test_a_damaged_image_costs_itself_and_is_counted(tmp_path):
    path = tmp_path / "instances.json"
    writer = CocoWriter(path)
    for number in range(3):
        entry = made.image(number)
        write_jpeg(tmp_path / entry.file_name, np.full((made.HEIGHT, made.WIDTH, 3), 80, dtype=np.uint8))
        writer.add(entry, made.labels_of(np.zeros((made.HEIGHT, made.WIDTH), np.int32), {}))
    writer.close()
    broken = tmp_path / made.image(1).file_name
    broken.write_bytes(broken.read_bytes()[:300])
    dataset = opened(path)
    assert [frame.name for frame, _, _ in dataset.images()] == [made.image(k).file_name for k in (0, 2)]
    assert sum(dataset.losses.counts.values()) == 1


def test_an_image_of_another_size_than_its_labels_is_refused(tmp_path):
    write_jpeg(tmp_path / "a.jpg", np.zeros((10, 13, 3), dtype=np.uint8))
    with pytest.raises(InvalidInput, match="13x10 px, its labels belong to 12x10"):
        open_coco(tmp_path / "x.json", content())[0].views[0].pixels()


@pytest.mark.parametrize("missing", ["images", "annotations", "categories"])
def test_a_file_without_a_list_is_refused_by_its_name(tmp_path, missing):
    part = {key: value for key, value in content().items() if key != missing}
    with pytest.raises(InvalidInput, match=rf"x.json: {missing} is missing"):
        open_coco(tmp_path / "x.json", part)


def test_a_name_that_leaves_the_folder_is_refused(tmp_path):
    bad = content()
    bad["images"][0]["file_name"] = "../../etc/passwd"
    dataset = open_coco(tmp_path / "x.json", bad)
    assert list(dataset.frames()) == []
    assert "leaves the folder" in next(iter(dataset.losses.counts))


def test_a_file_of_many_images_is_written_as_valid_json(tmp_path):
    empty = made.labels_of(np.zeros((made.HEIGHT, made.WIDTH), np.int32), {})
    writer = CocoWriter(tmp_path / "a.json")
    writer.add(ImageEntry('ü "x".jpg', made.WIDTH, made.HEIGHT, 0), empty)
    writer.close()
    read = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert read["images"][0]["file_name"] == 'ü "x".jpg'
    assert read["annotations"] == []
