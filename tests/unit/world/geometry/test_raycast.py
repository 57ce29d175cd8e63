"""The fast ray caster against its definition."""

import numpy as np
import pytest

from perception.core.classes import Class
from perception.core.geometry import exp_so3, inverse, transform
from perception.world.geometry.mesh import Mesh, box, surface
from perception.world.geometry.raycast import (
    NO_HIT,
    Accelerator,
    Hits,
    Rays,
    build_accelerator,
    cast,
    cast_brute_force,
    no_movers,
)
from perception.world.materials import Material

FAR = 1000.0


def soup(triangles: np.ndarray) -> Mesh:
    return surface(triangles, Class.MANMADE, Material.CONCRETE)


def random_soup(rng: np.random.Generator, count: int, size: float = 2.0, extent: float = 20.0) -> Mesh:
    return soup(rng.uniform(-extent, extent, size=(count, 1, 3)) + rng.normal(scale=size, size=(count, 3, 3)))


def random_rays(rng: np.random.Generator, count: int, num_firings: int = 7) -> Rays:
    origins, firings = rng.uniform(-25, 25, size=(num_firings, 3)), rng.integers(0, num_firings, size=count)
    directions = rng.uniform(-20, 20, size=(count, 3)) - origins[firings]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return Rays(
        origins.astype(np.float32),
        directions.astype(np.float32),
        firings.astype(np.int32),
        np.zeros(num_firings, dtype=np.int32),
    )


def along(direction: list[float], origin: list[float]) -> Rays:
    return Rays(
        np.array([origin], dtype=np.float32),
        np.array([direction], dtype=np.float32),
        np.zeros(1, dtype=np.int32),
        np.zeros(1, dtype=np.int32),
    )


def assert_equal_hits(fast: Hits, slow: Hits, num_allowed: int = 0) -> None:
    """Equal up to rounding; a ray through the common edge of two triangles may choose either, or pass between."""
    close = np.isclose(fast.ranges, slow.ranges, rtol=1e-4, atol=1e-3) | (np.isinf(fast.ranges) & np.isinf(slow.ranges))
    assert np.count_nonzero(~close) <= num_allowed
    same = close & (fast.rows == slow.rows)
    assert np.count_nonzero(~same) <= num_allowed
    np.testing.assert_allclose(fast.cosines[same], slow.cosines[same], atol=1e-3)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9, 100, 3000])
def test_fast_and_plain_casting_agree_on_random_triangles(count: int) -> None:
    rng = np.random.default_rng(count)
    world = build_accelerator(random_soup(rng, count))
    rays = random_rays(rng, 400)
    slow = cast_brute_force(world, rays, no_movers(), FAR)
    assert_equal_hits(cast(world, rays, no_movers(), FAR), slow)
    assert count < 100 or np.isfinite(slow.ranges).any()


def test_nothing_is_hit_in_an_empty_world() -> None:
    world = build_accelerator(soup(np.zeros((0, 3, 3))))
    hits = cast(world, random_rays(np.random.default_rng(0), 50), no_movers(), FAR)
    assert np.isinf(hits.ranges).all() and (hits.rows == NO_HIT).all() and (hits.cosines == 0.0).all()


def test_no_rays_give_no_hits() -> None:
    world = build_accelerator(random_soup(np.random.default_rng(0), 10))
    assert len(cast(world, random_rays(np.random.default_rng(0), 0), no_movers(), FAR).ranges) == 0


def test_triangles_without_area_are_never_hit() -> None:
    point, line = np.ones((1, 3, 3)), np.array([[[0.0, 0, 0], [1, 1, 1], [2, 2, 2]]])
    world = build_accelerator(soup(np.concatenate([point, line, point])))
    for direction in ([1.0, 0.0, 0.0], [0.577, 0.577, 0.577]):
        assert cast(world, along(direction, [-1.0, -1.0, -1.0]), no_movers(), FAR).rows[0] == NO_HIT


