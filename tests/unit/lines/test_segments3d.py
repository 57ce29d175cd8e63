"""Segments in space on scenes made by hand: a wall with a door, a box before a wall, a crease; refusals; the twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.core.cameras import CameraModel
from perception.core.errors import InvalidInput
from perception.core.geometry import exp_so3, inverse, transform
from perception.core.types import LineSegments, Odometry, Scan
from perception.lines import depth_kernels as kernels
from perception.lines.depth_reference import lift_reference
from perception.lines.motion import carried, points_at
from perception.lines.segments3d import lift_segments
from perception.lines.use_config import Lines3dConfig

K = np.array([[460.0, 0.0, 319.5], [0.0, 460.0, 239.5], [0.0, 0.0, 1.0]])
CAMERA = CameraModel(640, 480, K)
SIZE = (640, 480)


def beams(step_px=6.0):
    """Rays (N, 3) at depth 1 on a grid over the image."""
    x, y = np.meshgrid(np.arange(-20.0, 660.0, step_px * 0.5), np.arange(-20.0, 500.0, step_px))
    return CAMERA.rays(np.stack([x, y], axis=-1).reshape(-1, 2))


def scanned(*surfaces, noise=0.01, seed=0):
    """Points (N, 3) where rays first meet one of the surfaces: functions of rays that give depths, inf for none."""
    rays = beams()
    depths = np.min([surface(rays) for surface in surfaces], axis=0)
    hit = np.isfinite(depths)
    depths = depths[hit] + np.random.default_rng(seed).normal(scale=noise, size=hit.sum())
    return (rays[hit] * depths[:, None]).astype(np.float32)


def wall(depth, left=-np.inf, right=np.inf, top=-np.inf, bottom=np.inf, slope=0.0):
    """A part of the plane z = depth + slope * x, in m of the optical frame."""

    def depths(rays):
        z = depth / (1.0 - slope * rays[:, 0])
        x, y = rays[:, 0] * z, rays[:, 1] * z
        inside = (z > 0) & (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
        return np.where(inside, z, np.inf)

    return depths


def ground(height):
    """The plane y = height (m below the camera)."""

    def depths(rays):
        return np.where(rays[:, 1] > 1e-3, height / np.maximum(rays[:, 1], 1e-3), np.inf)

    return depths


def lines_of(ends):
    """The image of segments in space (N, 2, 3) m."""
    segments = CAMERA.project(np.asarray(ends, dtype=np.float64)).reshape(-1, 4).astype(np.float32)
    return LineSegments(7, "camera", SIZE, segments, np.ones(len(segments), dtype=np.float32))


def lifted(points, ends, T=None, **config):
    return lift_segments(lines_of(ends), CAMERA, points, np.eye(4) if T is None else T, Lines3dConfig(**config))


def worst(found, ends):
    return np.linalg.norm(found.ends - np.asarray(ends)[found.rows], axis=2).max()


DOOR = [
    [[-1.0, -1.0, 10.0], [-1.0, 1.5, 10.0]],  # left jamb
    [[1.0, -1.0, 10.0], [1.0, 1.5, 10.0]],  # right jamb
    [[-1.0, -1.0, 10.0], [1.0, -1.0, 10.0]],  # lintel
]


def test_the_edges_of_a_door_lie_on_the_wall_and_not_in_the_room_behind_it():
    front = (wall(10.0, right=-1.0), wall(10.0, left=1.0), wall(10.0, left=-1.0, right=1.0, bottom=-1.0))
    found = lifted(scanned(*front, wall(14.0)), DOOR)
    assert found.rows.tolist() == [0, 1, 2]
    assert worst(found, DOOR) < 0.05
    assert (found.stamp_ns, found.frame_id) == (7, "camera")
    assert (found.num_points >= 6).all()


def test_the_edges_of_a_box_are_its_own_and_not_those_of_the_wall_behind():
    box = [[[-0.6, -0.5, 5.0], [-0.6, 0.5, 5.0]], [[0.6, -0.5, 5.0], [0.6, 0.5, 5.0]]]
    found = lifted(scanned(wall(5.0, -0.6, 0.6, -0.5, 0.5), wall(9.0)), box)
    assert len(found) == 2
    assert worst(found, box) < 0.04


def test_a_crease_takes_its_depth_from_both_of_its_faces():
    left, right = wall(8.0, slope=0.5), wall(8.0, slope=-0.5)  # meet at x = 0, an edge towards the far side

    def both(rays):
        return np.where(rays[:, 0] < 0.0, left(rays), right(rays))

    edge = [[[0.0, -1.5, 8.0], [0.0, 1.5, 8.0]]]
    found = lifted(scanned(both), edge)
    assert len(found) == 1
    assert worst(found, edge) < 0.03


def test_the_foot_of_a_wall_is_as_far_as_the_wall():
    edge = [[[-2.0, 1.4, 9.0], [2.0, 1.4, 9.0]]]
    found = lifted(scanned(wall(9.0, bottom=1.4), ground(1.4)), edge)
    assert len(found) == 1
    assert worst(found, edge) < 0.05


def test_a_line_painted_on_a_wall_is_on_the_wall():
    painted = [[[-2.0, 0.3, 10.0 - 0.3 * 2.0], [1.0, -0.6, 10.0 + 0.3 * 1.0]]]
    found = lifted(scanned(wall(10.0, slope=0.3)), painted)
    assert worst(found, painted) < 0.03


def test_the_uncertainty_is_that_of_the_errors():
    edge, errors, stds = [[[-1.0, 0.5, 10.0], [1.0, 0.5, 10.0]]], [], []
    for seed in range(30):
        found = lifted(scanned(wall(10.0), noise=0.03, seed=seed), edge)
        errors.append(found.ends[0, :, 2] - 10.0)
        stds.append(found.stds[0])
    assert 0.4 < np.sqrt(np.mean(np.square(errors))) / np.mean(stds) < 2.0


def test_a_roof_against_the_sky_needs_one_side_only():
    edge = [[[-2.0, -1.0, 10.0], [2.0, -1.0, 10.0]]]
    assert worst(lifted(scanned(wall(10.0, top=-1.0)), edge), edge) < 0.05


def test_an_edge_of_something_too_thin_to_be_fitted_is_refused_where_a_wall_is_behind():
    points = scanned(wall(12.0, left=0.3))
    thin = np.array([[0.05, 0.0, 5.0], [0.06, 0.3, 5.0], [0.05, -0.4, 5.0]], dtype=np.float32)
    edge = [[[0.3, -1.0, 12.0], [0.3, 1.0, 12.0]]]
    found = lifted(np.concatenate([points, thin * [[2.4, 1.0, 1.0]]]).astype(np.float32), edge)
    assert len(found) == 0
    assert found.refused == {"nearer points on the other side": 1}


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (np.zeros((0, 3), dtype=np.float32), "no surface beside"),
        (np.full((50, 3), np.nan, dtype=np.float32), "no surface beside"),
        (np.tile(np.float32([[0.0, 0.5, -10.0]]), (50, 1)), "no surface beside"),
        (np.tile(np.float32([[0.0, 0.5, 10.0]]), (50, 1)), "no surface beside"),
    ],
)
def test_without_points_beside_it_a_segment_is_refused(points, reason):
    found = lifted(points, [[[-1.0, 0.5, 10.0], [1.0, 0.5, 10.0]]])
    assert len(found) == 0
    assert found.refused == {reason: 1}


def test_points_beside_a_small_part_only_do_not_tell_the_rest():
    found = lifted(scanned(wall(10.0, left=-2.0, right=-1.0)), [[[-2.0, 0.5, 10.0], [2.0, 0.5, 10.0]]])
    assert found.refused == {"no surface beside": 1}


def test_what_is_too_far_or_too_uncertain_is_refused_by_name():
    far = [[[-4.0, 0.5, 40.0], [4.0, 0.5, 40.0]]]
    assert lifted(scanned(wall(40.0)), far, max_range=30.0).refused == {"too far": 1}
    assert lifted(scanned(wall(40.0), noise=0.04), far, max_std=0.001).refused == {"depth uncertain": 1}


def test_the_place_of_the_lidar_counts():
    T = transform(exp_so3(np.array([0.1, -0.2, 0.3])), np.array([0.5, -0.2, 0.1]))
    points = scanned(wall(10.0)) @ inverse(T)[:3, :3].T + inverse(T)[:3, 3]
    edge = [[[-1.0, 0.5, 10.0], [1.0, 0.5, 10.0]]]
    assert worst(lifted(points.astype(np.float32), edge, T), edge) < 0.03


def test_no_segments_give_none():
    found = lifted(scanned(wall(10.0)), np.zeros((0, 2, 3)))
    assert len(found) == 0
    assert found.refused == {}


def test_wrong_sizes_broken_calibrations_and_transforms_are_refused():
    points, lines = scanned(wall(10.0)), lines_of(DOOR)
    with pytest.raises(InvalidInput, match="320x240, but the image is 640x480"):
        lift_segments(lines, CameraModel(320, 240, K), points, np.eye(4))
    bent = CameraModel(640, 480, K, "plumb_bob", np.array([-0.2, 0.0, 0.0, 0.0, 0.0]))
    with pytest.raises(InvalidInput, match="rectify them first"):
        lift_segments(lines, bent, points, np.eye(4))
    broken = K.copy()
    broken[0, 2] = np.nan
    with pytest.raises(InvalidInput, match="K is not finite"):
        lift_segments(lines, CameraModel(640, 480, broken), points, np.eye(4))
    with pytest.raises(InvalidInput, match="T_camera_lidar: is not finite"):
        lift_segments(lines, CAMERA, points, np.full((4, 4), np.nan))


@given(
    depth=st.floats(3.0, 15.0), slope=st.floats(-0.6, 0.6), angle=st.floats(0.0, np.pi), seed=st.integers(0, 2**31 - 1)
)
@settings(max_examples=30, deadline=None)
def test_segments_on_any_wall_are_found_on_it(depth, slope, angle, seed):
    direction = 0.25 * np.array([np.cos(angle), np.sin(angle)])
    rays = np.array([[*-direction, 1.0], [*direction, 1.0]])
    edge = [rays * (depth / (1.0 - slope * rays[:, 0]))[:, None]]
    found = lifted(scanned(wall(depth, slope=slope), seed=seed), edge, max_std=1.0)
    assert len(found) == 1
    assert worst(found, edge) < 0.05 + 5.0 * found.stds.max()


def cases():
    rng = np.random.default_rng(0)
    scenes = [
        scanned(wall(5.0, -0.6, 0.6, -0.5, 0.5), wall(9.0, slope=0.2), noise=0.02),
        scanned(wall(9.0, bottom=1.4), ground(1.4)),
        rng.uniform([-5, -5, 1], [5, 5, 20], (3000, 3)).astype(np.float32),
        np.zeros((0, 3), dtype=np.float32),
    ]
    for points in scenes:
        yield points, rng.uniform(0.0, [640, 480, 640, 480], (40, 4))


@pytest.mark.parametrize("case", range(4))
def test_the_kernel_equals_its_definition(case):
    points, segments = list(cases())[case]
    pixels, q = CAMERA.project(points.reshape(-1, 3)), 1.0 / points[:, 2].astype(np.float64)
    samples, limits = np.random.default_rng(1).random((30, 3)), (0.05, 0.003, 6.0, 0.6)
    n = len(segments)
    depths, stds = np.zeros((n, 2)), np.zeros((n, 2))
    counts, outcomes = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    kernels.lift(segments, pixels, q, samples, 24.0, limits, depths, stds, counts, outcomes)
    want = lift_reference(segments, pixels, q, samples, 24.0, limits)
    same = (outcomes == want[3]) & (counts == want[2])
    assert same.mean() >= 0.95  # sums in another order may prefer another of two equal surfaces
    np.testing.assert_allclose(depths[same], want[0][same], rtol=1e-4)
    np.testing.assert_allclose(stds[same], want[1][same], rtol=1e-2)
    assert case == 3 or (outcomes == kernels.LIFTED).any()


def odometry(velocity, rates):
    return Odometry(0, np.eye(4), np.eye(6), np.array(velocity, dtype=float), np.array(rates, dtype=float))


def test_points_are_carried_as_the_robot_moves():
    points, seconds = np.array([[10.0, 0.0, 0.0], [10.0, 2.0, 1.0]]), np.array([-0.1, 0.1])
    moved = carried(odometry([5.0, 0.0, 0.0], [0.0, 0.0, 0.5]), points, seconds)
    for point, dt, got in zip(points, seconds, moved):
        steps = 1000
        T = np.linalg.matrix_power(
            transform(exp_so3(np.array([0.0, 0.0, 0.5 * dt / steps])), np.array([5.0 * dt / steps, 0.0, 0.0])), steps
        )
        np.testing.assert_allclose(got, T[:3, :3] @ point + T[:3, 3], atol=2e-3)


def test_a_scan_of_a_moving_robot_is_seen_where_it_was_at_the_image():
    offsets = np.array([0, 50_000_000, 100_000_000], dtype=np.int64)
    ahead = np.float32([[10.0, 0.0, 0.0], [9.75, 0.0, 0.0], [9.5, 0.0, 0.0]])  # one post, from 5 m/s
    scan = Scan(1_000_000_000, "lidar", ahead, offsets)
    T_camera_base = transform(np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]), np.zeros(3))
    found = points_at(scan, odometry([5.0, 0.0, 0.0], [0.0] * 3), np.eye(4), 1_150_000_000, T_camera_base)
    np.testing.assert_allclose(found, [[9.25, 0.0, 0.0]] * 3, atol=1e-6)
