import numpy as np
import pytest

from perception.core.errors import ConfigError, InvalidInput
from perception.core.health import OK
from perception.core.stamps import NS_PER_S
from perception.core.types import ImuBatch, Scan, SensorRig
from perception.pipeline import stages
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.full import FULL
from perception.pipeline.runner import Runner

RIG = SensorRig("base_link", "lidar", np.eye(4))


class RecordingCore:
    """Stands in for the odometry and keeps what reaches it."""

    def __init__(self, config, rig, images):
        self.scans, self.imu, self.num_resets = [], [], 0

    def add_scan(self, scan):
        self.scans.append(scan.stamp_ns)
        return [f"pose of {scan.stamp_ns}"]

    def add_imu(self, batch):
        self.imu += batch.stamps_ns.tolist()
        return []

    def finish(self):
        return ["last pose"]

    def reset(self):
        self.num_resets += 1

    def health(self):
        return OK

    def notes(self):
        return ("no imu",)

    def counters(self):
        return {"points": 7}


@pytest.fixture
def stage(monkeypatch):
    def make(**time):
        monkeypatch.setattr(stages, "LidarInertialOdometry", RecordingCore)
        config = PerceptionConfig.model_validate({"odometry": {"time": time}})
        return stages.make_odometry(config, RIG)

    return make


def scan(t):
    return Scan(round(t * NS_PER_S), "lidar", np.zeros((0, 3), np.float32), np.zeros(0, np.int64))


def imu(*times):
    stamps = np.array([round(t * NS_PER_S) for t in times], dtype=np.int64)
    return ImuBatch(stamps, np.zeros((len(stamps), 3)), np.zeros((len(stamps), 3)))


def test_a_clock_moved_back_resets_odometry_once_and_says_so(stage):
    odometry = stage()
    outputs = [list(odometry.step("scan", scan(t))) for t in (100.0, 100.1, 50.0, 50.1, 50.2)]
    assert odometry.core.num_resets == 1
    assert odometry.core.scans == [round(t * NS_PER_S) for t in (100.0, 100.1, 50.1, 50.2)]
    assert [name for name, _ in outputs[3]] == ["odometry_reset", "odometry"]
    assert odometry.counters()["resets"] == 1


def test_both_streams_that_rewind_together_cause_one_reset(stage):
    odometry = stage()
    for t in (100.0, 100.1):
        odometry.step("imu", imu(t))
        odometry.step("scan", scan(t))
    for t in (50.0, 50.1, 50.2):
        odometry.step("imu", imu(t))
        odometry.step("scan", scan(t))
    assert odometry.core.num_resets == 1


def test_a_straggler_of_the_old_time_causes_no_second_reset(stage):
    odometry = stage()
    for t in (100.0, 100.1):
        odometry.step("imu", imu(t))
        odometry.step("scan", scan(t))
    odometry.step("imu", imu(50.0, 50.1))
    for t in (100.2, 50.05, 50.15):
        odometry.step("scan", scan(t))
    assert odometry.core.num_resets == 1
    assert odometry.core.scans[-2:] == [round(t * NS_PER_S) for t in (50.05, 50.15)]


def test_duplicate_and_late_imu_samples_are_dropped_and_counted(stage):
    odometry = stage()
    odometry.step("imu", imu(1.0, 1.005, 1.005, 1.001, 1.01))
    assert odometry.core.imu == [round(t * NS_PER_S) for t in (1.0, 1.005, 1.01)]
    counters = odometry.counters()
    assert (counters["imu duplicate"], counters["imu late"], counters["points"]) == (1, 1, 7)


@pytest.mark.parametrize(("policy", "resets"), [("reset", 1), ("extrapolate", 0)])
def test_a_gap_is_treated_as_configured(stage, policy, resets):
    odometry = stage(on_gap=policy)
    for t in (1.0, 1.1, 9.0, 9.1, 9.2):
        odometry.step("scan", scan(t))
    assert odometry.core.num_resets == resets


def test_a_gap_aborts_when_asked_to(stage):
    odometry = stage(on_gap="abort")
    odometry.step("scan", scan(1.0))
    odometry.step("scan", scan(9.0))
    with pytest.raises(InvalidInput, match="silent for more than 1 s"):
        odometry.step("scan", scan(9.1))


def test_the_runner_delivers_outputs_and_what_was_held_back(monkeypatch):
    monkeypatch.setattr(stages, "LidarInertialOdometry", RecordingCore)
    got = []
    pipeline = FULL.only(["odometry"])
    runner = Runner(pipeline, PerceptionConfig(), RIG, lambda stream, item: got.append((stream, item)))
    runner.feed("scan", scan(1.0))
    runner.feed("weather", "nobody reads it")
    runner.finish()
    assert got == [("odometry", f"pose of {NS_PER_S}"), ("odometry", "last pose")]
    assert len(runner.stage_cpu_ns["odometry"]) == 1


def test_an_unknown_stage_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="'slam' is unknown; use odometry"):
        FULL.only(["slam"])
