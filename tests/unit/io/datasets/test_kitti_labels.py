import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perception.core.classes import Class
from perception.core.errors import InvalidInput
from perception.core.geometry import apply, inverse, transform
from perception.core.labels import BoxLabels3d, ObjectLabels
from perception.io.datasets.boxes3d import boxes_in
from perception.io.datasets.kitti_frames import open_kitti_object, open_kitti_raw, open_kitti_sequence
from perception.io.datasets.kitti_labels import (
    box_of,
    read_calibration,
    read_labels,
    write_calibration,
    write_labels,
)
from perception.io.datasets.pictures import write_jpeg
from perception.io.trajectories import write_kitti

unhurried = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
T_EGO_CAMERA = transform(OPTICAL, np.array([1.7, 0.1, 1.4]))
K = np.array([[460.0, 0.0, 319.5], [0.0, 460.0, 239.5], [0.0, 0.0, 1.0]])
SIZE = (640, 480)
CAR = "Car 0.00 1 -1.57 599.41 156.40 629.75 189.25 2.85 2.63 12.34 0.47 1.49 69.44 -1.56"


def cars(centres, yaws):
    n = len(yaws)
    sizes = np.tile([4.5, 1.8, 1.5], (n, 1))
    ids = np.arange(1, n + 1, dtype=np.int32)
    boxes = BoxLabels3d(
        np.full(n, Class.CAR, np.uint8), ids, centres, sizes, yaws, np.zeros((n, 3)), np.zeros(n, np.int64)
    )
    flat = np.tile(np.array([10, 20, 110, 70], np.float32), (n, 1))
    seen = np.zeros(n, np.float32)
    return ObjectLabels(boxes.class_ids, ids, flat, flat, seen, np.zeros(n, bool)), boxes


@given(st.lists(st.tuples(*[st.floats(-40, 40)] * 3, st.floats(-3.1, 3.1)), max_size=4))
@unhurried
def test_boxes_that_are_written_are_read_again_in_the_ego_frame(tmp_path, poses):
    rows = np.array(poses).reshape(-1, 4)
    objects, boxes = cars(rows[:, :3].copy(), rows[:, 3].copy())
    write_labels(tmp_path / "0.txt", objects, boxes, inverse(T_EGO_CAMERA), SIZE)
    items = read_labels(tmp_path / "0.txt")
    back = boxes_in(T_EGO_CAMERA, [box_of(item, row) for row, item in enumerate(items, start=1)])
    np.testing.assert_allclose(back.centres, boxes.centres, atol=1e-3)
    np.testing.assert_allclose(back.sizes, boxes.sizes, atol=1e-3)
    np.testing.assert_allclose(np.exp(1j * back.yaws), np.exp(1j * boxes.yaws), atol=1e-3)


def test_alpha_is_the_turn_seen_from_the_camera(tmp_path):
    objects, boxes = cars(np.array([[21.7, 20.1, 0.0]]), np.array([np.pi / 4]))  # along the line of sight
    write_labels(tmp_path / "0.txt", objects, boxes, inverse(T_EGO_CAMERA), SIZE)
    (item,) = read_labels(tmp_path / "0.txt")
    assert item.alpha == pytest.approx(-np.pi / 2, abs=1e-3)
    assert item.rotation_y == pytest.approx(-np.pi / 2 - np.pi / 4, abs=1e-3)


def test_what_is_not_asked_for_is_written_as_dontcare(tmp_path):
    objects, boxes = cars(np.array([[9.0, 0, 0], [9.0, 5, 0]]), np.zeros(2))
    objects.is_ignored[0] = True
    objects.amodal_boxes[1, 0] = 0.0  # goes on beyond the left border
    objects.occlusion[1] = 0.6
    write_labels(tmp_path / "0.txt", objects, boxes, inverse(T_EGO_CAMERA), SIZE)
    first, second = read_labels(tmp_path / "0.txt")
    assert (first.name, first.is_care, first.box.tolist()) == ("DontCare", False, [10, 20, 110, 70])
    assert (second.name, second.truncated, second.occluded) == ("Car", 1.0, 2)


def test_a_calibration_comes_back(tmp_path):
    T_camera_lidar = inverse(T_EGO_CAMERA) @ transform(np.eye(3), np.array([0.9, 0.0, 1.8]))
    write_calibration(tmp_path / "calib.txt", K, T_camera_lidar)
    back = read_calibration(tmp_path / "calib.txt").camera(2)
    np.testing.assert_allclose(back[0], K)
    np.testing.assert_allclose(back[1], T_camera_lidar, atol=1e-9)


