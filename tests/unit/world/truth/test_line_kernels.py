"""The kernels of the line labels agree with plain definitions of what they do."""

import numpy as np
import pytest

from perception.world.truth import kernels_creases, kernels_edges, kernels_lines
from perception.world.truth.kernels_creases import runs
from perception.world.truth.kernels_edges import MAX_BULGE, STRAIGHT_COSINE, chains
from perception.world.truth.kernels_lines import (
    BESIDE,
    COS_DIHEDRAL,
    DEPTH_STEP,
    GREY_STEP,
    MAX_ASIDE,
    MAX_GAP,
    MAX_SWAY,
    MAX_TURN,
    MIN_BAND,
    ON_PLANE,
    ON_PLANE_PER_M,
    SEEN,
    Screen,
    _judged,
    merged,
)


def merged_twin(segments: np.ndarray, order: np.ndarray) -> np.ndarray:
    """`merged` with vectors."""
    segments = segments.copy()
    for a, row in enumerate(order):
        if np.isnan(segments[row]).any():
            continue
        start, stop = segments[row, :2].copy(), segments[row, 2:].copy()
        way = (stop - start) / np.hypot(*(stop - start))
        across = np.array([-way[1], way[0]])
        low, high, is_growing = 0.0, float(np.hypot(*(stop - start))), True
        while is_growing:
            is_growing = False
            for other in order[a + 1 :]:
                ends = segments[other].reshape(2, 2) - start
                aside, along = ends @ across, ends @ way
                if np.isnan(ends).any() or (np.abs(aside) > MAX_ASIDE).any():
                    continue
                if abs(aside[1] - aside[0]) > MAX_TURN * abs(along[1] - along[0]) + MAX_SWAY:
                    continue
                if along.min() <= high + MAX_GAP and along.max() >= low - MAX_GAP:
                    is_growing |= bool(along.min() < low or along.max() > high)
                    low, high = min(low, along.min()), max(high, along.max())
                    segments[other] = np.nan
        segments[row] = [*(start + low * way), *(start + high * way)]
    return segments


@pytest.mark.parametrize("seed", range(5))
def test_pieces_are_joined_as_the_twin_joins_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, 12, size=(200, 2)) * [20.0, 3.0] + rng.normal(0.0, 0.3, size=(200, 2))
    ways = rng.choice([[1.0, 0.0], [0.0, 1.0], [0.7, 0.7]], size=200) * rng.uniform(4.0, 30.0, size=(200, 1))
    segments = np.concatenate([starts, starts + ways], axis=1)
    order = np.argsort(-np.hypot(*ways.T), kind="stable")
    want = merged_twin(segments, order)
    merged(segments, order)
    np.testing.assert_allclose(segments, want, atol=1e-9)
    assert 10 < np.isnan(segments[:, 0]).sum() < 190


def test_no_pieces_are_joined_to_none() -> None:
    merged(np.zeros((0, 4)), np.zeros(0, dtype=np.int64))
    assert runs(np.zeros(0, dtype=np.int64), np.zeros((0, 3))).shape == (0, 4)


def chains_twin(points: np.ndarray, ends: np.ndarray) -> set[frozenset[int]]:
    """Ends of the chains: each edge in turn is led on, first from its second vertex, then from its first."""
    is_free, out = np.ones(len(ends), dtype=bool), set()
    for edge in range(len(ends)):
        if not is_free[edge]:
            continue
        is_free[edge] = False
        path = [int(v) for v in ends[edge]]
        for _ in range(2):
            while True:
                near = [k for k in np.flatnonzero(is_free) if path[-1] in ends[k] and _fits(points, path, ends[k])]
                if not near:
                    break
                is_free[near[0]] = False
                path.append(int(ends[near[0]].sum()) - path[-1])
            path.reverse()
        out.add(frozenset((path[0], path[-1])))
    return out


def _fits(points: np.ndarray, path: list[int], edge: np.ndarray) -> bool:
    far = points[int(edge.sum()) - path[-1]]
    a, b = points[path[-1]] - points[path[-2]], far - points[path[-1]]
    if a @ b < STRAIGHT_COSINE * np.linalg.norm(a) * np.linalg.norm(b):
        return False
    way = (far - points[path[0]]) / np.linalg.norm(far - points[path[0]])
    return bool((np.linalg.norm(np.cross(points[path[1:]] - points[path[0]], way), axis=1) <= MAX_BULGE).all())


