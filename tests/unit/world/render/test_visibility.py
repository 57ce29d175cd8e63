"""The rasteriser against its definition, against the ray caster, and the properties that any scene must show."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from perception.core.cameras import Distortion
from perception.core.geometry import exp_so3, transform
from perception.world.geometry.mesh import box, ellipsoid, joined, quads
from perception.world.geometry.raycast import build_accelerator
from perception.world.materials import Material
from perception.world.render.lens import lens_of
from perception.world.render.projection import NEAR
from perception.world.render.visibility import (
    SAMPLES,
    SKY,
    Visibility,
    face_normals,
    instance_coverage,
    rasterise,
    warm_up,
)
from tests.unit.world.render.scenes import (
    NO_MOVERS,
    body,
    by_hand,
    camera,
    cast_pixels,
    equal_depths,
    in_camera,
    look,
    moving_world,
    soup,
)

ALL_LENSES: tuple[Distortion, ...] = ("none", "plumb_bob", "rational_polynomial", "equidistant")
HOME = np.eye(4)
FROM_AFAR = transform(np.eye(3), np.array([0.0, 0.0, -14.0]))


def grid(points: np.ndarray) -> np.ndarray:
    """The triangles between points (M, N, 3), two for each square, next to each other."""
    squares = np.stack([points[:-1, :-1], points[1:, :-1], points[1:, 1:], points[:-1, 1:]], axis=2)
    return quads(squares.reshape(-1, 4, 3))


def assert_same(fast: Visibility, plain: Visibility, share: float) -> None:
    """Equal but for a share of the samples, which rounding may put on the other side of an edge."""
    same = (fast.rows == plain.rows) & equal_depths(fast.depth, plain.depth)
    assert same.mean() >= 1.0 - share
    assert (np.isinf(fast.depth) == (fast.rows == SKY)).all()


@pytest.mark.parametrize("lens", ALL_LENSES)
@pytest.mark.parametrize("count", [1, 40, 160])
def test_fast_and_plain_rasterising_agree_on_random_scenes(lens: Distortion, count: int) -> None:
    rng = np.random.default_rng(count)
    world, T_world_mover = moving_world(rng, count)
    model, T_world_camera = camera(lens=lens), look(rng)
    plain = by_hand(world, model, T_world_camera, T_world_mover)
    assert_same(rasterise(world, model, T_world_camera, T_world_mover), plain, 2e-4)
    assert count < 160 or (plain.rows != SKY).mean() > 0.2


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (8, 8), (130, 70)])
def test_images_of_any_size_agree_with_the_definition(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    world, T_world_mover = moving_world(rng, 60)
    model = camera(*size, focal=0.6 * size[0])
    T_world_camera = look(rng)
    fast = rasterise(world, model, T_world_camera, T_world_mover)
    assert fast.rows.shape == (size[1], size[0], len(SAMPLES))
    assert_same(fast, by_hand(world, model, T_world_camera, T_world_mover), 5e-4)


def test_triangles_much_larger_than_the_image_and_very_long_ones_agree() -> None:
    rng = np.random.default_rng(8)
    triangles = rng.uniform(-20, 20, size=(30, 1, 3)) + rng.normal(size=(30, 3, 3)) * [300.0, 0.3, 40.0]
    world, model = build_accelerator(body(triangles)), camera(200, 120, 90.0)
    assert_same(rasterise(world, model, HOME, NO_MOVERS), by_hand(world, model, HOME, NO_MOVERS), 5e-4)


@pytest.mark.parametrize("lens", ALL_LENSES)
def test_images_agree_with_rays_through_the_middles_of_their_pixels(lens: Distortion) -> None:
    world, T_world_mover = moving_world(np.random.default_rng(4), 800)
    model, T_world_camera = camera(160, 120, 110.0, lens), FROM_AFAR
    seen = rasterise(world, model, T_world_camera, T_world_mover)
    met = cast_pixels(world, model, T_world_camera, T_world_mover)
    same = (seen.rows == met.rows) & equal_depths(seen.depth, met.depth)
    assert same[..., 0].mean() > 0.999
    assert (world.mesh.material_ids[seen.rows[..., 0]] == Material.LEAF).mean() > 0.02


def test_rays_that_a_lens_does_not_have_see_nothing() -> None:
    model = camera(200, 200, 50.0, "equidistant")  # the corners are more than 90 degrees off the axis
    world = build_accelerator(body(box([-50, -50, -50], [50, 50, 50])))
    seen = rasterise(world, model, HOME, NO_MOVERS)
    assert (seen.rows[0, 0] == SKY).all() and (seen.rows[100, 100] != SKY).all()
    middles = lens_of(model).middles
    is_far = np.abs(middles).max(axis=-1) < 50.0 / NEAR  # NaN: no; beyond, the wall is nearer to the camera's own plane
    assert 0.5 < is_far.mean() < 0.9
    np.testing.assert_array_equal(seen.rows[..., 0] != SKY, is_far)


def test_nothing_is_seen_in_an_empty_world() -> None:
    seen = rasterise(build_accelerator(body(np.zeros((0, 3, 3)))), camera(), HOME, NO_MOVERS)
    assert (seen.rows == SKY).all() and np.isinf(seen.depth).all()


def test_a_closed_body_around_the_camera_fills_the_image() -> None:
    world = build_accelerator(body(ellipsoid([0.3, 0.2, 0.1], [5, 4, 6], sides=40, rings=30)))
    for turn in np.random.default_rng(1).normal(scale=2.0, size=(5, 3)):
        seen = rasterise(world, camera(200, 150, 90.0), transform(exp_so3(turn), np.zeros(3)), NO_MOVERS)
        assert (seen.rows != SKY).all()


def test_shared_edges_leave_no_holes_and_every_sample_goes_to_one_triangle() -> None:
    rng = np.random.default_rng(2)
    x, y = np.meshgrid(np.linspace(-2, 2, 31), np.linspace(-2, 2, 31), indexing="ij")
    x, y = x + rng.uniform(-0.02, 0.02, x.shape), y + rng.uniform(-0.02, 0.02, x.shape)
    mesh = grid(np.stack([x, y, 0.3 * x + 3.0], axis=-1))
    model = camera(240, 240, 110.0)
    whole = rasterise(build_accelerator(body(mesh)), model, HOME, NO_MOVERS)
    covered = np.zeros(whole.rows.shape, dtype=np.int64)
    for part in (mesh[::2], mesh[1::2]):  # both triangles of no square are in one part
        covered += rasterise(build_accelerator(body(part)), model, HOME, NO_MOVERS).rows != SKY
    np.testing.assert_array_equal(covered, whole.rows != SKY)
    assert (whole.rows[70:160, 70:160] != SKY).all()


def test_samples_exactly_on_an_edge_belong_to_one_of_its_triangles() -> None:
    model = camera(16, 16, 8.0)  # edges run through the middles of pixels
    model.K[:2, 2] = 8.0
    model.K[1, 1] = 8.0
    x, y = np.meshgrid(np.arange(-3.0, 4.0), np.arange(-3.0, 4.0), indexing="ij")
    mesh = grid(np.stack([x, y, np.full(x.shape, 8.0)], axis=-1))
    alone = [rasterise(build_accelerator(body(mesh[k : k + 1])), model, HOME, NO_MOVERS) for k in range(len(mesh))]
    counts = [np.count_nonzero(seen.rows[..., 0] != SKY) for seen in alone]
    whole = rasterise(build_accelerator(body(mesh)), model, HOME, NO_MOVERS)
    assert sum(counts) == np.count_nonzero(whole.rows[..., 0] != SKY) == 36


def test_what_is_behind_the_camera_is_not_seen() -> None:
    world = build_accelerator(body(box([-1, -1, -6], [1, 1, -4])))
    assert (rasterise(world, camera(), HOME, NO_MOVERS).rows == SKY).all()


def test_ground_that_passes_below_the_camera_is_clipped_and_exact() -> None:
    ground = np.array([[[-900.0, 1.5, -900], [900, 1.5, -900], [0, 1.5, 900]]])
    model = camera(64, 48)
    seen = rasterise(build_accelerator(body(ground)), model, HOME, NO_MOVERS)
    y = (np.arange(48) - model.K[1, 2]) / model.K[1, 1]
    expected = np.where(y * 500.0 > 1.5, 1.5 / np.maximum(y, 1e-9), np.inf)
    np.testing.assert_allclose(seen.depth[:, 30, 0], expected, rtol=1e-6)


def test_what_is_nearer_than_the_limit_is_not_seen_and_hides_nothing() -> None:
    near, far = np.array([[[-1.0, -1, 0], [1, -1, 0], [0, 2, 0]]]), np.array([[[-9.0, -9, 5], [9, -9, 5], [0, 20, 5]]])
    for z, row in ((0.9 * NEAR, 1), (1.1 * NEAR, 0)):
        world = build_accelerator(body(np.concatenate([near + np.array([0, 0, z]), far])))
        assert (rasterise(world, camera(9, 9), HOME, NO_MOVERS).rows[4, 4] == row).all()


def test_a_triangle_seen_edge_on_and_one_without_area_are_not_seen() -> None:
    edge_on = np.array([[[0.0, 0, 1], [0, 0, 5], [0, 1, 5]], [[1.0, 1, 3]] * 3, [[0.0, 0, 2], [1, 1, 3], [2, 2, 4]]])
    model = camera(9, 9)
    model.K[:2, 2] = 4.0
    assert (rasterise(build_accelerator(body(edge_on)), model, HOME, NO_MOVERS).rows == SKY).all()


def test_of_equal_depths_the_lower_row_is_seen_whatever_the_order() -> None:
    triangle = np.array([[[-1.0, -1, 4], [1, -1, 4], [0, 2, 4]]])
    world = build_accelerator(body(np.repeat(triangle, 300, axis=0)))
    assert set(np.unique(rasterise(world, camera(), HOME, NO_MOVERS).rows)) == {SKY, 0}


def test_movers_are_seen_where_they_are() -> None:
    world = build_accelerator(body(np.zeros((0, 3, 3))), [body(box([-1, -1, -1], [1, 1, 1]))] * 2)
    T = np.stack([transform(np.eye(3), np.array([0.0, 0, z])) for z in (9.0, 5.0)])
    seen = rasterise(world, camera(33, 33), HOME, T)
    assert seen.depth[16, 16, 0] == pytest.approx(4.0)
    assert world.first_rows[2] <= seen.rows[16, 16, 0] < world.first_rows[3]
    assert rasterise(world, camera(33, 33), HOME, T[::-1]).rows[16, 16, 0] < world.first_rows[2]


def test_hidden_clusters_are_dropped_without_a_trace() -> None:
    rng = np.random.default_rng(3)
    wall = body(np.array([[[-90.0, -90, 3], [90, -90, 3], [0, 90, 3]]]))
    crowd = soup(rng, 3000, 0.2, 3.0)
    crowd = body(crowd.triangles + np.float32([0, 0, 8]))
    alone = rasterise(build_accelerator(wall), camera(), HOME, NO_MOVERS)
    both = rasterise(build_accelerator(joined([wall, crowd])), camera(), HOME, NO_MOVERS)
    np.testing.assert_array_equal(alone.rows, both.rows)
    np.testing.assert_array_equal(alone.depth, both.depth)


def test_depth_of_the_middle_of_a_pixel_is_that_of_the_plane_at_its_ray() -> None:
    rng = np.random.default_rng(6)
    world, T_world_mover = moving_world(rng, 300)
    for lens in ALL_LENSES:
        model, T_world_camera = camera(lens=lens), look(rng)
        seen = rasterise(world, model, T_world_camera, T_world_mover)
        v, u = np.nonzero(seen.rows[..., 0] != SKY)
        a, b, c = np.moveaxis(in_camera(world, T_world_camera, T_world_mover)[seen.rows[v, u, 0]], 1, 0)
        normals, rays = np.cross(b - a, c - a), model.rays(np.stack([u, v], axis=1))
        across = np.einsum("ni,ni->n", normals, rays)
        depth = np.einsum("ni,ni->n", normals, a) / across
        slanted = np.abs(across) > 0.02 * np.linalg.norm(normals, axis=1) * np.linalg.norm(rays, axis=1)
        np.testing.assert_allclose(seen.depth[v, u, 0][slanted], depth[slanted], rtol=2e-5)


def test_normals_are_those_of_the_faces_and_turned_to_the_camera() -> None:
    rng = np.random.default_rng(7)
    world, T_world_mover = moving_world(rng, 300)
    model, T_world_camera = camera(lens="plumb_bob"), look(rng)
    rows = np.ascontiguousarray(rasterise(world, model, T_world_camera, T_world_mover).rows[..., 0])
    normals = face_normals(rows, world, model, T_world_camera, T_world_mover)
    assert normals.dtype == np.float32
    np.testing.assert_array_equal(normals[rows == SKY], 0.0)
    v, u = np.nonzero(rows != SKY)
    a, b, c = np.moveaxis(in_camera(world, T_world_camera, T_world_mover)[rows[v, u]], 1, 0)
    expected = np.cross(b - a, c - a)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    expected *= -np.sign(np.einsum("ni,ni->n", expected, model.rays(np.stack([u, v], axis=1))))[:, None]
    np.testing.assert_allclose(normals[v, u], expected, atol=1e-5)


@pytest.mark.parametrize("lens", ALL_LENSES)
def test_coverage_counts_the_pixels_of_each_object_as_if_it_were_alone(lens: Distortion) -> None:
    rng = np.random.default_rng(9)
    parts = [body(soup(rng, 30, 1.0, 6.0).triangles, m, i) for i, m in ((4, Material.LEAF), (2, Material.METAL))]
    mover = body(box([-1, -1, -1], [1, 1, 1]), Material.METAL, 9)
    world = build_accelerator(joined([body(soup(rng, 40).triangles), *parts]), [mover])
    model, T_world_camera, T = camera(lens=lens), FROM_AFAR, transform(exp_so3(rng.normal(size=3)), np.zeros(3))[None]
    counts = instance_coverage(world, model, T_world_camera, T, np.array([9, 4, 7, 2]))
    alone = [np.count_nonzero(
        rasterise(build_accelerator(part), model, T_world_camera, NO_MOVERS).rows[..., 0] != SKY
    ) for part in parts]  # fmt: skip
    empty = build_accelerator(body(np.zeros((0, 3, 3))), [mover])
    moved = np.count_nonzero(rasterise(empty, model, T_world_camera, T).rows[..., 0] != SKY)
    assert counts.dtype == np.int64
    assert counts.tolist() == [moved, alone[0], 0, alone[1]]
    assert sum(alone) > 50


def test_frames_made_at_the_same_time_are_those_made_one_by_one() -> None:
    rng = np.random.default_rng(10)
    world, T_world_mover = moving_world(rng, 500)
    model, views = camera(), [look(rng) for _ in range(8)]

    def make(T_world_camera: np.ndarray) -> bytes:
        seen = rasterise(world, model, T_world_camera, T_world_mover)
        return seen.rows.tobytes() + seen.depth.tobytes()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(make, views)) == [make(view) for view in views]


def test_all_kernels_are_ready_after_the_warm_up() -> None:
    warm_up()
    from perception.world.render import coverage, raster

    kernels = (raster.draw_clusters, raster.visible_clusters, raster.invert, raster.face_normals, coverage._cover)
    before = [len(kernel.signatures) for kernel in kernels]
    assert min(before) == 1
    world, T_world_mover = moving_world(np.random.default_rng(0), 8)
    for lens in ALL_LENSES:
        model = camera(lens=lens)
        rows = np.ascontiguousarray(rasterise(world, model, HOME, T_world_mover).rows[..., 0])
        face_normals(rows, world, model, HOME, T_world_mover)
        instance_coverage(world, model, HOME, T_world_mover, np.array([0]))
    assert [len(kernel.signatures) for kernel in kernels] == before
