"""Street furniture, signs, lights, chairs and plants: what makes each what it is."""

import numpy as np
import pytest

from perception.core.classes import Class
from perception.world.materials import VARIANTS, Material, Texture
from perception.world.objects import furniture
from perception.world.objects.barriers import CONES, make_cone, make_fence
from perception.world.objects.seats import CHAIRS, SEAT, make_bench, make_chair
from perception.world.objects.shapes import (
    Parts,
    Stuff,
    beam,
    bevelled,
    both_sides,
    lathe,
    limb,
    loft,
    mirrored,
    oval,
    panel,
    rod,
    rotated,
    rounded_box,
    shade,
    upright_oval,
)
from perception.world.objects.signs import (
    ARROW,
    BOARD,
    DESIGNS,
    DIAMOND,
    LIT,
    OCTAGON,
    ROUND,
    SQUARE,
    TALL,
    TRIANGLE,
    WIDE,
    make_sign,
    make_traffic_light,
)
from perception.world.variety import TRAINING, Variety
from tests.unit.world.objects.families import areas, size, volume


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (beam((0, 0, 0), (2, 0, 0), 0.5, 0.25), 0.25),
        (beam((0, 0, 0), (0, 0, 3), 0.5, 0.2), 0.3),
        (rod((1, 0, 0), (1, 2, 0), 0.5, 64), 0.5 * np.pi),
        (limb(np.array([(0.0, 0, 0), (0, 0, 1), (0, 0, 3)]), (0.5, 0.5, 0.5), 64), 0.75 * np.pi),
        (lathe([(1.0, 0.0), (0.5, 1.0)], 64), np.pi * (1 + 0.5 + 0.25) / 3),
        (loft(np.array([oval((0, 0, z), (1.0, 2.0), 64) for z in (0.0, 1.0)])), 2 * np.pi),
        (loft(np.array([upright_oval((x, 0, 0), (1.0, 2.0), 64) for x in (0.0, 1.0)])), 2 * np.pi),
        (bevelled(np.array([(0.0, 0), (2, 0), (2, 1), (0, 1)]), 0.5, 1e-6), 2.0),
        (rounded_box((0, 0, 0), (1, 2, 3), 1e-6), 6.0),
        (mirrored(rounded_box((0, 0, 0), (1, 2, 3), 1e-6)), 6.0),
        (rotated(rounded_box((0, 0, 0), (1, 2, 3), 1e-6), 1, 0.7, (3, 2, 1)), 6.0),
    ],
)
def test_bodies_are_closed_and_face_outwards(body: np.ndarray, expected: float) -> None:
    assert volume(body - np.array([0.3, 0.2, 0.1])) == pytest.approx(expected, rel=0.01)


