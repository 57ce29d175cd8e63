"""Readers of data sets against recordings of the field, with pycocotools and the sets' own numbers as judges."""

import numpy as np
import pytest

from perception.core.classes import Class
from perception.core.geometry import apply, inverse
from perception.io.datasets.fields import load_json
from perception.io.datasets.frames import DatasetFrame
from perception.io.datasets.kitti_frames import open_kitti_object
from perception.io.datasets.kitti_labels import write_calibration, write_labels
from perception.io.datasets.opening import open_dataset
from tests.shared import shared


def points_inside(frame: DatasetFrame) -> np.ndarray:
    """How many points of the scan each box contains."""
    points = frame.scan.points().astype(np.float64)
    boxes = frame.boxes
    counts = []
    for centre, size, yaw in zip(boxes.centres, boxes.sizes, boxes.yaws):
        turn = np.array([[np.cos(yaw), np.sin(yaw), 0.0], [-np.sin(yaw), np.cos(yaw), 0.0], [0.0, 0.0, 1.0]])
        local = (points - centre) @ turn.T
        counts.append((np.abs(local) <= 0.5 * size).all(axis=1).sum())
    return np.array(counts)


def test_masks_of_coco_are_those_of_pycocotools():
    judge = pytest.importorskip("pycocotools.coco")
    path = shared("data/coco_mini") / "instances.json"
    coco, dataset = judge.COCO(str(path)), open_dataset(path)
    both = either = 0
    for (frame, view, pixels), entry in zip(dataset.images(), coco.loadImgs(coco.getImgIds())):
        assert frame.name == entry["file_name"]
        assert pixels.shape == (entry["height"], entry["width"], 3)
        annotations = coco.loadAnns(coco.getAnnIds(entry["id"]))
        assert view.category_ids.tolist() == [item["category_id"] for item in annotations]
        assert view.objects.is_ignored.tolist() == [bool(item["iscrowd"]) for item in annotations]
        x, y, w, h = np.array([item["bbox"] for item in annotations]).T
        np.testing.assert_allclose(view.objects.boxes, np.stack([x, y, x + w, y + h], axis=1), rtol=1e-6)
        union = np.any([coco.annToMask(item) for item in annotations], axis=0)
        covered = view.objects.instance_map > 0
        both, either = both + (union & covered).sum(), either + (union | covered).sum()
    assert not dataset.losses.counts
    assert len(dataset) == 40
    assert sum(len(frame.views[0].objects.class_ids) for frame in dataset.frames()) == 509
    assert both / either > 0.99


def test_the_masks_of_the_davis_clips_are_read_and_the_narrow_one_is_counted():
    dataset = open_dataset(shared("data/video_masks"))
    found: dict[str, list[int]] = {}
    for frame in dataset.frames():
        objects = frame.views[0].objects
        found.setdefault(frame.name.partition("/")[0], []).append(-1 if objects is None else len(objects.class_ids))
    assert found["car-shadow"] == [1] * 40
    assert found["horsejump-high"] == [1] * 50
    assert [row for row, count in enumerate(found["judo"]) if count >= 0] == [0, 8, 13]
    assert ["853x480" in reason for reason in dataset.losses.counts] == [True]


def test_boxes_of_the_nuscenes_sample_contain_the_points_that_it_states():
    (frame,) = open_dataset(shared("data/nuscenes_sample")).frames()
    assert len(frame.boxes.yaws) == 69
    wrong = points_inside(frame) - frame.boxes.num_points
    assert (wrong == 0).sum() >= 58  # the set's own README: 61 of 69
    assert (
        np.abs(wrong) <= 2 + 0.05 * frame.boxes.num_points
    ).all()  # boxes are upright in the ego frame, not the world


def test_cameras_of_the_nuscenes_sample_see_the_boxes_where_it_says():
    (frame,) = open_dataset(shared("data/nuscenes_sample")).frames()
    assert [view.camera for view in frame.views][:2] == ["CAM_FRONT", "CAM_FRONT_RIGHT"]
    (front,) = (view for view in frame.views if view.camera == "CAM_FRONT")
    T_camera_ego = inverse(front.T_ego_camera) @ inverse(front.T_world_ego) @ frame.T_world_ego
    seen = apply(T_camera_ego, frame.boxes.centres)
    pixels = front.model.project(seen)
    want = np.array([1216.1754, 495.6608])  # `center_2d` of the first object of CAM_FRONT
    assert np.nanmin(np.linalg.norm(pixels - want, axis=1)) < 0.1
    assert 0 < (frame.views[0].stamp_ns - 1_532_402_927_612_460_000) + 1 < 1000
    moved = np.linalg.norm((inverse(front.T_world_ego) @ frame.T_world_ego)[:3, 3])
    assert 0.0 < moved < 1.0  # of the vehicle between the stamps of camera and LiDAR


