"""REIN against the reference implementation on a real scan with seeded weights, at the tolerances of section 18."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("safetensors")

from perception.inference.export import Description  # noqa: E402
from perception.inference.rein_export import write_rein  # noqa: E402
from perception.kernels.bicubic import rotation_places, sample_plane  # noqa: E402
from perception.networks.rein import ANGLES, Rein, images_from  # noqa: E402
from perception.networks.rein_graph import ReinConfig  # noqa: E402
from perception.place.config import DescriptorConfig  # noqa: E402
from perception.place.descriptors import (  # noqa: E402
    FeatureMap,
    PlaceNetwork,
    local_descriptors,
    merged,
    pooled_map,
    vlad,
)
from tests.shared import shared  # noqa: E402

SIDE = 201
WARPED, ENCODED, MAXIMUM, LOCAL, GLOBAL, GLOBAL_L2 = 5e-5, 1e-4, 5e-4, 1e-4, 2e-6, 1e-4


@pytest.fixture(scope="module")
def data():
    with np.load(shared("parity/bevplace_rem.npz")) as file:
        return {name: file[name] for name in file.files if name != "points_xyz"}


@pytest.fixture(scope="module")
def network(data):
    found = Rein(ReinConfig()).eval()
    found.load_state_dict({name: torch.from_numpy(np.array(data[f"sd/{name}"])) for name in data["sd_names"].tolist()})
    return found


@pytest.fixture(scope="module")
def maps(data, network):
    with torch.no_grad():
        return network.rem(images_from([torch.from_numpy(data["imgA_u8"])]), ANGLES)


def unit(features):
    return FeatureMap(features, (SIDE, SIDE), 8)


def test_turned_inputs_are_those_of_the_reference(data):
    image = data["imgA_u8"].astype(np.float32) / 256
    for k in (1, 3):
        turned = np.empty(SIDE * SIDE, dtype=np.float32)
        sample_plane(image, rotation_places(SIDE, ANGLES[k]), turned)
        np.testing.assert_allclose(turned.reshape(SIDE, SIDE), data[f"rot_in_{k}"], atol=WARPED)


def test_the_encoder_gives_the_maps_of_the_reference(data, network):
    for k in (0, 1):
        image = data["rot_in_1"] if k else data["imgA_u8"].astype(np.float32) / 256
        with torch.no_grad():
            have = network.rem.encoder(torch.from_numpy(image)[None, None].expand(1, 3, -1, -1))[0].numpy()
        np.testing.assert_allclose(have, data[f"enc_out_rot{k}"], atol=ENCODED)


def test_the_maximum_over_the_headings_is_that_of_the_reference(data, maps):
    np.testing.assert_allclose(maps[0].numpy(), data["equ_max"], atol=MAXIMUM)


def test_global_descriptors_are_those_of_the_reference(data, network, maps):
    with torch.no_grad():
        have = network.describe(maps, (SIDE, SIDE))[0].numpy()
        other = network(images_from([torch.from_numpy(data["imgB40_u8"])]))[0].numpy()
        turned = network(images_from([torch.from_numpy(np.rot90(data["imgA_u8"]).copy())]))[0].numpy()
    for mine, key in ((have, "global_desc"), (other, "global_desc_imgB40"), (turned, "global_desc_rot90")):
        np.testing.assert_allclose(mine, data[key], atol=GLOBAL)
        assert np.linalg.norm(mine - data[key]) < GLOBAL_L2


def test_local_descriptors_sampled_at_keypoints_are_those_of_the_dense_map(data, network, maps):
    features = unit(np.ascontiguousarray(maps[0].permute(1, 2, 0).numpy()))
    at_keypoints = local_descriptors(features, data["fast_kp"][:, :2].astype(np.int64))
    np.testing.assert_allclose(at_keypoints, data["local_at_kp"], atol=LOCAL)
    on_grid = local_descriptors(features, data["grid_rc"][:, ::-1])
    np.testing.assert_allclose(on_grid, data["local_at_grid"], atol=LOCAL)
    with torch.no_grad():
        dense = network.local(maps, (SIDE, SIDE))[0].permute(1, 2, 0).numpy()
    rows, columns = np.mgrid[0:SIDE:3, 0:SIDE:3].reshape(2, -1)
    sparse = local_descriptors(features, np.stack([columns, rows], axis=1))
    np.testing.assert_allclose(sparse, dense[rows, columns], atol=3e-6)


def test_pooling_without_torch_gives_the_descriptor_of_the_reference(data, network, maps):
    features = unit(np.ascontiguousarray(maps[0].permute(1, 2, 0).numpy()))
    pooled = pooled_map(features)
    np.testing.assert_allclose(pooled.reshape(50, 50, 128), data["out1"].transpose(1, 2, 0), atol=1e-3)
    centroids, assignment = data["sd/pooling.centroids"], data["sd/pooling.conv.weight"][:, :, 0, 0]
    np.testing.assert_allclose(vlad(pooled, centroids, assignment), data["global_desc"], atol=GLOBAL)


def test_maps_turned_back_by_the_kernel_have_the_maximum_of_the_reference(data, network):
    turned = np.stack([data["imgA_u8"].astype(np.float32) / 256] * 8)[:, None]
    for k in range(1, 8):
        sample_plane(turned[0, 0], rotation_places(SIDE, ANGLES[k]), turned[k].reshape(-1))
    with torch.no_grad():
        found = network.rem.encoder(torch.from_numpy(turned).expand(-1, 3, -1, -1)).numpy()
    np.testing.assert_allclose(merged(found).transpose(2, 0, 1), data["equ_max"], atol=MAXIMUM)


def test_the_exported_network_with_rounded_weights_keeps_the_descriptors(data, network, tmp_path):
    words = Description(name="seeded", classes=(), licence="none", training_data="none")
    model = write_rein(network, words, tmp_path)
    ready = PlaceNetwork(model, DescriptorConfig(backend="onnx", num_threads=1), SIDE)
    features = ready.encode(data["imgA_u8"], 8)
    assert ready.describe(features) @ data["global_desc"] >= 0.999
    cosines = (ready.local(features, data["fast_kp"][:, :2].astype(np.int64)) * data["local_at_kp"]).sum(axis=1)
    assert cosines.mean() >= 0.995
    assert cosines.min() >= 0.97
    turned = ready.describe(ready.encode(np.rot90(data["imgA_u8"]).copy(), 8))
    np.testing.assert_allclose(turned, ready.describe(features), atol=2e-6)
