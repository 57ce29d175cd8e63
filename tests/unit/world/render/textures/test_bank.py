"""The texture bank: every look bakes, repeats without a seam, keeps its brightness with distance, and is its own."""

from functools import lru_cache

import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.world.materials import UNIT_TEXTURES, VARIANTS, Texture
from perception.world.render.textures.bank import NUM_LAYERS, REPEAT, TextureBank, bake, sample
from perception.world.render.textures.mipmaps import linear_of, srgb_of

HELD_OUT = (6, 7)
METRE_TEXTURES = [texture for texture in Texture if texture not in UNIT_TEXTURES]


@lru_cache(maxsize=1)
def whole_bank() -> TextureBank:
    return bake(range(NUM_LAYERS))


@pytest.mark.parametrize("family", METRE_TEXTURES)
def test_a_texture_in_metres_continues_over_its_border_as_it_does_inside(family: Texture) -> None:
    for variant in range(VARIANTS):
        image = whole_bank().image(family.layer(variant))[..., :3].astype(np.float64)
        for axis in (0, 1):
            steps = np.abs(image - np.roll(image, 1, axis=axis)).mean(axis=(1 - axis, 2))
            assert steps[0] <= 1.5 * steps[1:].max() + 0.5, (family, variant, axis)


def test_no_level_is_brighter_or_darker_than_the_first() -> None:
    bank = whole_bank()
    for texture_id in range(0, NUM_LAYERS, 5):
        layer = bank.layer(texture_id)
        for level in range(int(bank.num_levels[layer])):
            light = linear_of(bank.image(texture_id, level)[..., :3]).mean(axis=(0, 1))
            np.testing.assert_allclose(light, bank.mean_colors[layer], rtol=0.02, atol=0.002)


def test_each_level_is_the_box_mean_of_the_sharpest_in_linear_light() -> None:
    bank = whole_bank()
    texture_id = Texture.BRICK.layer(3)
    light = linear_of(bank.image(texture_id)[..., :3]).astype(np.float64)
    blocks = light.reshape(light.shape[0] // 8, 8, light.shape[1] // 8, 8, 3).mean(axis=(1, 3))
    difference = srgb_of(blocks).astype(int) - bank.image(texture_id, 3)[..., :3]
    assert np.abs(difference).max() <= 1


def test_levels_follow_each_other_without_gaps_and_end_with_one_texel() -> None:
    bank = bake([Texture.ASPHALT.layer(0), Texture.PLAIN.layer(1)])
    end = 0
    for layer in range(2):
        for level in range(int(bank.num_levels[layer])):
            assert bank.levels[layer, level] == end
            end += (int(bank.sizes[layer]) >> level) ** 2
        assert int(bank.sizes[layer]) >> (int(bank.num_levels[layer]) - 1) == 1
        assert (bank.levels[layer, bank.num_levels[layer] :] == bank.levels[layer, bank.num_levels[layer] - 1]).all()
    assert end == len(bank.texels)


def test_a_look_depends_on_its_number_alone() -> None:
    few = bake(np.array([Texture.FUR.layer(4), Texture.POSTER.layer(6), Texture.FUR.layer(4)], dtype=np.uint16))
    assert len(few.texture_ids) == 2
    for texture_id in few.texture_ids:
        np.testing.assert_array_equal(few.image(int(texture_id)), whole_bank().image(int(texture_id)))


@pytest.mark.parametrize("family", list(Texture))
def test_all_looks_of_a_family_differ_held_out_ones_from_every_training_one(family: Texture) -> None:
    images = [whole_bank().image(family.layer(v))[..., :3].astype(np.float64) for v in range(VARIANTS)]
    for held_out in HELD_OUT:
        for other in range(VARIANTS):
            if other != held_out:
                assert np.abs(images[held_out] - images[other]).mean() > 1.0, (family, held_out, other)


@pytest.mark.parametrize(
    "family",
    [Texture.PLAIN, Texture.PLASTER, Texture.METAL, Texture.CORRUGATED, Texture.CLOTH, Texture.WALLPAPER, Texture.DOOR],
)
def test_families_that_are_tinted_are_bright_and_nearly_grey(family: Texture) -> None:
    bank = whole_bank()
    for variant in range(VARIANTS):
        color = srgb_of(bank.mean_colors[bank.layer(family.layer(variant))]).astype(int)
        assert color.min() > 165
        assert np.ptp(color) < 25


def test_the_bank_holds_what_was_asked_for_and_says_what_it_lacks() -> None:
    bank = bake([Texture.GRASS.layer(2)])
    assert bank.texture_ids.tolist() == [Texture.GRASS.layer(2)]
    assert bank.repeats[0] == REPEAT[Texture.GRASS]
    with pytest.raises(InvalidInput, match="not in this bank"):
        bank.layer(Texture.GRASS.layer(1))
    with pytest.raises(InvalidInput, match="level: 10"):
        bank.image(Texture.GRASS.layer(2), 10)


@pytest.mark.parametrize("texture_id", [-1, NUM_LAYERS])
def test_a_number_that_names_no_look_is_refused(texture_id: int) -> None:
    with pytest.raises(InvalidInput, match="names no look"):
        bake([0, texture_id])


def test_an_empty_bank_is_legal() -> None:
    bank = bake([])
    assert len(bank.texels) == 0
    assert (bank.layers == -1).all()


def test_sampling_at_a_texel_gives_the_texel_and_between_two_their_mean() -> None:
    texture_id = Texture.PAVING.layer(0)
    bank = bake([texture_id])
    image, metres = bank.image(texture_id).astype(np.float64), float(REPEAT[Texture.PAVING])
    side = image.shape[0]
    u, v = np.array([(10 + 0.5) / side, 11.0 / side]) * metres, np.array([(20 + 0.5) / side] * 2) * metres
    got = sample(bank, texture_id, u, v, 0)
    np.testing.assert_allclose(got[0], image[20, 10], atol=1e-6)
    np.testing.assert_allclose(got[1], 0.5 * (image[20, 10] + image[20, 11]), atol=1e-6)


def test_textures_in_metres_repeat_and_unit_textures_are_held_at_their_border() -> None:
    wall, sign = Texture.BRICK.layer(0), Texture.SIGN.layer(0)
    bank = bake([wall, sign])
    metres = float(REPEAT[Texture.BRICK])
    u, v = np.array([0.3, 0.7]), np.array([1.1, 0.2])
    np.testing.assert_allclose(
        sample(bank, wall, u, v, 1), sample(bank, wall, u - 3 * metres, v + metres, 1), atol=1e-6
    )
    corner = sample(bank, sign, np.array([-0.5, 1.5]), np.array([-0.5, 1.5]), 0)
    image = bank.image(sign)
    np.testing.assert_array_equal(corner, np.stack([image[0, 0], image[-1, -1]]))


def test_pictures_stand_upright() -> None:
    image = whole_bank().image(Texture.SIGN.layer(1))[..., :3].astype(int)
    is_red = (image[..., 0] > 150) & (image[..., 1] < 90)
    rows = is_red.sum(axis=1)
    assert rows[5] > 200 > 10 > rows[-5]  # the foot of the triangle is at v = 0


def test_srgb_values_survive_the_way_to_linear_light_and_back() -> None:
    values = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(srgb_of(linear_of(values)), values)
