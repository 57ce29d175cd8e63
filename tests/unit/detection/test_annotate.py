import numpy as np
import pytest

from perception.core.classes import Class
from perception.core.colours import CLASS_COLOURS, UNKNOWN
from perception.core.types import Detections, ImageFrame
from perception.detection.annotate import DetectedImage, annotated, colour_for


def found(boxes, names=("car",), ids=None):
    n = len(boxes)
    return Detections(
        7,
        "front",
        (160, 120),
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.full(n, 0.5, dtype=np.float32),
        np.zeros(n, dtype=np.int64),
        names,
        np.zeros(n, dtype=np.int64) if ids is None else np.array(ids, dtype=np.int64),
    )


def test_the_frame_of_a_box_has_the_colour_of_its_class_and_its_inside_is_left_alone():
    pixels = np.zeros((120, 160, 3), dtype=np.uint8)
    drawn = annotated(pixels, found([(20, 40, 100, 100)]))
    colour = CLASS_COLOURS[Class.CAR]
    for row, column in ((70, 20), (70, 99), (99, 60)):
        assert tuple(drawn[row, column]) == colour
    assert not drawn[50:90, 30:90].any()
    assert not pixels.any()


def test_the_number_of_a_track_is_part_of_the_text():
    pixels = np.zeros((120, 160, 3), dtype=np.uint8)
    box = [(20, 40, 100, 100)]
    assert (annotated(pixels, found(box, ids=[12])) != annotated(pixels, found(box))).any()


def test_a_box_at_the_top_has_its_text_inside_the_image():
    drawn = annotated(np.zeros((120, 160, 3), dtype=np.uint8), found([(0, 0, 160, 120)]))
    text = drawn[4:14, 4:60]
    assert (text == 0).all(axis=2).any()  # black letters
    assert (text == CLASS_COLOURS[Class.CAR]).all(axis=2).any()  # on the colour of the class


@pytest.mark.parametrize("boxes", [[], [(-50, -50, 400, 400)], [(10, 10, 10.2, 10.1)], [(158, 118, 160, 120)]])
def test_any_box_can_be_drawn(boxes):
    assert annotated(np.zeros((120, 160, 3), dtype=np.uint8), found(boxes)).shape == (120, 160, 3)


def test_grey_and_read_only_images_become_colour_images():
    pixels = np.full((120, 160), 9, dtype=np.uint8)
    pixels.flags.writeable = False
    shown = DetectedImage(ImageFrame(7, "front", pixels), found([(20, 40, 100, 100)])).draw()
    assert shown.pixels.shape == (120, 160, 3)
    assert (shown.stamp_ns, shown.frame_id) == (7, "front")


def test_classes_that_are_not_ours_have_colours_of_their_own():
    assert colour_for("giraffe") != colour_for("zebra") != UNKNOWN
    assert colour_for("giraffe") == colour_for("giraffe")
    assert all(0 <= value <= 255 for value in colour_for("giraffe"))
