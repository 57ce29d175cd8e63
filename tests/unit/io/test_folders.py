from pathlib import Path

import cv2
import numpy as np
import pytest

from perception.core.errors import DataLoss, InvalidInput
from perception.core.geometry import exp_so3, inverse, transform
from perception.core.types import ImageFrame, Scan
from perception.io.config import InputConfig
from perception.io.kitti import oxts_poses, read_dates
from perception.io.ply import write_ply
from perception.io.recording import open_recording
from perception.io.trajectories import write_kitti
from tests.unit.io.messages import ramp, sweep

START_NS = 1_317_042_272_000_000_000
POINTS = np.stack(list(sweep(300).values()), axis=1)


def bins(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for i in range(count):
        table = np.column_stack([POINTS, np.zeros(300)]).astype("<f4")
        (folder / f"{i:010d}.bin").write_bytes(table.tobytes())


def dates(stamps: list[int]) -> str:
    times = np.array(stamps, dtype="datetime64[ns]").astype(str)
    return "".join(time.replace("T", " ") + "\n" for time in times)


def raw_drive(root: Path, count: int = 5) -> Path:
    """A drive with poses of the GPS/INS going north at 10 m/s, and the calibration beside it."""
    drive = root / "2011_09_26_drive_0001_sync"
    bins(drive / "velodyne_points" / "data", count)
    middles = [START_NS + i * 103_000_000 + 7 for i in range(count)]
    (drive / "velodyne_points" / "timestamps.txt").write_text(dates(middles))
    for name, lead in (("timestamps_start", -51_500_000), ("timestamps_end", 51_500_000)):
        (drive / "velodyne_points" / f"{name}.txt").write_text(dates([stamp + lead for stamp in middles]))
    (drive / "oxts" / "data").mkdir(parents=True)
    (drive / "oxts" / "timestamps.txt").write_text(dates(middles))
    for i in range(count):
        latitude = 49.0 + np.degrees(i * 1.03 / 6378137.0)
        row = [latitude, 8.4, 110.0, 0.0, 0.0, np.pi / 2, *[0.0] * 24]
        (drive / "oxts" / "data" / f"{i:010d}.txt").write_text(" ".join(f"{value:.15g}" for value in row))
    (root / "calib_imu_to_velo.txt").write_text("calib_time: x\nR: 1 0 0 0 1 0 0 0 1\nT: -0.8 0.3 -0.8\n")
    return drive


def scans_of(recording) -> list[Scan]:
    return list(recording.events())


def test_a_kitti_drive_gives_turns_around_its_times_and_the_reference_of_the_velodyne(tmp_path):
    recording = open_recording(raw_drive(tmp_path))
    scans = scans_of(recording)
    assert [scan.stamp_ns for scan in scans] == [START_NS + i * 103_000_000 + 7 - 51_500_000 for i in range(5)]
    assert {scan.end_ns - scan.stamp_ns for scan in scans} == {103_000_000}
    assert recording.reference_fraction == 0.5
    assert recording.reference.stamps_ns[1] == START_NS + 103_000_007
    assert np.allclose(recording.reference.poses[-1][:3, 3], [4 * 1.03, 0, 0], atol=1e-3)
    assert any("10 Hz are no IMU" in note for note in recording.summary.notes)


def test_scans_missing_from_a_drive_are_named_as_lost_and_the_others_keep_their_times(tmp_path):
    drive = raw_drive(tmp_path)
    (drive / "velodyne_points" / "data" / "0000000002.bin").unlink()
    stamps = []
    with pytest.raises(DataLoss, match="1 of 5 scans are missing"):
        stamps.extend(event.stamp_ns for event in open_recording(drive).events())
    assert (np.diff(stamps) == [103_000_000, 206_000_000, 103_000_000]).all()


def test_a_drive_without_calibration_has_no_reference_and_says_why(tmp_path):
    drive = raw_drive(tmp_path)
    (tmp_path / "calib_imu_to_velo.txt").unlink()
    recording = open_recording(drive)
    assert recording.reference is None
    assert any("calib_imu_to_velo.txt is missing" in note for note in recording.summary.notes)


def test_oxts_turns_and_heights_are_poses_relative_to_the_first(tmp_path):
    drive = raw_drive(tmp_path, 2)
    for i, row in enumerate([[49.0, 8.4, 110.0, 0.1, 0.2, 0.3], [49.0, 8.4, 112.0, 0.0, 0.0, 1.3]]):
        (drive / "oxts" / "data" / f"{i:010d}.txt").write_text(" ".join(map(str, row)))
    T = oxts_poses(drive / "oxts")[1]
    x, y, z = np.eye(3)
    R_first = exp_so3(0.3 * z) @ exp_so3(0.2 * y) @ exp_so3(0.1 * x)
    assert np.allclose(T, transform(R_first.T @ exp_so3(1.3 * z), R_first.T @ [0, 0, 2.0]))


def test_kitti_dates_keep_nine_decimals(tmp_path):
    (tmp_path / "t.txt").write_text("2011-09-26 13:02:25.594360375\n2011-09-26 13:02:26\n")
    assert read_dates(tmp_path / "t.txt").tolist() == [1317042145594360375, 1317042146000000000]
    (tmp_path / "t.txt").write_text("2011-09-26 13:02:25.5\nyesterday\n")
    with pytest.raises(InvalidInput, match=r"t.txt:2: expected a date"):
        read_dates(tmp_path / "t.txt")


def odometry_sequence(root: Path) -> tuple[Path, np.ndarray]:
    sequence = root / "sequences" / "00"
    bins(sequence / "velodyne", 3)
    (sequence / "times.txt").write_text("0.0\n0.1\n0.2\n")
    T_cam_velo = transform(np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]), np.array([0.0, -0.1, -0.3]))
    (sequence / "calib.txt").write_text("P0: 1 2\nTr: " + " ".join(map(str, T_cam_velo[:3].ravel())) + "\n")
    (root / "poses").mkdir()
    poses = np.stack([transform(np.eye(3), np.array([0.0, 0.0, float(i)])) for i in range(3)])  # camera looks along z
    write_kitti(root / "poses" / "00.txt", poses)
    return sequence, T_cam_velo


