"""The inertial parts on real recordings: open-loop prediction, gyro against visual odometry, de-skewing."""

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.drives import SHARED
from benchmarks.jobs import child
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result
from perception.core.geometry import exp_so3, log_so3, matrix_from_quaternion
from perception.core.stamps import NS_PER_S
from perception.core.types import ImuBatch
from slam.deskew import Motion, deskew
from slam.imu import ImuBuffer
from slam.propagation import Inputs, propagate
from slam.state import ERROR_DIM, GRAVITY, State

EUROC, KITTI_IMU, NEWER_COLLEGE = "imu_euroc_v1_01", "imu_gps_kitti_00", "deskew_newer_college_06"
HORIZON = 1.0  # s of prediction without correction
MAX_STEP_NS = 30_000_000  # between IMU samples; the KITTI stream has steps of 20 ms
MAX_VO_STEP = 0.16  # s; key frames farther apart are left out, they are no frame interval
NUM_KNOTS = 41  # of the motion read from the reference de-skewing


def measure(options: BenchOptions, result: Result, python: str) -> None:
    """All rows of this file; a data set that is not there becomes a row that says so."""
    parts = {EUROC: _open_loop, KITTI_IMU: _gyro_against_vision}
    for name, part in parts.items():
        if (SHARED / name).is_dir():
            part(SHARED / name, result)
        else:
            result.add(OURS, name, "group", None, "not measured: it is not beside this checkout")
    if (SHARED / NEWER_COLLEGE).is_dir():
        _deskewing(SHARED / NEWER_COLLEGE, result, python)


