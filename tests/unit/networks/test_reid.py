import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from perception.core.errors import ModelError  # noqa: E402
from perception.networks.blocks import folded  # noqa: E402
from perception.networks.reid import OmniScaleBlock, ReidNetwork, load_reid, save_reid  # noqa: E402
from perception.networks.reid_graph import ReidConfig  # noqa: E402
from perception.networks.reid_input import crop  # noqa: E402

SMALL = ReidConfig(stem=8, widths=(8, 16), dimensions=16, height=32, width=32)


def trained_a_little(config=SMALL):
    """A network whose running statistics are not those of the start."""
    torch.manual_seed(1)
    network = ReidNetwork(config).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(6, 3, config.height, config.width))
    return network.eval()


def test_embeddings_are_unit_vectors_of_the_asked_length():
    vectors = trained_a_little()(torch.rand(5, 3, 32, 32))
    assert vectors.shape == (5, 16)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(5))


def test_the_packaged_size_is_small():
    network = ReidNetwork(ReidConfig())
    assert sum(parameter.numel() for parameter in network.parameters()) < 300_000


def test_each_stream_of_a_block_sees_two_pixels_more_than_the_one_before():
    block = OmniScaleBlock(8, 8, num_streams=3).eval()
    for row, stream in enumerate(block.streams, start=1):
        features = torch.rand(1, 2, 15, 15, requires_grad=True)
        stream[0].pointwise.weight.data.abs_()
        for light in stream:
            light.pointwise.weight.data.fill_(1.0)
            light.depthwise.conv.weight.data.fill_(1.0)
        stream(features)[0, 0, 7, 7].backward()
        assert (features.grad[0, 0].abs().sum(dim=0) > 0).sum() == 2 * row + 1


def test_all_streams_share_one_gate():
    block = OmniScaleBlock(16, 16, num_streams=4)
    gates = [name for name, _ in block.named_parameters() if "gate" in name]
    assert len(gates) == 4  # two layers with weights and biases, whatever the number of streams


def test_folding_its_norms_changes_nothing():
    network, crops = trained_a_little(), torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(folded(network)(crops), network(crops), rtol=1e-4, atol=1e-5)


def test_a_saved_network_comes_back_with_weights_rounded_to_half_precision(tmp_path):
    network, crops = trained_a_little(), torch.rand(3, 3, 32, 32)
    save_reid(network, tmp_path / "reid.safetensors")
    again = load_reid(tmp_path / "reid.safetensors")
    assert again.config == SMALL
    assert (again(crops) * network(crops)).sum(dim=1).min() > 0.999


def test_a_file_of_another_network_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors", {"family": "leyolo"})
    with pytest.raises(ModelError, match="family 'leyolo'"):
        load_reid(tmp_path / "other.safetensors")


def test_a_cut_out_of_the_asked_size_is_the_box_itself():
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    cut = crop(image, np.array([5.0, 7.0, 37.0, 31.0]), (24, 32))
    assert np.array_equal(cut, image[7:31, 5:37])
    assert np.array_equal(crop(image, np.array([5.0, 7.0, 37.0, 31.0]), (24, 32), margin=3), image[4:34, 2:40])


def test_a_cut_out_beyond_the_border_repeats_it():
    image = np.full((10, 10, 3), 7, dtype=np.uint8)
    assert (crop(image, np.array([-20.0, -20.0, 30.0, 30.0]), (16, 16)) == 7).all()
