from dataclasses import replace

import numpy as np
import pytest

from perception.core.types import SensorRig
from perception.doctor.findings import Finding
from perception.doctor.live import Endpoint, LiveFacts, Status, check_live, check_qos, sources
from tests.unit.doctor.test_sensors import CLOUD, IMU

CLOUD_TYPE, IMU_TYPE = "sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/Imu"


def writer(topic: str, kind: str = CLOUD_TYPE, node: str = "/driver", reliable: bool = True) -> Endpoint:
    return Endpoint(topic, kind, node, True, reliable, False)


def reader(topic: str, kind: str = CLOUD_TYPE, node: str = "/odometry", reliable: bool = False) -> Endpoint:
    return Endpoint(topic, kind, node, False, reliable, False)


ENDPOINTS = (writer("/points"), writer("/imu", IMU_TYPE), reader("/points"), writer("/registered", node="/odometry"))
T_BASE_IMU = np.eye(4)
T_BASE_IMU[2, 3] = 0.3
GOOD = LiveFacts(
    5.0,
    "7",
    nodes=("/driver", "/odometry"),
    endpoints=ENDPOINTS,
    clouds=(CLOUD,),
    imus=(IMU,),
    largest_cloud=4_000_000,
    edges=(("base_link", "lidar"),),
    rig=SensorRig("base_link", "lidar", np.eye(4), "imu", T_BASE_IMU),
    statuses=(Status("odometry", 0, "OK"),),
)
LATE = replace(CLOUD, stream=replace(CLOUD.stream, delay=0.8))


def bad(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.check) for finding in findings if finding.level != "ok"]


def test_a_good_graph_has_no_finding_but_ok():
    assert bad(check_live(GOOD)) == []


@pytest.mark.parametrize(
    ("change", "level", "check", "words"),
    [
        ({"clouds": ()}, "error", "lidar", "PointCloud2"),
        ({"imus": ()}, "warn", "imu", "Imu"),
        ({"endpoints": (*ENDPOINTS, reader("/points", "x_msgs/msg/X"))}, "error", "/points: type", "x_msgs/msg/X"),
        ({"endpoints": (*ENDPOINTS, writer("/imu", IMU_TYPE, "/second"))}, "warn", "/imu: publishers", "/second"),
        ({"largest_cloud": 20_000_000}, "error", "size of clouds", "maxMessageSize"),
        ({"rig": None, "rig_error": "no transform from 'lidar'"}, "error", "transforms", "robot_state_publisher"),
        ({"statuses": (Status("odometry", 1, "degenerate"),)}, "warn", "diagnostics: odometry", "degenerate"),
        ({"statuses": (Status("odometry", 2, "no IMU"),)}, "error", "diagnostics: odometry", "no IMU"),
        ({"imus": (replace(IMU, accel_norm=1.0),)}, "warn", "/imu: gravity", "in g"),
    ],
)
def test_each_fault_of_a_graph_is_named(change: dict, level: str, check: str, words: str):
    findings = check_live(replace(GOOD, **change))
    assert bad(findings) == [(level, check)]
    assert words in next(f.value + f.remedy for f in findings if f.level != "ok")


def test_an_empty_graph_says_what_to_compare():
    findings = check_live(LiveFacts(2.0, "7"))
    assert bad(findings) == [("error", "graph")]
    assert "domain 7" in findings[0].value
    assert "ROS_DOMAIN_ID" in findings[0].remedy


def test_several_lidars_ask_for_a_choice():
    second = replace(CLOUD, stream=replace(CLOUD.stream, topic="/rear"))
    findings = check_live(replace(GOOD, clouds=(CLOUD, second)))
    assert bad(findings) == [("warn", "lidar")]
    assert "/points, /rear" in next(f.value for f in findings if f.check == "lidar")


def test_stamps_far_from_the_clock_are_named_with_the_clock():
    findings = check_live(replace(GOOD, clouds=(LATE,), imus=()))
    late = next(f for f in findings if f.check == "/points: clock")
    assert (late.level, "chrony" in late.remedy) == ("warn", True)
    played = check_live(replace(GOOD, clouds=(LATE,), imus=(), has_sim_clock=True))
    assert "/clock" in next(f.value for f in played if f.check == "/points: clock")


def test_a_subscription_that_asks_for_more_than_is_offered_is_an_error():
    assert bad(check_qos((writer("/points", reliable=False), reader("/points", reliable=True)))) == [
        ("error", "/points: QoS")
    ]
    latched = replace(reader("/tf_static"), is_latched=True)
    assert "transient local" in check_qos((writer("/tf_static"), latched))[0].value
    assert check_qos((writer("/points"), reader("/points", reliable=True), reader("/points"))) == []


def test_what_is_made_from_a_sensor_topic_is_no_sensor_topic():
    assert sources(ENDPOINTS, CLOUD_TYPE) == {"/points"}
    assert sources(ENDPOINTS, IMU_TYPE) == {"/imu"}
