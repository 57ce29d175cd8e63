import cv2
import numpy as np
import pytest

from perception.core.config import validated
from perception.core.errors import ConfigError, InvalidInput, ModelError
from perception.kernels.images import SHARES
from perception.kernels.line_input import Scaler, scaled_reference
from perception.lines.classic import ClassicLsd
from perception.lines.config import LinesConfig
from perception.lines.detector import MAX_SIZES, check_card, open_line_detector
from tests.unit.lines.fakes import SIDE, bar, card, detector


def picture(height=48, width=80, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_segments_come_back_in_pixels_of_the_image():
    (segment,) = detector().detect(picture(128, 256)).segments
    np.testing.assert_allclose(np.sort(segment[0::2]), [(8 + 0.5) * 4 - 0.5, (56 + 0.5) * 4 - 0.5], atol=1e-4)
    np.testing.assert_allclose(segment[1::2], (30 + 0.5) * 2 - 0.5, atol=1e-4)


def test_scores_are_mean_heat_and_sieved_by_the_threshold():
    assert detector().detect(picture()).scores.tolist() == pytest.approx([0.9])
    assert len(detector(config=LinesConfig(score_threshold=0.95)).detect(picture())) == 0


@pytest.mark.parametrize("size", [(48, 80), (333, 500), (480, 640), (64, 64), (1, 1), (1, 7), (20, 3)])
@pytest.mark.parametrize("is_planar", [True, False])
def test_the_network_sees_the_image_as_opencv_scales_floats(size, is_planar):
    pixels = picture(*size)
    want = cv2.resize(SHARES[pixels], (96, SIDE), interpolation=cv2.INTER_LINEAR)
    out = np.full((3, SIDE, 96) if is_planar else (SIDE, 96, 3), np.nan, dtype=np.float32)
    Scaler(size, (SIDE, 96), is_planar)(pixels, out)
    have = out.transpose(1, 2, 0) if is_planar else out
    np.testing.assert_allclose(have, want, atol=3e-7, rtol=0)
    np.testing.assert_allclose(have, scaled_reference(pixels, (SIDE, 96)), atol=3e-7, rtol=0)


@pytest.mark.parametrize("shape", [("batch", 3, SIDE, SIDE), ("batch", SIDE, SIDE, 3)])
def test_the_card_decides_about_the_order_of_axes(shape):
    found = detector(inputs=[{"name": "images", "shape": shape}], input_size=None)
    pixels = picture()
    found.detect(pixels)
    (seen,) = found.runtime.seen
    assert seen.shape == (1, *shape[1:])
    image = seen[0].transpose(1, 2, 0) if shape[1] == 3 else seen[0]
    np.testing.assert_allclose(image, scaled_reference(pixels, (SIDE, SIDE)), atol=3e-7)


def test_a_grey_image_is_repeated_and_a_read_only_view_is_enough():
    found = detector()
    grey = picture()[..., 0]
    grey.flags.writeable = False
    found.detect(grey)
    for plane in found.runtime.seen[0][0]:
        np.testing.assert_allclose(plane, scaled_reference(grey, (SIDE, SIDE))[..., 0], atol=3e-7)


def test_results_outlive_the_memory_of_the_runtime():
    found = detector()
    first = found.detect(picture())
    before = first.segments.copy()
    for values in found.runtime.outputs_by_name.values():
        values[:] = 0
    assert len(found.detect(picture())) == 0
    np.testing.assert_array_equal(first.segments, before)


def test_tables_are_made_once_for_a_size_and_not_without_end():
    found = detector()
    found.prepare(picture())
    first = found._scaler(48, 80)
    found.prepare(picture(seed=1))
    assert found._scaler(48, 80) is first
    for height in range(1, 2 * MAX_SIZES):
        found.prepare(picture(height))
    assert len(found._scalers) == MAX_SIZES


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4, 3), dtype=np.float32),
        np.zeros((4, 4, 4), dtype=np.uint8),
        np.zeros(4, dtype=np.uint8),
        np.zeros((0, 4, 3), dtype=np.uint8),
        np.zeros((4, 0), dtype=np.uint8),
        [[0]],
    ],
)
@pytest.mark.parametrize("make", [detector, lambda: ClassicLsd(LinesConfig().lsd)])
def test_other_arrays_are_refused(pixels, make):
    with pytest.raises(InvalidInput):
        make().detect(pixels)


@pytest.mark.parametrize("name", ["heat", "angle"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_an_impossible_answer_is_refused_with_a_remedy(name, bad):
    found = detector()
    found.runtime.outputs_by_name[name][0, 5, 5] = bad
    with pytest.raises(ModelError, match=rf"fake: {name}: .* on fake with bf16; use lines\.precision=f32"):
        found.detect(picture())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": "detection"}, "task is 'detection'"),
        ({"inputs": [{"name": "images", "shape": ("batch", 4, SIDE, SIDE)}]}, "inputs: expected one"),
        ({"inputs": [{"name": "images", "shape": ("batch", 3, SIDE, SIDE), "dtype": "uint8"}]}, "inputs: expected one"),
        ({"outputs": [{"name": "heat", "shape": ("batch", 64, 64)}]}, "outputs: expected 'heat' and 'angle'"),
        ({"input_size": None}, "the card needs input_size"),
    ],
)
def test_models_that_are_no_line_detectors_are_refused(fields, message):
    with pytest.raises(ModelError, match=message):
        check_card(card(**fields))


def test_validation_keeps_what_the_map_of_directions_agrees_with():
    heat, angle = bar()
    config = LinesConfig(has_validation=True)
    assert len(detector((heat, angle), config).detect(picture())) == 1
    heat[50:52, 8:14] = 0.9  # too short for the test
    angle[45:] = np.random.default_rng(0).uniform(0, 1, (SIDE - 45, SIDE))
    angle[50:52, 8:14] = 1.0
    assert len(detector((heat, angle), LinesConfig()).detect(picture())) == 2
    assert len(detector((heat, angle), config).detect(picture())) == 1


def test_warming_up_and_closing_reach_the_runtime():
    found = detector()
    found.warm_up((48, 80))
    assert found.runtime.warm == [{"images": (1, 3, SIDE, SIDE)}]
    found.close()
    assert found.runtime.num_closed == 1


def test_the_configuration_opens_either_detector():
    assert isinstance(open_line_detector(LinesConfig(detector="lsd"), (40, 60)), ClassicLsd)
    with pytest.raises(ConfigError, match="backend"):
        validated(LinesConfig, {"backend": "abacus"})
