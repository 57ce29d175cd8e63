"""Scans of the generated world: exact without noise, and with errors as a sensor has them."""

import numpy as np
import pytest

from perception.core.classes import Class
from perception.core.geometry import apply
from perception.world.config import BeamConfig, SceneConfig, WorldConfig
from perception.world.geometry.raycast import Hits
from perception.world.motion import Vehicle
from perception.world.recording import EPOCH_NS, SyntheticRecording
from perception.world.sensors.lidar import (
    LIVOX_HALF_FOV,
    SWEEP_NS,
    LidarScan,
    noisy_ranges,
    pattern,
    returns,
)

SPARSE = SceneConfig(leaves_per_tree=60, num_moving_cars=8, num_pedestrians=6)
EXACT = BeamConfig(range_noise=0.0, grazing_noise=0.0, far_noise=0.0, dropout=0.0, range_at_10_percent=1000.0)


def recording_of(route: str, duration: float = 8.0, **changes) -> SyntheticRecording:
    return SyntheticRecording(WorldConfig(route=route, duration=duration, scene=SPARSE, **changes))


def scan_of(recording: SyntheticRecording, sweep: int) -> LidarScan:
    return recording.scan(sweep)


def in_world(recording: SyntheticRecording, scan: LidarScan) -> np.ndarray:
    """Points (N, 3) float64 by the ground truth at the time of each point."""
    stamps, which = np.unique(scan.scan.offsets_ns, return_inverse=True)
    T = recording.vehicle.poses(stamps + scan.scan.stamp_ns - EPOCH_NS) @ recording.rig.T_base_lidar
    return np.einsum("nij,nj->ni", T[which, :3, :3], scan.scan.points.astype(np.float64)) + T[which, :3, 3]