def test_the_shift_of_a_second_camera_is_in_its_place(tmp_path):
    write_calibration(tmp_path / "calib.txt", K, np.eye(4))
    text = (tmp_path / "calib.txt").read_text().splitlines()
    P = np.hstack([K, (K @ [-0.54, 0.0, 0.0])[:, None]])
    text[3] = "P3: " + " ".join(map(str, P.ravel()))
    (tmp_path / "calib.txt").write_text("\n".join(text))
    T_camera_lidar = read_calibration(tmp_path / "calib.txt").camera(3)[1]
    np.testing.assert_allclose(T_camera_lidar[:3, 3], [-0.54, 0.0, 0.0], atol=1e-12)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Car 0 0", "expected 15 columns"),
        (CAR.replace("2.85", "x"), "could not convert"),
        (CAR.replace("2.85", "nan"), "not finite"),
        (CAR.replace("629.75", "1.0"), "expected a box"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, reason):
    (tmp_path / "7.txt").write_text(f"{CAR}\n{line}\n")
    with pytest.raises(InvalidInput, match=rf"7.txt:2: .*{reason}"):
        read_labels(tmp_path / "7.txt")


def test_scores_and_tracks_are_read_as_well(tmp_path):
    (tmp_path / "a.txt").write_text(f"{CAR} 0.93\n\n3 8 {CAR}\n")
    plain, tracked = read_labels(tmp_path / "a.txt")
    assert (plain.frame, plain.track) == (0, -1)
    assert (tracked.frame, tracked.track) == (3, 8)
    assert tracked.size.tolist() == plain.size.tolist() == [2.85, 2.63, 12.34]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("P2: 1 2 3", "P2: expected 12"),
        ("", "Tr_velo_to_cam is missing"),
        ("Tr: 2 0 0 0 0 1 0 0 0 0 1 0", "no rotation"),
    ],
)
def test_a_broken_calibration_is_named(tmp_path, text, reason):
    tail = "" if "Tr" in text or not text else "\nTr: 1 0 0 0 0 1 0 0 0 0 1 0"
    (tmp_path / "calib.txt").write_text(text + tail)
    with pytest.raises(InvalidInput, match=reason):
        read_calibration(tmp_path / "calib.txt")


def object_folder(root, count=2):
    """A training folder with one car ahead in each frame."""
    training = root / "training"
    T_camera_lidar = inverse(T_EGO_CAMERA)
    for number in range(count):
        name = f"{number:06d}"
        objects, boxes = cars(np.array([[15.0, 2.0, 0.5]]), np.array([0.3]))
        write_jpeg(training / "image_2" / f"{name}.jpg", np.zeros((480, 640, 3), dtype=np.uint8))
        write_calibration(training / "calib" / f"{name}.txt", K, T_camera_lidar)
        write_labels(training / "label_2" / f"{name}.txt", objects, boxes, T_camera_lidar, SIZE)
        (training / "velodyne").mkdir(exist_ok=True)
        np.array([[15.0, 2.0, 0.5, 0.1]], dtype="<f4").tofile(training / "velodyne" / f"{name}.bin")
    return training


def test_a_folder_of_the_object_benchmark_is_read(tmp_path):
    dataset = open_kitti_object(object_folder(tmp_path))
    frames = list(dataset.frames())
    assert not dataset.losses.counts
    assert [frame.name for frame in frames] == ["000000", "000001"]
    (view,) = frames[1].views
    assert np.array_equal(view.model.K, K)
    np.testing.assert_allclose(view.T_ego_camera, T_EGO_CAMERA, atol=1e-9)
    assert view.objects.boxes.tolist() == [[10, 20, 110, 70]]
    assert dataset.categories[int(view.category_ids[0])] == "Car"
    np.testing.assert_allclose(frames[1].boxes.centres, [[15.0, 2.0, 0.5]], atol=1e-3)
    assert frames[1].boxes.yaws[0] == pytest.approx(0.3, abs=1e-3)
    assert frames[1].scan.points().shape == (1, 3)


def test_a_damaged_label_file_costs_the_labels_of_its_frame(tmp_path):
    training = object_folder(tmp_path)
    (training / "label_2" / "000000.txt").write_bytes(b"\xff\xfe")
    dataset = open_kitti_object(training)
    first, second = dataset.frames()
    assert (first.boxes, first.views[0].objects) == (None, None)
    assert len(second.boxes.yaws) == 1
    assert "000000.txt" in next(iter(dataset.losses.counts))


