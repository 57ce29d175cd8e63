"""Labels made up for tests."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perception.core.classes import DETECTED
from perception.core.labels import ObjectLabels
from perception.io.datasets.coco_writer import ImageEntry

HEIGHT, WIDTH = 9, 11


def image(number: int = 0, folder: str = "images/cam_front") -> ImageEntry:
    """The entry of an image."""
    return ImageEntry(f"{folder}/{number:06d}.jpg", WIDTH, HEIGHT, 1_700_000_000_000_000_000 + number * 100_000_000)


def labels_of(instances: np.ndarray, kinds: dict[int, int], seed: int = 0) -> ObjectLabels:
    """Labels whose visible boxes fit the map `instances`; `kinds` gives the class of each instance."""
    rng = np.random.default_rng(seed)
    ids = np.array(sorted(kinds), dtype=np.int32)
    boxes = np.array([tight_box(instances == number) for number in ids], dtype=np.float32).reshape(-1, 4)
    occlusion = rng.choice([0.0, 0.25, 0.75, np.nan], len(ids)).astype(np.float32)
    margin = np.array([-1.0, -1.0, 1.5, 2.0], dtype=np.float32)
    is_ignored = rng.random(len(ids)) < 0.3
    kind = np.array([kinds[number] for number in ids], dtype=np.uint8)
    return ObjectLabels(kind, ids, boxes, boxes + margin, occlusion, is_ignored, instances)


def tight_box(mask: np.ndarray) -> list[float]:
    """x_low, y_low, x_high, y_high of a mask; zeros where it is empty."""
    rows, columns = np.nonzero(mask)
    if len(rows) == 0:
        return [0.0] * 4
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@st.composite
def labels(draw: st.DrawFn) -> ObjectLabels:
    """Labels of a small image with up to four objects."""
    instances = draw(hnp.arrays(np.int32, (HEIGHT, WIDTH), elements=st.integers(0, 4)))
    kinds = {int(number): draw(st.sampled_from([int(kind) for kind in DETECTED])) for number in np.unique(instances)}
    kinds.pop(0, None)
    return labels_of(instances, kinds, draw(st.integers(0, 5)))


def assert_same_objects(got: ObjectLabels, want: ObjectLabels) -> None:
    """The same objects, in any order."""
    a, b = np.argsort(got.instance_ids), np.argsort(want.instance_ids)
    assert got.instance_ids[a].tolist() == want.instance_ids[b].tolist()
    for name in ("class_ids", "is_ignored"):
        assert np.array_equal(getattr(got, name)[a], getattr(want, name)[b])
    for name in ("boxes", "amodal_boxes", "occlusion"):
        np.testing.assert_allclose(getattr(got, name)[a], getattr(want, name)[b], atol=2e-3)
    assert np.array_equal(got.instance_map, want.instance_map)
