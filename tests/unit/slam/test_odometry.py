"""The odometry end to end in a simulated room: accuracy, frames, fallbacks, bad input, order of the calls."""

import logging
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from perception.core.config import validated
from perception.core.geometry import inverse, log_so3
from perception.core.health import Level
from perception.core.types import ImuBatch, OdometryUpdate, Scan
from slam.config import OdometryConfig
from slam.odometry import LidarInertialOdometry
from slam.sweep import SweepClock
from tests.unit.slam.simulation import LIDAR_RIG, RIG, START_NS, SWEEP_NS, Room

CONFIG = validated(
    OdometryConfig, {"preprocess": {"map_voxel_size": 0.15, "registration_voxel_size": 0.4}}
)  # a room is small
Events = list[Scan | ImuBatch]


@cache
def recorded(rest: float = 1.0, num_scans: int = 60, reach: float = 1.5) -> tuple[Room, Events]:
    room = Room(rest=rest, reach=reach)
    return room, room.events(num_scans)


def run(events: Events, rig=RIG, config: OdometryConfig = CONFIG) -> tuple[LidarInertialOdometry, list[OdometryUpdate]]:
    core = LidarInertialOdometry(config, rig)
    updates: list[OdometryUpdate] = []
    for event in events:
        updates += core.add_scan(event) if isinstance(event, Scan) else core.add_imu(event)
    return core, updates + core.finish()


def errors(room: Room, updates: list[OdometryUpdate]) -> tuple[np.ndarray, np.ndarray]:
    """Distance (m) and angle (rad) between estimate and truth, both relative to the first pose."""
    first = updates[0].odometry
    distances, angles = [], []
    for update in updates:
        T_estimate = inverse(first.T_odom_base) @ update.odometry.T_odom_base
        T = inverse(room.reference(update.odometry.stamp_ns, first.stamp_ns)) @ T_estimate
        distances.append(np.linalg.norm(T[:3, 3]))
        angles.append(np.linalg.norm(log_so3(T[:3, :3])))
    return np.array(distances), np.array(angles)


def trajectory(updates: list[OdometryUpdate]) -> bytes:
    """Everything that must be bit-equal between two runs."""
    return b"".join(
        update.odometry.stamp_ns.to_bytes(8, "little")
        + update.odometry.T_odom_base.tobytes()
        + update.odometry.covariance.tobytes()
        + update.points.tobytes()
        for update in updates
    )


def with_scan(events: Events, sweep: int, scan: Scan) -> Events:
    """The same events with one scan replaced."""
    stamp_ns = START_NS + sweep * SWEEP_NS
    return [scan if isinstance(event, Scan) and event.stamp_ns == stamp_ns else event for event in events]


def cloud(points: np.ndarray, sweep: int = 30) -> Scan:
    count = len(points)
    offsets = np.linspace(0, SWEEP_NS, count).astype(np.int64)
    return Scan(START_NS + sweep * SWEEP_NS, "lidar", points.astype(np.float32), offsets)


def test_pose_with_imu_stays_within_centimetres_of_the_truth():
    room, events = recorded()
    core, updates = run(events)
    distances, angles = errors(room, updates)
    assert len(updates) == 60
    assert distances.max() < 0.03
    assert angles.max() < np.radians(0.3)
    assert core.health().level is Level.OK


def test_velocity_is_that_of_the_base_in_its_own_axes():
    room, events = recorded()
    _, updates = run(events)
    for update in updates[15::7]:
        h, odometry = 1e-3, update.odometry
        time = (odometry.stamp_ns - START_NS) * 1e-9
        before, after = room.pose(time - h), room.pose(time + h)
        velocity = before[:3, :3].T @ (after[:3, 3] - before[:3, 3]) / (2 * h)
        rate = log_so3(before[:3, :3].T @ after[:3, :3]) / (2 * h)
        np.testing.assert_allclose(odometry.velocity, velocity, atol=0.06)
        np.testing.assert_allclose(odometry.angular_velocity, rate, atol=0.03)


def test_odom_begins_at_the_base_with_heading_zero_and_z_up():
    room, events = recorded()
    T_odom_base = run(events)[1][0].odometry.T_odom_base
    np.testing.assert_allclose(T_odom_base[:3, 3], 0.0, atol=1e-12)
    assert T_odom_base[1, 0] == pytest.approx(0.0, abs=1e-12)
    up_in_base = room.pose(0.0)[:3, :3].T @ [0.0, 0.0, 1.0]
    np.testing.assert_allclose(T_odom_base[:3, :3] @ up_in_base, [0.0, 0.0, 1.0], atol=2e-3)


