"""The analytic drive: its derivatives, its limits, and the IMU made from it."""

import numpy as np
import pytest

from perception.core.geometry import exp_so3, log_so3, transform
from perception.world.config import ImuConfig, WorldConfig
from perception.world.jets import Jet, cos, sin
from perception.world.layout import make_layout
from perception.world.motion import Drive, Vehicle, lever
from perception.world.sensors.imu import GRAVITY, ImuSimulator, true_imu

ROUTES = ("town", "straight", "turns", "corridor", "endless_corridor")
T_BASE_IMU = transform(exp_so3(np.array([0.1, -0.2, 1.4])), np.array([0.6, 0.12, 0.55]))


def vehicle_of(route: str, duration: float = 30.0, **changes) -> Vehicle:
    config = WorldConfig(route=route, duration=duration, **changes)
    layout = make_layout(config, np.random.default_rng(5))
    return Vehicle(layout.course, Drive(layout.course, layout.pace, duration))


def milliseconds(start: float, stop: float, step: float) -> np.ndarray:
    return (np.arange(start, stop, step) * 1_000_000).astype(np.int64)


def test_products_and_sines_of_jets_have_the_derivatives_of_calculus() -> None:
    t = np.linspace(0.1, 2.0, 7)
    square = Jet(t, np.ones_like(t), np.zeros_like(t)) * Jet(t, np.ones_like(t), np.zeros_like(t))
    np.testing.assert_allclose(square.d, [t**2, 2 * t, np.full_like(t, 2.0)])
    wave = sin(square) * 3.0 + cos(square)
    np.testing.assert_allclose(wave.d[1], 2 * t * (3 * np.cos(t**2) - np.sin(t**2)))
    second = 3 * (2 * np.cos(t**2) - 4 * t**2 * np.sin(t**2)) - 2 * np.sin(t**2) - 4 * t**2 * np.cos(t**2)
    np.testing.assert_allclose(wave.d[2], second)


@pytest.mark.parametrize("route", ROUTES)
def test_velocity_acceleration_and_rates_are_the_derivatives_of_the_pose(route: str) -> None:
    vehicle = vehicle_of(route)
    times = milliseconds(500, 28000, 37)
    half = 200_000  # ns
    before, now, after = (lever(vehicle.state(times + k * half), T_BASE_IMU) for k in (-1, 0, 1))
    step = 2e-9 * half
    np.testing.assert_allclose((after.position - before.position) / step, now.velocity, atol=1e-5)
    np.testing.assert_allclose((after.velocity - before.velocity) / step, now.acceleration, atol=1e-3)
    turned = np.swapaxes(before.R_world_body, 1, 2) @ after.R_world_body
    rates = np.array([log_so3(R) for R in turned]) / step
    np.testing.assert_allclose(rates, now.angular_velocity, atol=1e-5)
    difference = (after.angular_velocity - before.angular_velocity) / step
    np.testing.assert_allclose(difference, now.angular_acceleration, atol=2e-3)


@pytest.mark.parametrize("route", ROUTES)
def test_the_robot_stands_still_at_first_and_then_drives(route: str) -> None:
    vehicle = vehicle_of(route, rest=2.0)
    still = vehicle.state(milliseconds(0, 2000, 10))
    assert np.abs(still.velocity).max() == 0.0 and np.abs(still.angular_velocity).max() == 0.0
    assert np.linalg.norm(vehicle.state(milliseconds(10000, 10001, 1)).velocity) > 0.5


def test_a_lap_later_the_robot_passes_the_same_place() -> None:
    vehicle = vehicle_of("turns", duration=300.0)
    length = vehicle.course.length
    distance = vehicle.drive.distance(np.arange(0.0, 300.0, 0.01)).d[0]
    first, second = np.searchsorted(distance, [60.0, 60.0 + length]) * 10_000_000
    a, b = vehicle.state(np.array([first, second])).position
    np.testing.assert_allclose(a, b, atol=0.1)  # 10 ms of driving, and the springs


def test_turns_reach_40_degrees_per_second_and_hardly_more() -> None:
    state = vehicle_of("turns", duration=60.0).state(milliseconds(0, 60000, 10))
    rate = np.degrees(np.abs(state.angular_velocity[:, 2]))
    assert 39.0 < rate.max() < 46.0
    assert np.mean(rate > 35.0) > 0.15


def test_the_town_has_slopes_of_metres() -> None:
    height = vehicle_of("town", duration=120.0).state(milliseconds(0, 120000, 100)).position[:, 2]
    assert 1.5 < np.ptp(height) < 15.0


def test_streets_of_the_town_are_driven_in_both_directions() -> None:
    state = vehicle_of("town", duration=130.0).state(milliseconds(0, 130000, 100))
    heading = np.arctan2(state.R_world_body[:, 1, 0], state.R_world_body[:, 0, 0])
    there = state.position[np.abs(heading) < 0.1, :2]
    back = state.position[np.abs(np.abs(heading) - np.pi) < 0.1, :2]
    gaps = np.linalg.norm(there[:, None] - back[None], axis=2).min(axis=1)
    assert np.count_nonzero(gaps < 5.0) > 100  # places 0.1 s apart with the opposite lane beside them


