"""Light that reaches surfaces, by numbers that geometry tells: sun, shadows, sky, lamps, corners, water."""

import numpy as np
import pytest

from perception.core.classes import Class
from perception.world.geometry.mesh import Look, box, joined, quads, surface
from perception.world.geometry.raycast import Rays, build_accelerator, cast
from perception.world.materials import Material
from perception.world.render.ambient import looked_up
from perception.world.render.bake import bake_lamps, bake_sky, lamps_at, sky_at
from perception.world.render.fragments import room_for
from perception.world.render.lamps import Lamp, find_lamps, lamps_of
from perception.world.render.light import Light
from perception.world.render.occlusion import obscurance
from perception.world.render.reflections import add_reflections
from perception.world.render.renderer import _view
from perception.world.render.shading import shade_pixels
from perception.world.render.shadows import moving_shadows, sun_shadows, sunlit
from perception.world.render.textures.bank import bake
from perception.world.render.visibility import SAMPLES, rasterise
from tests.unit.world.render.lit import HALF, PLAIN, block, exposure, ground, make, street

LOW, HIGH = np.array([-HALF, -HALF, 0.0]), np.array([HALF, HALF, 8.0])
DARK = (0.0, 0.0, 0.0)
NOON = Light((0.0, 0.0, 1.0), (1.0, 1.0, 1.0), DARK, DARK, DARK, DARK, DARK, 0.0, 0.0, 0.0, 0.0, 1.0)


def shaded(renderer, world, light: Light, **changes) -> np.ndarray:
    """Linear image (H, W, 3) in a given light."""
    shot = exposure(renderer, **changes)
    visible = rasterise(world, shot.camera.model, shot.T_world_camera[1], shot.T_world_mover[1])
    stage = renderer._stage(shot)._replace(light=light, spots=np.zeros((0, 8), np.float32))
    size = visible.rows.shape[:2]
    out, water = np.empty((*size, 3), np.float32), np.empty((*size, 2), np.float32)
    occlusion, room = np.ones(size, np.float32), room_for(size[1])
    shade_pixels(stage, _view(shot), visible.rows, visible.depth, SAMPLES, occlusion, room, out, water)
    return out


@pytest.fixture(scope="module")
def plane():
    return make(ground(), weather="day")


def albedo(tint: float) -> np.ndarray:
    srgb = tint / 255.0
    return bake([PLAIN]).mean_colors[0] * ((srgb + 0.055) / 1.055) ** 2.4


def test_the_sun_overhead_lights_a_plane_by_its_albedo(plane):
    image = shaded(*plane, NOON, pitch=1.2)
    assert np.median(image, axis=(0, 1)) == pytest.approx(albedo(200.0), rel=0.05)


def test_a_low_sun_lights_a_plane_by_the_cosine(plane):
    low = NOON._replace(sun=(np.sqrt(0.75), 0.0, 0.5))
    assert shaded(*plane, low, pitch=1.2).mean() == pytest.approx(
        0.5 * shaded(*plane, NOON, pitch=1.2).mean(), rel=0.02
    )


def test_the_open_sky_lights_a_plane_by_its_mean_colour(plane):
    sky = NOON._replace(sun_color=DARK, sky_color=(0.5, 0.5, 0.5))
    assert shaded(*plane, sky, pitch=1.2).mean() == pytest.approx(0.5 * albedo(200.0).mean(), rel=0.06)


def test_exposure_scales_the_light(plane):
    once, twice = shaded(*plane, NOON, pitch=1.2), shaded(*plane, NOON._replace(exposure=2.0), pitch=1.2)
    assert twice == pytest.approx(2.0 * once, rel=1e-4)


def test_thick_haze_is_all_that_is_seen(plane):
    haze = NOON._replace(haze=10.0, haze_color=(0.2, 0.3, 0.4))
    assert shaded(*plane, haze, pitch=1.2).mean(axis=(0, 1)) == pytest.approx([0.2, 0.3, 0.4], rel=1e-3)