def test_without_imu_odom_is_the_base_at_the_start():
    _, events = recorded()
    core, updates = run(events, LIDAR_RIG)
    np.testing.assert_array_equal(updates[0].odometry.T_odom_base, np.eye(4))
    assert updates[0].imu_state is None
    assert "no IMU" in core.health().reason
    assert any("constant" in note for note in core.notes())


def test_pose_without_imu_stays_near_the_truth():
    room, events = recorded()
    distances, angles = errors(room, run([event for event in events if isinstance(event, Scan)], LIDAR_RIG)[1])
    assert distances.max() < 0.08
    assert angles.max() < np.radians(0.8)


def test_start_in_motion_is_said_aloud_and_as_accurate(caplog):
    room, events = recorded(rest=-4.0)
    with caplog.at_level(logging.WARNING):
        core, updates = run(events)
    distances, _ = errors(room, updates)
    assert distances.max() < 0.05
    assert core.counters()["moving starts"] == 1
    assert "moves at the start" in caplog.text


def test_deskewed_points_lie_on_the_walls():
    room, events = recorded(rest=-4.0)
    updates = run(events)[1]
    spread = [np.median(_wall_distance(room, update)) for update in updates[5:]]
    raw = [
        np.median(_wall_distance(room, replace(update, points=scan.points))) for update, scan in _pairs(events, updates)
    ]
    assert max(spread) < 0.015
    assert np.median(raw) > 3.0 * np.median(spread)


def _pairs(events: Events, updates: list[OdometryUpdate]) -> list[tuple[OdometryUpdate, Scan]]:
    return list(zip(updates[5:], [event for event in events if isinstance(event, Scan)][5:], strict=True))


def _wall_distance(room: Room, update: OdometryUpdate) -> np.ndarray:
    from tests.unit.slam.simulation import HALF_ROOM, T_BASE_LIDAR

    T = room.pose((update.odometry.stamp_ns - START_NS) * 1e-9) @ T_BASE_LIDAR
    points = update.points.astype(float) @ T[:3, :3].T + T[:3, 3]
    return np.abs(np.abs(points) - HALF_ROOM).min(axis=1)


def test_standing_still_drifts_less_than_a_centimetre():
    room, events = recorded(reach=0.0, num_scans=100)
    distances, _ = errors(room, run(events)[1])
    assert distances.max() < 0.01


def test_scan_waits_for_samples_of_its_whole_sweep():
    room = Room()
    core = LidarInertialOdometry(CONFIG, RIG)
    core.add_imu(room.imu(-0.6, 0.0))
    assert core.add_scan(room.scan(0)) == []
    assert core.add_imu(room.imu(0.0, 0.1)) == []  # newest sample 5 ms before the end
    updates = core.add_imu(room.imu(0.1, 0.11))
    assert [update.odometry.stamp_ns for update in updates] == [START_NS + SWEEP_NS]


def test_result_does_not_depend_on_how_the_calls_interleave():
    _, events = recorded()
    scans = [event for event in events if isinstance(event, Scan)]
    batches = [event for event in events if isinstance(event, ImuBatch)]
    samples = [
        ImuBatch(batch.stamps_ns[k : k + 1], batch.gyro[k : k + 1], batch.accel[k : k + 1])
        for batch in batches
        for k in range(len(batch.stamps_ns))
    ]
    late = sorted(
        [*scans, *samples], key=lambda e: e.stamp_ns + 3 * SWEEP_NS if isinstance(e, Scan) else e.stamps_ns[0]
    )
    early = sorted(
        [*scans, *samples], key=lambda e: e.stamp_ns - 3 * SWEEP_NS if isinstance(e, Scan) else e.stamps_ns[0]
    )
    expected = trajectory(run(events)[1])
    assert trajectory(run(late)[1]) == expected
    assert trajectory(run(early)[1]) == expected


def test_result_is_bit_equal_with_one_and_two_threads():
    _, events = recorded()
    two = validated(OdometryConfig, {**CONFIG.model_dump(), "registration": {"num_threads": 2}})
    assert trajectory(run(events)[1]) == trajectory(run(events, config=two)[1])


def test_result_after_a_reset_is_that_of_a_new_start():
    _, events = recorded()
    core, updates = run(events)
    core.reset()
    again: list[OdometryUpdate] = []
    for event in events:
        again += core.add_scan(event) if isinstance(event, Scan) else core.add_imu(event)
    assert trajectory(again + core.finish()) == trajectory(updates)


