import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from perception.core.errors import ModelError  # noqa: E402
from perception.networks.rein import ANGLES, Rein, ReinEncoder, images_from, load_rein, save_rein  # noqa: E402
from perception.networks.rein_graph import ReinConfig  # noqa: E402
from tests.unit.place.reins import small_network  # noqa: E402


def image(seed, side=49):
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 256, (side, side)) * (rng.random((side, side)) < 0.15)).astype(np.uint8)


def test_the_whole_network_has_the_published_tensors():
    network = Rein(ReinConfig())
    assert len(network.state_dict()) == 98
    assert sum(tensor.numel() for tensor in network.state_dict().values()) == 1_367_504
    assert network.config.dimensions == 8192


def test_the_global_descriptor_is_a_unit_vector_that_quarter_turns_leave_alone():
    network, pixels = small_network(), torch.from_numpy(image(1))
    with torch.no_grad():
        there = network(images_from([pixels, torch.rot90(pixels), torch.rot90(pixels, 2)]))
    torch.testing.assert_close(there.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(there[1:], there[:1].expand(2, -1), atol=2e-6, rtol=0)


def test_eight_headings_are_more_alike_after_any_turn_than_one():
    network = small_network()
    pixels = torch.from_numpy(image(2, 97))
    from perception.networks.rein import _turned

    images = images_from([pixels])
    with torch.no_grad():
        turned = _turned(images, 0.3)
        apart = [float((network(images, a) - network(turned, a)).norm()) for a in ((0.0,), ANGLES)]
    assert apart[1] < apart[0]


def test_the_encoder_for_grey_images_computes_what_the_network_does():
    network = small_network()
    images = images_from([torch.from_numpy(image(3)), torch.from_numpy(image(4))])
    with torch.no_grad():
        torch.testing.assert_close(ReinEncoder(network)(images), network.rem(images, (0.0,)), rtol=1e-4, atol=1e-5)


def test_what_is_saved_is_read_back(tmp_path):
    network = small_network()
    save_rein(network, tmp_path / "places.safetensors", torch.float32)
    again = load_rein(tmp_path / "places.safetensors")
    images = images_from([torch.from_numpy(image(5))])
    with torch.no_grad():
        torch.testing.assert_close(again(images), network(images))
    (tmp_path / "cut").write_bytes((tmp_path / "places.safetensors").read_bytes()[:-9])
    with pytest.raises(ModelError, match="cut"):
        load_rein(tmp_path / "cut")
