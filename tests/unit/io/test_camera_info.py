import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.core.cameras import CameraModel
from perception.core.errors import InvalidInput
from perception.core.types import ImageFrame
from perception.io.camera_info import CameraInfos, Rectifier, camera_from, crop_camera, crop_frame, pinhole, pixel_maps
from tests.unit.io.messages import camera_info

K = np.array([[300.0, 0.0, 160.5], [0.0, 310.0, 118.0], [0.0, 0.0, 1.0]])
LENSES = {
    "plumb_bob": (-0.28, 0.07, 0.0012, -0.0008, 0.01),
    "rational_polynomial": (0.25, 0.02, 0.0004, -0.0003, 0.001, 0.40, 0.05, 0.004),
    "equidistant": (0.03, -0.01, 0.004, -0.001),
}


def camera(lens, width=320, height=240):
    return CameraModel(width, height, K, lens, np.array(LENSES[lens]))


def test_a_calibration_becomes_its_camera():
    found = camera_from(camera_info(320, 240, K=K.ravel(), D=LENSES["plumb_bob"]))
    assert (found.width, found.height, found.distortion) == (320, 240, "plumb_bob")
    np.testing.assert_array_equal(found.K, K)
    np.testing.assert_array_equal(found.D, LENSES["plumb_bob"])


def test_ros_1_writes_the_matrices_in_capitals():
    msg = camera_info(D=LENSES["plumb_bob"])
    msg.K, msg.D = msg.k, msg.d
    expected = camera_from(msg)
    del msg.k, msg.d
    np.testing.assert_array_equal(camera_from(msg).D, expected.D)


@pytest.mark.parametrize(
    ("model", "D", "distortion", "coefficients"),
    [
        ("plumb_bob", (), "none", ()),
        ("plumb_bob", (0.0,) * 5, "none", ()),
        ("", (), "none", ()),
        ("plumb_bob", (0.1, 0.2, 0.0, 0.0), "plumb_bob", (0.1, 0.2, 0.0, 0.0, 0.0)),
        ("plumb_bob", (0.1, 0.2, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0), "plumb_bob", (0.1, 0.2, 0.0, 0.0, 0.3)),
        ("rational_polynomial", (*LENSES["rational_polynomial"], *(0.0,) * 6), "rational_polynomial", None),
        ("fisheye", LENSES["equidistant"], "equidistant", None),
    ],
)
def test_coefficients_of_zero_may_be_left_out_or_added(model, D, distortion, coefficients):
    found = camera_from(camera_info(model=model, D=D))
    assert found.distortion == distortion
    np.testing.assert_array_equal(found.D, LENSES[distortion] if coefficients is None else coefficients)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"K": (0.0,) * 9}, "K: is zero: the camera is not calibrated; run camera_calibration"),
        ({"K": (np.nan,) * 9}, "all finite"),
        ({"K": (50.0,) * 8}, "expected 9 numbers"),
        ({"D": (np.inf, 0.0)}, "all finite"),
        ({"model": "thin_prism", "D": (0.1,)}, "'thin_prism' is unknown; calibrate the camera with one of .*plumb_bob"),
        ({"D": (0.1, 0.2, 0.0, 0.0, 0.3, 0.4)}, "'plumb_bob' has 5 coefficients"),
        ({"K": (-50.0, 0, 3, 0, 50, 2, 0, 0, 1)}, "focal lengths must be positive"),
        ({"roi": (30, 0, 40, 20)}, "40x20 at .30, 0. is no part of an image of 64x48"),
        ({"width": 0}, "size and focal lengths must be positive"),
    ],
)
def test_a_calibration_that_makes_no_camera_is_refused(options, reason):
    with pytest.raises(InvalidInput, match=reason):
        camera_from(camera_info(**options))


def test_a_region_of_interest_is_a_crop():
    found = camera_from(camera_info(roi=(8, 4, 32, 16), D=LENSES["plumb_bob"]))
    assert (found.width, found.height) == (32, 16)
    points = np.random.default_rng(0).uniform((-1, -1, 3), (1, 1, 9), (50, 3))
    full = camera_from(camera_info(D=LENSES["plumb_bob"]))
    np.testing.assert_allclose(found.project(points), full.project(points) - [8, 4], atol=1e-9)


def test_a_binned_pixel_lies_in_the_middle_of_those_it_is_made_of():
    full = camera_from(camera_info())
    found = camera_from(camera_info(binning=(2, 4)))
    assert (found.width, found.height) == (32, 12)
    rays = full.rays(np.array([[6.5, 9.5]]))  # of the pixels 6, 7 and 8 to 11
    np.testing.assert_allclose(found.project(rays), [[3.0, 2.0]], atol=1e-9)


def test_the_same_numbers_give_the_same_camera_and_new_ones_another():
    infos = CameraInfos()
    infos.take(camera_info(D=LENSES["plumb_bob"]))
    first = infos.camera
    infos.take(camera_info(D=LENSES["plumb_bob"]))
    assert infos.camera is first
    infos.take(camera_info(D=(0.1,)))
    assert infos.camera is not first


def test_an_uncalibrated_camera_is_told_once_and_leaves_no_old_calibration():
    infos = CameraInfos()
    infos.take(camera_info())
    with pytest.raises(InvalidInput, match="not calibrated"):
        infos.take(camera_info(K=(0.0,) * 9))
    infos.take(camera_info(K=(0.0,) * 9))
    assert infos.camera is None
    assert "not calibrated" in infos.refusal


