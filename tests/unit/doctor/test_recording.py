import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from perception.cli import main
from perception.core.types import SensorRig
from perception.doctor.findings import Finding
from perception.doctor.inspection import look
from perception.doctor.recording import RecordingFacts, check_recording
from perception.doctor.streams import CloudWatch, ImuFacts, ImuWatch
from perception.io.config import InputConfig
from perception.io.recording import Summary
from tests.shared import shared
from tests.unit.doctor.test_sensors import CLOUD, IMU

T_BASE_IMU = np.eye(4)
T_BASE_IMU[:3, 3] = [0.1, 0.0, -0.2]
RIG = SensorRig("base_link", "lidar", np.eye(4), "imu", T_BASE_IMU)
GOOD = RecordingFacts(
    "bag",
    topics=(("/points", "sensor_msgs/msg/PointCloud2", 600), ("/imu", "sensor_msgs/msg/Imu", 12000)),
    clouds=(CLOUD,),
    imus=(IMU,),
    edges=(("base_link", "lidar"), ("base_link", "imu")),
    seconds=60.0,
    summary=Summary("ROS 2 bag (mcap)", (("points", "/points"), ("imu", "/imu"))),
    rig=RIG,
)
OTHER = replace(IMU, accel_norm=0.0, stream=replace(IMU.stream, topic="/gps/imu", frames=("gps",)))


def rig(**changes: object) -> SensorRig:
    return replace(RIG, **changes)


def moved(x: float) -> np.ndarray:
    T = np.eye(4)
    T[0, 3] = x
    return T


def bad(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.check) for finding in findings if finding.level != "ok"]


def test_a_good_recording_has_no_finding_but_ok():
    findings = check_recording(GOOD)
    assert bad(findings) == []
    assert {"topics", "place of the imu", "clocks of lidar and imu", "direction of gravity"} <= {
        f.check for f in findings
    }


@pytest.mark.parametrize(
    ("change", "level", "check", "words"),
    [
        ({"damage": "cut at 80 %"}, "error", "damage", "ros2 bag reindex"),
        ({"losses": {"point outside": 4}}, "warn", "dropped", "4 x point outside"),
        ({"bad_transforms": ("quaternion 0 0 0 0",)}, "error", "transforms", "quaternion 0 0 0 0"),
        ({"edges": (("a", "lidar"), ("b", "lidar"))}, "error", "transforms", "'lidar' has the parents a and b"),
        ({"rig": rig(T_base_imu=moved(300.0))}, "error", "place of the imu", "metres"),
        ({"rig": rig(T_base_imu=np.eye(4))}, "warn", "place of the imu", "placeholder"),
        ({"rig": rig(imu_frame=None, T_base_imu=None), "imus": ()}, "warn", "replay: imu", "constant"),
        (
            {"summary": replace(GOOD.summary, notes=("the LiDAR is the base",))},
            "warn",
            "replay: note",
            "LiDAR is the base",
        ),
        ({"refusal": "no transform", "summary": None, "rig": None}, "error", "replay", "no transform"),
    ],
)
def test_each_fault_of_a_recording_is_named(change: dict, level: str, check: str, words: str):
    findings = check_recording(replace(GOOD, **change))
    assert bad(findings) == [(level, check)]
    assert words in next(f.value + f.remedy for f in findings if f.level != "ok")


def test_a_sensor_that_a_replay_leaves_aside_only_warns():
    assert bad(check_recording(replace(GOOD, imus=(IMU, OTHER)))) == [("warn", "/gps/imu: gravity")]
    refused = replace(GOOD, imus=(OTHER,), refusal="no usable imu", rig=None, summary=None)
    assert ("error", "/gps/imu: gravity") in bad(check_recording(refused))


class Message:
    """Anything with attributes."""

    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)


def imu_message(stamp_ns: int, gyro: tuple, accel: tuple) -> Message:
    vectors = [Message(**dict(zip("xyz", values))) for values in (gyro, accel)]
    header = Message(stamp=Message(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9), frame_id="imu")
    covariance = [0.0] * 9
    return Message(
        header=header,
        angular_velocity=vectors[0],
        linear_acceleration=vectors[1],
        linear_acceleration_covariance=covariance,
    )