@pytest.mark.parametrize("route", ["town", "turns"])
def test_an_imu_without_errors_integrates_back_to_the_trajectory(route: str) -> None:
    vehicle = vehicle_of(route)
    step = 1_000_000  # ns
    times = np.arange(12_000_000_000, 13_000_000_001, step, dtype=np.int64)
    rate, force = true_imu(vehicle, T_BASE_IMU, times)
    truth = lever(vehicle.state(times), T_BASE_IMU)
    R, p, v, dt = truth.R_world_body[0], truth.position[0], truth.velocity[0], step * 1e-9
    for k in range(len(times) - 1):
        R_next = R @ exp_so3(0.5 * dt * (rate[k] + rate[k + 1]))
        a = 0.5 * (R @ force[k] + R_next @ force[k + 1]) + GRAVITY
        p, v, R = p + v * dt + 0.5 * a * dt**2, v + a * dt, R_next
    assert np.linalg.norm(p - truth.position[-1]) < 1e-3
    assert np.linalg.norm(v - truth.velocity[-1]) < 2e-3
    assert np.linalg.norm(log_so3(R.T @ truth.R_world_body[-1])) < 1e-4


def test_at_rest_the_specific_force_is_gravity() -> None:
    _, force = true_imu(vehicle_of("town"), T_BASE_IMU, milliseconds(0, 1500, 10))
    np.testing.assert_allclose(np.linalg.norm(force, axis=1), 9.80665, atol=1e-9)


def test_errors_of_the_imu_have_the_configured_densities() -> None:
    vehicle, config = vehicle_of("endless_corridor", duration=60.0), ImuConfig()
    ends = iter(range(1_000_000_000, 60_000_000_001, 1_000_000_000))
    batches = list(ImuSimulator(vehicle, T_BASE_IMU, config, 3).batches(0, ends, 0))
    times = np.concatenate([batch.stamps_ns for batch in batches])
    assert (np.diff(times) == 5_000_000).all()
    rate, force = true_imu(vehicle, T_BASE_IMU, times)
    for measured, true, density in (
        (np.concatenate([batch.gyro for batch in batches]), rate, config.gyro_noise),
        (np.concatenate([batch.accel for batch in batches]), force, config.accel_noise),
    ):
        error = measured - true
        white = np.diff(error, axis=0) / np.sqrt(2.0)  # the bias hardly moves between two samples
        np.testing.assert_allclose(white.std(), density * np.sqrt(config.rate), rtol=0.03)
        assert np.abs(error.mean(axis=0)).max() > density  # a bias is there


def test_biases_walk_with_the_configured_density() -> None:
    quiet = ImuConfig(gyro_noise=0.0, accel_noise=0.0, gyro_bias=0.0, accel_bias=0.0, gyro_walk=1e-3, accel_walk=1e-2)
    vehicle = vehicle_of("endless_corridor", duration=20.0)
    steps = []
    for seed in range(40):
        batch = next(ImuSimulator(vehicle, T_BASE_IMU, quiet, seed).batches(0, iter([10_000_000_000]), 0))
        rate, _ = true_imu(vehicle, T_BASE_IMU, batch.stamps_ns)
        steps.append((batch.gyro - rate)[-1])
    np.testing.assert_allclose(np.std(steps), 1e-3 * np.sqrt(10.0), rtol=0.2)


def test_cars_ahead_and_behind_keep_away_from_the_robot() -> None:
    from perception.world.movers import make_street_movers

    config = WorldConfig(route="town", duration=60.0)
    layout = make_layout(config, np.random.default_rng(1))
    ego = Vehicle(layout.course, Drive(layout.course, layout.pace, 60.0))
    times = milliseconds(0, 60000, 200)
    movers, _ = make_street_movers(layout, config, np.random.default_rng(2), 1)
    cars = [mover for mover in movers if isinstance(mover.motion, Vehicle)]
    assert len(cars) == config.scene.num_moving_cars
    for car in cars:
        gap = np.linalg.norm(car.motion.poses(times)[:, :3, 3] - ego.poses(times)[:, :3, 3], axis=1)
        assert gap.min() > 3.4  # the opposite lane
        assert gap.max() > 30.0


def test_cars_on_the_straight_come_from_ahead_in_the_other_lane() -> None:
    from perception.world.movers import make_street_movers

    config = WorldConfig(route="straight", duration=30.0)
    layout = make_layout(config, np.random.default_rng(1))
    movers, things = make_street_movers(layout, config, np.random.default_rng(2), 1)
    cars = [mover.motion for mover in movers if isinstance(mover.motion, Vehicle)]
    assert {int(mover.mesh.instance_ids[0]) for mover in movers} == {thing.instance_id for thing in things}
    headings = np.array([car.poses(milliseconds(5000, 5001, 1))[0, 0, 0] for car in cars])
    assert (headings < -0.99).sum() >= 3 and (headings > 0.99).sum() >= 2
    assert len(cars) == config.scene.num_moving_cars
    for car in cars:
        place = car.poses(milliseconds(0, 30000, 500))
        np.testing.assert_allclose(place[:, 1, 3], 0.3 if place[0, 0, 0] > 0 else 3.8, atol=0.35)


def test_the_town_leads_through_its_passage_within_a_minute() -> None:
    config = WorldConfig(route="town", duration=60.0)
    layout = make_layout(config, np.random.default_rng(5))
    position = (
        Vehicle(layout.course, Drive(layout.course, layout.pace, 60.0)).state(milliseconds(0, 60000, 100)).position
    )
    assert layout.passage is not None
    assert np.count_nonzero(layout.passage.contains(position[:, 0], position[:, 1])) > 30
