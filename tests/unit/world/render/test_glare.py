"""Bloom, rain and drops, the sky as it is looked up, and the weather that a seed draws."""

import numpy as np
import pytest

from perception.world.config import WorldConfig
from perception.world.render.glare import add_bloom, add_drops, add_rain
from perception.world.render.hashing import hash01
from perception.world.render.sky import _directions, paint_sky, radiance
from perception.world.render.weather import KINDS, draw_weather


def test_an_image_without_bright_parts_has_no_bloom():
    image = np.full((16, 24, 3), 0.8, dtype=np.float32)
    assert add_bloom(image) is image


def test_bloom_spreads_around_a_lamp_and_is_even_on_both_sides():
    image = np.zeros((64, 64, 3), dtype=np.float32)
    image[28:36, 28:36] = 5.0
    out = add_bloom(image)
    assert out[32, 24, 0] > out[32, 10, 0] > 0.0
    assert out[32, 24] == pytest.approx(out[32, 63 - 24], rel=1e-4)
    assert out[24, 32] == pytest.approx(out[63 - 24, 32], rel=1e-4)
    assert (out >= image).all()


def test_rain_and_drops_follow_from_their_generator_and_stay_finite():
    def wet(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        image = np.random.default_rng(0).uniform(0.0, 1.0, size=(64, 96, 3)).astype(np.float32)
        return add_drops(add_rain(image, np.ones(3), 60.0, rng), rng)

    assert np.array_equal(wet(1), wet(1))
    assert not np.array_equal(wet(1), wet(2))
    assert np.isfinite(wet(3)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_sky_is_looked_up_where_it_was_painted(kind):
    sky = paint_sky(draw_weather(WorldConfig(weather=kind)), 0)
    assert np.isfinite(sky.panorama).all()
    assert (sky.panorama >= 0.0).all()
    height, width = sky.panorama.shape[:2]
    directions = _directions((height, width))
    for row, column in [(height // 2 + 60, 5), (height - 2, width // 2), (40, width - 1), (height // 2 + 3, 0)]:
        found = radiance(sky.panorama, *directions[row, column])
        assert found == pytest.approx(sky.panorama[row, column], abs=1e-3)


def test_a_random_weather_is_drawn_by_the_seed_and_all_kinds_occur():
    kinds = [draw_weather(WorldConfig(seed=seed, weather="random")).kind for seed in range(60)]
    assert kinds == [draw_weather(WorldConfig(seed=seed, weather="random")).kind for seed in range(60)]
    assert set(kinds) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_sun_is_a_unit_vector_above_the_horizon(kind):
    for seed in range(20):
        weather = draw_weather(WorldConfig(seed=seed, weather=kind))
        assert np.linalg.norm(weather.sun) == pytest.approx(1.0)
        assert weather.sun[2] > 0.05


def test_hashes_are_even_and_differ_between_neighbours():
    values = np.array([[hash01(i, j, 0) for j in range(-40, 40)] for i in range(-40, 40)])
    assert values.min() >= 0.0
    assert values.max() < 1.0
    assert values.mean() == pytest.approx(0.5, abs=0.02)
    assert abs(np.corrcoef(values[:, :-1].ravel(), values[:, 1:].ravel())[0, 1]) < 0.05