def test_shadows_are_where_rays_to_the_sun_are_stopped():
    renderer, world = street(weather="day")
    sun = renderer.weather.sun
    shadows = sun_shadows(world, sun, LOW, HIGH)
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.uniform(-5.0, 25.0, 1500), rng.uniform(-12.0, 12.0, 1500), np.full(1500, 0.03)])
    lit = np.array([sunlit(*shadows, *p, 0.0, 0.0, 1.0, 1.0, 0.0) for p in points])
    rays = Rays(
        points.astype(np.float32), np.tile(sun.astype(np.float32), (1500, 1)), np.arange(1500, dtype=np.int32),
        np.zeros(1500, np.int32),
    )  # fmt: skip
    far_away = np.zeros((1, 1, 3, 4), dtype=np.float32)
    far_away[..., 3] = 1e6
    is_free = np.isinf(cast(world, rays, far_away, 200.0).ranges)
    clear = (lit == 0.0) | (lit == 1.0)
    assert ((lit == 1.0) == is_free)[clear].mean() > 0.995
    assert 0.02 < (~is_free).mean() < 0.98
    assert clear.mean() > 0.9


def test_movers_cast_shadows_where_they_are():
    renderer, world = street(weather="day")
    shot = exposure(renderer)
    sun, T = renderer.weather.sun, shot.T_world_mover[1]
    shadows = moving_shadows(world, sun, np.zeros(3), T)
    below = T[0, :3, 3] + [0.0, 0.0, 0.05]
    assert sunlit(*shadows, *below, 0.0, 0.0, 1.0, 1.0, 0.0) == 0.0
    away = below + 6.0 * np.array([sun[0], sun[1], 0.0])
    assert sunlit(*shadows, *away, 0.0, 0.0, 1.0, 1.0, 0.0) == 1.0


def test_a_plane_sees_the_whole_sky_and_the_foot_of_a_long_wall_half_of_it():
    wall = block((2.0, -HALF, 0.0), (2.5, HALF, 12.0))
    world = build_accelerator(joined([ground(), wall]))
    ambient = bake_sky(world, LOW, HIGH)
    assert sky_at(ambient, np.array([-25.0, 0.0, 1.0])) > 0.85
    assert sky_at(ambient, np.array([1.0, 0.0, 1.0])) == pytest.approx(0.5, abs=0.1)


def test_no_sky_is_seen_in_a_closed_room():
    room = surface(box((-3.0, -3.0, 0.0), (3.0, 3.0, 3.0)), Class.MANMADE, Material.PLASTER)
    ambient = bake_sky(build_accelerator(joined([ground(), room])), LOW, HIGH)
    assert sky_at(ambient, np.array([0.0, 0.0, 1.5])) < 0.05


def test_a_grid_is_read_linearly_between_its_cells():
    rng = np.random.default_rng(0)
    grid = rng.normal(size=(3, 4, 5, 4)).astype(np.float32)
    low, steps = (1.0, 2.0, 3.0), (2.0, 2.0, 2.0)
    for k, j, i in [(0, 0, 0), (2, 3, 4), (1, 2, 3)]:
        at = [low[0] + i / 2.0, low[1] + j / 2.0, low[2] + k / 2.0]
        assert looked_up(grid, low, steps, *at) == pytest.approx(grid[k, j, i], abs=1e-5)
    between = looked_up(grid, low, steps, low[0] + 0.25, low[1], low[2])
    assert between == pytest.approx(0.5 * (grid[0, 0, 0] + grid[0, 0, 1]), abs=1e-5)
    assert looked_up(grid, low, steps, -99.0, -99.0, -99.0) == pytest.approx(grid[0, 0, 0], abs=1e-5)


def lamp_post(z: float):
    plate = np.array([[[9.9, -0.1, z], [9.9, 0.1, z], [10.1, 0.1, z], [10.1, -0.1, z]]])
    return surface(quads(plate), Class.MANMADE, Material.LAMP, 5, Look(PLAIN))


