import json

import numpy as np
import pytest

from perception.core.cameras import CameraModel
from perception.core.classes import Class
from perception.core.geometry import transform
from perception.core.labels import OCCUPANCY_SHAPE, BoxLabels3d, LineLabels, OccupancyLabels
from perception.core.trajectory import Trajectory
from perception.io.datasets import pictures
from perception.io.datasets.box_writer import BoxWriter
from perception.io.datasets.coco_writer import CocoWriter, YoutubeVisWriter
from perception.io.datasets.occ3d_writer import CameraEntry, KeyFrame, OccupancyWriter
from perception.io.datasets.opening import open_dataset
from perception.io.datasets.wireframe_writer import WireframeWriter
from perception.io.trajectories import write_tum
from tests.unit.io.datasets import made

CAMERAS = ("cam_front", "cam_back")
NUM = 4
STEP_NS = 100_000_000
MODEL = CameraModel(made.WIDTH, made.HEIGHT, np.array([[9.0, 0.0, 5.0], [0.0, 9.0, 4.0], [0.0, 0.0, 1.0]]))


def entry(camera, number):
    return made.image(number, camera)


def labels(number):
    instances = np.zeros((made.HEIGHT, made.WIDTH), np.int32)
    instances[2:5, number : number + 3] = 7
    return made.labels_of(instances, {7: Class.BUS})


def stamps():
    return made.image(0).stamp_ns + STEP_NS * np.arange(NUM, dtype=np.int64)


def pose(number):
    return transform(np.eye(3), np.array([0.5 * number, 0.0, 0.0]))


def write_key_frame(occupancy, boxes, number):
    semantics = np.full(OCCUPANCY_SHAPE, Class.FREE, np.uint8)
    semantics[100 + number, 100, 4] = Class.BUS
    seen = np.ones(OCCUPANCY_SHAPE, bool)
    flow = np.full((*OCCUPANCY_SHAPE, 2), np.nan, np.float32)
    stamp_ns = int(stamps()[number])
    entries = tuple(
        CameraEntry(camera, f"images/{entry(camera, number).file_name}", stamp_ns, MODEL, pose(9), pose(number))
        for camera in CAMERAS
    )
    frame = KeyFrame("town_0", f"{number:06d}", stamp_ns, pose(number), entries)
    occupancy.add(frame, OccupancyLabels(semantics, seen, seen, flow))
    box = BoxLabels3d(
        np.array([Class.BUS], np.uint8),
        np.array([7], np.int32),
        np.array([[4.0, 5.0, 1.5]]),
        np.array([[11.0, 2.5, 3.0]]),
        np.array([0.25]),
        np.array([[np.nan] * 3]) if number else np.array([[3.0, 1.0, 0.0]]),
        np.array([42], np.int64),
    )
    boxes.add("town_0", f"{number:06d}", stamp_ns, box)


@pytest.fixture
def recording(tmp_path):
    """A recording with two cameras and four images each, key frames 0 and 3, as `perception synth` lays it out."""
    coco, videos = (
        CocoWriter(tmp_path / "annotations/instances.json"),
        YoutubeVisWriter(tmp_path / "annotations/videos.json"),
    )
    boxes, lines = BoxWriter(tmp_path / "annotations/boxes.json"), WireframeWriter(tmp_path / "lines")
    occupancy = OccupancyWriter(tmp_path / "occupancy")
    for camera in CAMERAS:
        write_tum(tmp_path / "poses" / f"{camera}.tum", Trajectory(stamps(), np.stack([pose(k) for k in range(NUM)])))
        for number in range(NUM):
            name = f"{camera}/{number:06d}"
            pictures.write_jpeg(tmp_path / "images" / f"{name}.jpg", np.zeros((made.HEIGHT, made.WIDTH, 3), np.uint8))
            depth = np.full((made.HEIGHT, made.WIDTH), 3.0 + number, np.float32)
            pictures.write_depth(tmp_path / "depth" / f"{name}.png", depth)
            pictures.write_classes(tmp_path / "semantic" / f"{name}.png", np.full(depth.shape, Class.TERRAIN, np.uint8))
            coco.add(entry(camera, number), labels(number))
            videos.add(camera, entry(camera, number), labels(number))
            lines.add(entry(camera, number), LineLabels(np.full((number, 4), 2.0, np.float32)))
    for number in (0, 3):
        write_key_frame(occupancy, boxes, number)
    for writer in (coco, videos, boxes, lines, occupancy):
        writer.close()
    (tmp_path / "generated.json").write_text("{}")
    return tmp_path


