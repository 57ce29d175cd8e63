import zipfile

import numpy as np
import pytest

from perception.core.cameras import CameraModel
from perception.core.classes import Class
from perception.core.errors import InvalidInput
from perception.core.geometry import exp_so3, transform
from perception.core.labels import OCCUPANCY_SHAPE, OccupancyLabels
from perception.io.datasets.fields import load_json
from perception.io.datasets.occ3d import open_occ3d
from perception.io.datasets.occ3d_writer import CameraEntry, KeyFrame, OccupancyWriter, write_occupancy
from perception.io.datasets.occupancy_files import occupancy_paths, read_occupancy

K = np.array([[500.0, 0.0, 351.5], [0.0, 510.0, 100.0], [0.0, 0.0, 1.0]])


def made_labels(seed):
    """Slabs of every class, which compress well."""
    rng = np.random.default_rng(seed)
    semantics = np.broadcast_to(np.arange(200)[:, None, None] // 11 % 18, OCCUPANCY_SHAPE).astype(np.uint8)
    semantics[rng.integers(0, 200, 99), rng.integers(0, 200, 99)] = Class.CAR
    flow = np.full((*OCCUPANCY_SHAPE, 2), np.nan, dtype=np.float32)
    flow[semantics == Class.CAR] = rng.normal(0.0, 8.0, 2)
    return OccupancyLabels(semantics, semantics > 5, semantics < rng.integers(4, 17), flow)


def made_pose(seed):
    rng = np.random.default_rng(seed)
    return transform(exp_so3(rng.normal(size=3)), rng.normal(0.0, 100.0, 3))


def made_frame(number, scene="scene-0001"):
    stamp_ns = 1_700_000_000_000_000_123 + number * 500_000_000
    lens = CameraModel(704, 256, K, "plumb_bob", np.array([0.1, 0.01, 0.0, 0.001, 0.0]))
    cameras = tuple(
        CameraEntry(
            name, f"images/{name}/{number:06d}.jpg", stamp_ns + k, lens, made_pose(10 + k), made_pose(number + k)
        )
        for k, name in enumerate(("cam_front", "cam_back"))
    )
    return KeyFrame(scene, f"{number:06d}", stamp_ns, made_pose(number), cameras)


def written(root, frames, split="train"):
    writer = OccupancyWriter(root, split)
    for frame in frames:
        writer.add(frame, made_labels(int(frame.token)))
    writer.close()
    return root / "annotations.json"


def test_what_is_written_is_read_again(tmp_path):
    frames = [made_frame(0), made_frame(1), made_frame(7, "scene-0002")]
    path = written(tmp_path, frames, "val")
    content = load_json(path)
    assert content["val_split"] == ["scene-0001", "scene-0002"]
    assert content["train_split"] == []
    dataset = open_occ3d(path, content)
    got = list(dataset.frames())
    assert not dataset.losses.counts
    assert [frame.name for frame in got] == ["scene-0001/000000", "scene-0001/000001", "scene-0002/000007"]
    assert [frame.is_start for frame in got] == [True, False, True]
    for frame, want in zip(got, frames):
        assert frame.stamp_ns == want.stamp_ns
        np.testing.assert_allclose(frame.T_world_ego, want.T_world_ego, atol=1e-6)
        labels = made_labels(int(want.token))
        for name in ("semantics", "mask_lidar", "mask_camera"):
            assert np.array_equal(getattr(frame.occupancy, name), getattr(labels, name))
        np.testing.assert_allclose(frame.occupancy.flow, labels.flow, atol=0.02)
        for view, camera in zip(frame.views, want.cameras):
            assert (view.camera, view.stamp_ns, view.path) == (
                camera.name,
                camera.stamp_ns,
                tmp_path / camera.file_name,
            )
            np.testing.assert_allclose(view.T_ego_camera, camera.T_ego_camera, atol=1e-6)
            np.testing.assert_allclose(view.T_world_ego, camera.T_world_ego, atol=1e-6)
            assert np.array_equal(view.model.K, K)
            assert view.model.distortion == "plumb_bob"
            assert np.allclose(view.model.D, camera.model.D)


def test_a_stop_changes_nothing_in_the_list(tmp_path):
    frames = [made_frame(number) for number in range(3)]
    whole = written(tmp_path / "whole", frames).read_bytes()
    first = OccupancyWriter(tmp_path / "stopped")
    first.add(frames[2], made_labels(2))
    first.abort()
    second = OccupancyWriter(tmp_path / "stopped")
    assert ("scene-0001", "000002") in second
    assert ("scene-0001", "000000") not in second
    for number, frame in enumerate(frames):
        second.add(frame, made_labels(number))
    second.close()
    assert (tmp_path / "stopped" / "annotations.json").read_bytes() == whole


def test_the_same_labels_give_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        write_occupancy(tmp_path / folder, "s", "t", made_labels(0))
    for name in ("gts", "openocc_v2"):
        file = f"{name}/s/t/labels.npz"
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
        with zipfile.ZipFile(tmp_path / "a" / file) as archive:
            assert {member.date_time[0] for member in archive.infolist()} == {1980}  # not the time of writing


def test_the_arrays_are_those_of_the_two_sets(tmp_path):
    labels = made_labels(3)
    write_occupancy(tmp_path, "s", "t", labels)
    with np.load(tmp_path / "gts/s/t/labels.npz") as file:
        assert {name: (file[name].dtype, file[name].shape) for name in file.files} == dict.fromkeys(
            ("semantics", "mask_lidar", "mask_camera"), (np.uint8, OCCUPANCY_SHAPE)
        )
    with np.load(tmp_path / "openocc_v2/s/t/labels.npz") as file:
        assert sorted(file.files) == ["flow", "semantics"]
        assert (file["semantics"][labels.semantics == Class.CAR] == 0).all()
        assert (file["semantics"][labels.semantics == Class.FREE] == 16).all()
        assert np.array_equal(np.isfinite(file["flow"]).all(-1), np.isfinite(labels.flow).all(-1))


def test_openocc_alone_is_read_with_all_voxels_seen(tmp_path):
    labels = made_labels(4)
    write_occupancy(tmp_path, "s", "t", labels)
    (tmp_path / "gts/s/t/labels.npz").unlink()
    got = read_occupancy(*occupancy_paths(tmp_path, "s", "t"))
    known = labels.semantics != Class.OTHERS
    assert np.array_equal(got.semantics[known], labels.semantics[known])
    assert (got.semantics[~known] == Class.MANMADE).all()
    assert got.mask_camera.all()
    assert np.isnan(got.flow).any()


def save(path, **arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"semantics": np.full(OCCUPANCY_SHAPE, 18, np.uint8)}, "semantics: expected integers 0 to 17, got .* to 18"),
        ({"semantics": np.zeros((4, 4), np.uint8)}, "semantics: expected an array"),
        ({"semantics": np.full(OCCUPANCY_SHAPE, np.nan)}, "semantics"),
        ({"mask_lidar": np.full(OCCUPANCY_SHAPE, 2, np.uint8)}, "mask_lidar"),
        ({"mask_camera": None}, "mask_camera"),
        ({"semantics": np.array([{}])}, "plain arrays|allow_pickle"),
    ],
)
def test_a_damaged_array_is_named(tmp_path, changes, reason):
    sound = dict.fromkeys(("semantics", "mask_lidar", "mask_camera"), np.zeros(OCCUPANCY_SHAPE, np.uint8))
    arrays = {name: value for name, value in {**sound, **changes}.items() if value is not None}
    with pytest.raises(InvalidInput, match=reason):
        read_occupancy(save(tmp_path / "labels.npz", **arrays), None)


def test_damaged_labels_cost_themselves_and_are_counted(tmp_path):
    path = written(tmp_path, [made_frame(0), made_frame(1)])
    broken = tmp_path / "gts/scene-0001/000000/labels.npz"
    broken.write_bytes(broken.read_bytes()[:1000])
    dataset = open_occ3d(path, load_json(path))
    assert [frame.occupancy is None for frame in dataset.frames()] == [True, False]
    assert sum(dataset.losses.counts.values()) == 1


def test_a_damaged_pose_costs_its_frame(tmp_path):
    content = load_json(written(tmp_path, [made_frame(0), made_frame(1)]))
    content["scene_infos"]["scene-0001"]["000000"]["ego_pose"]["rotation"] = [0, 0, 0, 0]
    dataset = open_occ3d(tmp_path / "annotations.json", content)
    assert [frame.name for frame in dataset.frames()] == ["scene-0001/000001"]
    assert "ego_pose" in next(iter(dataset.losses.counts))


def test_a_scene_whose_name_leaves_the_folder_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="leaves"):
        write_occupancy(tmp_path, "../..", "..", made_labels(0))
