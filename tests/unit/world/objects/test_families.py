"""What holds for every family of countable objects, and for the split between training and evaluation."""

from dataclasses import fields
from functools import cache

import numpy as np
import pytest

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh
from perception.world.materials import UNIT_TEXTURES, VARIANTS
from perception.world.variety import TRAINING, Variety
from tests.unit.world.objects.families import FAMILIES, NAMES, areas, size

HELD_OUT = Variety(is_held_out=True)
NUM_DRAWS = 8


@cache
def draws(make, variety: Variety = TRAINING) -> list[Mesh]:
    return [make(np.random.default_rng([7, seed]), variety) for seed in range(NUM_DRAWS)]


@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_objects_have_a_sensible_size_and_stand_on_the_ground(family) -> None:
    _, _, make, _, low, high = family
    for mesh in [*draws(make), *draws(make, HELD_OUT)]:
        assert (size(mesh) > low).all() and (size(mesh) < high).all()
        assert -0.21 < mesh.triangles[..., 2].min() < 0.02  # posts go a little into the ground
        middle = 0.5 * (mesh.triangles.min(axis=(0, 1)) + mesh.triangles.max(axis=(0, 1)))
        assert np.abs(middle[:2]).max() < 0.5 * max(size(mesh)[:2].max(), 0.4) + 0.05


@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_objects_have_their_class_and_no_number_yet(family) -> None:
    _, _, make, kind, *_ = family
    posts = {Class.MANMADE} if kind in (Class.TRAFFIC_SIGN, Class.TRAFFIC_LIGHT) else set()
    for mesh in draws(make):
        assert {Class(c) for c in np.unique(mesh.class_ids)} == {kind} | posts
        assert not mesh.instance_ids.any()


@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_triangles_are_few_have_an_area_and_a_place_on_their_texture(family) -> None:
    _, _, make, *_ = family
    for mesh in draws(make):
        assert 20 <= len(mesh) <= 1400
        assert np.isfinite(mesh.triangles).all() and np.isfinite(mesh.uvs).all()
        assert (areas(mesh) > 1e-9).mean() > 0.99
        is_unit = np.isin(mesh.texture_ids // VARIANTS, sorted(UNIT_TEXTURES))
        assert mesh.uvs[is_unit].size == 0 or (mesh.uvs[is_unit].min() >= -1e-6 and mesh.uvs[is_unit].max() <= 1 + 1e-6)


@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(family) -> None:
    _, _, make, *_ = family
    one, again, other = (make(np.random.default_rng(seed), TRAINING) for seed in (3, 3, 4))
    for field in fields(Mesh):
        assert getattr(one, field.name).tobytes() == getattr(again, field.name).tobytes()
    assert one.triangles.tobytes() != other.triangles.tobytes() or one.tints.tobytes() != other.tints.tobytes()


@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_training_and_evaluation_never_share_a_shape_family(family, monkeypatch: pytest.MonkeyPatch) -> None:
    module, table, make, *_ = family
    options = getattr(module, table)
    assert len(options) >= 4
    chosen: dict[bool, set[int]] = {False: set(), True: set()}
    choose = Variety.choose

    def recorded(self, rng, choices, weights=None):
        out = choose(self, rng, choices, weights)
        if choices is options:
            chosen[self.is_held_out].add(next(k for k, option in enumerate(options) if option is out))
        return out

    monkeypatch.setattr(Variety, "choose", recorded)
    for seed in range(18):
        make(np.random.default_rng(seed), TRAINING)
        make(np.random.default_rng(seed), HELD_OUT)
    assert len(chosen[False]) >= 2 and chosen[True]
    assert not chosen[False] & chosen[True]


@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_training_and_evaluation_never_share_a_look_of_what_is_drawn_by_lot(family) -> None:
    _, _, make, *_ = family

    def looks(variety: Variety) -> set[int]:
        return {int(texture) for mesh in draws(make, variety) for texture in np.unique(mesh.texture_ids)}

    first_looks = {texture for texture in looks(TRAINING) if texture % VARIANTS == 0}  # of plain parts: shared
    assert not (looks(TRAINING) - first_looks) & looks(HELD_OUT)


@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_objects_of_one_family_differ_in_colour_or_texture(family) -> None:
    _, _, make, *_ = family

    def looks(mesh: Mesh) -> bytes:
        return np.unique(mesh.tints, axis=0).tobytes() + np.unique(mesh.texture_ids).tobytes()

    assert len({looks(mesh) for mesh in draws(make)}) >= 3