@pytest.mark.parametrize(
    ("points", "what"),
    [
        (np.zeros((0, 3)), "empty"),
        (np.array([[5.0, 1.0, 0.0]]), "one point"),
        (np.full((5000, 3), 4.0), "all equal"),
        (np.zeros((5000, 3)), "all at the origin"),
        (np.full((5000, 3), 1e6), "out of range"),
    ],
)
def test_scan_that_says_nothing_is_counted_and_predicted_over(points, what):
    room, events = recorded()
    events = with_scan(events, 30, cloud(points))
    core = LidarInertialOdometry(CONFIG, RIG)
    updates, levels = [], []
    for event in events:
        for update in core.add_scan(event) if isinstance(event, Scan) else core.add_imu(event):
            updates.append(update)
            levels.append(update.odometry.health.level)
    distances, _ = errors(room, updates)
    assert len(updates) == 60, what
    assert distances.max() < 0.05
    assert levels[30] is Level.DEGRADED
    assert "predicted" in updates[30].odometry.health.reason
    assert levels[31] is Level.OK
    assert core.counters()["scans with too few points"] == 1


@pytest.mark.parametrize("points", [np.zeros((0, 3)), np.full((100, 3), 4.0)])
def test_useless_first_scans_are_dropped_and_the_next_one_starts(points):
    room, events = recorded()
    events = with_scan(with_scan(events, 0, cloud(points, 0)), 1, cloud(points, 1))
    core, updates = run(events)
    assert len(updates) == 58
    assert core.counters()["scans dropped: too few points to start with"] == 2
    assert errors(room, updates)[0].max() < 0.03


def test_scan_of_another_place_is_not_matched_and_said_so():
    room, events = recorded()
    far = np.random.default_rng(0).uniform(40.0, 60.0, (4000, 3))
    core, updates = run(with_scan(events, 30, cloud(far)))
    assert updates[30].odometry.health.level is Level.DEGRADED
    assert "not registered" in updates[30].odometry.health.reason
    assert errors(room, updates)[0].max() < 0.05
    assert core.counters()["scans not registered"] == 1


def test_samples_that_are_not_finite_cost_only_themselves():
    room, events = recorded()
    broken = []
    for event in events:
        if isinstance(event, ImuBatch) and event.stamps_ns[0] > START_NS + 20 * SWEEP_NS:
            gyro, accel = event.gyro.copy(), event.accel.copy()
            gyro[3], accel[7:9] = np.nan, np.inf
            event = ImuBatch(event.stamps_ns, gyro, accel)
        broken.append(event)
    core, updates = run(broken)
    assert errors(room, updates)[0].max() < 0.05
    assert core.counters()["imu samples not finite"] > 100
    assert np.isfinite(np.array([update.odometry.T_odom_base for update in updates])).all()


def test_repeated_samples_and_scans_change_nothing():
    _, events = recorded()
    repeated = [event for event in events for _ in range(2)]
    core, updates = run(repeated)
    assert trajectory(updates) == trajectory(run(events)[1])
    assert core.counters()["scans dropped: ends before the last one"] == 60


def test_hole_in_the_samples_is_bridged_by_constant_velocity():
    room, events = recorded()
    hole = START_NS + 30 * SWEEP_NS, START_NS + 33 * SWEEP_NS
    kept = [e for e in events if isinstance(e, Scan) or not hole[0] <= e.stamps_ns[0] < hole[1]]
    core, updates = run(kept)
    assert len(updates) == 60
    assert core.counters()["scans without imu samples"] >= 3
    assert updates[31].odometry.health.level is Level.DEGRADED
    assert "missing" in updates[31].odometry.health.reason
    assert updates[40].odometry.health.level is Level.OK
    assert errors(room, updates)[0].max() < 0.08


def test_imu_that_falls_silent_holds_nothing_up():
    room, events = recorded()
    silent = [e for e in events if isinstance(e, Scan) or e.stamps_ns[0] < START_NS + 30 * SWEEP_NS]
    core = LidarInertialOdometry(CONFIG, RIG)
    updates: list[OdometryUpdate] = []
    for event in silent:
        updates += core.add_scan(event) if isinstance(event, Scan) else core.add_imu(event)
    assert 45 <= len(updates) < 60  # one second of scans still waits
    updates += core.finish()
    assert len(updates) == 60
    assert errors(room, updates)[0].max() < 0.1
    assert core.health().level is Level.DEGRADED


