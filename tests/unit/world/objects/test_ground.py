"""The ground of districts, and what is painted on it."""

import numpy as np
import pytest

from perception.core.classes import Class
from perception.world.config import WorldConfig
from perception.world.layout import Layout, make_layout
from perception.world.objects.ground import EARTH, FLOOR, LIFT, PLAZA, ROAD, WALK, Ground, kind_at, make_ground, survey
from perception.world.objects.markings import PAINT_RISE, PATCH_RISE, arms, laid, make_markings
from perception.world.scene import _area
from perception.world.variety import TRAINING


def layout_of(seed: int, route: str = "district") -> Layout:
    return make_layout(WorldConfig(route=route, seed=seed), np.random.default_rng([seed, 3]))


@pytest.fixture(scope="module")
def layout() -> Layout:
    return layout_of(0)


@pytest.fixture(scope="module")
def ground(layout: Layout) -> Ground:
    return survey(layout, _area(layout))


def level_area(triangles: np.ndarray) -> float:
    edges = np.diff(triangles[..., :2], axis=1)
    return float(0.5 * np.abs(edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]).sum())


def test_the_ground_has_neither_gaps_nor_overlaps(layout: Layout, ground: Ground) -> None:
    mesh = make_ground(layout, ground)
    kerb = mesh.class_ids == Class.SIDEWALK
    whole = np.ptp(ground.x) * np.ptp(ground.y)
    walks = level_area(mesh.triangles[kerb])
    cells = np.outer(np.diff(ground.x), np.diff(ground.y))
    assert level_area(mesh.triangles[~kerb]) == pytest.approx(whole - cells[ground.kinds == WALK].sum(), rel=1e-5)
    assert walks > cells[ground.kinds == WALK].sum()  # kerb stones lie on top


@pytest.mark.parametrize("route", ["district", "campus", "town"])
def test_a_point_has_the_kind_of_the_cell_below_it(route: str) -> None:
    layout = layout_of(1, route)
    ground = survey(layout, _area(layout))
    rng = np.random.default_rng(0)
    for x, y in rng.uniform([ground.x[0], ground.y[0]], [ground.x[-1], ground.y[-1]], size=(400, 2)):
        assert ground.kinds[ground.cell(x, y)] == kind_at(layout, x, y)
    assert set(np.unique(ground.kinds)) <= {ROAD, WALK, EARTH, PLAZA, FLOOR}
    assert (route == "campus") == (FLOOR in ground.kinds)


def test_what_stands_on_the_ground_touches_its_triangles(layout: Layout, ground: Ground) -> None:
    tops = make_ground(layout, ground).triangles.astype(np.float64)
    rng = np.random.default_rng(1)
    for x, y in rng.uniform([ground.x[0] + 30, ground.y[0] + 30], [ground.x[-1] - 30, ground.y[-1] - 30], size=(60, 2)):
        a, b, c = tops[:, 0, :2], tops[:, 1, :2], tops[:, 2, :2]
        det = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            u = ((x - a[:, 0]) * (c[:, 1] - a[:, 1]) - (y - a[:, 1]) * (c[:, 0] - a[:, 0])) / det
            v = ((b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (b[:, 1] - a[:, 1]) * (x - a[:, 0])) / det
            inside = u + v <= 1.0
        hit = np.flatnonzero((u >= 0.0) & (v >= 0.0) & inside & (np.abs(det) > 1e-9))
        heights = (
            tops[hit, 0, 2]
            + u[hit] * (tops[hit, 1, 2] - tops[hit, 0, 2])
            + v[hit] * (tops[hit, 2, 2] - tops[hit, 0, 2])
        )
        assert np.abs(heights - ground.surface_height(x, y)).min() < 1e-4


def test_a_decal_keeps_its_area_and_follows_the_ground_exactly(ground: Ground) -> None:
    rng = np.random.default_rng(2)
    for _ in range(30):
        middle = rng.uniform([ground.x[0] + 9, ground.y[0] + 9], [ground.x[-1] - 9, ground.y[-1] - 9])
        angle = np.sort(rng.uniform(0.0, 2.0 * np.pi, size=5))
        outline = middle + 4.0 * np.column_stack([np.cos(angle), np.sin(angle)])
        triangles = laid(ground, outline, 0.01)
        expected = 0.5 * abs(
            np.sum(outline[:, 0] * np.roll(outline[:, 1], -1) - outline[:, 1] * np.roll(outline[:, 0], -1))
        )
        assert level_area(triangles) == pytest.approx(expected, rel=1e-6, abs=1e-9)
        inner = triangles.mean(axis=1)
        for x, y, z in inner:
            assert z - ground.surface_height(x, y) == pytest.approx(0.01, abs=1e-6)


def test_nothing_is_left_of_a_decal_without_area(ground: Ground) -> None:
    line = np.array([[0.0, 0.0], [5.0, 0.0], [2.0, 0.0]])
    assert level_area(laid(ground, line, 0.01)) < 1e-9


def test_markings_lie_on_roads_a_few_millimetres_up_and_face_the_sky(layout: Layout, ground: Ground) -> None:
    mesh = make_markings(layout, ground, np.random.default_rng(0), TRAINING)
    assert len(mesh) > 1000 and set(mesh.class_ids) == {Class.DRIVEABLE_SURFACE}
    triangles = mesh.triangles.astype(np.float64)
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    assert (normal[:, 2] > -1e-9).all()
    for x, y, z in triangles[:: len(triangles) // 300].mean(axis=1):
        assert ground.kinds[ground.cell(x, y)] == ROAD
        assert 0.5 * PATCH_RISE < z - ground.surface_height(x, y) < PAINT_RISE + 1e-3


def test_arms_end_where_crossings_begin(layout: Layout) -> None:
    for arm in arms(layout):
        middle = arm.street.at(0.5 * (arm.low + arm.high), 0.0)
        assert kind_at(layout, *middle) in (ROAD, PLAZA)
        for end, along, step in ((0, arm.low, -1.0), (1, arm.high, 1.0)):
            x, y = arm.street.at(along + step, 0.0)
            crossed = [s for s in layout.streets if s.is_along_x != arm.street.is_along_x and s.area().contains(x, y)]
            assert bool(crossed) == arm.has_crossing[end]


def test_the_lift_of_a_kerb_is_between_road_and_pavement() -> None:
    assert LIFT[ROAD] == 0.0 and LIFT[WALK] == LIFT[PLAZA] > 0.1 > LIFT[FLOOR] == 0.0 > LIFT[EARTH]