@pytest.mark.parametrize("lens", LENSES)
def test_the_maps_are_where_the_camera_sees_what_the_rectified_one_sees(lens):
    bent = camera(lens)
    v, u = np.mgrid[: bent.height, : bent.width]
    rays = pinhole(bent).rays(np.stack([u, v], axis=-1))
    np.testing.assert_allclose(np.stack(pixel_maps(bent, pinhole(bent)), axis=-1), bent.project(rays), atol=1e-3)


@pytest.mark.parametrize("lens", LENSES)
def test_a_rectified_dot_lies_where_opencv_undistorts_it_to(lens):
    bent, rectifier = camera(lens), Rectifier(camera(lens))
    v, u = np.mgrid[: bent.height, : bent.width]
    for x, y in ((60.3, 50.8), (160.0, 120.0), (250.6, 190.2)):
        dot = np.exp(-((u - x) ** 2 + (v - y) ** 2) / 8.0)
        out = rectifier.apply(np.rint(255.0 * dot).astype(np.uint8)).astype(float)
        found = np.array([(out * u).sum(), (out * v).sum()]) / out.sum()
        undistort = cv2.fisheye.undistortPoints if lens == "equidistant" else cv2.undistortPoints
        expected = undistort(np.array([[[x, y]]]), bent.K, bent.D, P=bent.K).ravel()
        np.testing.assert_allclose(found, expected, atol=0.15)


def test_rectified_depth_is_that_of_the_nearest_pixel_and_nan_outside():
    lens = camera("plumb_bob")
    stretched = CameraModel(320, 240, np.array([[150.0, 0, 160], [0, 150, 120], [0, 0, 1]]))
    depth = np.random.default_rng(0).uniform(1.0, 50.0, (240, 320)).astype(np.float32)
    out = Rectifier(lens, stretched).apply(depth)
    columns, rows = (np.rint(m).astype(int) for m in pixel_maps(lens, stretched))
    is_inside = (columns >= 0) & (columns < 320) & (rows >= 0) & (rows < 240)
    assert 0.1 < is_inside.mean() < 0.9
    expected = np.where(is_inside, depth[rows.clip(0, 239), columns.clip(0, 319)], np.nan)
    differs = ~((out == expected) | (np.isnan(out) & np.isnan(expected)))
    assert differs.mean() < 2e-3  # halves may be rounded the other way
    assert np.isin(out[is_inside & ~np.isnan(out)], depth).all()


def test_what_a_lens_bends_far_out_is_black_and_not_taken_from_elsewhere():
    pole = CameraModel(320, 240, K, "rational_polynomial", np.array([0, 0, 0, 0, 0, -12.0, 0, 0.0]))
    columns, rows = pixel_maps(pole, pinhole(pole))
    is_far = (np.abs(columns) > 40_000) | (np.abs(rows) > 40_000)
    assert is_far.any()
    out = Rectifier(pole).apply(np.full((240, 320), 255, np.uint8))
    assert not out[is_far].any()
    assert out[118, 160] == 255


def test_an_image_beyond_the_maps_of_opencv_is_refused():
    long = CameraModel(40_000, 2, K, "plumb_bob", np.array([0.1, 0.0, 0.0, 0.0, 0.0]))
    with pytest.raises(InvalidInput, match="more than 32000 on a side cannot be rectified"):
        Rectifier(long)


def test_an_ideal_camera_gives_the_image_itself():
    ideal = CameraModel(320, 240, K)
    pixels = np.zeros((240, 320, 3), np.uint8)
    assert Rectifier(ideal).apply(pixels) is pixels
    assert Rectifier(ideal).rectified is ideal


def test_an_image_of_another_size_is_refused():
    with pytest.raises(InvalidInput, match="320x200, but the camera is 320x240; give the calibration"):
        Rectifier(camera("plumb_bob")).apply(np.zeros((200, 320), np.uint8))


def test_a_rectifier_can_make_only_the_part_that_is_wanted():
    bent, window = camera("plumb_bob"), (40, 30, 100, 80)
    picture = np.random.default_rng(1).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    whole = Rectifier(bent).frame(ImageFrame(1, "camera", picture, bent))
    part = Rectifier(bent, crop_camera(pinhole(bent), window)).frame(ImageFrame(1, "camera", picture, bent))
    np.testing.assert_array_equal(part.pixels, crop_frame(whole, window).pixels)
    np.testing.assert_array_equal(part.camera.K, crop_frame(whole, window).camera.K)


@given(st.integers(0, 300), st.integers(0, 200), st.integers(1, 320), st.integers(1, 240))
def test_a_crop_sees_the_same_point_moved_by_its_corner(left, top, width, height):
    bent = camera("rational_polynomial")
    window = (left, top, width, height)
    if left + width > 320 or top + height > 240:
        with pytest.raises(InvalidInput, match="is no part of an image of 320x240"):
            crop_camera(bent, window)
        return
    point = np.array([0.3, -0.2, 2.0])
    np.testing.assert_allclose(crop_camera(bent, window).project(point), bent.project(point) - [left, top], atol=1e-9)
    picture = np.arange(240 * 320, dtype=np.float32).reshape(240, 320)
    cut = crop_frame(ImageFrame(1, "camera", picture, bent), window)
    assert cut.pixels.flags.c_contiguous
    assert cut.pixels[0, 0] == picture[top, left]