def test_a_rounded_box_keeps_within_its_corners_however_thin_it_is() -> None:
    body = rounded_box((0, 0, 0), (1.0, 0.02, 0.5), 0.1)
    np.testing.assert_allclose(body.min(axis=(0, 1)), [0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(body.max(axis=(0, 1)), [1.0, 0.02, 0.5], atol=1e-9)
    assert 0.5 * 0.01 < volume(body) < 0.01


def test_parts_keep_their_looks_and_colours_stay_colours() -> None:
    parts = Parts(Class.CHAIR).add(panel([(0, 0, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1)]), Stuff(Material.WOOD, (1, 2, 3)))
    mesh = parts.add_as(Class.MANMADE, rod((0, 0, 0), (0, 0, 1), 0.1), Stuff(Material.METAL), smooth=True).mesh()
    assert mesh.class_ids[0] == Class.CHAIR and mesh.class_ids[-1] == Class.MANMADE
    assert tuple(mesh.tints[0]) == (1, 2, 3) and not mesh.is_smooth[0] and mesh.is_smooth[-1]
    assert shade((200, 100, 0), 2.0) == (255, 200, 0)
    assert len(both_sides(panel([(0, 1, 0), (1, 1, 0), (1, 1, 1), (0, 1, 1)]))) == 4


@pytest.mark.parametrize("variety", [TRAINING, Variety(is_held_out=True)])
def test_the_face_of_a_sign_looks_ahead_and_stands_before_its_post(variety: Variety) -> None:
    for seed in range(20):
        mesh = make_sign(np.random.default_rng(seed), variety)
        face = (mesh.texture_ids // VARIANTS == Texture.SIGN) | (mesh.material_ids == Material.SIGN)
        corners = mesh.triangles[face]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert (normals[:, 0] > 0.0).all()
        assert (mesh.class_ids[face] == Class.TRAFFIC_SIGN).all()
        assert corners[..., 0].min() > mesh.triangles[mesh.class_ids == Class.MANMADE][..., 0].max()
        assert corners[..., 2].min() > 1.2 and size(mesh)[2] < 3.2
        picture = mesh.texture_ids // VARIANTS == Texture.SIGN
        if picture.any():
            u, y = mesh.uvs[picture][..., 0], mesh.triangles[picture][..., 1]
            assert np.ptp(u) > 0.9 and np.ptp(mesh.uvs[picture][..., 1]) > 0.9
            assert np.corrcoef(y.ravel(), u.ravel())[0, 1] > 0.9  # not mirrored


def test_pictures_of_signs_are_on_the_outline_that_they_are_drawn_for() -> None:
    from perception.world.render.textures.signs import SIGN_SHAPES

    names = {"disc": {ROUND, BOARD}, "triangle": {TRIANGLE}, "diamond": {DIAMOND}, "octagon": {OCTAGON}}
    names["square"] = {SQUARE, TALL, WIDE, ARROW}
    for outline, look in DESIGNS:
        assert look is None or outline in names[SIGN_SHAPES[look]]


def test_one_lamp_of_each_head_of_a_traffic_light_is_lit() -> None:
    seen = set()
    for seed in range(30):
        mesh = make_traffic_light(np.random.default_rng(seed))
        lit = mesh.material_ids == Material.LAMP
        tints = {tuple(int(c) for c in tint) for tint in mesh.tints[lit]}
        assert len(tints) == 1 and tints <= set(LIT)
        seen |= tints
        assert (mesh.class_ids[lit] == Class.TRAFFIC_LIGHT).all()
        head = mesh.triangles[mesh.class_ids == Class.TRAFFIC_LIGHT]
        assert head[..., 2].min() > 1.8
    assert len(seen) == 3


@pytest.mark.parametrize("family", CONES)
def test_cones_taper_and_most_have_stripes(family) -> None:
    parts = Parts(Class.TRAFFIC_CONE)
    family(parts, np.random.default_rng(0))
    mesh = parts.mesh()
    corners = mesh.triangles.reshape(-1, 3)
    top = corners[corners[:, 2] > 0.9 * corners[:, 2].max()]
    assert np.abs(top[:, :2]).max() < 0.8 * np.abs(corners[:, :2]).max()
    assert volume(mesh.triangles) > 0.0


def test_striped_cones_carry_bright_bands_that_a_scanner_sees() -> None:
    share = [(make_cone(np.random.default_rng(seed)).material_ids == Material.SIGN).any() for seed in range(30)]
    assert 0.2 < np.mean(share) < 0.95


@pytest.mark.parametrize("family", CHAIRS)
def test_one_can_sit_on_a_chair(family) -> None:
    parts = Parts(Class.CHAIR)
    family(parts, np.random.default_rng(2), TRAINING)
    mesh = parts.mesh()
    normals = np.cross(mesh.triangles[:, 1] - mesh.triangles[:, 0], mesh.triangles[:, 2] - mesh.triangles[:, 0])
    middle = mesh.triangles.mean(axis=1)
    up = normals[:, 2] > 0.9 * np.linalg.norm(normals, axis=1)
    is_seat = up & (np.abs(middle[:, 2] - SEAT) < 0.1) & (np.abs(middle[:, :2]) < 0.3).all(axis=1)
    is_stool = up & (middle[:, 2] > 0.6) & (middle[:, 2] < 0.85) & (np.abs(middle[:, :2]) < 0.25).all(axis=1)
    assert areas(mesh)[is_seat | is_stool].sum() > 0.03
    above = mesh.triangles[..., 2] > SEAT + 0.15
    assert mesh.triangles[above][:, 0].mean() < 0.05  # the back is behind


def test_chairs_and_benches_are_of_different_classes() -> None:
    assert set(make_chair(np.random.default_rng(0)).class_ids) == {Class.CHAIR}
    assert set(make_bench(np.random.default_rng(0)).class_ids) == {Class.OTHERS}


def test_plants_in_pots_have_leaves_above_their_pots() -> None:
    for seed in range(10):
        mesh = furniture.make_potted_plant(np.random.default_rng(seed))
        soil = mesh.triangles[mesh.material_ids == Material.SOIL][..., 2].max()
        assert mesh.triangles[..., 2].max() > soil + 0.1


@pytest.mark.parametrize("variety", [TRAINING, Variety(is_held_out=True)])
def test_a_fence_has_the_length_that_was_asked_for(variety: Variety) -> None:
    for length in (1.0, 3.3, 7.0):
        mesh = make_fence(np.random.default_rng(1), length, variety)
        assert mesh.triangles[..., 0].min() > -0.15 and mesh.triangles[..., 0].max() == pytest.approx(length, abs=0.15)


def test_every_piece_of_a_street_can_be_drawn_and_shares_are_positive() -> None:
    for draw, share in furniture.PIECES:
        assert share > 0.0
        assert len(draw(np.random.default_rng(0), TRAINING)) > 10


@pytest.mark.parametrize("name", furniture.__all__)
def test_every_maker_works_on_both_sides_of_the_split(name: str) -> None:
    make = getattr(furniture, name)
    if not callable(make):
        return
    arguments = (3.0,) if name == "make_fence" else ()
    for variety in (TRAINING, Variety(is_held_out=True)):
        for seed in range(3):
            mesh = make(np.random.default_rng(seed), *arguments, variety)
            assert len(mesh) > 10 and np.isfinite(mesh.triangles).all()
            assert -0.25 < mesh.triangles[..., 2].min() < 0.02