def test_a_kitti_odometry_sequence_is_read_as_compensated_with_poses_of_the_velodyne(tmp_path):
    sequence, _ = odometry_sequence(tmp_path)
    recording = open_recording(sequence)
    scans = scans_of(recording)
    assert [scan.end_ns for scan in scans] == [0, 100_000_000, 200_000_000]
    assert not scans[0].offsets_ns.any()
    assert np.allclose(recording.reference.poses[2], transform(np.eye(3), np.array([2.0, 0.0, 0.0])))
    assert any("already motion compensated" in note for note in recording.summary.notes)


def test_a_sequence_that_is_not_compensated_can_be_turned(tmp_path):
    sequence, _ = odometry_sequence(tmp_path)
    scans = scans_of(open_recording(sequence, InputConfig(time_field="azimuth")))
    assert scans[1].stamp_ns == 50_000_000
    assert scans[1].offsets_ns.max() > 0


def test_names_that_are_times_need_no_list(tmp_path):
    for folder, names in {
        "s": ["1700000000.100000.ply", "1700000000.200000.ply"],
        "ns": ["1700000000100000000.ply", "1700000000200000000.ply"],
        "us": ["1700000000100000.ply", "1700000000200000.ply"],
    }.items():
        for name in names:
            write_ply(tmp_path / folder / name, POINTS)
        scans = scans_of(open_recording(tmp_path / folder))
        assert [scan.stamp_ns for scan in scans] == [1_700_000_000_100_000_000, 1_700_000_000_200_000_000]


def test_a_list_of_times_is_used_in_the_order_of_the_numbers_in_the_names(tmp_path):
    for i in (1, 2, 10):
        write_ply(tmp_path / "scans" / f"scan_{i}.ply", POINTS[:i])
    (tmp_path / "times.txt").write_text("5.0\n5.1\n5.2\n")
    scans = scans_of(open_recording(tmp_path))
    assert [(scan.stamp_ns, len(scan.points)) for scan in scans] == [
        (5_000_000_000, 1),
        (5_100_000_000, 2),
        (5_200_000_000, 10),
    ]


def test_the_time_of_points_in_files_is_used(tmp_path):
    points = np.stack(list(sweep().values()), axis=1)
    np.savez(tmp_path / "1700000000.1.npz", points=points, t=ramp().astype(np.uint32))
    recording = open_recording(tmp_path)
    (scan,) = scans_of(recording)
    assert np.array_equal(scan.offsets_ns, ramp())
    assert "time field t in ns" in dict(recording.summary.rows)["points"]