def open_loop_errors(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Position (m) and attitude (deg) errors (N,) of predictions that start from rows of the ground truth."""
    truth = np.loadtxt(folder / "groundtruth.csv", delimiter=",")
    stamps = np.genfromtxt(folder / "groundtruth.csv", delimiter=",", dtype=np.int64, usecols=0)
    rotations = matrix_from_quaternion(truth[:, [5, 6, 7, 4]])
    buffer = _buffer(folder / "imu.npz")
    errors = []
    ends = np.searchsorted(stamps, stamps + round(HORIZON * NS_PER_S))
    for i, j in enumerate(ends):
        inputs = None
        if j < len(stamps):
            inputs = buffer.inputs(int(stamps[i]), int(stamps[j]), MAX_STEP_NS, accel_scale=1.0)
        if inputs is not None:
            end = _predict(truth[i], rotations[i], inputs)
            turn = np.linalg.norm(log_so3(rotations[j].T @ end.R))
            errors.append((np.linalg.norm(end.position - truth[j, 1:4]), np.degrees(turn)))
    position, attitude = np.array(errors).T
    return position, attitude


def gyro_errors_deg(folder: Path) -> np.ndarray:
    """Angles (N,) between the turn by the gyro and that by the visual odometry, for each interval of key frames.

    How the camera sits on the IMU is no part of the data set; the rotation that fits all intervals best is taken.
    """
    vision = np.loadtxt(folder / "stereo_vo_cam0_first154_tum.txt")
    stamps = np.round(vision[:, 0] * NS_PER_S).astype(np.int64)
    cameras = matrix_from_quaternion(vision[:, 4:8])
    buffer = _buffer(folder / "imu.npz")
    by_gyro, by_vision = [], []
    for i in range(len(stamps) - 1):
        inputs = buffer.inputs(int(stamps[i]), int(stamps[i + 1]), MAX_STEP_NS, accel_scale=1.0)
        if inputs is not None and stamps[i + 1] - stamps[i] < MAX_VO_STEP * NS_PER_S:
            by_gyro.append(log_so3(_predict(np.zeros(17), np.eye(3), inputs).R))
            by_vision.append(log_so3(cameras[i].T @ cameras[i + 1]))
    R_imu_camera = _best_rotation(np.array(by_vision), np.array(by_gyro))
    turned = [log_so3(exp_so3(g).T @ R_imu_camera @ exp_so3(v) @ R_imu_camera.T) for g, v in zip(by_gyro, by_vision)]
    return np.degrees(np.linalg.norm(turned, axis=1))


def deskewed_scan(arrays: dict[str, np.ndarray], i: int) -> np.ndarray:
    """Scan `i` (N, 3) float32 de-skewed by `slam.deskew` to the end of its sweep, with the motion of its sweep.

    The motion is read from the reference, which holds the same points before and after: at each of some instants
    the rigid transform that carries the raw points measured around it onto the reference.
    """
    raw, offsets = arrays[f"raw_{i}"], arrays[f"offset_ns_{i}"].astype(np.int64)
    motion = _motion_between(raw.astype(np.float64), arrays[f"deskewed_{i}"].astype(np.float64), offsets)
    return deskew(raw, offsets, 0, motion, np.eye(4))


def _open_loop(folder: Path, result: Result) -> None:
    position, attitude = open_loop_errors(folder)
    result.add(OURS, EUROC, "predictions", len(position), "")
    result.add(OURS, EUROC, "position error after 1 s of prediction, median", np.median(position), "m")
    result.add(OURS, EUROC, "position error after 1 s of prediction, p95", np.percentile(position, 95), "m")
    result.add(OURS, EUROC, "attitude error after 1 s of prediction, median", np.median(attitude), "deg")


def _gyro_against_vision(folder: Path, result: Result) -> None:
    errors = gyro_errors_deg(folder)
    result.add(OURS, KITTI_IMU, "frame intervals", len(errors), "")
    rms = np.sqrt(np.mean(np.square(errors)))
    result.add(OURS, KITTI_IMU, "gyro against visual odometry per interval, rms", rms, "deg")


def _deskewing(folder: Path, result: Result, python: str) -> None:
    with np.load(folder / "scans.npz", allow_pickle=False) as stored:
        arrays = dict(stored)
    pairs = {
        "raw": (arrays["raw_0"], arrays["raw_2"]),
        "de-skewed": (deskewed_scan(arrays, 0), deskewed_scan(arrays, 2)),
    }
    with tempfile.TemporaryDirectory(prefix="bench-deskew") as temporary:
        for name, clouds in pairs.items():
            paths = [str(Path(temporary) / f"{k}.npy") for k in range(2)]
            for path, points in zip(paths, clouds):
                np.save(path, points)
            cost = float(child([python, "-m", "benchmarks.gicp_cost", *paths]))
            result.add(OURS, NEWER_COLLEGE, f"GICP cost of scan 2 on scan 0, {name}", cost, "")


def _buffer(path: Path) -> ImuBuffer:
    with np.load(path, allow_pickle=False) as arrays:
        stamps, gyro, accel = (arrays[name] for name in ("t_ns", "gyro", "accel"))
    buffer = ImuBuffer(len(stamps))
    buffer.add(ImuBatch(stamps.astype(np.int64), gyro.astype(np.float64), accel.astype(np.float64)))
    return buffer


def _predict(row: np.ndarray, R: np.ndarray, inputs: Inputs) -> State:
    """`row` (17,): stamp, position, attitude, velocity and biases as EuRoC writes them; `R` (3, 3) its attitude."""
    gravity = np.array([0.0, 0.0, -GRAVITY])
    start = State(row[1:4], R, np.eye(3), np.zeros(3), row[8:11], row[11:14], row[14:17], gravity)
    state, _, _ = propagate(start, np.eye(ERROR_DIM), inputs, np.zeros(4))
    return state


def _best_rotation(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) that brings vectors (N, 3) onto others best in the sense of least squares."""
    U, _, Vt = np.linalg.svd(target.T @ source)
    return U @ np.diag([1.0, 1.0, np.linalg.det(U @ Vt)]) @ Vt


def _motion_between(raw: np.ndarray, still: np.ndarray, offsets_ns: np.ndarray) -> Motion:
    edges = np.linspace(0, offsets_ns.max() + 1, NUM_KNOTS + 1).astype(np.int64)
    rows = [np.flatnonzero((offsets_ns >= a) & (offsets_ns < b)) for a, b in pairwise(edges)]
    stamps = np.array([int(offsets_ns[row].mean()) for row in rows])
    R, p = np.empty((NUM_KNOTS, 3, 3)), np.empty((NUM_KNOTS, 3))
    for k, row in enumerate(rows):
        centre_raw, centre_still = raw[row].mean(axis=0), still[row].mean(axis=0)
        R[k] = _best_rotation(raw[row] - centre_raw, still[row] - centre_still)
        p[k] = centre_still - R[k] @ centre_raw
    seconds = np.diff(stamps) * 1e-9
    w, v = np.zeros((NUM_KNOTS, 3)), np.zeros((NUM_KNOTS, 3))
    w[:-1] = [log_so3(a.T @ b) / dt for (a, b), dt in zip(pairwise(R), seconds)]
    v[:-1] = np.diff(p, axis=0) / seconds[:, None]
    return Motion(stamps, R, p, v, np.zeros((NUM_KNOTS, 3)), w)