def test_segments_of_the_wireframe_images_are_read_whole():
    dataset = open_dataset(shared("data/line_segments"))
    stored = load_json(shared("data/line_segments") / "annotations.json")
    found = {frame.name: view.lines.segments for frame, view, _ in dataset.images()}
    assert found.keys() == stored.keys()
    assert sum(len(segments) for segments in found.values()) == sum(len(entry["segments"]) for entry in stored.values())
    np.testing.assert_allclose(found["35.jpg"], stored["35.jpg"]["segments"], rtol=1e-6)
    assert min(len(segments) for segments in found.values()) == 32  # as the set's README says
    assert not dataset.losses.counts


def test_boxes_of_the_kitti_frame_contain_the_points_that_it_states():
    (frame,) = open_dataset(shared("data/kitti_object_000008")).frames()
    assert frame.boxes.class_ids.tolist() == [Class.CAR] * len(frame.boxes.yaws)
    counts = points_inside(frame)  # in the rectified camera frame: 1424, 1940, 878, 668, 53, 164
    np.testing.assert_allclose(counts, frame.boxes.num_points, rtol=0.08, atol=2)
    (view,) = frame.views
    assert view.objects.is_ignored.sum() == 4


def test_the_kitti_frame_survives_its_own_text_format(tmp_path):
    folder = shared("data/kitti_object_000008")
    (frame,) = open_dataset(folder).frames()
    (view,) = frame.views
    training = tmp_path / "training"
    for name, inner in (("000008.png", "image_2"), ("000008.bin", "velodyne")):
        (training / inner).mkdir(parents=True)
        (training / inner / name).write_bytes((folder / name).read_bytes())
    T_camera_ego, size = inverse(view.T_ego_camera), (view.model.width, view.model.height)
    write_labels(training / "label_2/000008.txt", view.objects, frame.boxes, T_camera_ego, size)
    write_calibration(training / "calib/000008.txt", view.model.K, T_camera_ego)
    (back,) = open_kitti_object(training).frames()
    np.testing.assert_allclose(back.boxes.sizes, frame.boxes.sizes, atol=1e-3)
    np.testing.assert_allclose(back.boxes.centres, frame.boxes.centres, atol=0.05)  # KITTI's boxes are upright
    np.testing.assert_allclose(points_inside(back), points_inside(frame), rtol=0.04)


def test_the_packed_drive_has_boxes_with_points_and_images_that_fit():
    dataset = open_dataset(shared("data/kitti_raw_0005"))
    assert len(dataset) == 154
    near_counts = []
    for row in range(0, 154, 22):
        frame = dataset[row]
        (view,) = frame.views
        near = np.linalg.norm(frame.boxes.centres, axis=1) < 30.0
        near_counts += points_inside(frame)[near].tolist()
        assert view.pixels().shape == (120, 400, 3)
        _boxes_agree(frame)
    assert len(near_counts) > 10
    assert np.mean(np.array(near_counts) > 5) > 0.9


def _boxes_agree(frame: DatasetFrame) -> None:
    """The middle of every box in space is seen inside its 2D box."""
    (view,) = frame.views
    flat = dict(zip(view.objects.instance_ids.tolist(), view.objects.boxes))
    pixels = view.model.project(apply(inverse(view.T_ego_camera), frame.boxes.centres))
    for instance, (u, v) in zip(frame.boxes.instance_ids.tolist(), pixels):
        x_low, y_low, x_high, y_high = flat[instance]
        is_cut = x_low <= 1 or x_high >= 398 or y_high >= 118
        assert is_cut or (x_low <= u <= x_high and y_low <= v <= y_high)


def test_scans_of_the_camera_and_lidar_set_fall_into_its_images():
    dataset = open_dataset(shared("data/kitti_camera_lidar"))
    assert len(dataset) == 12
    frame = dataset[3]
    (view,) = frame.views
    seen = apply(inverse(view.T_ego_camera), frame.scan.points().astype(np.float64))
    pixels = view.model.project(seen)
    inside = (pixels >= -0.5).all(axis=1) & (pixels < [1241.5, 374.5]).all(axis=1)
    assert 0.1 < inside.mean() < 0.25  # the camera sees 81 of 360 degrees