def test_the_wrong_number_of_times_and_names_without_time_are_refused(tmp_path):
    write_ply(tmp_path / "000001.ply", POINTS)
    with pytest.raises(InvalidInput, match=r"000001.ply: its name is no time; add times.txt"):
        open_recording(tmp_path)
    (tmp_path / "times.txt").write_text("1\n2\n")
    with pytest.raises(InvalidInput, match=r"times.txt: expected 1 times"):
        open_recording(tmp_path)


def test_files_of_several_kinds_are_refused(tmp_path):
    write_ply(tmp_path / "1.0.ply", POINTS)
    (tmp_path / "2.0.bin").write_bytes(b"")
    with pytest.raises(InvalidInput, match=r"several kinds \(1 .bin, 1 .ply\)"):
        open_recording(tmp_path)


def test_a_broken_file_costs_only_itself(tmp_path):
    for i in range(1, 5):
        write_ply(tmp_path / f"{i}.5.ply", POINTS)
    (tmp_path / "4.5.ply").write_bytes(b"ply\n")
    recording = open_recording(tmp_path)
    assert len(scans_of(recording)) == 3
    assert "4.5.ply: is no PLY file" in str(recording.losses)


def test_a_folder_has_no_imu_to_require(tmp_path):
    write_ply(tmp_path / "1.0.ply", POINTS)
    with pytest.raises(InvalidInput, match=r"input.imu is required, but a folder of scans has no IMU"):
        open_recording(tmp_path, InputConfig(imu="required"))


def test_the_place_of_the_lidar_may_be_given(tmp_path):
    write_ply(tmp_path / "1.0.ply", POINTS)
    rig = open_recording(tmp_path, InputConfig(T_base_lidar=(1, 2, 3, 0, 0, 1, 0))).rig
    assert rig.base_frame == "base_link"
    assert np.allclose(inverse(rig.T_base_lidar) @ [1, 2, 3, 1], [0, 0, 0, 1])


def with_images(drive: Path, count: int = 5) -> Path:
    """The drive with two cameras, whose images lie 20 ms after the middles of the turns."""
    lines = ["S_rect_{0}: 64 48", "P_rect_{0}: 50 0 31.5 {1} 0 52 23.5 0 0 0 1 0", "R_rect_{0}: 1 0 0 0 1 0 0 0 1"]
    values = "\n".join(line.format(name, -50.0 * row) for row, name in enumerate(("00", "02")) for line in lines)
    (drive.parent / "calib_cam_to_cam.txt").write_text(values + "\n")
    (drive.parent / "calib_velo_to_cam.txt").write_text("R: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 0\n")
    for name in ("image_00", "image_02"):
        (drive / name / "data").mkdir(parents=True)
        stamps = [START_NS + i * 103_000_000 + 20_000_007 for i in range(count)]
        (drive / name / "timestamps.txt").write_text(dates(stamps))
        for i in range(count):
            picture = np.full((48, 64, 3), 10 * i, np.uint8)
            (drive / name / "data" / f"{i:010d}.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    return drive


def test_images_of_a_kitti_drive_are_read_only_when_they_are_wanted(tmp_path):
    drive = with_images(raw_drive(tmp_path))
    assert {type(event) for event in open_recording(drive).events()} == {Scan}
    config = InputConfig(camera_topics=("image_02",))
    events = list(open_recording(drive, config).events(("scan", "imu", "image_raw")))
    assert [type(event) for event in events] == [ImageFrame, Scan] * 5
    frames = events[::2]
    assert {frame.frame_id for frame in frames} == {"image_02"}
    assert [frame.stamp_ns - START_NS for frame in frames[:2]] == [20_000_007, 123_000_007]
    assert [int(frame.pixels.max()) for frame in frames] == [0, 10, 20, 30, 40]
    np.testing.assert_array_equal(frames[0].camera.K, [[50, 0, 31.5], [0, 52, 23.5], [0, 0, 1]])
    assert len([e for e in open_recording(drive).events(("image_raw",)) if isinstance(e, ImageFrame)]) == 10


def test_a_damaged_image_of_a_kitti_drive_costs_itself(tmp_path):
    drive = with_images(raw_drive(tmp_path))
    (drive / "image_02" / "data" / "0000000001.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    recording = open_recording(drive, InputConfig(camera_topics=("image_02",)))
    assert len(list(recording.events(("image_raw",)))) == 4
    assert sum(recording.losses.counts.values()) == 1
