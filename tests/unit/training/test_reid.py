import json
from itertools import islice

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from perception.core.errors import InvalidInput  # noqa: E402
from perception.networks.reid_graph import ReidConfig  # noqa: E402
from perception.training.reid import (  # noqa: E402
    ReidTrainingConfig,
    augmented,
    batches,
    contrastive,
    embedded,
    measured,
    read_crops,
    split,
    train,
)

NETWORK = ReidConfig(stem=8, widths=(8, 16), dimensions=16, height=32, width=32)
CONFIG = ReidTrainingConfig(network=NETWORK, steps=30, worlds=2, identities=4, crops=2, margin=4, learning_rate=5e-3)


def write_set(path, num_worlds=3, num_objects=4, num_pictures=4):
    """Pictures in which every object is a square of its own colour, at other places in each."""
    rng = np.random.default_rng(3)
    images, annotations = [], []
    for world in range(num_worlds):
        colours = rng.integers(0, 256, (num_objects, 3))
        for picture in range(num_pictures):
            pixels = rng.integers(0, 60, (64, 160, 3), dtype=np.uint8)
            name = f"{world}/{picture}.png"
            for k, colour in enumerate(colours):
                x, y = 40 * k + int(rng.integers(0, 10)), int(rng.integers(0, 30))
                pixels[y : y + 30, x : x + 30] = colour
                annotations.append(
                    {"image_id": len(images), "category_id": 1, "bbox": [x, y, 30, 30], "instance_id": k + 1}
                )
            (path / "images" / str(world)).mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path / "images" / name), pixels[..., ::-1])
            images.append({"id": len(images), "file_name": name, "width": 160, "height": 64})
    (path / "annotations").mkdir()
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "car"}]}
    (path / "annotations" / "instances.json").write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    return read_crops([write_set(tmp_path_factory.mktemp("set"))], CONFIG)


def test_objects_are_known_by_world_and_number(crops):
    assert len(crops) == 48
    assert crops.pixels.shape == (48, 40, 40, 3)
    assert np.bincount(crops.identities).tolist() == [4] * 12
    assert np.bincount(crops.worlds).tolist() == [16] * 3


def test_objects_that_occur_once_are_left_out_and_nothing_left_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="no object recurs"):
        read_crops([write_set(tmp_path, num_pictures=1)], CONFIG)


def test_worlds_are_held_back_whole(crops):
    rest, held = split(crops, 0.3)
    assert (len(rest), len(held)) == (32, 16)
    assert held.identities.max() == 3


def test_a_batch_has_some_objects_of_some_worlds_several_times(crops):
    for rows in islice(batches(crops, CONFIG, np.random.default_rng(0)), 5):
        assert np.bincount(np.bincount(crops.identities[rows], minlength=12)).tolist() == [4, 0, 8]
        assert len(set(crops.worlds[rows].tolist())) == 2


def test_augmented_cut_outs_have_the_input_s_size_and_range(crops):
    images = augmented(crops.pixels[:6], CONFIG, np.random.default_rng(0))
    assert images.shape == (6, 3, 32, 32)
    assert images.dtype == np.float32
    assert 0.0 <= images.min() < images.max() <= 1.0


def test_the_loss_is_that_of_its_definition():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(5, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    identities = [0, 0, 1, 1, 2]  # the last has no other of its kind and does not count
    terms = []
    for i in range(4):
        others = [k for k in range(5) if k != i]
        total = sum(np.exp(vectors[i] @ vectors[k] / 0.5) for k in others)
        same = [k for k in others if identities[k] == identities[i]]
        terms.append(-np.mean([np.log(np.exp(vectors[i] @ vectors[k] / 0.5) / total) for k in same]))
    loss = contrastive(torch.from_numpy(vectors), torch.tensor(identities), 0.5)
    assert float(loss) == pytest.approx(np.mean(terms))


def test_training_tells_objects_apart_that_it_has_not_seen_and_is_repeatable(crops):
    rest, held = split(crops, 0.3)
    network, again = train(rest, CONFIG), train(rest, CONFIG)
    for first, second in zip(network.parameters(), again.parameters()):
        assert torch.equal(first, second)
    result = measured(embedded(network, held, CONFIG), held)
    assert result["rank1"] > 0.8 > result["chance"]