def test_lamps_are_found_below_what_shines_and_are_on_in_the_dark_only():
    mesh = joined([ground(), lamp_post(5.0)])
    places = find_lamps(mesh)
    assert places.shape == (1, 3)
    assert places[0] == pytest.approx([10.0, 0.0, 4.85], abs=0.01)
    ambient = bake_sky(build_accelerator(mesh), LOW, HIGH)
    assert lamps_of(places, ambient, 0.0) == []
    assert len(lamps_of(places, ambient, 1.0)) == 1


def test_light_of_a_lamp_falls_with_distance_and_stops_at_walls():
    wall = block((11.0, -HALF, 0.0), (11.5, HALF, 7.0))
    world = build_accelerator(joined([ground(), wall]))
    ambient = bake_sky(world, LOW, HIGH)
    lit = bake_lamps(world, ambient, [Lamp(np.array([10.0, 0.0, 5.0]), 10.0, 20.0)])
    near, far, behind = (lamps_at(lit, np.array([x, 0.0, 1.0])) for x in (9.5, 3.0, 14.0))
    assert near > 2.0 * far > 0.0
    assert behind < 0.05 * near


def rays_of(height: int, width: int, focal: float) -> np.ndarray:
    v, u = np.mgrid[: height + 1, : width + 1]
    return np.stack([(u - width / 2) / focal, (v - height / 2) / focal], axis=-1).astype(np.float32)


def test_a_plane_is_not_darkened_and_a_corner_is():
    rays, focal = rays_of(60, 80, 60.0), 60.0
    flat = np.full((60, 80), 3.0, dtype=np.float32)
    facing = np.zeros((60, 80, 3), dtype=np.float32)
    facing[..., 2] = -1.0
    assert obscurance(flat, facing, rays, focal).min() > 0.98
    wall = np.maximum(rays[:60, :80, 0], 1e-6)
    depth = np.minimum(3.0, 0.8 / wall).astype(np.float32)  # a side wall at x = 0.8 m meets the wall ahead
    is_side = 0.8 / wall < 3.0
    facing[is_side] = [-1.0, 0.0, 0.0]
    dark = obscurance(depth, facing, rays, focal)
    edge = int(0.8 / 3.0 * focal + 40)
    assert dark[20:40, edge - 2 : edge + 2].mean() < 0.85
    assert dark[20:40, 10:20].mean() > 0.95


def test_a_corner_far_away_in_the_sky_changes_nothing():
    nothing = np.full((8, 8), np.inf, dtype=np.float32)
    assert (obscurance(nothing, np.zeros((8, 8, 3), np.float32), rays_of(8, 8, 8.0), 8.0) == 1.0).all()


def test_water_mirrors_the_wall_behind_it():
    """A level camera 1 m over water, a red wall 6 m ahead: what the water shows must be red."""
    height, width, focal = 40, 60, 50.0
    rays = rays_of(height, width, focal)
    down = rays[:height, :width, 1]
    to_water = np.where(down > 1e-3, 1.0 / np.maximum(down, 1e-3), np.inf)
    depth = np.minimum(to_water, 6.0).astype(np.float32)
    is_water = to_water < 6.0
    normals = np.where(is_water[..., None], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]).astype(np.float32)
    image = np.where(is_water[..., None], 0.0, [1.0, 0.0, 0.0]).astype(np.float32)
    water = np.repeat(is_water[..., None], 2, axis=-1).astype(np.float32)
    K, out = np.array([focal, focal, width / 2, height / 2]), np.empty_like(image)
    sky = np.zeros((4, 8, 3), dtype=np.float32)
    add_reflections(image, water, depth, normals, rays, K, np.eye(3, dtype=np.float32), sky, NOON, out)
    near_wall = is_water & (to_water > 3.5)
    assert out[near_wall][:, 0].mean() > 0.8
    assert np.array_equal(out[~is_water], image[~is_water])
