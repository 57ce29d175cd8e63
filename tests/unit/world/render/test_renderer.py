"""Whole images: ground truth beside the colour, the same bytes from any thread, and what weather and exposure do."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from perception.core.cameras import Distortion
from perception.world.render.visibility import rasterise
from tests.unit.world.render.lit import exposure, street


@pytest.fixture(scope="module")
def day():
    return street(weather="day")


def test_ground_truth_is_what_the_middles_of_the_pixels_see(day):
    renderer, world = day
    shot = exposure(renderer)
    frame = renderer.render(shot)
    seen = rasterise(world, shot.camera.model, shot.T_world_camera[1], shot.T_world_mover[1])
    assert np.array_equal(frame.rows, seen.rows[..., 0])
    assert np.array_equal(frame.depth, seen.depth[..., 0])


def test_normals_are_unit_and_face_the_camera_and_the_sky_has_none(day):
    renderer, _ = day
    shot = exposure(renderer)
    frame = renderer.render(shot)
    v, u = np.mgrid[: frame.rows.shape[0], : frame.rows.shape[1]]
    rays = shot.camera.model.rays(np.stack([u, v], axis=-1))
    is_seen = frame.rows >= 0
    assert np.linalg.norm(frame.normals[is_seen], axis=-1) == pytest.approx(1.0, abs=1e-5)
    assert ((frame.normals * rays).sum(axis=-1)[is_seen] <= 1e-6).all()
    assert (frame.normals[~is_seen] == 0.0).all()
    assert (~is_seen).any()


def test_any_thread_gives_the_same_bytes():
    renderer, _ = street(weather="rain", cameras={"noise": 1.0, "exposure_ms": 6.0})
    shots = [exposure(renderer, number, slide=0.1) for number in range(4)]
    alone = [renderer.render(shot).color for shot in shots]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda shot: renderer.render(shot).color, shots[::-1]))[::-1]
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
    assert not np.array_equal(alone[0], alone[1])


def test_a_longer_exposure_is_brighter_and_a_shorter_one_darker(day):
    renderer, _ = day
    means = [renderer.render(exposure(renderer, brightness=stops)).color.mean() for stops in (-1.0, 0.0, 1.0)]
    assert means[0] < means[1] < means[2]


def test_the_night_is_darker_than_the_day(day):
    renderer, _ = day
    night, _ = street(weather="night")
    assert night.render(exposure(night)).color.mean() < 0.6 * renderer.render(exposure(renderer)).color.mean()


def test_fog_hides_what_is_far():
    foggy, _ = street(weather="fog")
    frame = foggy.render(exposure(foggy))
    far = (frame.depth > 25.0) & (frame.rows >= 0)
    near = (frame.depth < 5.0) & (frame.rows >= 0)
    assert frame.color[far].std() < 0.5 * frame.color[near].std() + 4.0
    assert frame.color[far].mean() > frame.color[near].mean()


@pytest.mark.parametrize("lens", ["plumb_bob", "rational_polynomial", "equidistant"])
def test_any_lens_shows_the_world(day, lens: Distortion):
    renderer, _ = day
    frame = renderer.render(exposure(renderer, lens=lens))
    assert frame.color.std() > 10.0
    assert np.isfinite(frame.normals).all()


def test_motion_blurs_what_is_near_along_the_motion():
    renderer, _ = street(weather="day", cameras={"exposure_ms": 6.0})
    sharp = renderer.render(exposure(renderer)).color.astype(float)
    moved = renderer.render(exposure(renderer, slide=1.0)).color.astype(float)
    assert np.abs(np.diff(moved, axis=0)).mean() < np.abs(np.diff(sharp, axis=0)).mean()


def test_noise_is_scaled_by_its_setting():
    def spread(noise: float) -> float:
        renderer, _ = street(weather="night", cameras={"noise": noise})
        first, second = (renderer.render(exposure(renderer, number)).color.astype(float) for number in (0, 1))
        return float((first - second).std())

    assert spread(0.0) == 0.0
    assert spread(2.0) > 1.5 * spread(1.0) > 0.5


def test_stages_are_timed(day):
    renderer, _ = day
    frame, laps = renderer.render_timed(exposure(renderer))
    assert {"visibility", "shadows", "shading", "motion blur", "sensor"} <= set(laps)
    assert all(seconds >= 0.0 for seconds in laps.values())
    assert frame.color.shape == (64, 96, 3)


def test_warming_up_changes_no_image(day):
    renderer, _ = day
    before = renderer.render(exposure(renderer)).color
    renderer.warm_up()
    assert np.array_equal(renderer.render(exposure(renderer)).color, before)
