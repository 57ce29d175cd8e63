import numpy as np
import pytest

from perception.core.errors import ModelError
from perception.detection.boxes import DetectedBoxes
from perception.detection.tracking.appearance import BATCH, Appearance
from perception.detection.tracking.config import AppearanceConfig, TrackingConfig
from perception.detection.tracking.tracker import Tracker
from perception.detection.tracking.tracks import blended
from perception.inference.model_card import FileEntry, Model, ModelCard, TensorSpec

START, STEP = 1_700_000_000_000_000_000, 100_000_000  # ns
RED, BLUE = (255, 0, 0), (0, 0, 255)
CONFIG = TrackingConfig(num_confirming=1, appearance=AppearanceConfig(is_enabled=True))


class Colours:
    """Instead of a network: an object looks like the colour of its middle."""

    dimensions = 3

    def __init__(self):
        self.num_embedded = 0

    def embed(self, pixels, corners):
        self.num_embedded += len(corners)
        x, y = ((corners[:, :2] + corners[:, 2:]) / 2).astype(int).T
        vectors = pixels[y, x].astype(np.float32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1.0)


def scene(*objects):
    """Boxes of 30 px at x, y in a colour, and the image that shows them."""
    pixels = np.zeros((200, 400, 3), dtype=np.uint8)
    corners = np.array([(x, y, x + 30, y + 30) for x, y, _ in objects], dtype=np.float32).reshape(-1, 4)
    for x, y, colour in objects:
        pixels[y : y + 30, x : x + 30] = colour
    n = len(objects)
    return DetectedBoxes(corners, np.full(n, 0.9, dtype=np.float32), np.zeros(n, dtype=np.int64)), pixels


def run(tracker, scenes, with_pixels=True):
    return [
        tracker.update(START + k * STEP, boxes, pixels if with_pixels else None).tolist()
        for k, (boxes, pixels) in enumerate(scenes)
    ]


AWAY = [scene((50, 50, RED))] * 5 + [scene()] * 4


def test_an_object_that_comes_back_elsewhere_is_known_by_its_looks():
    assert run(Tracker(CONFIG, Colours()), [*AWAY, scene((110, 60, RED))])[-1] == [1]


def test_an_object_that_is_known_again_does_not_fly_on_from_where_it_was_expected():
    tracker = Tracker(CONFIG, Colours())
    run(tracker, [*AWAY, scene((110, 60, RED))])
    assert np.abs(tracker.tracks.states[0, :, 1]).max() < 5.0  # px/s


def test_without_looks_it_is_a_new_object():
    assert run(Tracker(CONFIG, Colours()), [*AWAY, scene((110, 60, RED))], with_pixels=False)[-1] == [2]
    assert run(Tracker(TrackingConfig(num_confirming=1)), [*AWAY, scene((110, 60, RED))])[-1] == [2]


def test_an_object_of_other_looks_or_too_far_away_is_a_new_one():
    assert run(Tracker(CONFIG, Colours()), [*AWAY, scene((110, 60, BLUE))])[-1] == [2]
    assert run(Tracker(CONFIG, Colours()), [*AWAY, scene((365, 160, RED))])[-1] == [2]


def test_of_two_lost_objects_each_gets_its_own_number_back():
    scenes = [scene((40, 50, RED), (40, 130, BLUE))] * 5 + [scene()] * 4 + [scene((100, 100, BLUE), (100, 60, RED))]
    assert run(Tracker(CONFIG, Colours()), scenes)[-1] == [2, 1]


def test_looks_are_renewed_now_and_then_and_not_in_every_image():
    colours = Colours()
    run(Tracker(CONFIG, colours), [scene((50, 50, RED))] * 22)
    assert 3 <= colours.num_embedded <= 5  # every half second of 2.1 s


def test_blended_looks_are_unit_vectors_and_begin_with_the_first():
    before = np.array([[0, 0], [1, 0]], dtype=np.float32)
    now = np.array([[0, 1], [0, 1]], dtype=np.float32)
    mixed = blended(before, now, 0.5)
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(mixed, [[0, 1], [np.sqrt(0.5), np.sqrt(0.5)]], rtol=1e-6)
    assert blended(np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32), 0.5).shape == (0, 2)


class Means:
    """Instead of a runtime: the mean colour of each cut-out."""

    def __init__(self):
        self.batches = []

    def infer(self, inputs):
        crops = inputs["crops"]
        self.batches.append(len(crops))
        return {"embeddings": crops.mean(axis=(2, 3))}


def model(tmp_path, task="re-identification"):
    card = ModelCard(
        name="looks",
        family="osnet",
        task=task,
        inputs=(TensorSpec(name="crops", shape=("batch", 3, 16, 16)),),
        outputs=(TensorSpec(name="embeddings", shape=("batch", 3)),),
        licence="none",
        training_data="none",
        files={"onnx": FileEntry(name="looks.onnx", sha256="0" * 64)},
    )
    return Model(card, tmp_path)


def test_boxes_are_cut_out_and_embedded_in_small_batches(tmp_path):
    runtime = Means()
    looks = Appearance(model(tmp_path), AppearanceConfig(), runtime)
    boxes, pixels = scene(*((40 * k, 50, RED if k % 2 else BLUE) for k in range(10)))
    vectors = looks.embed(pixels, boxes.corners)
    np.testing.assert_allclose(vectors, np.tile([[0, 0, 1], [1, 0, 0]], (5, 1)))
    assert runtime.batches == [BATCH, 10 - BATCH]
    assert looks.embed(pixels, boxes.corners[:0]).shape == (0, 3)


def test_a_model_of_another_task_is_refused(tmp_path):
    with pytest.raises(ModelError, match="task is 'detection'"):
        Appearance(model(tmp_path, "detection"), AppearanceConfig(), Means())
