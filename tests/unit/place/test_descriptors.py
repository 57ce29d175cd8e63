import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("safetensors")

from perception.core.errors import InvalidInput, ModelError  # noqa: E402
from perception.inference.model_card import open_model  # noqa: E402
from perception.networks.rein import ANGLES, images_from  # noqa: E402
from perception.place.config import DescriptorConfig  # noqa: E402
from perception.place.descriptors import PlaceNetwork, open_place_network  # noqa: E402
from tests.unit.place.reins import small_network, written  # noqa: E402

SIDE = 57


def image(seed, side=SIDE):
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 256, (side, side)) * (rng.random((side, side)) < 0.15)).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("models")
    written(path)
    return path


def opened(folder, backend="onnx"):
    return open_place_network(DescriptorConfig(model=str(folder / "places.json"), backend=backend), SIDE)


@pytest.mark.parametrize("backend", ["onnx", "torch"])
@pytest.mark.parametrize("num_rotations", [1, 8])
@pytest.mark.parametrize("side", [SIDE, 64])
def test_kernels_and_runtime_compute_what_the_network_does(folder, backend, num_rotations, side):
    pixels, network, definition = image(1, side), opened(folder, backend), small_network()
    features = network.encode(pixels, num_rotations)
    keypoints = np.array([[0, 0], [side - 1, 3], [20, 31], [12.5, 40.25]])
    with torch.no_grad():
        maps = definition.rem(images_from([torch.from_numpy(pixels)]), ANGLES[:num_rotations])
        dense = definition.local(maps, (side, side))[0].numpy()
        whole = definition.describe(maps, (side, side))[0].numpy()
    np.testing.assert_allclose(features.values, maps[0].permute(1, 2, 0).numpy(), atol=5e-3)
    cosine = (network.local(features, keypoints[:3]) * dense[:, [0, 3, 31], [0, side - 1, 20]].T).sum(axis=1)
    np.testing.assert_allclose(cosine, 1.0, atol=1e-3)
    assert network.describe(features) @ whole > 0.9999
    assert network.local(features, keypoints).shape == (4, 16)
    network.close()


def test_the_global_descriptor_does_not_change_with_quarter_turns(folder):
    network, pixels = opened(folder), image(2)
    vectors = [network.describe(network.encode(np.rot90(pixels, k).copy(), 8)) for k in range(4)]
    for vector in vectors[1:]:
        np.testing.assert_allclose(vector, vectors[0], atol=1e-6)


def test_what_is_no_image_is_refused(folder):
    network = opened(folder)
    for wrong, rotations in ((np.zeros((5, 5)), 1), (np.zeros((5, 6), np.uint8), 1), (np.zeros((9, 9), np.uint8), 3)):
        with pytest.raises(InvalidInput, match="image"):
            network.encode(wrong, rotations)


def test_a_model_of_another_family_is_refused():
    with pytest.raises(ModelError, match="describes no places"):
        PlaceNetwork(open_model("osnet-objects"), DescriptorConfig(), SIDE)


def test_no_keypoints_give_no_descriptors(folder):
    network = opened(folder)
    features = network.encode(np.zeros((SIDE, SIDE), dtype=np.uint8))
    assert network.local(features, np.zeros((0, 2))).shape == (0, 16)
    assert np.isfinite(network.describe(features)).all()
