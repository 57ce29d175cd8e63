"""Real data as a series of images: drives with their cameras, and plain folders."""

from itertools import islice

import pytest

from perception.io.config import InputConfig
from perception.io.image_sources import open_images
from tests.shared import shared


@pytest.mark.parametrize(
    ("data", "kind", "first"),
    [
        ("data/kitti_raw_0005", "recording", "image_02/1317042272349000000"),
        ("data/coco_mini", "images", "images/000000003124.jpg"),
        ("data/kitti_camera_lidar", "images", "image_02/000000.jpg"),
    ],
)
def test_images_come_in_order_with_names_and_rising_stamps(data, kind, first):
    source = open_images(shared(data), InputConfig())
    frames = source.frames()
    found = list(islice(frames, 4))
    frames.close()
    assert source.kind == kind
    assert found[0][0] == first
    assert all(frame.pixels.ndim == 3 for _, frame in found)
    stamps = [frame.stamp_ns for _, frame in found]
    assert stamps == sorted(set(stamps))
    assert not source.losses.counts