def gaps(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Distance (N,) of each point from the plane of its triangle (N, 3, 3)."""
    triangles = triangles.astype(np.float64)
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return np.abs(np.einsum("ij,ij->i", points - triangles[:, 0], normal))


@pytest.mark.parametrize("lidar", ["spinning", "livox"])
def test_points_without_noise_lie_on_the_surfaces_by_the_ground_truth(lidar: str) -> None:
    recording = recording_of("turns", lidar=lidar, beams=EXACT)
    scan = recording.scan(70)  # in full motion
    is_static = scan.rows < recording.world.first_rows[1]
    assert np.count_nonzero(is_static) > 10_000
    points = in_world(recording, scan)[is_static]
    assert gaps(points, recording.world.mesh.triangles[scan.rows[is_static]]).max() < 2e-3


def test_a_scan_taken_as_a_snapshot_would_miss_the_surfaces() -> None:
    recording = recording_of("turns", beams=EXACT)
    scan = recording.scan(70)
    T = recording.vehicle.poses(np.array([70 * SWEEP_NS]))[0] @ recording.rig.T_base_lidar
    snapshot = apply(T, scan.scan.points.astype(np.float64))
    assert np.percentile(gaps(snapshot, recording.world.mesh.triangles[scan.rows]), 90) > 0.1


def test_points_on_moving_objects_lie_on_them_where_they_are_at_that_time() -> None:
    recording = recording_of("town", duration=12.0, beams=EXACT)
    points, triangles = [], []
    for sweep in range(30, 120, 10):
        scan = recording.scan(sweep)
        world = in_world(recording, scan)
        for body, mover in enumerate(recording.scene.movers, start=1):
            first, last = recording.world.first_rows[body : body + 2]
            chosen = (scan.rows >= first) & (scan.rows < last)
            if not chosen.any() or not isinstance(mover.motion, Vehicle):
                continue
            T = mover.motion.poses(scan.scan.stamp_ns - EPOCH_NS + scan.scan.offsets_ns[chosen])
            seen = np.einsum("nji,nj->ni", T[:, :3, :3], world[chosen] - T[:, :3, 3])
            points.append(seen)
            triangles.append(recording.world.mesh.triangles[scan.rows[chosen]])
    distances = gaps(np.concatenate(points), np.concatenate(triangles))
    assert len(distances) > 100
    assert distances.max() < 0.05  # a step of the moving objects, at 10 m/s and 2.5 ms


def test_noise_grows_with_the_range_and_where_the_beam_grazes() -> None:
    n = 20_000

    def spread(distance: float, cosine: float) -> float:
        hits = Hits(np.full(n, distance, np.float32), np.zeros(n, np.int32), np.full(n, cosine, np.float32))
        return float(np.std(noisy_ranges(hits, BeamConfig(), np.random.default_rng(0))))

    assert spread(5.0, 1.0) == pytest.approx(0.015, rel=0.05)
    assert spread(100.0, 1.0) == pytest.approx(np.hypot(0.015, 0.015), rel=0.05)
    assert spread(5.0, 0.2) == pytest.approx(np.hypot(0.015, 0.004 * np.sqrt(1 - 0.04) / 0.2), rel=0.05)


def test_dark_far_and_grazed_surfaces_return_less_often() -> None:
    n = 20_000

    def share(reflectivity: float, distance: float, cosine: float) -> float:
        hits = Hits(np.full(n, distance, np.float32), np.zeros(n, np.int32), np.full(n, cosine, np.float32))
        rng = np.random.default_rng(0)
        return float(returns(hits, np.full(n, reflectivity, np.float32), BeamConfig(dropout=0.0), rng).mean())

    assert share(0.1, 110.0, 1.0) == pytest.approx(0.5, abs=0.02)
    assert share(0.5, 10.0, 1.0) > 0.999
    assert share(0.1, 110.0, 0.3) < 0.1
    assert share(0.03, 60.0, 1.0) < share(0.3, 60.0, 1.0)
    assert share(1.0, 0.5, 1.0) == 0.0 and share(1.0, 121.0, 1.0) == 0.0


def test_a_beam_that_meets_nothing_never_returns() -> None:
    hits = Hits(np.full(9, np.inf, np.float32), np.full(9, -1, np.int32), np.zeros(9, np.float32))
    assert not returns(hits, np.ones(9, np.float32), BeamConfig(), np.random.default_rng(0)).any()


def test_a_cheaper_sensor_has_the_rings_and_columns_that_were_asked_for() -> None:
    beams = pattern("spinning", 0, BeamConfig(num_rings=16, num_columns=360))
    assert beams.directions.shape == (360, 16, 3)
    assert beams.offsets_ns.shape == (360,) and beams.offsets_ns[-1] < SWEEP_NS
    full = pattern("spinning", 0, BeamConfig())
    np.testing.assert_allclose(beams.directions[0, [0, -1]], full.directions[0, [0, -1]])  # the same field of view


def test_a_tunnel_differs_by_seed_and_repeats_after_its_period() -> None:
    first, other = (recording_of("tunnel", seed=seed, duration=1.0) for seed in (1, 2))
    assert first.scene.static.triangles.shape != other.scene.static.triangles.shape
    period = first.scene.layout.period
    corners = np.unique(np.round(first.scene.static.triangles.reshape(-1, 3), 3), axis=0)
    features = corners[(np.abs(corners[:, 1]) < 2.45) & (corners[:, 0] < 60.0)]  # pillars stand out of the walls
    assert len(features) > 8
    again = {tuple(corner) for corner in corners.tolist()}
    shifted = np.round(np.add(features, [period, 0.0, 0.0]), 3)
    assert np.mean([tuple(corner) in again for corner in shifted.astype(np.float32).tolist()]) > 0.9


def test_a_spinning_scan_has_64_rings_and_rises_in_time_within_100_ms() -> None:
    scan = recording_of("turns").scan(50)
    assert 45_000 < len(scan.scan.points) < 64 * 1024
    assert set(np.unique(scan.rings)) == set(range(64))
    assert (np.diff(scan.scan.offsets_ns) >= 0).all() and scan.scan.offsets_ns[-1] < SWEEP_NS
    assert scan.scan.end_ns - scan.scan.stamp_ns == SWEEP_NS
    elevation = np.arctan2(scan.scan.points[:, 2], np.hypot(*scan.scan.points[:, :2].T))
    assert [elevation[scan.rings == ring].mean() for ring in (5, 30, 60)] == sorted(
        elevation[scan.rings == ring].mean() for ring in (5, 30, 60)
    )
    assert scan.intensities.min() >= 0.0 and scan.intensities.max() <= 255.0


def test_the_rosette_fills_its_cone_and_does_not_repeat() -> None:
    first, second = (pattern("livox", sweep, BeamConfig()).directions.reshape(-1, 3) for sweep in (0, 1))
    assert len(first) == 24_000
    angle = np.arccos(first[:, 0])
    assert angle.max() <= LIVOX_HALF_FOV + 1e-3 and angle.max() > 0.95 * LIVOX_HALF_FOV
    assert np.median(np.linalg.norm(first - second, axis=1)) > 0.05
    cells = [len(np.unique((d[:, 1:] * 100).astype(int), axis=0)) for d in (first, np.concatenate([first, second]))]
    assert cells[1] > 1.15 * cells[0]


def test_the_endless_corridor_is_smooth_and_looks_the_same_everywhere() -> None:
    recording = recording_of("endless_corridor", duration=10.0, beams=EXACT)
    assert len(recording.scene.movers) == 0
    triangles = recording.world.mesh.triangles.astype(np.float64)
    planes = np.array([[-1.5, 1.5], [0.0, 2.9]])
    on_wall = np.isclose(triangles[:, :, 1, None], planes[0], atol=1e-5).all(axis=1).any(axis=1)
    on_floor = np.isclose(triangles[:, :, 2, None], planes[1], atol=1e-5).all(axis=1).any(axis=1)
    assert (on_wall | on_floor).all()
    for sweep in (50, 95):
        points = in_world(recording, recording.scan(sweep))
        distance = np.minimum(
            np.abs(np.abs(points[:, 1]) - 1.5), np.minimum(np.abs(points[:, 2]), np.abs(points[:, 2] - 2.9))
        )
        assert distance.max() < 2e-3
        assert np.ptp(points[:, 0]) > 100.0


def test_all_classes_of_a_street_are_seen() -> None:
    recording = recording_of("town", duration=4.0)
    seen = set(np.unique(recording.world.mesh.class_ids[recording.scan(30).rows]))
    wanted = {Class.DRIVEABLE_SURFACE, Class.SIDEWALK, Class.TERRAIN, Class.MANMADE, Class.VEGETATION, Class.CAR}
    assert wanted <= seen
    built = set(np.unique(recording.world.mesh.class_ids))
    assert {Class.PEDESTRIAN, Class.BICYCLE, Class.BARRIER, Class.OTHERS} <= built