def test_many_equal_triangles_are_built_and_hit() -> None:
    triangle = np.array([[[5.0, -1, -1], [5, 1, -1], [5, 0, 1]]])
    world = build_accelerator(soup(np.repeat(triangle, 500, axis=0)))
    assert cast(world, along([1.0, 0.0, 0.0], [0.0, 0.0, 0.0]), no_movers(), FAR).ranges[0] == pytest.approx(5.0)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_rays_along_the_axes_hit_a_box_at_right_angles(axis: int, sign: float) -> None:
    world = build_accelerator(soup(box([-1, -1, -1], [1, 1, 1])))
    direction, origin = np.zeros(3), np.array([0.3, 0.2, 0.1])
    direction[axis], origin[axis] = sign, -5.0 * sign
    hits = cast(world, along(list(direction), list(origin)), no_movers(), FAR)
    assert hits.ranges[0] == pytest.approx(4.0)
    assert hits.cosines[0] == pytest.approx(1.0)


def test_nothing_beyond_the_maximal_range_is_hit() -> None:
    world = build_accelerator(soup(box([10, -1, -1], [11, 1, 1])))
    assert cast(world, along([1.0, 0.0, 0.0], [0.0, 0.1, 0.2]), no_movers(), 9.9).rows[0] == NO_HIT
    assert cast(world, along([1.0, 0.0, 0.0], [0.0, 0.1, 0.2]), no_movers(), 10.1).ranges[0] == pytest.approx(10.0)


def test_long_thin_triangles_far_from_the_origin_agree() -> None:
    rng = np.random.default_rng(3)
    slivers = rng.uniform(-300, 300, size=(300, 1, 3)) + rng.normal(size=(300, 3, 3)) * [60.0, 0.5, 0.5]
    world = build_accelerator(soup(slivers))
    rays = random_rays(rng, 500)
    assert_equal_hits(cast(world, rays, no_movers(), FAR), cast_brute_force(world, rays, no_movers(), FAR), 2)


def moving_world(rng: np.random.Generator) -> tuple[Accelerator, np.ndarray]:
    """A static soup, three moving ones and an empty one, at four steps."""
    movers = [random_soup(rng, 40, 1.0, 3.0), soup(box([-2, -1, 0], [2, 1, 1.5])), soup(np.zeros((0, 3, 3)))]
    movers.append(random_soup(rng, 3, 4.0, 3.0))
    T = np.array(
        [
            [inverse(transform(exp_so3(rng.normal(size=3)), rng.uniform(-15, 15, size=3)))[:3] for _ in movers]
            for _ in range(4)
        ]
    )
    return build_accelerator(random_soup(rng, 60), movers), T.astype(np.float32)


def test_moving_objects_are_hit_where_they_are_at_the_step_of_the_ray() -> None:
    rng = np.random.default_rng(11)
    world, T_mover_world = moving_world(rng)
    rays = random_rays(rng, 800)
    rays = Rays(rays.origins, rays.directions, rays.firings, (np.arange(len(rays.origins)) % 4).astype(np.int32))
    fast, slow = cast(world, rays, T_mover_world, FAR), cast_brute_force(world, rays, T_mover_world, FAR)
    assert_equal_hits(fast, slow)
    assert np.count_nonzero(slow.rows >= world.first_rows[1]) > 20


def test_a_mover_hides_what_is_behind_it_and_is_hidden_by_what_is_before() -> None:
    wall = soup(box([10, -5, -5], [10.5, 5, 5]))
    world = build_accelerator(wall, [soup(box([-1, -1, -1], [1, 1, 1]))])
    ray = along([1.0, 0.0, 0.0], [0.0, 0.1, 0.2])
    for x, expected in ((5.0, 4.0), (20.0, 10.0)):
        T = inverse(transform(np.eye(3), np.array([x, 0.0, 0.0])))[None, None, :3].astype(np.float32)
        assert cast(world, ray, T, FAR).ranges[0] == pytest.approx(expected)


def test_a_range_without_end_is_refused() -> None:
    from perception.core.errors import InvalidInput

    world = build_accelerator(surface(box([0, 0, 0], [1, 1, 1]), Class.CAR, Material.PAINT))
    ray = np.array([[2.0, 0.0, 0.0]], dtype=np.float32), np.array([[1.0, 0.0, 0.0]], dtype=np.float32)
    rays = Rays(*ray, np.zeros(1, dtype=np.int32), np.zeros(1, dtype=np.int32))
    with pytest.raises(InvalidInput, match="max_range: inf"):
        cast(world, rays, no_movers(), np.inf)
