"""Motion blur, noise and tone curve: against their definitions in NumPy, and by numbers that can be told beforehand."""

import numpy as np
import pytest

from perception.world.render import post

SIZE = (20, 30)


def random_image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.0, 2.0, size=(*SIZE, 3)).astype(np.float32)


def blurred_by_numpy(image: np.ndarray, motions: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """The definition of `post.blur`."""
    height, width = depth.shape
    out = image.astype(np.float64)
    for y in range(height):
        for x in range(width):
            length = np.hypot(*motions[y, x].astype(np.float64))
            if length < post.SHARP:
                continue
            taps = min(2 + int(length), post.MAX_TAPS)
            f = (np.arange(taps) + 0.5) / taps - 0.5
            u = np.clip((x + f * motions[y, x, 0] + 0.5).astype(int), 0, width - 1)
            v = np.clip((y + f * motions[y, x, 1] + 0.5).astype(int), 0, height - 1)
            is_before = depth[v, u] < 0.95 * depth[y, x]
            stays = (motions[v, u].astype(np.float64) ** 2).sum(axis=-1) < 4.0 * f * f * length**2
            weights = np.where(is_before & stays, 0.05, 1.0)
            out[y, x] = (weights[:, None] * image[v, u]).sum(axis=0) / weights.sum()
    return out


def developed(image: np.ndarray, key: int = 1, shot: float = 0.0, read: float = 0.0) -> np.ndarray:
    out = np.empty(image.shape, dtype=np.uint8)
    post.develop(image, np.uint64(key), shot, read, post.CURVE, out)
    return out


def test_blur_agrees_with_its_definition():
    rng = np.random.default_rng(0)
    image = random_image(1)
    motions = rng.normal(scale=4.0, size=(*SIZE, 2)).astype(np.float32)
    depth = rng.uniform(1.0, 9.0, size=SIZE).astype(np.float32)
    out = np.empty_like(image)
    post.blur(image, motions, depth, out)
    agrees = np.isclose(out, blurred_by_numpy(image, motions, depth), atol=1e-4).all(axis=-1)
    assert agrees.mean() > 0.99  # a tap may round to the next pixel


def test_what_stands_still_stays_sharp():
    image, out = random_image(2), np.empty((*SIZE, 3), dtype=np.float32)
    post.blur(image, np.zeros((*SIZE, 2), np.float32), np.ones(SIZE, np.float32), out)
    assert np.array_equal(out, image)


def test_motion_of_a_camera_that_turns_and_slides_is_that_of_the_projected_points():
    focal, depth = 100.0, 5.0
    v, u = np.mgrid[: SIZE[0] + 1, : SIZE[1] + 1]
    rays = np.stack([(u - 15.0) / focal, (v - 10.0) / focal], axis=-1).astype(np.float32)
    slide = np.zeros((2, 1, 3, 4), dtype=np.float32)
    slide[:, 0, :, :3] = np.eye(3)
    slide[0, 0, 0, 3], slide[1, 0, 0, 3] = 0.05, -0.05  # m: the camera moves to the right by 0.1 m
    out = np.empty((*SIZE, 2), dtype=np.float32)
    rows = np.zeros(SIZE, dtype=np.int32)
    post.motion(rays, np.full(SIZE, depth, np.float32), rows, np.zeros(1, np.int32), slide, 1.0, out)
    assert out[..., 0] == pytest.approx(-0.1 * focal / depth, rel=1e-4)
    assert out[..., 1] == pytest.approx(0.0, abs=1e-4)


def test_the_sky_does_not_move_with_a_camera_that_only_slides():
    v, u = np.mgrid[: SIZE[0] + 1, : SIZE[1] + 1]
    rays = np.stack([u / 50.0 - 0.3, v / 50.0 - 0.2], axis=-1).astype(np.float32)
    slide = np.zeros((2, 1, 3, 4), dtype=np.float32)
    slide[:, 0, :, :3] = np.eye(3)
    slide[:, 0, :, 3] = 0.4
    out = np.empty((*SIZE, 2), dtype=np.float32)
    sky = np.full(SIZE, -1, dtype=np.int32)
    post.motion(rays, np.full(SIZE, np.inf, np.float32), sky, np.zeros(1, np.int32), slide, 1.0, out)
    assert np.abs(out).max() < 1e-4


def test_the_tone_curve_rises_from_black_to_white():
    light = np.linspace(0.0, 20.0, 4001)
    grey = post.tone_curve(light)
    assert grey[0] == 0.0
    assert grey[-1] == pytest.approx(1.0, abs=0.01)
    assert (np.diff(grey) >= 0.0).all()
    assert 0.35 < post.tone_curve(np.array(0.18)) < 0.55


def test_developing_follows_the_tone_curve_in_the_middle_of_the_image():
    for light in (0.0, 0.02, 0.18, 0.5, 1.0, 3.0):
        out = developed(np.full((3, 3, 3), light, dtype=np.float32))
        assert out[1, 1].astype(float) == pytest.approx(255.0 * post.tone_curve(np.array(light)), abs=1.0)


def test_noise_has_the_variance_of_shot_and_read_noise():
    light, shot, read = 0.3, 4e-4, 0.01
    image = np.full((120, 160, 3), light, dtype=np.float32)
    grey = developed(image, 7, shot, read)[50:70, 60:100].astype(float)
    slope = (post.tone_curve(np.array(light + 0.01)) - post.tone_curve(np.array(light - 0.01))) / 0.02 * 255.0
    assert grey.std() == pytest.approx(slope * np.sqrt(shot * light + read**2), rel=0.1)


def test_noise_follows_from_its_key_alone():
    image = random_image(3)
    assert np.array_equal(developed(image, 5, 1e-3, 0.01), developed(image, 5, 1e-3, 0.01))
    assert not np.array_equal(developed(image, 5, 1e-3, 0.01), developed(image, 6, 1e-3, 0.01))


def test_light_that_is_not_there_or_too_much_stays_in_range():
    image = np.array([[[-1.0, 0.0, 1e9]]], dtype=np.float32)
    assert developed(image).tolist() == [[[0, 0, 255]]]


def test_the_exposure_brightens_dark_images_and_darkens_bright_ones_but_only_in_part():
    dark, bright = np.full((*SIZE, 3), 0.05, np.float32), np.full((*SIZE, 3), 0.9, np.float32)
    assert 1.0 < post.metered(dark, 0.0) < post.GREY / 0.05
    assert post.GREY / 0.9 < post.metered(bright, 0.0) < 1.0
    assert post.metered(dark, 1.0) < post.metered(dark, 0.0)


def test_the_exposure_of_a_black_or_tiny_image_is_finite():
    assert np.isfinite(post.metered(np.zeros((*SIZE, 3), np.float32), 0.0))
    assert post.metered(np.zeros((2, 2, 3), np.float32), 0.0) == 1.0
