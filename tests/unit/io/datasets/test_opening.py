import json

import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.core.labels import LineLabels
from perception.io.datasets.coco_writer import CocoWriter, YoutubeVisWriter
from perception.io.datasets.occ3d_writer import OccupancyWriter
from perception.io.datasets.opening import open_dataset
from perception.io.datasets.wireframe_writer import WireframeWriter
from tests.unit.io.datasets import made
from tests.unit.io.datasets.test_kitti_labels import object_folder, raw_drive

LABELS = made.labels_of(np.ones((made.HEIGHT, made.WIDTH), np.int32), {1: 4})


def coco(root):
    writer = CocoWriter(root / "instances.json")
    writer.add(made.image(), LABELS)
    writer.close()
    return root / "instances.json"


def videos(root):
    writer = YoutubeVisWriter(root / "videos.json")
    writer.add("cam", made.image(), LABELS)
    writer.close()
    return root / "videos.json"


def lines(root):
    writer = WireframeWriter(root)
    writer.add(made.image(), LineLabels(np.ones((2, 4), np.float32)))
    writer.close()
    return root / "lines.json"


def single_lines(root):
    lines(root).unlink()
    return root


def occupancy(root):
    OccupancyWriter(root).close()
    return root / "annotations.json"


KINDS = {
    coco: "COCO",
    videos: "YouTube-VIS",
    lines: "Wireframe",
    single_lines: "Wireframe",
    occupancy: "Occ3D",
    object_folder: "KITTI object",
    raw_drive: "KITTI raw drive",
}


@pytest.mark.parametrize("make", KINDS)
def test_a_set_is_recognised_by_what_is_in_it(tmp_path, make):
    dataset = open_dataset(make(tmp_path))
    assert dataset.kind == KINDS[make]
    assert len(list(dataset.frames())) == len(dataset)
    assert not dataset.losses.counts


def test_a_folder_with_one_file_of_labels_is_that_file(tmp_path):
    coco(tmp_path)
    assert open_dataset(tmp_path).kind == "COCO"


def test_a_folder_with_several_files_of_labels_asks_for_one(tmp_path):
    coco(tmp_path), videos(tmp_path)
    with pytest.raises(InvalidInput, match=r"several files of labels; give one of instances.json, videos.json"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("name", ["missing", "empty", "notes.txt", "other.json"])
def test_what_is_no_data_set_is_refused_with_what_is_known(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "other.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(InvalidInput, match=name):
        open_dataset(tmp_path / name)


def test_images_may_lie_elsewhere(tmp_path):
    dataset = open_dataset(coco(tmp_path / "labels"), tmp_path / "pictures")
    assert dataset[0].views[0].path == tmp_path / "pictures" / made.image().file_name


def test_frames_may_be_read_in_any_order(tmp_path):
    dataset = open_dataset(coco(tmp_path))
    assert dataset[0].name == dataset[-1].name == made.image().file_name
