"""People: their parts and poses, and the walk along a line and back."""

import numpy as np
import pytest

from perception.core.classes import Class
from perception.core.stamps import NS_PER_S
from perception.world.layout import Terrain
from perception.world.materials import VARIANTS, Texture
from perception.world.objects.figure import (
    LEGWEAR,
    Build,
    draw_build,
    draw_outfit,
    make_figure,
    swung,
)
from perception.world.objects.people import HALF_WIDTH, SEAT_HEIGHT, Walk, make_person, sitting, standing
from perception.world.variety import TRAINING, Variety
from tests.unit.world.objects.families import volume

FLAT = Terrain(np.random.default_rng(0), 0.0)


def a_walk(speed: float = 1.2, length: float = 12.0, phase: float = 0.3) -> Walk:
    return Walk(np.array([2.0, 1.0]), np.array([2.0 + length, 1.0]), speed, phase, FLAT, 0.1)


@pytest.mark.parametrize("stature", [1.1, 1.5, 1.95])
def test_the_parts_of_a_figure_meet_and_reach_from_the_ground_to_its_stature(stature: float) -> None:
    build = Build(stature, 1.0, 1.0, stature < 1.4)
    figure = make_figure(build, draw_outfit(np.random.default_rng(1), TRAINING))
    assert abs(max(figure.trunk.triangles[..., 2].max() - stature, 0.0)) < 0.08
    for leg in figure.legs:
        assert abs(leg.mesh.triangles[..., 2].min()) < 1e-6
        assert leg.hinge[2] - leg.mesh.triangles[..., 2].max() < 0.05
    left, right = figure.arms
    assert left.hinge[1] > 0.1 and right.hinge[1] == pytest.approx(-left.hinge[1])
    assert left.mesh.triangles[..., 2].min() < 0.55 * stature


def test_limbs_and_trunk_are_closed_enough_to_face_outwards() -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        figure = make_figure(draw_build(rng), draw_outfit(rng, TRAINING))
        assert 0.01 < volume(figure.trunk.triangles - np.float32([0, 0, 1])) < 0.2
        for limb in (*figure.legs, *figure.arms):
            assert volume(limb.mesh.triangles - np.float32(limb.hinge)) > 5e-4


def test_a_limb_swings_back_about_its_hinge_and_a_knee_bends_its_lower_half_only() -> None:
    leg = make_figure(Build(1.75, 1.0, 1.0, False), draw_outfit(np.random.default_rng(1), TRAINING)).legs[0]
    back = swung(leg, 0.5)
    reach = np.linalg.norm(back.triangles - leg.hinge, axis=-1) - np.linalg.norm(
        leg.mesh.triangles - leg.hinge, axis=-1
    )
    np.testing.assert_allclose(reach, 0.0, atol=1e-5)
    assert back.triangles[..., 0].min() < -0.3
    bent = swung(leg, 0.0, 1.0)
    upper = leg.mesh.triangles[..., 2] > 0.6 * leg.hinge[2]
    np.testing.assert_allclose(bent.triangles[upper], leg.mesh.triangles[upper], atol=1e-6)
    assert bent.triangles[..., 2].min() > 0.05


def test_who_sits_has_the_hips_at_the_height_of_a_seat_and_the_feet_ahead() -> None:
    for seed in range(6):
        mesh = sitting(np.random.default_rng(seed), TRAINING)
        shoes = mesh.triangles[mesh.texture_ids // VARIANTS == Texture.RUBBER]
        assert shoes[..., 0].mean() > 0.25
        assert mesh.triangles[..., 2].max() < SEAT_HEIGHT + 1.3


def test_faces_look_ahead_and_span_their_texture() -> None:
    for seed in range(6):
        mesh = standing(np.random.default_rng(seed), TRAINING)
        face = mesh.texture_ids // VARIANTS == Texture.FACE
        assert face.sum() >= 12
        assert mesh.triangles[face][..., 0].mean() > mesh.triangles[..., 0].mean()
        uvs = mesh.uvs[face]
        assert np.ptp(uvs[..., 0]) > 0.9 and np.ptp(uvs[..., 1]) > 0.75
        left = uvs[..., 0] > 0.5  # seen from the front the person's left is on the right
        assert mesh.triangles[face][..., 1][left].mean() > 0.0


def test_clothes_of_evaluation_are_cut_differently() -> None:
    def cuts(variety: Variety) -> set[str]:
        return {draw_outfit(np.random.default_rng(seed), variety).legs for seed in range(40)}

    assert cuts(TRAINING) | cuts(Variety(is_held_out=True)) <= set(LEGWEAR)
    assert not cuts(TRAINING) & cuts(Variety(is_held_out=True))


def test_people_are_of_many_statures_and_children_are_among_them() -> None:
    statures = np.array([draw_build(np.random.default_rng(seed)).stature for seed in range(200)])
    assert statures.min() < 1.35 and statures.max() > 1.85
    assert set(make_person(np.random.default_rng(0)).class_ids) == {Class.PEDESTRIAN}


def test_a_walk_has_a_steady_speed_and_never_leaves_its_line() -> None:
    walk = a_walk()
    times = np.arange(0, 40 * NS_PER_S, NS_PER_S // 50)
    T = walk.poses(times)
    speed = np.linalg.norm(np.diff(T[:, :3, 3], axis=0), axis=1) * 50.0
    np.testing.assert_allclose(speed, 1.2, rtol=0.01)
    assert np.abs(T[:, 1, 3] - 1.0).max() < HALF_WIDTH + 1e-6
    assert T[:, 0, 3].min() > 2.0 - 1e-6 and T[:, 0, 3].max() < 14.0 + 1e-6
    ahead = np.diff(T[:, :3, 3], axis=0) / np.linalg.norm(np.diff(T[:, :3, 3], axis=0), axis=1, keepdims=True)
    assert np.einsum("ij,ij->i", ahead, T[:-1, :3, 0]).min() > 0.99
    np.testing.assert_allclose(np.linalg.det(T[:, :3, :3]), 1.0, atol=1e-9)
    np.testing.assert_allclose(np.diff(walk.distance(times)), 1.2 / 50.0)


def test_a_walk_repeats_after_a_round() -> None:
    walk = a_walk(phase=0.0)
    lap_ns = round(walk.lap / walk.speed * NS_PER_S)
    np.testing.assert_allclose(walk.poses(np.array([0, lap_ns]))[0], walk.poses(np.array([0, lap_ns]))[1], atol=1e-6)


def test_a_walk_of_no_length_turns_on_the_spot() -> None:
    walk = Walk(np.zeros(2), np.zeros(2), 1.0, 0.0, FLAT, 0.0)
    assert np.isfinite(walk.poses(np.arange(0, 5 * NS_PER_S, NS_PER_S // 4))).all()