def test_a_frame_joins_all_that_is_known_of_it(recording):
    dataset = open_dataset(recording)
    frames = list(dataset.frames())
    assert dataset.kind == "generated recording"
    assert not dataset.losses.counts
    assert [frame.name for frame in frames] == [f"{number:06d}" for number in range(NUM)]
    assert [frame.occupancy is not None for frame in frames] == [True, False, False, True]
    for number, frame in enumerate(frames):
        assert frame.stamp_ns == stamps()[number]
        np.testing.assert_allclose(frame.T_world_ego, pose(number), atol=1e-8)
        assert {view.camera for view in frame.views} == set(CAMERAS)
        for view in frame.views:
            made.assert_same_objects(view.objects, labels(number))
            assert len(view.lines.segments) == number
            assert view.pixels().shape == (made.HEIGHT, made.WIDTH, 3)
            assert (view.depth() == 3.0 + number).all()
            assert (view.classes() == Class.TERRAIN).all()
            np.testing.assert_allclose(view.T_ego_camera, pose(9), atol=1e-8)
            assert np.array_equal(view.model.K, MODEL.K)


def test_key_frames_have_their_boxes(recording):
    first, last = (open_dataset(recording)[row] for row in (0, 3))
    assert first.boxes.centres.tolist() == [[4.0, 5.0, 1.5]]
    assert first.boxes.yaws.tolist() == [0.25]
    assert first.boxes.class_ids.tolist() == [Class.BUS]
    assert first.boxes.velocities.tolist() == [[3.0, 1.0, 0.0]]
    assert np.isnan(last.boxes.velocities).all()
    assert last.occupancy.semantics[103, 100, 4] == Class.BUS


@pytest.mark.parametrize(
    "name",
    [
        "annotations/instances.json",
        "annotations/videos.json",
        "occupancy/annotations.json",
        "lines/lines.json",
        "lines",
    ],
)
def test_each_part_alone_finds_the_images(recording, name):
    if name == "lines":
        (recording / "lines/lines.json").unlink()
    dataset = open_dataset(recording / name)
    frame = dataset[len(dataset) - 1]
    assert frame.views[0].pixels().shape == (made.HEIGHT, made.WIDTH, 3)


def test_parts_that_were_not_made_are_left_out(recording):
    for name in ("annotations/instances.json", "occupancy/annotations.json", "lines/lines.json"):
        (recording / name).unlink()
    for file in recording.glob("depth/*/*.png"):
        file.unlink()
    dataset = open_dataset(recording)
    view = dataset[2].views[0]
    assert (view.objects, view.lines, view.model, view.depth()) == (None, None, None, None)
    assert len(dataset.notes) == 3
    assert dataset[2].stamp_ns == stamps()[2]


def test_damage_in_one_part_costs_only_that_and_is_counted(recording):
    path = recording / "annotations/instances.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["bbox"] = [1]
    path.write_text(json.dumps(content))
    (recording / "occupancy/gts/town_0/000003/labels.npz").write_bytes(b"PK")
    dataset = open_dataset(recording)
    frames = list(dataset.frames())
    assert len(frames) == NUM
    assert sum(dataset.losses.counts.values()) == 2
    assert frames[3].occupancy is None
    assert frames[3].boxes is not None
