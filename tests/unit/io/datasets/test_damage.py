"""One value of a sound file is replaced: whatever a file of labels holds, a reader gives frames or `InvalidInput`."""

import contextlib
import copy
import json
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perception.core.errors import InvalidInput
from perception.io.datasets.coco_writer import CocoWriter, YoutubeVisWriter
from perception.io.datasets.fields import load_json
from perception.io.datasets.opening import open_dataset
from perception.io.datasets.pictures import write_jpeg
from tests.unit.io.datasets import made
from tests.unit.io.datasets.test_kitti_labels import object_folder, raw_drive
from tests.unit.io.datasets.test_nuscenes import tables
from tests.unit.io.datasets.test_occ3d import made_frame
from tests.unit.io.datasets.test_occ3d import written as occupancy_list

unhurried = settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
ODD = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        3,
        10**30,
        1e308,
        0.5,
        "",
        "x",
        "../../x",
        "\x00",
        "y" * 300,
        [],
        [None],
        [[]],
        {},
        {"a": 1},
        [1, 2, 3, 4],
    ]
)
SEEN = np.arange(made.HEIGHT * made.WIDTH, dtype=np.int32).reshape(made.HEIGHT, made.WIDTH) // 20
KINDS = {1: 4, 2: 7, 3: 20, 4: 3}


def coco(root):
    writer = CocoWriter(root / "a.json")
    writer.add(made.image(), made.labels_of(SEEN, KINDS))
    writer.close()
    return load_json(root / "a.json")


def videos(root):
    writer = YoutubeVisWriter(root / "b.json")
    for number in range(2):
        writer.add("cam", made.image(number), made.labels_of(SEEN, KINDS))
    writer.close()
    return load_json(root / "b.json")


def occupancy(root):
    path = occupancy_list(root, [made_frame(0)])
    shutil.rmtree(root / "gts")  # takes long to read; its damage has tests of its own
    shutil.rmtree(root / "openocc_v2")
    return load_json(path)


def wireframe(root):
    edges = {"filename": "c.jpg", "junctions": [[0, 1], [2, 3]], "edges_positive": [[0, 1]], "size": [7, 5]}
    drawn = {"filename": "d.jpg", "size": [4, 4], "objects": [{"type": "seg", "data": [[1, 2], [3, 4]]}]}
    return [{"filename": "a.jpg", "lines": [[1, 2, 3, 4]], "width": 9, "height": 9}, edges, drawn]


def info(root):
    write_jpeg(root / "a.jpg", np.zeros((4, 6, 3), np.uint8))
    eye, K = np.eye(4).tolist(), [[5.0, 0, 3], [0, 5.0, 2], [0, 0, 1]]
    camera = {"img_path": "a.jpg", "cam2img": K, "cam2ego": eye, "lidar2cam": eye, "timestamp": 1.5}
    box = {"bbox_3d": [1, 2, 3, 4, 5, 6, 0.5], "bbox_label_3d": 0, "velocity": [1.0, 2.0], "num_lidar_pts": 3}
    lidar = {"lidar_path": "a.bin", "num_pts_feats": 5, "lidar2ego": eye}
    sample = {"token": "t", "timestamp": 1.0, "ego2global": eye, "images": {"CAM": camera}, "lidar_points": lidar}
    return {"metainfo": {"dataset": "nuscenes", "categories": {"car": 0}}, "sample": {**sample, "instances": [box]}}


def kitti_info(root):
    write_jpeg(root / "a.jpg", np.zeros((4, 6, 3), np.uint8))
    eye, P = np.eye(4).tolist(), [[5.0, 0, 3, 0], [0, 5.0, 2, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    images = {"CAM2": {"img_path": "a.jpg", "cam2img": P, "height": 4, "width": 6}, "R0_rect": eye}
    box = {"bbox": [1, 2, 3, 4], "bbox_label": 2, "bbox_3d": [1, 2, 3, 4, 5, 6, 0.5], "bbox_label_3d": 2}
    lidar = {"lidar_path": "a.bin", "num_pts_feats": 4, "Tr_velo_to_cam": eye}
    frame = {"sample_id": 8, "images": images, "lidar_points": lidar, "instances": [box]}
    return {"metainfo": {"DATASET": "KITTI"}, "data_list": [frame]}


def places(value, path=()):
    """The path to every value in nested lists and objects."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(content, path, value):
    if not path:
        return value
    content = copy.deepcopy(content)
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return content


def read_all(path):
    """Read everything there is to read; anything but `InvalidInput` passes through."""
    try:
        dataset = open_dataset(path)
    except InvalidInput:
        return
    for frame in dataset.frames():
        for view in frame.views:
            for read in (view.pixels, view.image, frame.scan.points if frame.scan else view.depth):
                with contextlib.suppress(InvalidInput):
                    read()


@pytest.fixture(
    scope="module", params=[coco, videos, occupancy, wireframe, info, kitti_info], ids=lambda make: make.__name__
)
def sound(request, tmp_path_factory):
    """A folder with a sound set, and what its file of labels holds."""
    root = tmp_path_factory.mktemp("set")
    return root, request.param(root)


@given(data=st.data())
@unhurried
def test_a_replaced_value_is_refused_or_read(sound, data):
    root, content = sound
    path = data.draw(st.sampled_from(list(places(content))))
    (root / "x.json").write_text(json.dumps(replaced(content, path, data.draw(ODD))))
    read_all(root / "x.json")


@given(data=st.data())
@unhurried
def test_a_replaced_value_in_a_table_of_nuscenes_is_refused_or_read(tmp_path_factory, data):
    root = tmp_path_factory.getbasetemp() / "nuscenes"
    content = tables(2)
    path = data.draw(st.sampled_from([place for place in places(content) if place]))
    (root / "v1.0-mini").mkdir(parents=True, exist_ok=True)
    for name, rows in replaced(content, path, data.draw(ODD)).items():
        (root / "v1.0-mini" / f"{name}.json").write_text(json.dumps(rows))
    read_all(root)


@pytest.mark.parametrize("make", [object_folder, raw_drive])
@given(data=st.data())
@unhurried
def test_a_damaged_byte_in_a_text_file_of_kitti_is_refused_or_read(tmp_path_factory, make, data):
    folder = make(tmp_path_factory.getbasetemp() / make.__name__)
    files = sorted(file for file in folder.parent.rglob("*") if file.suffix in (".txt", ".xml"))
    file = data.draw(st.sampled_from(files))
    raw = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    file.write_bytes(raw)
    read_all(folder)