def _scaled(events: Events, force: float = 1.0, keep: int = 1) -> Events:
    return [
        e
        if isinstance(e, Scan)
        else ImuBatch(e.stamps_ns[::keep].copy(), e.gyro[::keep].copy(), force * e.accel[::keep])
        for e in events
    ]


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda events: _scaled(events, force=0.0), "force"),
        (lambda events: _scaled(events, force=0.3), "force"),
        (lambda events: _scaled(events, keep=10), "Hz"),
        (lambda events: [e for e in events if isinstance(e, Scan)], "no samples"),
    ],
)
def test_unusable_imu_is_refused_by_name_and_replaced_by_constant_velocity(spoil, word, caplog):
    room, events = recorded()
    with caplog.at_level(logging.WARNING):
        core, updates = run(spoil(events))
    assert len(updates) == 60
    assert errors(room, updates)[0].max() < 0.08
    assert core.health().level is Level.DEGRADED
    assert word in core.health().reason
    assert core.counters()["imu refused"] == 1
    assert [word in record.message for record in caplog.records].count(True) == 1  # said once
    assert word in core.notes()[0]
    assert updates[-1].imu_state is None


def test_imu_that_reports_in_g_gives_the_same_path():
    room, events = recorded()
    _, updates = run(_scaled(events, force=1.0 / 9.80665))
    assert errors(room, updates)[0].max() < 0.03
    assert updates[-1].imu_state.accel_scale == pytest.approx(9.80665)


def test_scans_before_the_first_sample_are_dropped_and_counted():
    _, events = recorded()
    late = [e for e in events if isinstance(e, Scan) or e.stamps_ns[0] >= START_NS + 3 * SWEEP_NS]
    core, updates = run(late)
    assert core.counters()["scans dropped: before the first imu sample"] == 2
    assert updates[0].odometry.stamp_ns == START_NS + 3 * SWEEP_NS


def test_too_many_waiting_scans_make_room_and_are_counted():
    _, events = recorded()
    config = validated(OdometryConfig, {**CONFIG.model_dump(), "max_waiting_scans": 3})
    core = LidarInertialOdometry(config, RIG)
    for event in [event for event in events if isinstance(event, Scan)][:8]:
        core.add_scan(event)
    assert core.counters()["scans dropped: too many waited for the imu"] == 5
    assert len(core.finish()) == 3


def test_same_input_gives_the_same_counters_and_the_report_of_the_matches():
    _, events = recorded()
    core, updates = run(events)
    report = updates[-1].report
    assert 0 < report.num_matches <= report.num_points
    assert report.num_iterations <= CONFIG.filter.max_iterations
    assert 0.0 < report.rms_residual < 0.05
    assert not report.is_degenerate
    assert core.counters()["scans received"] == 60


def test_corridor_without_ends_is_flagged_and_told():
    random = np.random.default_rng(0)
    events: Events = []
    for sweep in range(12):
        x = random.uniform(-15.0, 15.0, 4000)
        side = random.integers(0, 4, 4000)
        across = random.uniform(-1.0, 1.0, 4000)
        y = np.where(side == 0, -1.5, np.where(side == 1, 1.5, 1.5 * across))
        z = np.where(side == 2, -1.2, np.where(side == 3, 1.2, 1.2 * across))
        points = np.stack((x, y, z), axis=1) + 0.005 * random.standard_normal((4000, 3))
        events.append(cloud(points, sweep))
    core, updates = run(events, LIDAR_RIG)
    assert all(update.report.is_degenerate for update in updates[1:])
    axis = LIDAR_RIG.T_base_lidar[:3, 0]  # the corridor lies along x of the LiDAR
    assert abs(updates[-1].report.weak_directions[0] @ axis) > 0.999
    assert core.health().level is Level.DEGRADED
    assert "translation along" in core.health().reason


def test_end_of_a_sweep_is_its_largest_offset_in_any_order():
    offsets = np.array([0, 90_000_000, 30_000_000], dtype=np.int64)
    assert SweepClock().end_of(Scan(1000, "lidar", np.zeros((3, 3), np.float32), offsets)) == 90_001_000


def test_end_of_a_truncated_sweep_is_the_mean_length():
    clock = SweepClock()
    whole = Scan(1000, "lidar", np.zeros((3, 3), np.float32), np.array([0, 100, 50], dtype=np.int64))
    assert [clock.end_of(whole) for _ in range(3)] == [1100, 1100, 1100]
    short = Scan(2000, "lidar", np.zeros((3, 3), np.float32), np.array([0, 10, 20], dtype=np.int64))
    assert clock.end_of(short) == 2100
    assert clock.end_of(Scan(3000, "lidar", np.zeros((0, 3), np.float32), np.zeros(0, np.int64))) == 3100
