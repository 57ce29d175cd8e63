import json

import numpy as np
import pytest

from perception.core.classes import Class
from perception.core.errors import InvalidInput
from perception.core.geometry import apply, exp_so3, inverse, quaternion_from_matrix, transform
from perception.core.labels import OCCUPANCY_SHAPE, OccupancyLabels
from perception.io.datasets.nuscenes import CAMERAS, open_nuscenes
from perception.io.datasets.occ3d_writer import write_occupancy
from perception.io.datasets.opening import open_dataset

OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
CHANNELS = (*CAMERAS, "LIDAR_TOP")
SPEED = np.array([5.0, 1.0, 0.0])  # m/s of the ego vehicle in the world
START_US = 1_532_402_927_000_000
STEP_US = 500_000
EMPTY = ""


def ego(time_us):
    """Pose of the vehicle."""
    return transform(exp_so3(np.array([0.0, 0.0, 0.4])), SPEED * (time_us - START_US) / 1e6)


def mount(channel):
    """Place of a sensor on the vehicle."""
    k = CHANNELS.index(channel)
    turn = exp_so3(np.array([0.0, 0.0, 0.9 * k]))
    return transform(turn if channel == "LIDAR_TOP" else turn @ OPTICAL, np.array([1.0, 0.1 * k, 1.5]))


def offset_us(channel):
    """Time of a sensor after its sample."""
    return 10_000 * CHANNELS.index(channel)


def row_of(T, **others):
    x, y, z, w = quaternion_from_matrix(T[:3, :3])
    return {**others, "translation": T[:3, 3].tolist(), "rotation": [w, x, y, z]}


def box_pose(k):
    """A car that drives at 2 m/s along the world's x."""
    return transform(exp_so3(np.array([0.0, 0.0, 0.2])), np.array([20.0 + k * 2.0 * STEP_US / 1e6, 3.0, 0.8]))


def tables(num_samples=3):
    """The tables of one scene."""
    samples, data, poses, annotations = [], [], [], []
    for k in range(num_samples):
        time_us = START_US + k * STEP_US
        around = {"prev": f"s{k - 1}" if k else EMPTY, "next": f"s{k + 1}" if k + 1 < num_samples else EMPTY}
        samples.append({"token": f"s{k}", "timestamp": time_us, "scene_token": "scene", **around})
        for channel in CHANNELS:
            token, stamp = f"d{k}{channel}", time_us + offset_us(channel)
            poses.append(row_of(ego(stamp), token=f"p{token}", timestamp=stamp))
            data.append(
                {
                    "token": token,
                    "sample_token": f"s{k}",
                    "ego_pose_token": f"p{token}",
                    "calibrated_sensor_token": f"c{channel}",
                    "filename": f"samples/{channel}/{k}.{'bin' if channel == 'LIDAR_TOP' else 'jpg'}",
                    "is_key_frame": True,
                    "timestamp": stamp,
                    "width": 1600,
                    "height": 900,
                }
            )
        data.append({**data[-1], "token": f"sweep{k}", "is_key_frame": False, "filename": "sweeps/x.bin"})
        links = {name: token.replace("s", "a") for name, token in around.items()}
        annotations.append(
            row_of(
                box_pose(k),
                token=f"a{k}",
                sample_token=f"s{k}",
                instance_token="i7",
                size=[1.9, 4.6, 1.6],
                num_lidar_pts=12,
                **links,
            )
        )
    K = [[1266.0, 0.0, 816.0], [0.0, 1266.0, 491.0], [0.0, 0.0, 1.0]]
    return {
        "scene": [{"token": "scene", "name": "scene-0061"}],
        "sample": samples[::-1],
        "sample_data": data,
        "ego_pose": poses,
        "calibrated_sensor": [
            row_of(mount(c), token=f"c{c}", sensor_token=f"t{c}", camera_intrinsic=K) for c in CHANNELS
        ],
        "sensor": [{"token": f"t{c}", "channel": c} for c in CHANNELS],
        "sample_annotation": annotations,
        "instance": [{"token": "i7", "category_token": "k"}],
        "category": [{"token": "k", "name": "vehicle.car"}],
    }


def written(root, content):
    folder = root / "v1.0-mini"
    folder.mkdir(parents=True)
    for name, rows in content.items():
        (folder / f"{name}.json").write_text(json.dumps(rows, indent=0))
    return folder


def test_key_frames_have_cameras_poses_scan_and_boxes(tmp_path):
    dataset = open_nuscenes(tmp_path, written(tmp_path, tables()))
    frames = list(dataset.frames())
    assert not dataset.losses.counts
    assert [frame.name for frame in frames] == [f"scene-0061/s{k}" for k in range(3)]
    assert [frame.is_start for frame in frames] == [True, False, False]
    for k, frame in enumerate(frames):
        assert frame.stamp_ns == (START_US + k * STEP_US) * 1000
        assert [view.camera for view in frame.views] == list(CAMERAS)
        for view in frame.views:
            stamp_us = START_US + k * STEP_US + offset_us(view.camera)
            assert view.stamp_ns == stamp_us * 1000
            np.testing.assert_allclose(view.T_world_ego, ego(stamp_us), atol=1e-9)
            np.testing.assert_allclose(view.T_ego_camera, mount(view.camera), atol=1e-9)
            assert view.path == tmp_path / "samples" / view.camera / f"{k}.jpg"
            assert view.model.K[0, 2] == 816.0


