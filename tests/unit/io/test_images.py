"""Every encoding against arrays made by hand, and against what rosbags-image and OpenCV make of the same message."""

import struct

import cv2
import numpy as np
import pytest
from rosbags.image import image_to_cvimage, message_to_cvimage

from perception.core.cameras import CameraModel
from perception.core.errors import InvalidInput
from perception.io.images import ENCODINGS, image_from
from tests.unit.io.messages import STAMP_NS, compressed, image

LIMIT = 1_000_000
H, W = 8, 12
TILES = {"rggb": (0, 1, 1, 2), "bggr": (2, 1, 1, 0), "gbrg": (1, 2, 0, 1), "grbg": (1, 0, 2, 1)}  # channel by place


def pixels_of(msg):
    return image_from(msg, LIMIT).pixels


def random(shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


RGB = random((H, W, 3))
GREY = random((H, W))
ALPHA = random((H, W, 1), seed=1)


@pytest.mark.parametrize(
    ("encoding", "rows", "expected"),
    [
        ("rgb8", RGB, RGB),
        ("bgr8", RGB[..., ::-1], RGB),
        ("rgba8", np.dstack([RGB, ALPHA]), RGB),
        ("bgra8", np.dstack([RGB[..., ::-1], ALPHA]), RGB),
        ("8UC3", RGB[..., ::-1], RGB),
        ("8UC4", np.dstack([RGB[..., ::-1], ALPHA]), RGB),
        ("mono8", GREY, GREY),
        ("8UC1", GREY, GREY),
        ("mono16", GREY.astype(np.uint16) * 257, GREY),
        ("rgb16", RGB.astype(np.uint16) * 257, RGB),
        ("bgr16", RGB[..., ::-1].astype(np.uint16) * 257, RGB),
        ("rgba16", np.dstack([RGB, ALPHA]).astype(np.uint16) * 257, RGB),
    ],
)
@pytest.mark.parametrize("options", [{}, {"padding": 6}, {"bigendian": True}], ids=["plain", "padded", "bigendian"])
def test_colours_and_greys_come_out_as_rgb_and_grey(encoding, rows, expected, options):
    frame = image_from(image(encoding, rows, **options), LIMIT)
    assert (frame.stamp_ns, frame.frame_id, frame.is_depth) == (STAMP_NS, "camera", False)
    assert frame.pixels.dtype == np.uint8
    np.testing.assert_array_equal(frame.pixels, expected)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("tile", TILES)
def test_a_bayer_pattern_of_one_colour_becomes_that_colour(tile, bits):
    color = np.array([200, 100, 50], dtype=np.uint16 if bits == 16 else np.uint8) * (257 if bits == 16 else 1)
    pattern = color[np.array(TILES[tile]).reshape(2, 2)]
    mosaic = np.tile(pattern, (H // 2, W // 2)).astype(color.dtype)
    out = pixels_of(image(f"bayer_{tile}{bits}", mosaic))
    np.testing.assert_array_equal(out, np.broadcast_to(np.array([200, 100, 50], np.uint8), (H, W, 3)))


def yuv_to_rgb(y, u, v):
    """BT.601 with the range of video, as cameras use it."""
    y, u, v = (np.asarray(part, dtype=float) for part in (y, u, v))
    rgb = np.stack(
        [
            1.164 * (y - 16) + 1.596 * (v - 128),
            1.164 * (y - 16) - 0.391 * (u - 128) - 0.813 * (v - 128),
            1.164 * (y - 16) + 2.018 * (u - 128),
        ],
        axis=-1,
    )
    return np.clip(rgb, 0, 255)


def planes(rows_per_color):
    rng = np.random.default_rng(3)
    y = rng.integers(40, 200, (H, W))
    u, v = rng.integers(90, 160, (2, H // rows_per_color, W // 2))
    full = yuv_to_rgb(y, *(np.repeat(np.repeat(c, 2, axis=1), rows_per_color, axis=0) for c in (u, v)))
    return y, u, v, full


@pytest.mark.parametrize(("encoding", "first"), [("yuv422", 1), ("uyvy", 1), ("yuv422_yuy2", 0), ("yuyv", 0)])
def test_packed_yuv_becomes_rgb(encoding, first):
    y, u, v, expected = planes(1)
    rows = np.empty((H, W, 2), np.uint8)
    rows[..., first] = y
    rows[:, 0::2, 1 - first], rows[:, 1::2, 1 - first] = u, v
    np.testing.assert_allclose(pixels_of(image(encoding, rows)), expected, atol=1.5)


@pytest.mark.parametrize("encoding", ["nv12", "nv21"])
@pytest.mark.parametrize("padding", [0, 4])
def test_yuv_in_two_planes_becomes_rgb(encoding, padding):
    y, u, v, expected = planes(2)
    colors = (u, v) if encoding == "nv12" else (v, u)
    rows = np.vstack([y, np.stack(colors, axis=-1).reshape(H // 2, W)]).astype(np.uint8)
    out = pixels_of(image(encoding, rows, height=H, padding=padding))
    assert out.shape == (H, W, 3)
    np.testing.assert_allclose(out, expected, atol=1.5)


@pytest.mark.parametrize("name", [n for n, e in ENCODINGS.items() if e.dtype == "u1" and e.rows_per_pair == 2])
def test_rosbags_image_makes_the_same_of_a_sound_message(name):
    encoding = ENCODINGS[name]
    msg = image(name, random((H, W, encoding.channels)))
    if name.startswith("8U"):
        msg.encoding = encoding.meaning
    theirs = image_to_cvimage(msg, "mono8" if encoding.meaning == "mono8" else "rgb8")
    np.testing.assert_array_equal(pixels_of(image(name, random((H, W, encoding.channels)))), theirs)


def test_depth_in_millimetres_and_in_metres_becomes_metres_with_nan_for_none():
    mm = np.array([[0, 1, 1500], [65535, 2, 3]], np.uint16)
    frame = image_from(image("16UC1", mm), LIMIT)
    assert frame.is_depth
    np.testing.assert_allclose(frame.pixels, [[np.nan, 0.001, 1.5], [65.535, 0.002, 0.003]], rtol=1e-6)
    metres = np.array([[0.0, -1.0, 2.5], [np.inf, -np.inf, np.nan]], np.float32)
    for options in ({}, {"bigendian": True}):
        out = pixels_of(image("32FC1", metres, **options))
        np.testing.assert_array_equal(out, np.array([[np.nan, np.nan, 2.5], [np.nan] * 3], np.float32))


@pytest.mark.parametrize(
    ("encoding", "rows"), [("rgb8", RGB), ("mono8", GREY), ("32FC1", GREY.astype(np.float32) + 1.0)]
)
def test_an_image_that_is_already_right_is_a_read_only_view_of_the_message(encoding, rows):
    msg = image(encoding, rows)
    msg.data = np.frombuffer(bytearray(msg.data), np.uint8)
    out = pixels_of(msg)
    assert np.shares_memory(out, msg.data)
    assert not out.flags.writeable
    assert out.flags.c_contiguous


def test_a_depth_view_is_aligned_whatever_the_message_is():
    rows = GREY.astype(np.float32) + 1.0
    msg = image("32FC1", rows)
    msg.data = np.frombuffer(b"\0" + msg.data, np.uint8)[1:]
    out = pixels_of(msg)
    assert out.flags.aligned
    np.testing.assert_array_equal(out, rows)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"step": 3 * W - 1}, r"step: 35 bytes is less than a row of 12 pixels of rgb8 \(36 bytes\)"),
        ({"step": 3 * W + 4}, "data: 288 bytes, but 8 rows of rgb8 with a step of 40 are 320"),
        ({"height": 9}, "data: 288 bytes"),
        ({"width": 0}, "width x height: 0 x 8 pixels is empty"),
        ({"width": 1 << 31, "height": 1 << 31}, "expected at most 1000000.*input.max_image_pixels"),
        ({"encoding": "yuv444"}, "encoding: 'yuv444' is not supported; set the driver to one of .*rgb8"),
        ({"encoding": "32FC3"}, "encoding: '32FC3' is not supported"),
        ({"data": b""}, "data: 0 bytes"),
        ({"data": "text"}, "data: expected bytes, got str"),
        ({"encoding": "yuyv", "width": 11}, "width x height: 11 x 8; images with half the colours have even sizes"),
    ],
)
def test_a_message_that_lies_is_refused_with_field_value_and_remedy(change, reason):
    msg = image("rgb8", RGB)
    vars(msg).update(change)
    with pytest.raises(InvalidInput, match=reason):
        image_from(msg, LIMIT)


def test_a_lying_step_that_rosbags_image_believes_is_refused():
    msg = image("mono8", GREY)
    msg.step = 5
    assert image_to_cvimage(msg).shape == GREY.shape
    with pytest.raises(InvalidInput, match="step: 5 bytes"):
        image_from(msg, LIMIT)


def test_a_zero_stamp_and_a_calibration_of_another_size_are_refused():
    msg = image("rgb8", RGB)
    camera = CameraModel(W + 1, H, np.diag([10.0, 10.0, 1.0]))
    with pytest.raises(InvalidInput, match="12x8, but the camera is 13x8"):
        image_from(msg, LIMIT, camera)
    msg.header.stamp.sec = msg.header.stamp.nanosec = 0
    with pytest.raises(InvalidInput, match="stamp"):
        image_from(msg, LIMIT)


def smooth(height=48, width=64):
    """A picture that JPEG hardly changes."""
    v, u = np.mgrid[:height, :width]
    return np.stack([4 * u % 256, 5 * v % 256, (u + v) * 2 % 256], axis=-1).astype(np.uint8)


def encoded(suffix, picture, *options):
    return cv2.imencode(suffix, picture, *options)[1].tobytes()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("form", ["{}", "rgb8; {} compressed bgr8", "bgr8; {} compressed "])
def test_a_compressed_colour_image_is_what_opencv_decodes(suffix, form):
    data = encoded(suffix, smooth()[..., ::-1])
    msg = compressed(form.format({".jpg": "jpeg"}.get(suffix, suffix[1:])), data)
    out = pixels_of(msg)
    np.testing.assert_array_equal(out, message_to_cvimage(msg, "rgb8"))
    if suffix == ".png":
        np.testing.assert_array_equal(out, smooth())


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_compressed_grey_image_stays_grey(suffix):
    grey = smooth()[..., 2]
    out = pixels_of(compressed("mono8; compressed", encoded(suffix, grey)))
    assert out.shape == grey.shape
    np.testing.assert_allclose(out, grey, atol=40 if suffix == ".jpg" else 0)


def test_sixteen_bit_png_is_depth_only_where_the_format_says_so():
    mm = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 20
    data = encoded(".png", mm)
    depth = pixels_of(compressed("16UC1; png compressed ", data))
    np.testing.assert_allclose(depth, np.where(mm, mm * 1e-3, np.nan).astype(np.float32), rtol=1e-6)
    grey = pixels_of(compressed("mono16; png compressed ", data))
    np.testing.assert_array_equal(grey, np.rint(mm / 257.0).astype(np.uint8))
    color = np.dstack([mm, mm, mm])
    np.testing.assert_array_equal(pixels_of(compressed("png", encoded(".png", color)))[..., 1], grey)


def test_a_compressed_bayer_pattern_is_interpolated():
    mosaic = np.tile(np.array([[200, 100], [100, 50]], np.uint8), (24, 32))
    out = pixels_of(compressed("bayer_rggb8; png compressed ", encoded(".png", mosaic)))
    np.testing.assert_array_equal(out, np.broadcast_to(np.array([200, 100, 50], np.uint8), (48, 64, 3)))


def test_a_turned_phone_picture_keeps_its_rows():
    data = encoded(".jpg", smooth()[..., ::-1])
    exif = (
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6: turn by 90 degrees
    )
    turned = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape == (64, 48, 3)
    np.testing.assert_array_equal(pixels_of(compressed("jpeg", turned)), pixels_of(compressed("jpeg", data)))


def depth_message(encoding, values, a=0.0, b=0.0, form="compressedDepth png"):
    return compressed(f"{encoding}; {form}", struct.pack("<iff", 0, a, b) + encoded(".png", values))


@pytest.mark.parametrize("form", ["compressedDepth", "compressedDepth png"])
def test_compressed_depth_in_millimetres_becomes_metres(form):
    mm = np.array([[0, 1000], [1500, 65535]], np.uint16)
    out = pixels_of(depth_message("16UC1", mm, form=form))
    np.testing.assert_allclose(out, [[np.nan, 1.0], [1.5, 65.535]], rtol=1e-6)


def test_compressed_depth_in_metres_is_quantised_by_inverse_depth():
    near, far = 100.0, 10.0  # the plugin's depth_quantization and depth_max
    a = near * (near + 1.0)
    b = 1.0 - a / far
    depth = np.array([[0.8, 2.0, 9.9], [np.nan, 5.0, 1.25]], np.float32)
    with np.errstate(invalid="ignore"):
        values = np.where(np.isnan(depth), 0, a / depth + b).astype(np.uint16)
    out = pixels_of(depth_message("32FC1", values, a, b))
    np.testing.assert_allclose(out, depth, rtol=2e-3)
    assert np.isnan(out[1, 0])


@pytest.mark.parametrize(
    ("msg", "reason"),
    [
        (
            compressed("16UC1; compressedDepth rvl", b"\0" * 40),
            "rvl is not supported; set the publisher's format to png",
        ),
        (compressed("rgb8; compressedDepth", b"\0" * 40), "compressedDepth of 'rgb8'; expected 16UC1 or 32FC1"),
        (compressed("16UC1; compressedDepth", b"\0" * 11), "11 bytes are no compressedDepth"),
        (depth_message("32FC1", np.ones((4, 4), np.uint16), np.nan, 1.0), "quantisation of compressedDepth is a=nan"),
        (depth_message("16UC1", np.ones((4, 4), np.uint8)), "holds uint8"),
        (compressed("16UC1; png compressed", encoded(".png", GREY)), "which are no 16UC1; send depth as compressedD"),
        (compressed("jpeg", b"GIF89a" + b"\0" * 40), "begins with 474946383961.*, which is no JPEG, PNG or WebP"),
        (compressed("jpeg", b""), "begins with nothing"),
    ],
)
def test_a_compressed_message_that_cannot_be_understood_is_refused(msg, reason):
    with pytest.raises(InvalidInput, match=reason):
        image_from(msg, LIMIT)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_cut_file_is_refused_although_opencv_would_fill_it_up(suffix):
    data = encoded(suffix, smooth())
    for keep in (10, 40, len(data) // 2, len(data) - 20):
        with pytest.raises(InvalidInput, match="data: "):
            image_from(compressed(suffix[1:], data[:keep]), LIMIT)


def png_of_size(width, height):
    data = bytearray(encoded(".png", smooth()))
    data[16:24] = struct.pack(">II", width, height)
    return bytes(data)


def jpeg_of_size(width, height):
    data = bytearray(encoded(".jpg", smooth()))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def webp_of_size(width, height):
    return b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + _three(width) + _three(height)


def _three(length):
    return (length - 1).to_bytes(3, "little")


@pytest.mark.parametrize("make", [png_of_size, jpeg_of_size, webp_of_size])
def test_a_file_that_claims_to_be_huge_is_refused_before_it_is_decoded(make, monkeypatch):
    def decoded(*_):
        raise AssertionError("decoded")

    monkeypatch.setattr(cv2, "imdecode", decoded)
    with pytest.raises(InvalidInput, match=r"60000 x 50000 pixels; expected at most 1000000.*max_image_pixels"):
        image_from(compressed("x", make(60000, 50000)), LIMIT)


@pytest.mark.parametrize(
    "options", [(cv2.IMWRITE_WEBP_QUALITY, 50), (cv2.IMWRITE_WEBP_QUALITY, 101)], ids=["vp8", "vp8l"]
)
def test_webp_in_both_codings_has_its_size_read(options):
    data = encoded(".webp", smooth(30, 50)[..., ::-1], options)
    assert pixels_of(compressed("webp", data)).shape == (30, 50, 3)
