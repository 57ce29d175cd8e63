import cv2
import numpy as np
import pytest

from perception.io.datasets.davis import open_davis
from perception.io.datasets.pictures import write_jpeg
from tests.unit.io.datasets.test_pictures import palette_png


def clip(images, masks, numbers):
    """Three frames; the last has no mask."""
    for k in range(3):
        write_jpeg(images / f"{k:05d}.jpg", np.zeros((*numbers.shape, 3), dtype=np.uint8))
    masks.mkdir(parents=True)
    for k in range(2):
        (masks / f"{k:05d}.png").write_bytes(palette_png(np.roll(numbers, k, axis=1), 8))


NUMBERS = np.zeros((6, 8), dtype=np.uint8)
NUMBERS[1:3, 2:5], NUMBERS[4:, :2] = 1, 3


@pytest.mark.parametrize("layout", ["official", "flat"])
def test_a_clip_has_the_objects_of_its_masks(tmp_path, layout):
    if layout == "official":
        clip(tmp_path / "JPEGImages/480p/bear", tmp_path / "Annotations/480p/bear", NUMBERS)
    else:
        clip(tmp_path / "bear/images", tmp_path / "bear/masks", NUMBERS)
    dataset = open_davis(tmp_path)
    first, second, third = dataset.frames()
    assert [frame.name for frame in (first, second)] == ["bear/00000", "bear/00001"]
    assert (first.is_start, second.is_start) == (True, False)
    assert first.views[0].objects.instance_ids.tolist() == [1, 3]
    assert first.views[0].objects.boxes.tolist() == [[2, 1, 5, 3], [0, 4, 2, 6]]
    assert np.array_equal(second.views[0].objects.instance_map, np.roll(NUMBERS, 1, axis=1))
    assert third.views[0].objects is None
    assert not dataset.losses.counts


def test_the_mask_of_one_object_may_be_255(tmp_path):
    clip(tmp_path / "images", tmp_path / "masks", np.where(NUMBERS == 1, 255, 0).astype(np.uint8))
    objects = open_davis(tmp_path)[0].views[0].objects
    assert objects.instance_ids.tolist() == [1]
    assert objects.instance_map.max() == 1


def test_255_beside_objects_is_not_labelled(tmp_path):
    numbers = NUMBERS.copy()
    numbers[0] = 255
    clip(tmp_path / "images", tmp_path / "masks", numbers)
    objects = open_davis(tmp_path)[0].views[0].objects
    assert objects.instance_ids.tolist() == [1, 3]
    assert objects.instance_map[0].max() == 0


def test_a_mask_of_another_size_costs_itself_and_is_counted(tmp_path):
    clip(tmp_path / "images", tmp_path / "masks", NUMBERS)
    cv2.imwrite(str(tmp_path / "masks/00000.png"), np.zeros((6, 7), dtype=np.uint8))
    dataset = open_davis(tmp_path)
    assert [frame.views[0].objects is None for frame in dataset.frames()] == [True, False, True]
    assert "7x6 px, its image 8x6" in next(iter(dataset.losses.counts))
