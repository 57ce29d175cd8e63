from dataclasses import replace

import numpy as np
import pytest

from perception.core.geometry import exp_so3
from perception.doctor.findings import Finding
from perception.doctor.sensors import check_clocks, check_cloud, check_gravity_direction, check_imu, check_stream
from perception.doctor.streams import CloudFacts, ImuFacts, StreamFacts

S = 1_000_000_000
POINTS = StreamFacts(
    "/points", "PointCloud2", ("lidar",), 600, 10.0, 0.11, delay=0.11, first_ns=1000 * S, last_ns=1060 * S
)
SAMPLES = StreamFacts("/imu", "Imu", ("imu",), 12000, 200.0, 0.006, delay=0.002, first_ns=1000 * S, last_ns=1060 * S)
CLOUD = CloudFacts(POINTS, 57000.0, 55000.0, 0.0998, "time field t in ns")
IMU = ImuFacts(SAMPLES, 9.80, 0.02, 0.3, 1.5, 0.002, 0.01, np.array([0.0, 0.0, 1.0]))


def bad(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.check) for finding in findings if finding.level != "ok"]


def text(findings: list[Finding]) -> str:
    return " ".join(finding.value + " " + finding.remedy for finding in findings if finding.level != "ok")


def test_good_sensors_have_no_finding_but_ok():
    assert bad(check_cloud(CLOUD) + check_imu(IMU) + check_clocks(POINTS, SAMPLES)) == []
    assert bad(check_gravity_direction(IMU, np.eye(3))) == []


@pytest.mark.parametrize(
    ("change", "level", "check", "words"),
    [
        ({"num": 0}, "error", "/points: messages", "QoS"),
        ({"num_unset": 600}, "error", "/points: stamps", "header.stamp"),
        ({"frames": ("a", "b")}, "error", "/points: frame", "'a', 'b'"),
        ({"frames": ("",)}, "error", "/points: frame", "frame_id"),
        ({"refused": {"field x: expected once": 3}}, "error", "/points: refused", "3 x field x: expected once"),
        ({"num_backward": 4}, "warn", "/points: order", "4 of 600"),
        ({"num_repeated": 5}, "warn", "/points: repeats", "5 of 600"),
        ({"max_gap": 0.7}, "warn", "/points: gaps", "0.700 s"),
        ({"rate": 1.0, "max_gap": 1.0}, "error", "/points: stream", "4 to 30 Hz"),
        ({"rate": 50.0, "max_gap": 0.02}, "warn", "/points: stream", "50 Hz"),
    ],
)
def test_each_fault_of_a_stream_is_named(change: dict, level: str, check: str, words: str):
    found = check_stream(replace(POINTS, **change), 4.0, 30.0)
    assert bad(found) == [(level, check)]
    assert words in text(found)


@pytest.mark.parametrize(
    ("change", "level", "check", "words"),
    [
        ({"num_usable": 40.0}, "error", "/points: points", "40 usable of 57000"),
        ({"num_usable": 9000.0}, "warn", "/points: points", "window"),
        ({"sweep": 0.0}, "warn", "/points: point times", "time per point"),
        ({"sweep": 0.01}, "warn", "/points: point times", "input.time_unit"),
        ({"sweep": 0.2}, "warn", "/points: point times", "200 % of the period"),
    ],
)
def test_each_fault_of_a_cloud_is_named(change: dict, level: str, check: str, words: str):
    found = check_cloud(replace(CLOUD, **change))
    assert bad(found) == [(level, check)]
    assert words in text(found)


@pytest.mark.parametrize(
    ("change", "level", "check", "words"),
    [
        ({"accel_norm": 1.0}, "warn", "/imu: gravity", "in g"),
        ({"accel_norm": 0.05}, "error", "/imu: gravity", "subtracted"),
        ({"accel_norm": 980.0}, "error", "/imu: gravity", "neither m/s^2 nor g"),
        ({"is_unknown": True}, "error", "/imu: acceleration", "input.imu=off"),
        ({"is_constant": True}, "error", "/imu: values", "stuck"),
        ({"gyro_norm": 0.0, "gyro_peak": 0.0}, "error", "/imu: angular rate", "off"),
        ({"gyro_norm": 12.0, "gyro_peak": 60.0}, "warn", "/imu: angular rate", "deg/s"),
        ({"stream": replace(SAMPLES, rate=80.0, max_gap=0.02)}, "warn", "/imu: rate", "100 Hz or more"),
        ({"stream": replace(SAMPLES, rate=10.0, max_gap=0.1)}, "error", "/imu: stream", "50 to 2000 Hz"),
    ],
)
def test_each_fault_of_an_imu_is_named(change: dict, level: str, check: str, words: str):
    found = check_imu(replace(IMU, **change))
    assert bad(found) == [(level, check)]
    assert words in text(found)


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({"first_ns": 5000 * S, "last_ns": 5060 * S}, "error", "do not overlap: 3940 s apart"),
        ({"delay": 3.0}, "error", "synchronise"),
        ({"delay": 0.5}, "warn", "400 ms"),
        ({"delay": -0.3}, "warn", "synchronise"),
    ],
)
def test_clocks_of_lidar_and_imu_that_differ_are_named(change: dict, level: str, words: str):
    lidar = replace(POINTS, **change)
    imu = replace(SAMPLES, delay=0.0)
    found = check_clocks(lidar, imu)
    assert [finding.level for finding in found] == [level]
    assert words in text(found) + found[0].value


def test_sensors_that_share_another_clock_than_the_computer_are_fine():
    lidar, imu = replace(POINTS, delay=1e6 + 0.1), replace(SAMPLES, delay=1e6)
    found = check_clocks(lidar, imu)
    assert found[0].level == "ok"
    assert "another clock than the computer" in found[0].value


@pytest.mark.parametrize(
    ("angle", "level"), [(0.0, "ok"), (10.0, "ok"), (30.0, "warn"), (90.0, "error"), (180.0, "error")]
)
def test_gravity_that_does_not_point_down_in_the_base_is_named(angle: float, level: str):
    found = check_gravity_direction(IMU, exp_so3(np.array([np.radians(angle), 0.0, 0.0])))
    assert [finding.level for finding in found] == [level]
    assert f"{angle:.0f} deg" in found[0].value


def test_an_imu_held_upside_down_is_fine_when_its_place_says_so():
    upside_down = replace(IMU, up=np.array([0.0, 0.0, -1.0]))
    assert check_gravity_direction(upside_down, np.diag([1.0, -1.0, -1.0]))[0].level == "ok"
    assert check_gravity_direction(upside_down, np.eye(3))[0].level == "error"