@pytest.mark.parametrize("bend", [0.0, 0.0005, 0.004, 0.1])
def test_edges_are_chained_as_the_twin_chains_them(bend: float) -> None:
    rng = np.random.default_rng(int(1e4 * bend))
    x, y = np.meshgrid(np.cumsum(rng.uniform(0.5, 1.5, 7)), np.cumsum(rng.uniform(0.5, 1.5, 6)), indexing="ij")
    points = np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3) + bend * rng.normal(size=(42, 3))
    numbers = np.arange(42).reshape(7, 6)
    pairs = [(numbers[:-1], numbers[1:]), (numbers[:, :-1], numbers[:, 1:])]
    ends = np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in pairs]).astype(np.int64)
    order = np.argsort(ends.reshape(-1), kind="stable")
    first = np.concatenate([[0], np.cumsum(np.bincount(ends.reshape(-1), minlength=42))])
    starts, stops = np.empty(len(ends), dtype=np.int64), np.empty(len(ends), dtype=np.int64)
    count = chains(points, ends, first, order // 2, starts, stops)
    got = {frozenset(pair) for pair in zip(starts[:count].tolist(), stops[:count].tolist())}
    assert got == chains_twin(points, ends)
    assert count == 13 if bend == 0.0 else count >= 13


def test_no_edges_make_no_chains() -> None:
    kernels_edges.warm_up()
    kernels_lines.warm_up()
    kernels_creases.warm_up()
    none = np.zeros(0, dtype=np.int64)
    assert (
        chains(np.zeros((0, 3)), np.zeros((0, 2), dtype=np.int64), np.zeros(1, dtype=np.int64), none, none, none) == 0
    )


def judged_twin(pixel: np.ndarray, z: float, normal: np.ndarray, size: float, screen: Screen) -> bool:
    """Whether a point of an edge is seen as a line, in the words of the module: planes, gaps, directions, greys."""
    point = np.array([*((pixel - screen.lens[2:]) / screen.lens[:2]), 1.0]) * z

    def row_at(place: np.ndarray) -> int:
        u, v = np.floor(place + 0.5).astype(int)
        return int(screen.rows[v, u])

    def plane(row: int) -> tuple[np.ndarray, float]:
        T = screen.T_camera_body[screen.bodies[row]]
        n = T[:, :3] @ screen.planes[row, :3]
        return n, float(screen.planes[row, 3] + n @ T[:, 3])

    def gap(row: int) -> float:
        return float(plane(row)[0] @ point - plane(row)[1]) if row >= 0 else np.inf

    def parts(one: int, two: int) -> bool:
        if one == two or (one < 0 and two < 0):
            return one != two
        if one < 0 or two < 0 or max(abs(gap(one)), abs(gap(two))) >= DEPTH_STEP:
            return True
        is_step = abs(float(screen.greys[one]) - float(screen.greys[two])) >= GREY_STEP
        return is_step or abs(plane(one)[0] @ plane(two)[0]) < COS_DIHEDRAL

    near = ON_PLANE + ON_PLANE_PER_M * z
    u, v = np.floor(pixel + 0.5).astype(int)
    here, left, right = row_at(pixel), row_at(pixel + normal), row_at(pixel - normal)
    is_here = here >= 0 and abs(gap(here)) <= near
    if here >= 0 and not is_here and gap(here) * -plane(here)[1] < 0.0 and screen.depth[v, u] < z:
        return False
    if not (is_here or abs(gap(left)) <= near or abs(gap(right)) <= near):
        return False
    if size > 0.0:
        facing = abs(plane(here)[0] @ point) / np.linalg.norm(point) if is_here else 0.0
        return is_here and size * screen.lens[0] / z * facing >= MIN_BAND
    return parts(left, right) or (is_here and (parts(here, left) or parts(here, right)))


def depth_on(screen: Screen, pixel: np.ndarray, row: int) -> float:
    """Depth of a plane at a pixel; 6 m where it is not in front of the camera."""
    T, ray = screen.T_camera_body[screen.bodies[row]], np.array([*((pixel - screen.lens[2:]) / screen.lens[:2]), 1.0])
    n = T[:, :3] @ screen.planes[row, :3]
    z = float((screen.planes[row, 3] + n @ T[:, 3]) / (n @ ray))
    return z if 1.0 < z < 20.0 else 6.0


@pytest.mark.parametrize("seed", range(3))
def test_points_of_edges_are_judged_as_the_twin_judges_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, side = 5, 24
    normals = rng.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals[3] = -normals[0]
    points = np.array([0.0, 0.0, 6.0]) + rng.normal(0.0, 0.02, size=(count, 3))
    planes = np.column_stack([normals, np.einsum("ni,ni->n", normals, points)])
    T = np.repeat(np.eye(4)[None, :3], 2, axis=0)
    T[1, :, 3] = [0.01, 0.0, 0.05]
    blocks = rng.integers(-1, count, size=(side // 4, side // 4)).repeat(4, axis=0).repeat(4, axis=1)
    screen = Screen(
        blocks.astype(np.int32),
        rng.uniform(5.5, 6.5, size=(side, side)).astype(np.float32),
        planes,
        rng.integers(0, 2, size=count).astype(np.int32),
        rng.choice([100.0, 106.0, 140.0], size=count).astype(np.float32),
        T,
        np.array([400.0, 400.0, 11.5, 11.5]),
    )
    verdicts = []
    for _ in range(4000):
        pixel, angle = rng.uniform(2.0, side - 3.0, size=2), rng.uniform(0.0, 2.0 * np.pi)
        z, size = depth_on(screen, pixel, int(rng.integers(count))), float(rng.choice([0.0, 0.005, 0.05]))
        normal = BESIDE * np.array([np.cos(angle), np.sin(angle)])
        got = _judged(pixel[0], pixel[1], 1.0 / z, normal[0], normal[1], size, screen) == SEEN
        verdicts.append((got, judged_twin(pixel, z, normal, size, screen)))
    got, want = np.array(verdicts).T
    assert (got == want).mean() > 0.999  # the inverse of a depth and back may pass a threshold
    assert 0.05 < want.mean() < 0.95
