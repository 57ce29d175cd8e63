"""The mask of leaves: how much of a triangle it leaves, and that kernels read it as NumPy does."""

import numba
import numpy as np
import pytest

from perception.core.classes import Class
from perception.world.geometry.leaf_mask import LEAF_MASK, MASK_SIZE, covered, is_leaf_there
from perception.world.geometry.mesh import joined, surface
from perception.world.geometry.raycast import Rays, build_accelerator, cast, cast_brute_force, no_movers
from perception.world.materials import Material

CARD = np.array([[[0.0, 0, 5], [1, 0, 5], [0, 1, 5]]])  # u is x and v is y


@numba.njit
def by_kernel(u, v):
    out = np.empty(len(u), dtype=np.bool_)
    for i in range(len(u)):
        out[i] = is_leaf_there(u[i], v[i])
    return out


def down(x: np.ndarray, y: np.ndarray) -> Rays:
    """Rays along z through points of the plane z = 0."""
    n = len(x)
    origins = np.column_stack([x, y, np.zeros(n)]).astype(np.float32)
    directions = np.tile(np.float32([0, 0, 1]), (n, 1))
    return Rays(origins, directions, np.arange(n, dtype=np.int32), np.zeros(n, dtype=np.int32))


def test_leaves_cover_a_little_more_than_half_of_a_triangle() -> None:
    assert LEAF_MASK.shape == (MASK_SIZE, MASK_SIZE) and LEAF_MASK.dtype == np.bool_
    v, u = (np.mgrid[:256, :256] + 0.5) / 256
    assert 0.55 <= covered(u, v)[u + v <= 1.0].mean() <= 0.65


def test_kernels_read_the_mask_as_numpy_does_also_at_its_rim() -> None:
    rng = np.random.default_rng(0)
    u, v = rng.uniform(-0.01, 1.01, size=(2, 5000)).astype(np.float32)
    u[:4], v[:4] = [0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]
    np.testing.assert_array_equal(by_kernel(u, v), covered(u, v))


@pytest.mark.parametrize("caster", [cast, cast_brute_force])
def test_rays_pass_between_leaves_and_meet_what_is_behind(caster) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0.0, 0.5, size=(2, 300))
    leaf = surface(CARD, Class.VEGETATION, Material.LEAF)
    wall = surface(CARD * 3.0 - [1, 1, 6], Class.MANMADE, Material.BRICK)
    hits = caster(build_accelerator(joined([leaf, wall])), down(x, y), no_movers(), 100.0)
    there = covered(x.astype(np.float32), y.astype(np.float32))
    assert 0.3 < there.mean() < 0.9
    np.testing.assert_array_equal(hits.rows, np.where(there, 0, 1))
    np.testing.assert_allclose(hits.ranges, np.where(there, 5.0, 9.0), rtol=1e-6)


def test_other_materials_have_no_mask() -> None:
    x, y = np.random.default_rng(2).uniform(0.0, 0.5, size=(2, 100))
    world = build_accelerator(surface(CARD, Class.VEGETATION, Material.WOOD))
    assert (cast(world, down(x, y), no_movers(), 100.0).rows == 0).all()
