"""What training worlds draw freely, and that evaluation worlds never do."""

from collections.abc import Callable

import numpy as np
import pytest

from perception.core.classes import Class
from perception.world.config import SceneConfig, WorldConfig
from perception.world.geometry.mesh import Mesh
from perception.world.objects import barriers, buses, figure, people, signs
from perception.world.objects.colours import any_tint, brightness, contrasting
from perception.world.objects.glyphs import draw_outline, inner_half
from perception.world.repaint import Painter
from perception.world.scene import build_scene
from perception.world.variety import EVALUATION_SEED, Variety, variety_of

FREE, HELD_OUT = Variety(False, 1.0), Variety(True)
# Maker, class, low and high limits of the size (m) along x, y, z of what is of the class.
MAKERS: tuple[tuple[Callable[..., Mesh], Class, tuple, tuple], ...] = (
    (signs.make_sign, Class.TRAFFIC_SIGN, (0.01, 0.2, 0.2), (0.25, 6.0, 3.5)),
    (signs.make_traffic_light, Class.TRAFFIC_LIGHT, (0.08, 0.15, 0.15), (0.7, 3.5, 3.5)),
    (barriers.make_barrier, Class.BARRIER, (1.0, 0.02, 0.4), (3.9, 1.3, 2.4)),
    (buses.make_bus, Class.BUS, (5.5, 2.0, 1.8), (14.5, 3.4, 4.3)),
    (people.make_person, Class.PEDESTRIAN, (0.15, 0.25, 0.6), (2.4, 2.0, 2.9)),
)


@pytest.mark.parametrize(("make", "kind", "low", "high"), MAKERS)
def test_free_objects_have_plausible_sizes_and_stand_on_the_ground(
    make: Callable[..., Mesh], kind: Class, low: tuple, high: tuple
) -> None:
    for seed in range(60):
        mesh = make(np.random.default_rng(seed), FREE)
        own = mesh.triangles[mesh.class_ids == kind]
        assert np.isfinite(mesh.triangles).all() and own[..., 2].max() > 0.5
        size = np.ptp(own.reshape(-1, 3), axis=0)
        assert (size > low).all() and (size < high).all(), (seed, size)
        assert -0.2 < mesh.triangles[..., 2].min() < 0.1, seed


@pytest.mark.parametrize(("make", "kind", "low", "high"), MAKERS)
def test_two_free_objects_are_hardly_ever_alike(
    make: Callable[..., Mesh], kind: Class, low: tuple, high: tuple
) -> None:
    shapes = {make(np.random.default_rng(seed), FREE).triangles.tobytes() for seed in range(30)}
    assert len(shapes) == 30


def test_what_is_held_out_for_evaluation_does_not_change() -> None:
    assert [outline for outline, _ in HELD_OUT.part(signs.DESIGNS)] == [signs.WIDE, signs.ARROW, signs.BOARD]
    names = {
        table: [option.__name__ for option in HELD_OUT.part(getattr(module, table))]
        for module, table in ((signs, "LIGHTS"), (barriers, "BARRIERS"), (people, "POSES"), (people, "CARRIED"))
    }
    assert names == {
        "LIGHTS": ["_round_light"],
        "BARRIERS": ["_plank", "_mesh_fence"],
        "POSES": ["leaning", "pointing"],
        "CARRIED": ["_umbrella"],
    }
    assert [kind.upper for kind in HELD_OUT.part(buses.BUSES)] == [(2.65, 3.7)]
    assert (HELD_OUT.part(figure.LEGWEAR), HELD_OUT.part(figure.HATS)) == (("wide", "robe"), ("brim",))


def test_only_training_worlds_are_free_and_without_freedom_no_number_is_drawn() -> None:
    assert variety_of(EVALUATION_SEED, 1.0) == Variety(True) and variety_of(1, 0.5).freedom == 0.5
    for variety in (HELD_OUT, Variety()):
        rng = np.random.default_rng(0)
        assert not variety.is_free(rng) and rng.random() == np.random.default_rng(0).random()
    assert sum(Variety(False, 0.3).is_free(rng) for _ in range(1000)) == pytest.approx(300, abs=60)


def test_freedom_changes_training_worlds_and_no_evaluation_world() -> None:
    scene = SceneConfig(leaves_per_tree=0, building_gap=1.0, tree_spacing=200.0, num_pedestrians=3, num_animals=0)
    for seed, is_same in ((EVALUATION_SEED + 3, True), (3, False)):
        tied, free = (
            build_scene(WorldConfig(seed=seed, route="straight", duration=5.0, scene=scene, freedom=freedom))
            for freedom in (0.0, 1.0)
        )
        pairs = [(tied.static, free.static)]
        pairs += [(a.mesh, b.mesh) for a, b in zip(tied.movers, free.movers, strict=is_same)]
        same = [
            np.array_equal(getattr(a, name), getattr(b, name), equal_nan=getattr(a, name).dtype.kind == "f")
            for a, b in pairs
            for name in Mesh.__slots__
        ]
        assert all(same) == is_same


def test_repainting_gives_parts_of_one_colour_one_colour_and_touches_nothing_else() -> None:
    mesh = buses.make_bus(np.random.default_rng(1))
    painted = Painter(np.random.default_rng(0), Variety(False, 1e9)).painted(mesh)
    assert not np.array_equal(painted.tints, mesh.tints)
    rows = np.column_stack([mesh.material_ids, mesh.tints])
    pairs = np.column_stack([rows, painted.tints])
    assert len(np.unique(pairs, axis=0)) == len(np.unique(rows, axis=0))
    np.testing.assert_array_equal(painted.triangles, mesh.triangles)
    assert Painter(np.random.default_rng(0), Variety()).painted(mesh) is mesh


def test_contrasting_colours_differ_in_brightness() -> None:
    rng = np.random.default_rng(2)
    for _ in range(200):
        tint = any_tint(rng)
        assert abs(brightness(contrasting(rng, tint, 60.0)) - brightness(tint)) > 60.0


def test_the_inner_box_of_an_outline_lies_within_it() -> None:
    rng = np.random.default_rng(3)
    for _ in range(100):
        outline = draw_outline(rng)
        half = inner_half(outline)
        edges = np.roll(outline, -1, axis=0) - outline
        assert (half > 0.0).all()
        for corner in half * np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)]):
            offset = corner - outline
            assert (edges[:, 0] * offset[:, 1] - edges[:, 1] * offset[:, 0] > -1e-9).all()
