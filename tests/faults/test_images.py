"""Whatever an image message holds: it gives an image of the size it names, or is refused with a reason."""

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.core.errors import InvalidInput
from perception.core.health import Level
from perception.io.camera_info import camera_from
from perception.io.images import ENCODINGS, PendingImage, image_from
from perception.pipeline.camera import CameraConfig, CameraStage
from tests.unit.io.messages import camera_info, compressed, image

LIMIT = 10_000
SIZES = st.one_of(st.integers(-2, 40), st.sampled_from([2**16, 2**31 - 1, 2**32 - 1]))
PICTURE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
DEPTH = np.random.default_rng(0).integers(0, 2**16, (24, 32), dtype=np.uint16)
FILES = [cv2.imencode(suffix, PICTURE)[1].tobytes() for suffix in (".jpg", ".png", ".webp")]
FILES.append(struct.pack("<iff", 0, 1e4, -1e3) + cv2.imencode(".png", DEPTH)[1].tobytes())
FORMATS = (
    "jpeg",
    "rgb8; png compressed bgr8",
    "bayer_rggb8; jpeg",
    "16UC1; png",
    "32FC1; compressedDepth png",
    ";",
    "",
)


def checked(msg):
    """The frame of a message, or None; any other error fails the test."""
    try:
        frame = image_from(msg, LIMIT)
    except InvalidInput as error:
        assert len(str(error)) > 20
        return None
    assert frame.pixels.size <= 3 * LIMIT
    assert not frame.pixels.flags.writeable
    if frame.is_depth:
        depth = frame.pixels[~np.isnan(frame.pixels)]
        assert (np.isfinite(depth) & (depth > 0.0)).all()
    return frame


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(ENCODINGS)), SIZES, SIZES, SIZES, st.integers(0, 20_000), st.integers(0, 255))
def test_sizes_that_disagree_are_refused_and_others_are_kept(encoding, width, height, step, length, bigendian):
    msg = image("mono8", np.zeros((1, 1), np.uint8))
    data = np.random.default_rng(length).integers(0, 256, length, dtype=np.uint8)
    sizes = {"width": width, "height": height, "step": step, "is_bigendian": bigendian}
    vars(msg).update(encoding=encoding, data=data, **sizes)
    frame = checked(msg)
    if frame is not None:
        assert frame.pixels.shape[:2] == (height, width)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(FILES),
    st.sampled_from(FORMATS),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=8),
    st.integers(0, 4000),
)
def test_damaged_files_are_refused_or_decoded_at_their_size(data, form, changes, keep):
    damaged = bytearray(data[:keep])
    for at, value in changes:
        if at < len(damaged):
            damaged[at] = value
    checked(compressed(form, bytes(damaged)))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(FORMATS), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]))
def test_bytes_without_meaning_are_refused(data, form, start):
    assert checked(compressed(form, start + data)) is None


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.floats(width=64), min_size=0, max_size=10),
    st.lists(st.floats(width=64), max_size=10),
    st.sampled_from(["plumb_bob", "rational_polynomial", "equidistant", "", "x"]),
    st.tuples(SIZES, SIZES),
    st.tuples(*[st.integers(0, 100)] * 4),
    st.tuples(st.integers(0, 300), st.integers(0, 300)),
)
def test_any_calibration_makes_a_camera_or_is_refused(K, D, model, size, roi, binning):
    msg = camera_info(*size, model=model, roi=roi, binning=binning)
    msg.k, msg.d = K, D
    try:
        found = camera_from(msg)
    except InvalidInput as error:
        assert len(str(error)) > 10
        return
    assert found.width > 0
    assert np.isfinite(found.K).all()


def test_a_bad_image_costs_itself_and_is_told_until_a_good_one_comes():
    stage = CameraStage(CameraConfig(rectify=False))
    good = PendingImage(1, image("rgb8", PICTURE), None, LIMIT)
    bad = PendingImage(2, image("rgb8", PICTURE), None, 10)
    assert [len(list(stage.step("image_raw", item))) for item in (good, bad)] == [1, 0]
    assert stage.health().level is Level.DEGRADED
    assert "expected at most 10" in stage.health().reason
    assert len(list(stage.step("image_raw", good))) == 1
    assert stage.health().level is Level.OK
    assert stage.counters() == {"images": 3, "refused": 1}


def test_a_frame_that_changes_its_name_for_ever_fills_no_memory():
    stage = CameraStage(CameraConfig())
    for index in range(200):
        msg = image("mono8", np.zeros((4, 4), np.uint8), frame_id=f"camera_{index}", stamp_ns=10**18 + index)
        list(stage.step("image_raw", PendingImage(10**18 + index, msg, None, LIMIT)))
    assert len(stage._views) <= 16
    assert len(stage.notes()) <= 16


@pytest.mark.parametrize("name", ["jpeg", "png", "webp"])
def test_a_file_that_ends_early_is_refused_at_every_byte(name):
    data = FILES[["jpeg", "png", "webp"].index(name)]
    for keep in range(0, len(data) - 1, max(1, len(data) // 60)):
        with pytest.raises(InvalidInput):
            image_from(compressed(name, data[:keep]), LIMIT)
