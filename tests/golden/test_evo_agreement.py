"""Our trajectory errors equal those of evo: on stored results of real trajectories, and on generated ones if it runs.

KITTI's files print rotations with seven digits, so chains of them differ by about 1e-6 with the order of products.
"""

import json

import numpy as np
import pytest

from perception.core.geometry import quaternion_from_matrix
from perception.core.trajectory import Trajectory
from perception.evaluation.trajectory import Options, Statistics, TrajectoryErrors, evaluate
from perception.io.trajectories import read_trajectory
from tests.shared import shared
from tests.unit.evaluation.paths import curved_drive, noisy

KITTI = ("KITTI_00_ORB.txt vs KITTI_00_gt.txt", "KITTI_00_SPTAM.txt vs KITTI_00_gt.txt")
TUM = tuple(
    f"freiburg1_xyz-{name}.txt vs freiburg1_xyz-groundtruth.txt"
    for name in ("rgbdslam", "rgbdslam_drift", "ORB_kf_mono")
)
TABLE = {  # README of the data: SE(3) and Sim(3) aligned APE rmse
    KITTI[0]: (1.3034, 0.9377),
    KITTI[1]: (3.7385, 3.6353),
    TUM[0]: (0.01347, 0.01339),
    TUM[1]: (0.01347, 0.01339),
    TUM[2]: (0.02430, 0.00975),
}
RELATIVE = 2e-5


def compare(pair: str, **options: object) -> TrajectoryErrors:
    estimate, reference = (read_trajectory(shared("data/trajectories") / name) for name in pair.split(" vs "))
    return evaluate(estimate, reference, Options(associate="nearest", rpe_path="estimate", **options))


def expected(pair: str) -> dict:
    return json.loads((shared("data/trajectories") / "expected_evo.json").read_text())[pair]


def assert_same(found: Statistics, wanted: dict) -> None:
    for name in ("rmse", "mean", "median", "std", "min", "max", "sse"):
        assert getattr(found, name) == pytest.approx(wanted[name], rel=RELATIVE, abs=1e-8), name
    assert found.count == wanted.get("pairs", found.count)


@pytest.mark.parametrize("pair", KITTI + TUM)
@pytest.mark.parametrize("align", ["none", "origin", "se3", "sim3"])
def test_absolute_errors_equal_the_stored_ones(pair: str, align: str):
    found, wanted = compare(pair, align=align), expected(pair)
    assert len(found.stamps_ns) == wanted["pairs"]
    assert_same(found.ape_translation, wanted["ape_translation_m"][align])


@pytest.mark.parametrize("pair", KITTI + TUM)
def test_rotation_and_frame_errors_and_paths_equal_the_stored_ones(pair: str):
    found, wanted = compare(pair), expected(pair)
    assert_same(found.ape_rotation_deg, wanted["ape_rotation_deg_se3"])
    assert_same(found.rpe_frames_translation, wanted["rpe_translation_m_delta1frame"])
    assert_same(found.rpe_frames_rotation_deg, wanted["rpe_rotation_deg_delta1frame"])
    assert found.reference_path_length == pytest.approx(wanted["reference_path_length_m"], rel=1e-9)
    assert found.estimate_path_length == pytest.approx(wanted["estimate_path_length_m"], rel=1e-9)


@pytest.mark.parametrize("pair", KITTI)
@pytest.mark.parametrize(
    ("distance", "pairs", "name"),
    [
        (10.0, "consecutive", "10m_consecutive"),
        (100.0, "consecutive", "100m_consecutive"),
        (100.0, "all", "100m_all_pairs"),
    ],
)
def test_errors_over_metres_equal_the_stored_ones(pair: str, distance: float, pairs: str, name: str):
    found = compare(pair, rpe_distance=distance, rpe_pairs=pairs)
    assert_same(found.rpe_distance_translation, expected(pair)[f"rpe_translation_m_delta{name}"])


@pytest.mark.parametrize("pair", KITTI)
def test_segment_errors_equal_those_of_the_development_kit(pair: str):
    found, wanted = compare(pair), expected(pair)["kitti_devkit"]
    assert found.t_rel_percent == pytest.approx(wanted["t_rel_percent"], abs=1e-5)
    assert found.r_rel_deg_per_100m == pytest.approx(wanted["r_rel_deg_per_100m"], abs=1e-4)
    assert sum(segment.count for segment in found.segments) == wanted["segments"]
    for segment in found.segments:
        translation, rotation = wanted["per_length"][f"{segment.length:.0f}"]
        assert segment.translation_percent == pytest.approx(translation, abs=1e-5)
        assert segment.rotation_deg_per_100m == pytest.approx(rotation, abs=1e-4)


@pytest.mark.parametrize("pair", KITTI + TUM)
def test_the_published_table_is_reproduced(pair: str):
    digits = 4 if pair in KITTI else 5
    found = (compare(pair).ape_translation.rmse, compare(pair, align="sim3").ape_translation.rmse)
    assert np.abs(np.subtract(found, TABLE[pair])).max() < 10.0**-digits


def test_segments_of_a_short_real_drive_are_those_its_readme_names():
    folder = shared("data/kitti_raw_0005")
    estimate, reference = (read_trajectory(folder / name) for name in ("baseline_kiss_icp.txt", "poses_ins.txt"))
    percent = {s.length: s.translation_percent for s in evaluate(estimate, reference).segments}
    assert {length: round(value, 2) for length, value in percent.items()} == {10: 1.99, 20: 1.80, 30: 1.67, 50: 1.16}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_generated_trajectories_have_the_errors_evo_computes(seed: int):
    core = pytest.importorskip("evo.core.trajectory", reason="evo (test extra) is not installed")
    from evo.core import metrics, sync

    reference = curved_drive(400, step=0.5)
    rng = np.random.default_rng(seed)
    kept = np.sort(rng.choice(400, 150, replace=False))
    disturbed = noisy(reference, seed, metres=0.3, radians=0.05)
    jitter = rng.integers(-5_000_000, 5_000_000, 150)
    estimate = Trajectory(disturbed.stamps_ns[kept] + jitter, disturbed.poses[kept])

    def for_evo(trajectory: Trajectory) -> "core.PoseTrajectory3D":
        xyzw = quaternion_from_matrix(trajectory.poses[:, :3, :3])
        return core.PoseTrajectory3D(trajectory.poses[:, :3, 3], np.roll(xyzw, 1, axis=1), trajectory.stamps_ns / 1e9)

    truth, guess = sync.associate_trajectories(for_evo(reference), for_evo(estimate), max_diff=0.01)
    guess.align(truth)
    found = evaluate(estimate, reference, Options(associate="nearest", rpe_path="estimate", rpe_distance=20.0))
    parts = metrics.PoseRelation
    judges = [
        (found.ape_translation, metrics.APE(parts.translation_part)),
        (found.ape_rotation_deg, metrics.APE(parts.rotation_angle_deg)),
        (found.rpe_frames_translation, metrics.RPE(parts.translation_part, 1, metrics.Unit.frames)),
        (found.rpe_distance_translation, metrics.RPE(parts.translation_part, 20.0, metrics.Unit.meters)),
    ]
    for ours, judge in judges:
        judge.process_data((truth, guess))
        wanted = judge.get_all_statistics()
        for name in ("rmse", "mean", "median", "std", "min", "max", "sse"):
            assert getattr(ours, name) == pytest.approx(wanted[name], rel=1e-6, abs=1e-9), name