TRACKLET = """<boost_serialization><tracklets><count>1</count><item_version>1</item_version><item>
<objectType>Cyclist</objectType><h>1.8</h><w>0.6</w><l>1.9</l><first_frame>1</first_frame><poses><count>2</count>
<item><tx>10</tx><ty>2</ty><tz>-1.7</tz><rx>0</rx><ry>0</ry><rz>0.5</rz></item>
<item><tx>11</tx><ty>2</ty><tz>-1.7</tz><rx>0</rx><ry>0</ry><rz>0.5</rz></item>
</poses></item></tracklets></boost_serialization>"""


def raw_drive(root, tracklets=TRACKLET):
    drive = root / "2011_09_26_drive_0001_sync"
    for number in range(3):
        write_jpeg(drive / "image_02" / "data" / f"{number:010d}.jpg", np.zeros((480, 640, 3), dtype=np.uint8))
    times = "".join(f"2011-09-26 13:02:25.{number}00000000\n" for number in range(3))
    (drive / "image_02" / "timestamps.txt").write_text(times)
    (drive / "tracklet_labels.xml").write_text(tracklets)
    T_camera_lidar = inverse(T_EGO_CAMERA)
    R, t = (" ".join(map(repr, part.ravel().tolist())) for part in (T_camera_lidar[:3, :3], T_camera_lidar[:3, 3]))
    (root / "calib_velo_to_cam.txt").write_text(f"calib_time: 15-Mar-2012 11:37:16\nR: {R}\nT: {t}\n")
    P = " ".join(map(str, np.hstack([K, np.zeros((3, 1))]).ravel()))
    unturned = " ".join(map(str, np.eye(3).ravel()))
    (root / "calib_cam_to_cam.txt").write_text(f"corner_dist: 9.95e-02\nR_rect_00: {unturned}\nP_rect_02: {P}\n")
    return drive


def test_a_raw_drive_has_images_calibration_and_tracklets(tmp_path):
    dataset = open_kitti_raw(raw_drive(tmp_path))
    frames = list(dataset.frames())
    assert not dataset.losses.counts
    assert [len(frame.boxes.yaws) for frame in frames] == [0, 1, 1]
    assert frames[2].boxes.centres.tolist() == [[11.0, 2.0, pytest.approx(-0.8)]]
    assert frames[2].boxes.class_ids.tolist() == [Class.BICYCLE]
    assert frames[1].stamp_ns - frames[0].stamp_ns == 100_000_000
    np.testing.assert_allclose(frames[0].views[0].T_ego_camera, T_EGO_CAMERA, atol=1e-9)


@pytest.mark.parametrize("text", ["<a", "<!DOCTYPE x [<!ENTITY a 'b'>]><x/>", TRACKLET.replace("<tx>10", "<tx>nan")])
def test_damaged_tracklets_are_refused(tmp_path, text):
    with pytest.raises(InvalidInput, match="tracklet_labels"):
        open_kitti_raw(raw_drive(tmp_path, text))


def test_a_raw_drive_without_its_calibration_says_what_is_missing(tmp_path):
    drive = raw_drive(tmp_path)
    (tmp_path / "calib_cam_to_cam.txt").unlink()
    with pytest.raises(InvalidInput, match="calib_cam_to_cam"):
        open_kitti_raw(drive)


def test_a_sequence_of_the_odometry_benchmark_has_poses_of_the_velodyne(tmp_path):
    sequence = tmp_path / "sequences" / "04"
    T_camera_lidar = inverse(T_EGO_CAMERA)
    for number in range(2):
        write_jpeg(sequence / "image_2" / f"{number:06d}.jpg", np.zeros((480, 640, 3), dtype=np.uint8))
    write_calibration(sequence / "calib.txt", K, T_camera_lidar)
    text = (sequence / "calib.txt").read_text().replace("Tr_velo_to_cam", "Tr")
    (sequence / "calib.txt").write_text("\n".join(line for line in text.splitlines() if "R0" not in line))
    (sequence / "times.txt").write_text("0.0\n0.1\n")
    poses = np.stack([np.eye(4), transform(np.eye(3), np.array([0.0, 0.0, 1.3]))])  # the camera goes ahead
    (tmp_path / "poses").mkdir()
    write_kitti(tmp_path / "poses" / "04.txt", poses)
    first, second = open_kitti_sequence(sequence).frames()
    assert second.stamp_ns == 100_000_000
    np.testing.assert_allclose(first.T_world_ego, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(apply(second.T_world_ego, np.zeros((1, 3))), [[1.3, 0.0, 0.0]], atol=1e-6)
