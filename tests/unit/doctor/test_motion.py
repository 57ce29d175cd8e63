from functools import cache
from pathlib import Path

import numpy as np
import pytest

from perception.core.geometry import exp_so3
from perception.core.types import ImuBatch
from perception.doctor.findings import Finding
from perception.doctor.motion import MotionFacts, check_motion, compare_motion

R_LIDAR_IMU = exp_so3(np.array([0.1, -0.3, 1.2]))


def rates(seconds: np.ndarray, all_axes: bool) -> np.ndarray:
    """Angular rate of the IMU: turns about z, and with `all_axes` also pitch and roll."""
    yaw = 0.6 * np.sin(0.9 * seconds) + 0.3 * np.sin(2.3 * seconds)
    roll, pitch = (0.2 * np.sin(3.1 * seconds), 0.25 * np.cos(1.7 * seconds)) if all_axes else (0.0 * yaw, 0.0 * yaw)
    return np.stack([roll, pitch, yaw], axis=1)


@cache
def orientations(all_axes: bool) -> np.ndarray:
    """Rotations (32000, 3, 3) of the IMU, one per millisecond."""
    R, found = np.eye(3), []
    for rate in rates(np.arange(0.0, 32.0, 0.001) + 0.0005, all_axes):
        found.append(R)
        R = R @ exp_so3(rate * 0.001)
    return np.stack(found)


def simulate(
    all_axes: bool = True, offset: float = 0.0, scale: float = 1.0, noise: float = 0.0
) -> tuple[list, ImuBatch]:
    """30 s of LiDAR rotations at 10 Hz and a gyro at 200 Hz whose stamps are early by `offset` s."""
    rng = np.random.default_rng(1)
    stamps = np.arange(10, 310) * 100_000_000
    R_odom_lidar = R_LIDAR_IMU @ orientations(all_axes)[stamps // 1_000_000] @ R_LIDAR_IMU.T
    scans = [(int(t), R @ exp_so3(rng.normal(0.0, noise, 3))) for t, R in zip(stamps, R_odom_lidar)]
    samples = np.arange(0.0, 32.0, 0.005)
    gyro = rates(samples, all_axes) / scale + 0.01  # with a bias
    accel = np.tile([0.0, 0.0, 9.81], (len(samples), 1))
    return scans, ImuBatch(np.round((samples - offset) * 1e9).astype(np.int64), gyro, accel)


def levels(findings: list[Finding]) -> dict[str, str]:
    return {finding.check: finding.level for finding in findings}


def test_a_right_configuration_is_confirmed():
    facts = compare_motion(*simulate(noise=0.001), R_LIDAR_IMU)
    assert facts.is_full
    assert facts.angle_deg < 0.5
    assert abs(facts.offset) < 0.003
    assert facts.scale == pytest.approx(1.0, abs=0.01)
    assert set(levels(check_motion(facts)).values()) == {"ok"}


@pytest.mark.parametrize("angle", [np.radians(10.0) * np.eye(3)[i] for i in range(3)])
def test_an_extrinsic_that_is_ten_degrees_off_is_an_error_when_all_axes_turn(angle: np.ndarray):
    facts = compare_motion(*simulate(noise=0.001), R_LIDAR_IMU @ exp_so3(angle))
    assert facts.angle_deg == pytest.approx(10.0, abs=0.5)
    assert levels(check_motion(facts)) == {"gyro unit": "ok", "rotation of lidar to imu": "error", "clock offset": "ok"}


def test_a_car_that_only_yaws_shows_the_tilt_and_says_that_the_heading_is_not_seen():
    scans, imu = simulate(all_axes=False, noise=0.001)
    tilted = compare_motion(scans, imu, R_LIDAR_IMU @ exp_so3(np.array([np.radians(10.0), 0.0, 0.0])))
    turned = compare_motion(scans, imu, R_LIDAR_IMU @ exp_so3(np.array([0.0, 0.0, np.radians(10.0)])))
    assert not tilted.is_full
    assert tilted.angle_deg == pytest.approx(10.0, abs=0.5)
    assert turned.angle_deg < 0.5
    assert "not seen" in next(f.value for f in check_motion(turned) if f.check == "rotation of lidar to imu")


@pytest.mark.parametrize("offset", [-0.2, -0.06, 0.05, 0.15])
def test_a_clock_offset_is_measured(offset: float):
    facts = compare_motion(*simulate(offset=offset, noise=0.0005), R_LIDAR_IMU)
    assert facts.offset == pytest.approx(offset, abs=0.004)
    found = levels(check_motion(facts))["clock offset"]
    assert found == ("error" if abs(offset) > 0.1 else "warn")


def test_a_gyro_in_degrees_is_named():
    facts = compare_motion(*simulate(scale=np.pi / 180.0), R_LIDAR_IMU)
    finding = next(f for f in check_motion(facts) if f.check == "gyro unit")
    assert finding.level == "error"
    assert "deg/s" in finding.value


def test_a_gyro_of_another_robot_is_unexplained():
    scans, imu = simulate()
    other = ImuBatch(imu.stamps_ns, np.random.default_rng(2).normal(0.0, 0.5, imu.gyro.shape), imu.accel)
    findings = check_motion(compare_motion(scans, other, R_LIDAR_IMU))
    assert levels(findings) == {"gyro against lidar": "error"}


def test_little_motion_and_missing_data_give_no_verdict():
    scans, imu = simulate()
    still = [(stamp, np.eye(3)) for stamp, _ in scans]
    empty = ImuBatch(imu.stamps_ns[:0], imu.gyro[:0], imu.accel[:0])
    for facts in (
        compare_motion(still, imu, R_LIDAR_IMU),
        compare_motion(scans[:5], imu, R_LIDAR_IMU),
        compare_motion(scans, empty, R_LIDAR_IMU),
        compare_motion([], imu, R_LIDAR_IMU),
        MotionFacts(0),
    ):
        findings = check_motion(facts)
        assert levels(findings) == {"gyro against lidar": "ok"}
        assert "too little" in findings[0].value


@pytest.mark.long
def test_a_generated_drive_is_confirmed_and_a_wrong_extrinsic_found(tmp_path: Path):
    from perception.core.geometry import quaternion_from_matrix
    from perception.doctor.inspection import look
    from perception.doctor.recording import check_recording
    from perception.io.config import InputConfig
    from perception.world.config import WorldConfig
    from perception.world.synth import synthesise

    path = synthesise(tmp_path / "turns", WorldConfig(seed=2, duration=20.0, route="turns"), lambda done, total: None)
    facts = look(path, InputConfig(), 20.0)
    assert levels(check_motion(facts.motion)) == {
        "gyro unit": "ok",
        "rotation of lidar to imu": "ok",
        "clock offset": "ok",
    }
    assert not any(finding.level == "error" for finding in check_recording(facts))
    T = facts.rig.T_base_imu
    wrong = quaternion_from_matrix(T[:3, :3] @ exp_so3(np.array([np.radians(10.0), 0.0, 0.0])))
    findings = check_recording(look(path, InputConfig(T_base_imu=(*T[:3, 3], *wrong)), 20.0))
    assert levels(findings)["rotation of lidar to imu"] == "error"