def test_the_ego_frame_is_that_of_the_front_cameras_stamp(tmp_path):
    frame = open_nuscenes(tmp_path, written(tmp_path, tables()))[1]
    T_world_ego = ego(START_US + STEP_US + offset_us("CAM_FRONT"))
    np.testing.assert_allclose(frame.T_world_ego, T_world_ego, atol=1e-9)
    np.testing.assert_allclose(frame.boxes.centres[0], apply(inverse(T_world_ego), box_pose(1)[None, :3, 3])[0])
    assert frame.boxes.yaws[0] == pytest.approx(0.2 - 0.4)
    assert frame.boxes.sizes[0].tolist() == [4.6, 1.9, 1.6]
    assert frame.boxes.class_ids.tolist() == [Class.CAR]
    assert frame.boxes.num_points.tolist() == [12]


def test_a_scan_is_moved_to_the_ego_frame_of_the_key_frame(tmp_path):
    dataset = open_nuscenes(tmp_path, written(tmp_path, tables()))
    world = np.array([[30.0, 4.0, 1.0], [8.0, -3.0, 0.5]])
    time_us = START_US + offset_us("LIDAR_TOP")
    seen = apply(inverse(ego(time_us) @ mount("LIDAR_TOP")), world)
    file = tmp_path / "samples/LIDAR_TOP/0.bin"
    file.parent.mkdir(parents=True)
    np.hstack([seen, np.zeros((2, 2))]).astype("<f4").tofile(file)
    frame = dataset[0]
    np.testing.assert_allclose(apply(frame.T_world_ego, frame.scan.points().astype(float)), world, atol=1e-4)


def test_velocities_are_differences_of_boxes_and_unknown_where_there_is_no_other(tmp_path):
    frames = list(open_nuscenes(tmp_path, written(tmp_path, tables())).frames())
    for frame in frames:
        world = frame.T_world_ego[:3, :3] @ frame.boxes.velocities[0]
        np.testing.assert_allclose(world, [2.0, 0.0, 0.0], atol=1e-9)
    (alone,) = open_nuscenes(tmp_path, written(tmp_path / "one", tables(1))).frames()
    assert np.isnan(alone.boxes.velocities).all()


def test_a_velocity_across_a_long_gap_is_unknown(tmp_path):
    content = tables(2)
    content["sample"][0]["timestamp"] += 3_000_000
    frames = list(open_nuscenes(tmp_path, written(tmp_path, content)).frames())
    assert np.isnan(frames[0].boxes.velocities).all()


def test_occupancy_beside_the_tables_comes_with_its_frame(tmp_path):
    semantics = np.full(OCCUPANCY_SHAPE, Class.FREE, dtype=np.uint8)
    semantics[5, 6, 7] = Class.CAR
    seen = np.ones(OCCUPANCY_SHAPE, dtype=bool)
    flow = np.full((*OCCUPANCY_SHAPE, 2), np.nan, dtype=np.float32)
    write_occupancy(tmp_path, "scene-0061", "s1", OccupancyLabels(semantics, seen, seen, flow))
    written(tmp_path, tables())
    frames = list(open_dataset(tmp_path).frames())
    assert [frame.occupancy is None for frame in frames] == [True, False, True]
    assert np.argwhere(frames[1].occupancy.semantics != Class.FREE).tolist() == [[5, 6, 7]]


def test_a_damaged_row_costs_itself_and_is_counted(tmp_path):
    content = tables(2)
    content["sample_annotation"][0]["size"] = [1, 2]
    content["sample_data"][0]["filename"] = "/etc/passwd"
    dataset = open_nuscenes(tmp_path, written(tmp_path, content))
    first, second = dataset.frames()
    assert (len(first.boxes.yaws), len(second.boxes.yaws)) == (0, 1)
    assert (len(first.views), len(second.views)) == (5, 6)
    assert any("a0: size" in reason for reason in dataset.losses.counts)
    assert any("leaves the folder" in reason for reason in dataset.losses.counts)


def test_a_lost_pose_costs_the_views_that_need_it(tmp_path):
    content = tables(2)
    content["ego_pose"] = [row for row in content["ego_pose"] if row["token"] not in ("pd0CAM_BACK", "pd1CAM_FRONT")]
    dataset = open_nuscenes(tmp_path, written(tmp_path, content))
    (frame,) = dataset.frames()
    assert [view.camera for view in frame.views] == [name for name in CAMERAS if name != "CAM_BACK"]
    assert sum(dataset.losses.counts.values()) == 2


def test_a_missing_table_is_named(tmp_path):
    folder = written(tmp_path, tables())
    (folder / "instance.json").unlink()
    with pytest.raises(InvalidInput, match=r"instance.json is missing; unpack the metadata"):
        open_nuscenes(tmp_path, folder)
