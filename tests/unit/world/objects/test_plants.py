"""Trees, hedges and what else is green."""

import numpy as np
import pytest

from perception.core.classes import Class
from perception.world.materials import Material, Texture
from perception.world.objects.plants import (
    CLEARANCE,
    KINDS,
    make_bush,
    make_flower_bed,
    make_hedge,
    make_ivy,
    make_tree,
    make_tufts,
)
from perception.world.objects.walls import Wall
from perception.world.variety import TRAINING, Variety

HELD_OUT = Variety(True)


@pytest.mark.parametrize("variety", [TRAINING, HELD_OUT])
def test_a_tree_has_a_round_stem_of_bark_and_cards_of_leaves_above_traffic(variety: Variety) -> None:
    for seed in range(12):
        mesh = make_tree(np.random.default_rng(seed), 400, variety)
        leaf = mesh.material_ids == Material.LEAF
        assert set(mesh.class_ids) == {Class.VEGETATION}
        assert leaf.sum() > 50 and mesh.is_smooth[~leaf].all() and not mesh.is_smooth[leaf].any()
        assert set(mesh.material_ids[~leaf]) == {Material.BARK}
        assert (mesh.texture_ids[leaf] // 8 == Texture.LEAF).all()
        middles = mesh.triangles[leaf].mean(axis=1)
        assert middles[:, 2].min() > CLEARANCE - 0.5
        assert 3.0 < mesh.triangles[..., 2].max() < 14.0


def test_more_leaves_are_more_cards_and_none_are_none() -> None:
    counts = [len(make_tree(np.random.default_rng(3), number)) for number in (100, 400, 1600)]
    assert counts[0] < counts[1] < counts[2]
    assert not (make_tree(np.random.default_rng(3), 0).material_ids == Material.LEAF).any()


def test_bushes_are_lighter_outside_than_inside() -> None:
    lighter = 0
    for seed in range(8):
        mesh = make_bush(np.random.default_rng(seed))
        middles = mesh.triangles.mean(axis=1)
        reach = np.linalg.norm((middles - middles.mean(axis=0)) / middles.std(axis=0), axis=1)
        tone = mesh.tints.astype(np.float64).mean(axis=1)
        lighter += tone[reach > np.median(reach)].mean() > tone[reach <= np.median(reach)].mean()
    assert lighter >= 7  # not all: some flower


def test_kinds_of_trees_and_looks_of_leaves_are_held_out() -> None:
    assert not set(TRAINING.part(KINDS)) & set(HELD_OUT.part(KINDS))
    looks = [
        {int(make_bush(np.random.default_rng(k), v).texture_ids[0]) for k in range(20)} for v in (TRAINING, HELD_OUT)
    ]
    assert not looks[0] & looks[1]


@pytest.mark.parametrize("make", [make_bush, lambda r: make_tufts(r, 2.0), lambda r: make_flower_bed(r, 3.0, 1.0)])
def test_low_plants_grow_out_of_the_ground(make) -> None:
    for seed in range(5):
        corners = make(np.random.default_rng(seed)).triangles.reshape(-1, 3)
        assert corners[:, 2].min() > -0.4 and corners[:, 2].max() < 3.0


def test_a_hedge_fills_its_box() -> None:
    corners = make_hedge(np.random.default_rng(0), 5.0, 1.2, 0.8).triangles.reshape(-1, 3)
    np.testing.assert_allclose(corners.min(axis=0), [0.0, -0.4, 0.0], atol=0.45)
    np.testing.assert_allclose(corners.max(axis=0), [5.0, 0.4, 1.2], atol=0.45)


def test_ivy_hangs_on_the_outside_of_its_wall() -> None:
    wall = Wall((0.0, 0.0), (8.0, 0.0), -1.0, 9.0, Material.BRICK)
    middles = make_ivy(wall, 0.0, np.random.default_rng(1)).triangles.mean(axis=1)
    assert (middles[:, 1] < 0.0).all() and (middles[:, 1] > -0.5).all()  # outside is at low y
    assert middles[:, 0].min() > -0.5 and middles[:, 0].max() < 8.5 and middles[:, 2].max() < 9.0
