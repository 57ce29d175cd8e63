"""Texture look-ups of the kernels against the definition of the bank, and what footprints must do."""

import numpy as np
import pytest

from perception.world.materials import Texture
from perception.world.render.texels import SHARPNESS, linear, sample, texels_of
from perception.world.render.textures.bank import bake
from perception.world.render.textures.bank import sample as sample_by_numpy

BRICK, SIGN = Texture.BRICK.layer(0), Texture.SIGN.layer(1)
ROUNDING = 2.5 / 255.0  # weights have 8 bits


def look_up(texture_id: int, u: float, v: float, steps: tuple[float, ...]) -> np.ndarray:
    t = texels_of(np.array([BRICK, SIGN]))
    row = (t.offsets, texture_id, int(t.sizes[texture_id]), float(t.repeats[texture_id]), t.is_unit[texture_id])
    return np.array(sample(t.data, *row, u, v, *steps))


@pytest.mark.parametrize("texture_id", [BRICK, SIGN])
def test_a_near_texture_is_the_bilinear_one_of_the_definition(texture_id):
    rng = np.random.default_rng(0)
    bank = bake([BRICK, SIGN])
    places = rng.uniform(0.05, 0.95, size=(40, 2)) if texture_id == SIGN else rng.uniform(-90.0, 90.0, size=(40, 2))
    for u, v in places:
        expected = sample_by_numpy(bank, texture_id, np.array([u]), np.array([v]), 0)[0] / 255.0
        found = look_up(texture_id, u, v, (1e-5, 0.0, 0.0, 1e-5))
        assert found[[0, 1, 2, 3]] == pytest.approx(expected, abs=ROUNDING)


def test_a_far_texture_is_its_mean_colour():
    bank = bake([BRICK, SIGN])
    side = len(bank.image(BRICK, 0))
    last = bank.image(BRICK, int(np.log2(side)))[0, 0] / 255.0
    assert look_up(BRICK, 3.3, 1.2, (500.0, 0.0, 0.0, 500.0)) == pytest.approx(last, abs=ROUNDING)


def test_a_level_in_between_is_a_mixture_of_its_neighbours():
    bank = bake([BRICK, SIGN])
    step = 2.0 ** (1.5 - SHARPNESS) * bank.repeats[bank.layer(BRICK)] / len(bank.image(BRICK, 0))
    at = np.array([0.37]), np.array([0.81])
    fine, coarse = (sample_by_numpy(bank, BRICK, *at, level)[0] / 255.0 for level in (1, 2))
    found = look_up(BRICK, 0.37, 0.81, (step, 0.0, 0.0, step))
    assert found == pytest.approx(0.5 * (fine + coarse), abs=2.0 * ROUNDING)


def test_a_long_footprint_stays_sharp_across_itself():
    """Rows of bricks seen along the wall: the joints must still be seen, as by a short footprint."""
    v = np.linspace(0.0, 0.5, 60)
    long = np.array([look_up(BRICK, 0.3, y, (0.06, 0.0, 0.0, 0.008))[0] for y in v])
    blurred = np.array([look_up(BRICK, 0.3, y, (0.06, 0.0, 0.0, 0.06))[0] for y in v])
    assert long.std() > 1.5 * blurred.std()


def test_unit_textures_end_at_their_border():
    inside = look_up(SIGN, 0.999, 0.5, (1e-5, 0.0, 0.0, 1e-5))
    assert look_up(SIGN, 3.7, 0.5, (1e-5, 0.0, 0.0, 1e-5)) == pytest.approx(inside, abs=ROUNDING)


def test_extreme_footprints_are_finite():
    for steps in [(0.0, 0.0, 0.0, 0.0), (1e30, 0.0, 0.0, 1e-30), (1e6, 1e6, 1e6, 1e6)]:
        assert np.isfinite(look_up(BRICK, 1e5, -1e5, steps)).all()


def test_linear_light_follows_the_standard_within_a_thousandth():
    srgb = np.linspace(0.0, 1.0, 256)
    standard = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    assert linear(srgb) == pytest.approx(standard, abs=2e-3)
