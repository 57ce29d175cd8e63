"""The inertial parts on real recordings: open-loop prediction, gyro against visual odometry, de-skewing, the start.

The measuring functions are those of `perception bench odometry`.
"""

import numpy as np
import pytest

from benchmarks.gicp_cost import LEAF
from benchmarks.inertial import deskewed_scan, gyro_errors_deg, open_loop_errors
from perception.core.geometry import matrix_from_quaternion
from perception.core.types import ImuBatch
from slam.config import ImuConfig
from slam.imu import ImuBuffer, Start, find_start
from tests.shared import shared


def gicp_cost(target: np.ndarray, source: np.ndarray) -> float:
    """Cost per inlier after GICP of one cloud (N, 3) on another, as the data set's own check measures it."""
    small_gicp = pytest.importorskip("small_gicp", reason="small_gicp measures the fit; it is in the bench extra")
    cloud, tree = small_gicp.preprocess_points(target.astype(np.float64), downsampling_resolution=LEAF)
    other, _ = small_gicp.preprocess_points(source.astype(np.float64), downsampling_resolution=LEAF)
    found = small_gicp.align(cloud, other, tree)
    return found.error / found.num_inliers


def test_one_second_of_prediction_from_the_euroc_reference_stays_near_it():
    position, attitude = open_loop_errors(shared("data/imu_euroc_v1_01"))
    print(f"median {np.median(position):.4f} m, {np.median(attitude):.4f} deg")
    assert len(position) > 2000
    assert np.median(position) <= 0.03, f"{np.median(position):.4f} m"
    assert np.median(attitude) <= 0.15, f"{np.median(attitude):.4f} deg"


def test_gyro_turns_like_the_visual_odometry_of_kitti_00():
    errors = gyro_errors_deg(shared("data/imu_gps_kitti_00"))
    assert len(errors) > 100
    rms = float(np.sqrt(np.mean(errors**2)))
    print(f"rms {rms:.4f} deg per interval")
    assert rms <= 0.1, f"{rms:.4f} deg"


def test_deskewed_fast_scans_fit_each_other():
    with np.load(shared("data/deskew_newer_college_06") / "scans.npz", allow_pickle=False) as stored:
        arrays = dict(stored)
    raw = gicp_cost(arrays["raw_0"], arrays["raw_2"])
    deskewed = gicp_cost(deskewed_scan(arrays, 0), deskewed_scan(arrays, 2))
    print(f"cost {raw:.2f} raw, {deskewed:.3f} de-skewed")
    assert raw > 3.0, f"raw cost {raw:.2f}"
    assert deskewed <= 0.3, f"de-skewed cost {deskewed:.3f}"


@pytest.mark.parametrize(("seconds", "is_still", "max_angle"), [(0.1, False, 3.0), (2.4, True, 1.0)])
def test_start_of_euroc_finds_gravity_and_at_rest_the_bias_of_the_gyro(seconds, is_still, max_angle):
    folder = shared("data/imu_euroc_v1_01")
    truth = np.loadtxt(folder / "groundtruth.csv", delimiter=",")
    stamps = np.genfromtxt(folder / "groundtruth.csv", delimiter=",", dtype=np.int64, usecols=0)
    row = int(np.searchsorted(stamps, stamps[0] + round(seconds * 1e9)))
    with np.load(folder / "imu.npz", allow_pickle=False) as arrays:
        batch = ImuBatch(arrays["t_ns"], arrays["gyro"].astype(np.float64), arrays["accel"].astype(np.float64))
    buffer = ImuBuffer(len(batch.stamps_ns))
    buffer.add(batch)
    start = find_start(buffer, int(stamps[row]), ImuConfig())
    assert isinstance(start, Start)
    assert start.is_still is is_still  # before its rest the vehicle is shaken by the rotors
    assert start.rate == pytest.approx(200.0, rel=0.01)
    up_true = matrix_from_quaternion(truth[row, [5, 6, 7, 4]])[2]  # z of the world in axes of the body
    angle = np.degrees(np.arccos(start.up @ up_true / np.linalg.norm(start.up)))
    print(f"still {start.is_still}, gravity {angle:.3f} deg off, bias {start.gyro_bias}, true {truth[row, 11:14]}")
    assert angle < max_angle
    if is_still:
        np.testing.assert_allclose(start.gyro_bias, truth[row, 11:14], atol=0.01)