def test_the_watch_of_an_imu_finds_its_stillest_second_and_counts_bad_samples():
    watch, rng = ImuWatch("/imu", "Imu"), np.random.default_rng(1)
    for i in range(1000):
        shake = 0.001 if 400 <= i < 700 else 0.5
        gyro, accel = rng.normal(0.0, shake, 3), np.array([0.0, 9.81, 0.0]) + rng.normal(0.0, 10.0 * shake, 3)
        stamp = 10**18 + i * 5_000_000 - (20_000_000 if i == 300 else 0)
        watch.add(imu_message(stamp, tuple(gyro), tuple(accel)), stamp + 3_000_000)
    watch.add(imu_message(0, (0, 0, 0), (0, 0, 0)), 10**18)
    watch.add(imu_message(10**18 + 10**10, (float("nan"), 0, 0), (0, 0, 0)), None)
    facts: ImuFacts = watch.facts()
    assert facts.stream.rate == pytest.approx(200.0)
    assert facts.stream.delay == pytest.approx(0.003)
    assert (facts.stream.num, facts.stream.num_unset, facts.stream.num_backward) == (1002, 1, 1)
    assert sum(facts.stream.refused.values()) == 2
    np.testing.assert_allclose(facts.up, [0.0, 1.0, 0.0], atol=1e-3)
    assert facts.still_gyro < 0.01 < facts.gyro_norm


def test_watches_without_messages_have_empty_facts():
    assert ImuWatch("/imu", "Imu").facts().stream.num == 0
    assert CloudWatch("/points", "PointCloud2", InputConfig()).facts().stream.num == 0


def doctor(*arguments: str) -> tuple[int, dict]:
    result = CliRunner().invoke(main, ["doctor", "--json", *arguments])
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.parametrize(
    ("name", "level", "words"),
    [
        ("converted/kitti_0005_first3_mcap", "warn", "the LiDAR frame 'velodyne' is the base"),
        ("converted/kitti_0005_first2.bag", "warn", "not measured"),
        ("recorded/phidgets_imu.bag", "error", "has no sensor_msgs/PointCloud2 messages"),
        ("recorded/ouster_os0_512x10_raw.bag", "error", "raw packets"),
        ("recorded/sick_lms_rms.bag", "error", "input.lidar_topic=/cloud"),
    ],
)
def test_real_bags_are_judged(name: str, level: str, words: str):
    path = shared("data/rosbags") / name
    findings = check_recording(look(path, InputConfig(), 60.0))
    assert any(finding.level == level and words in finding.value + finding.remedy for finding in findings)
    assert any(finding.level == "error" for finding in findings) == (level == "error")


def test_a_cut_bag_is_judged_by_its_readable_part_and_the_loss_is_named(tmp_path: Path):
    whole = shared("data/rosbags/converted/kitti_0005_first3_mcap/kitti_0005_first3_mcap.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(whole[: len(whole) * 7 // 10])
    findings = check_recording(look(tmp_path / "cut.mcap", InputConfig(), 60.0))
    damage = next(finding for finding in findings if finding.check == "damage")
    assert damage.level == "error"
    assert "cut.mcap" in damage.value
    assert any("usable of" in finding.value for finding in findings)


@pytest.mark.parametrize("content", [b"", b"no bag at all", bytes(1000)])
@pytest.mark.parametrize("name", ["x.mcap", "x.db3", "x.bag", "x.txt"])
def test_a_file_that_is_no_recording_is_an_error_and_no_crash(tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    findings = check_recording(look(tmp_path / name, InputConfig(), 60.0))
    assert any(finding.level == "error" for finding in findings)


def test_a_folder_of_scans_is_judged_too():
    findings = check_recording(look(shared("data/kitti_raw_0005"), InputConfig(), 1.0))
    assert bad([f for f in findings if "replay" not in f.check]) == []
    assert any("scans: points" in finding.check for finding in findings)


def test_a_path_that_is_not_there_is_an_error_with_exit_code_one(tmp_path: Path):
    code, found = doctor(str(tmp_path / "nothing"))
    assert code == 1
    assert "does not exist" in found[str(tmp_path / "nothing")][-1]["value"]


def test_json_holds_the_installation_and_the_recording():
    bag = str(shared("data/rosbags/converted/kitti_0005_first3_mcap"))
    _, found = doctor(bag)
    assert list(found) == ["installation", bag]
    assert {"level", "check", "value", "remedy"} == set(found[bag][0])


def test_live_and_a_recording_together_are_refused(tmp_path: Path):
    result = CliRunner().invoke(main, ["doctor", "--live", str(tmp_path)])
    assert result.exit_code == 2
    assert "--live" in result.output
