import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perception.core.errors import InvalidInput
from perception.io.datasets import pictures

SIDES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pictures")


@given(hnp.arrays(np.float32, SIDES, elements=st.floats(0.0, 300.0, width=32)))
@settings(deadline=None)
def test_depth_comes_back_within_half_a_step(folder, depth):
    pictures.write_depth(folder / "depth.png", depth)
    back = pictures.read_depth(folder / "depth.png")
    assert np.array_equal(np.isnan(back), depth <= 0.0)
    is_known = depth > 0.0
    assert (np.abs(back - np.clip(depth, 1.0 / 256.0, 65535.0 / 256.0))[is_known] <= 0.5001 / 256.0).all()


def test_depth_that_is_no_number_is_written_as_none(folder):
    depth = np.array([[np.nan, np.inf, -np.inf, -1.0, 0.0, 1e30, 1e-9]], dtype=np.float32)
    pictures.write_depth(folder / "odd.png", depth)
    assert cv2.imread(str(folder / "odd.png"), cv2.IMREAD_UNCHANGED).tolist() == [[0, 0, 0, 0, 0, 65535, 1]]


@given(hnp.arrays(np.int32, SIDES, elements=st.integers(0, 65535)))
@settings(deadline=None)
def test_instances_come_back(folder, instances):
    pictures.write_instances(folder / "instances.png", instances)
    assert np.array_equal(pictures.read_instances(folder / "instances.png"), instances)


@pytest.mark.parametrize("number", [-1, 65536])
def test_an_instance_that_does_not_fit_is_refused(folder, number):
    with pytest.raises(InvalidInput, match="16 bit"):
        pictures.write_instances(folder / "large.png", np.array([[number]], dtype=np.int32))


@given(hnp.arrays(np.uint8, SIDES))
@settings(deadline=None)
def test_classes_come_back(folder, classes):
    pictures.write_classes(folder / "classes.png", classes)
    assert np.array_equal(pictures.read_classes(folder / "classes.png"), classes)


def test_a_map_of_instances_is_not_taken_for_classes(folder):
    pictures.write_instances(folder / "instances.png", np.array([[300]], dtype=np.int32))
    with pytest.raises(InvalidInput, match="class 300"):
        pictures.read_classes(folder / "instances.png")


def test_normals_come_back_and_none_stays_none(folder):
    normals = np.random.default_rng(0).normal(size=(9, 7, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    normals[0] = 0.0
    normals[1] = [0.0, 0.0, -1.0]
    normals[2] = [-1.0, 0.0, 0.0]
    pictures.write_normals(folder / "normals.png", normals)
    back = pictures.read_normals(folder / "normals.png")
    assert np.abs(back - normals).max() < 2e-5
    assert (back[0] == 0.0).all()


def test_a_jpeg_keeps_colours_and_their_order(folder):
    color = np.zeros((32, 48, 3), dtype=np.uint8)
    color[..., 0] = 200
    color[:, 24:, 2] = 90
    pictures.write_jpeg(folder / "color.jpg", color)
    assert np.abs(pictures.read_color(folder / "color.jpg").astype(int) - color)[:, :20].max() <= 4


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_a_file_that_was_cut_is_refused(folder, name, share):
    color = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / name), color)
    raw = (folder / name).read_bytes()
    (folder / name).write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(InvalidInput, match=name):
        pictures.read_color(folder / name)


def test_a_missing_file_is_named(folder):
    with pytest.raises(InvalidInput, match="nowhere"):
        pictures.read_color(folder / "nowhere.jpg")


def test_an_image_without_pixels_is_refused(folder):
    with pytest.raises(InvalidInput, match="0x5"):
        pictures.write_jpeg(folder / "none.jpg", np.zeros((5, 0, 3), dtype=np.uint8))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_the_numbers_of_a_palette_are_read_and_not_its_colours(folder, bits):
    numbers = np.random.default_rng(0).integers(0, 2**bits, (11, 13), dtype=np.uint8)
    (folder / "palette.png").write_bytes(palette_png(numbers, bits))
    assert np.array_equal(pictures.read_palette(folder / "palette.png"), numbers)


def test_a_grey_mask_is_read_as_it_is(folder):
    mask = np.array([[0, 255, 7]], dtype=np.uint8)
    cv2.imwrite(str(folder / "grey.png"), mask)
    assert np.array_equal(pictures.read_palette(folder / "grey.png"), mask)


def test_the_size_comes_from_the_header_of_a_file(folder):
    pictures.write_jpeg(folder / "size.jpg", np.zeros((5, 9, 3), dtype=np.uint8))
    pictures.write_depth(folder / "size.png", np.ones((4, 3), dtype=np.float32))
    assert pictures.image_size(folder / "size.jpg") == (9, 5)
    assert pictures.image_size(folder / "size.png") == (3, 4)


def palette_png(numbers: np.ndarray, bits: int) -> bytes:
    """A PNG with a palette of random colours, written by the format's own rules (ISO 15948)."""
    height, width = numbers.shape
    planes = np.unpackbits(numbers[..., None], axis=2)[..., 8 - bits :].reshape(height, width * bits)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), np.packbits(planes, axis=1)], axis=1)
    colours = np.random.default_rng(1).integers(0, 256, (2**bits, 3), dtype=np.uint8).tobytes()
    header = struct.pack(">IIBBBBB", width, height, bits, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", colours), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
