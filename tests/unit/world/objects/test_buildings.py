"""Houses, their fronts and roofs."""

import numpy as np
import pytest

from perception.core.classes import Class
from perception.world.config import SceneConfig, WorldConfig
from perception.world.layout import PAVEMENT, Rectangle, make_layout
from perception.world.materials import UNIT_TEXTURES, VARIANTS, Material, Texture
from perception.world.objects.buildings import CELLAR, Plot, make_buildings, make_house
from perception.world.objects.facades import FAMILIES, draw_style, is_door, is_shop, lay_windows
from perception.world.objects.roofs import ROOFS, draw_roof_stuff, make_roof
from perception.world.objects.shapes import Stuff
from perception.world.objects.walls import Fittings, Opening, Wall, make_wall
from perception.world.variety import TRAINING, Variety

HELD_OUT = Variety(True)
PLOT = Rectangle(0.0, 0.0, 12.0, 9.0)


@pytest.mark.parametrize("variety", [TRAINING, HELD_OUT])
@pytest.mark.parametrize("front", range(4))
def test_a_house_fills_its_plot_and_hardly_more(front: int, variety: Variety) -> None:
    layout = make_layout(WorldConfig(), np.random.default_rng(0))
    for seed in range(3):
        mesh = make_house(Plot(PLOT, front), layout, np.random.default_rng(seed), variety, 7)
        corners = mesh.triangles.reshape(-1, 3)
        ground = float(layout.terrain.height(np.array([6.0]), np.array([4.5]))[0])
        assert (corners.min(axis=0)[:2] > [-1.6, -1.6]).all() and (corners.max(axis=0)[:2] < [13.6, 10.6]).all()
        assert corners[:, 2].min() == pytest.approx(ground - CELLAR, abs=0.6)
        assert 3.5 < corners[:, 2].max() - ground < 30.0
        assert set(mesh.instance_ids) == {7}
        assert set(mesh.class_ids) <= {Class.MANMADE, Class.VEGETATION}


def test_unit_textures_have_coordinates_between_zero_and_one() -> None:
    layout = make_layout(WorldConfig(), np.random.default_rng(0))
    units = [int(texture) for texture in UNIT_TEXTURES]
    found = set()
    for seed in range(8):
        mesh = make_house(Plot(PLOT, 0), layout, np.random.default_rng(seed), TRAINING, 1)
        unit = np.isin(mesh.texture_ids // VARIANTS, units)
        assert mesh.uvs[unit].min() >= 0.0 and mesh.uvs[unit].max() <= 1.0
        found |= set((mesh.texture_ids[unit] // VARIANTS).tolist())
    assert found >= {Texture.DOOR, Texture.SHOP}


def test_openings_of_a_front_do_not_overlap_and_have_one_door() -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        style = draw_style(rng, TRAINING)
        openings = lay_windows(11.0, 0.0, 3, style, rng, TRAINING, True)
        assert sum(map(is_door, openings)) == 1
        assert len({is_shop(o) for o in openings}) <= 2
        for k, a in enumerate(openings):
            assert 0.0 < a.start < a.stop < 11.0 and a.low < a.high
            for b in openings[k + 1 :]:
                assert a.stop <= b.start or b.stop <= a.start or a.high <= b.low or b.high <= a.low


@pytest.mark.parametrize("kind", ROOFS)
def test_a_roof_covers_the_house_it_stands_on(kind: str) -> None:
    for seed, plot in enumerate((PLOT, Rectangle(0.0, 0.0, 8.0, 14.0))):
        rng = np.random.default_rng(seed)
        stuff = draw_roof_stuff(rng, TRAINING, Stuff(Material.PLASTER), Stuff(Material.STONE))
        mesh = make_roof(plot, 10.0, kind, stuff, rng, TRAINING)
        x, y = np.meshgrid(np.linspace(0.5, plot.x_high - 0.5, 9), np.linspace(0.5, plot.y_high - 0.5, 9))
        assert all(is_below(mesh.triangles, px, py) for px, py in zip(x.ravel(), y.ravel()))
        assert mesh.triangles[..., 2].min() > 9.0


def is_below(triangles: np.ndarray, x: float, y: float) -> bool:
    """Whether some triangle is above a point."""
    a, b, c = (triangles[:, k, :2] - [x, y] for k in range(3))
    areas = [p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0] for p, q in ((a, b), (b, c), (c, a))]
    return bool((np.all([s >= 0 for s in areas], axis=0) | np.all([s <= 0 for s in areas], axis=0)).any())


def test_houses_stand_beside_streets_and_beside_each_other() -> None:
    layout = make_layout(WorldConfig(route="turns"), np.random.default_rng(0))
    houses = make_buildings(layout, SceneConfig(), np.random.default_rng(0), 5)
    assert [int(house.instance_ids[0]) for house in houses] == list(range(5, 5 + len(houses)))
    for house in houses:  # the walls, without what sticks out of them
        low = np.percentile(house.triangles.reshape(-1, 3)[:, :2], 50, axis=0)
        assert not any(street.area(PAVEMENT - 1.0).contains(*low) for street in layout.streets)


def test_families_of_fronts_and_roofs_are_held_out() -> None:
    for options in (FAMILIES, ROOFS):
        assert not set(TRAINING.part(options)) & set(HELD_OUT.part(options))


def test_fittings_stand_before_the_wall_they_are_fixed_to() -> None:
    wall = Wall((2.0, 3.0), (2.0, 8.0), 0.0, 4.0, Material.BRICK)  # outside is on the right: at high x
    fittings = Fittings(wall, 3)
    fittings.add_panel((1.0, 2.0), (1.0, 2.0), -0.1, Stuff(Material.PAINT, texture_id=Texture.POSTER.layer(0)))
    mesh = fittings.mesh()
    np.testing.assert_allclose(mesh.triangles[..., 0], 2.1, atol=1e-6)
    assert mesh.triangles[..., 1].min() == pytest.approx(4.0) and mesh.triangles[..., 1].max() == pytest.approx(5.0)
    assert mesh.uvs.min() == 0.0 and mesh.uvs.max() == 1.0 and set(mesh.instance_ids) == {3}


def test_a_door_shows_its_texture_once_and_upright() -> None:
    wall = Wall((0.0, 0.0), (6.0, 0.0), 0.0, 4.0, Material.BRICK)
    door = Opening(2.0, 3.0, 0.0, 2.0, 0.1, Material.WOOD, is_unit=True)
    mesh = make_wall(wall, [door])
    back = mesh.material_ids == Material.WOOD
    corners, uvs = mesh.triangles[back].reshape(-1, 3), mesh.uvs[back].reshape(-1, 2)
    np.testing.assert_allclose(uvs[:, 0], corners[:, 0] - 2.0, atol=1e-6)
    np.testing.assert_allclose(uvs[:, 1], corners[:, 2] / 2.0, atol=1e-6)
