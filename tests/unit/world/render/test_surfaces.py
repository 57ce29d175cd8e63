"""What shading knows about triangles: affine maps against barycentric interpolation, and which triangles are one."""

import numpy as np
import pytest

from perception.core.classes import Class
from perception.world.geometry.mesh import Look, box, joined, quads, surface
from perception.world.geometry.raycast import build_accelerator
from perception.world.materials import Material
from perception.world.render.surfaces import pack_surfaces

WALL = np.array([[[0.0, 0.0, 0.0], [4.0, 0.0, 0.0], [4.0, 0.0, 3.0], [0.0, 0.0, 3.0]]])


def test_planes_and_texture_coordinates_agree_with_barycentric_interpolation():
    rng = np.random.default_rng(0)
    triangles = rng.normal(scale=20.0, size=(50, 3, 3))
    uvs = rng.normal(size=(50, 3, 2)).astype(np.float32)
    mesh = surface(triangles, Class.MANMADE, Material.BRICK, 1, Look(uvs=uvs))
    planes = pack_surfaces(build_accelerator(mesh)).planes.astype(np.float64)
    weights = rng.dirichlet(np.ones(3), size=50)
    points = np.einsum("nk,nki->ni", weights, triangles)
    assert np.einsum("ni,ni->n", planes[:, :3], points) == pytest.approx(planes[:, 3], abs=1e-3)
    expected = np.einsum("nk,nkc->nc", weights, uvs.astype(np.float64))
    for c in range(2):
        found = np.einsum("ni,ni->n", planes[:, 4 + 4 * c : 7 + 4 * c], points) + planes[:, 7 + 4 * c]
        assert found == pytest.approx(expected[:, c], abs=2e-2)


def test_a_triangle_without_area_gives_finite_numbers():
    mesh = surface(np.zeros((1, 3, 3)), Class.MANMADE, Material.BRICK)
    assert np.isfinite(pack_surfaces(build_accelerator(mesh)).planes).all()


def test_both_triangles_of_a_wall_are_shaded_together_and_different_looks_apart():
    wall = surface(quads(WALL), Class.MANMADE, Material.BRICK, 1)
    beside = surface(quads(WALL + np.array([4.0, 0.0, 0.0])), Class.MANMADE, Material.BRICK, 1, Look(tint=(9, 9, 9)))
    other = surface(quads(WALL + np.array([8.0, 0.0, 0.0])), Class.MANMADE, Material.BRICK, 2)
    groups = pack_surfaces(build_accelerator(joined([wall, beside, other]))).groups
    assert groups[0] == groups[1]
    assert len({groups[0], groups[2], groups[4]}) == 3


def test_faces_of_a_box_are_shaded_apart_and_round_bodies_as_one():
    flat = surface(box((0, 0, 0), (1, 1, 1)), Class.MANMADE, Material.BRICK, 1)
    assert len(set(pack_surfaces(build_accelerator(flat)).groups)) == 6
    bent = surface(box((0, 0, 0), (1, 1, 1)), Class.MANMADE, Material.BRICK, 1, Look(is_smooth=True))
    assert len(set(pack_surfaces(build_accelerator(bent)).groups)) == 1


def test_the_two_triangles_of_a_pane_share_its_number_and_panes_differ():
    panes = [quads(WALL + np.array([0.0, 0.0, 4.0 * k])) for k in range(12)]
    mesh = surface(np.concatenate(panes), Class.MANMADE, Material.GLASS, 7)
    surfaces = pack_surfaces(build_accelerator(mesh))
    numbers = surfaces.looks[:, 7].reshape(12, 2)
    assert (numbers[:, 0] == numbers[:, 1]).all()
    assert len(set(numbers[:, 0])) == 12


def test_bodies_are_told_apart():
    wall = surface(quads(WALL), Class.MANMADE, Material.BRICK, 1)
    looks = pack_surfaces(build_accelerator(wall, [wall, wall])).looks
    assert looks[:, 5].tolist() == [0, 0, 1, 1, 2, 2]
