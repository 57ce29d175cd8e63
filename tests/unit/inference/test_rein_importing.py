import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("safetensors")

from click.testing import CliRunner  # noqa: E402

from perception.core.errors import ModelError  # noqa: E402
from perception.inference.model_card import open_model  # noqa: E402
from perception.inference.rein_importing import rein_of  # noqa: E402
from perception.networks.rein import images_from  # noqa: E402
from tests.unit.place.reins import small_network  # noqa: E402


def checkpoint(path, network, prefix=""):
    """A file as the authors of BEVPlace++ write them."""
    state = {prefix + name: tensor for name, tensor in network.state_dict().items()}
    optimiser = torch.optim.Adam(network.parameters(), 1e-4)
    images_from([torch.zeros(9, 9)])
    network(torch.rand(1, 1, 25, 25), (0.0,)).sum().backward()
    optimiser.step()
    content = {"epoch": 7, "state_dict": state, "recalls": {1: 0.9}, "optimizer": optimiser.state_dict()}
    torch.save(content, path)
    return path


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_checkpoint_of_the_authors_is_read_without_running_it(tmp_path, prefix):
    network = small_network()
    want = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    path = tmp_path / "model_best.pth.tar"
    torch.save({"epoch": 3, "state_dict": {prefix + name: tensor for name, tensor in want.items()}}, path)
    have = rein_of(path)
    assert have.config == network.config
    for name, tensor in have.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), want[name].numpy())


def test_an_optimiser_beside_the_weights_does_not_disturb(tmp_path):
    path = checkpoint(tmp_path / "checkpoint.pth.tar", small_network())
    assert rein_of(path).config.width == 8


def test_the_command_puts_it_into_the_store(tmp_path, monkeypatch):
    from perception.cli import main

    monkeypatch.setenv("PERCEPTION_MODELS", str(tmp_path / "store"))
    path = tmp_path / "model_best.pth.tar"
    torch.save({"state_dict": small_network().state_dict()}, path)
    done = CliRunner().invoke(main, ["models", "import", str(path), "--name", "published"])
    assert done.exit_code == 0, done.output
    card = open_model("published").card
    assert (card.family, card.task) == ("rein", "place-recognition")
    assert "KITTI" in card.licence


def test_a_checkpoint_that_lacks_a_tensor_is_refused_by_name(tmp_path):
    state = small_network().state_dict()
    del state["rem.encoder.4.0.bn2.bias"]
    torch.save({"state_dict": state}, tmp_path / "short.pth")
    with pytest.raises(ModelError, match=r"rem\.encoder\.4\.0\.bn2\.bias"):
        rein_of(tmp_path / "short.pth")
    torch.save({"state_dict": {"a": torch.zeros(3)}}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match="BEVPlace"):
        rein_of(tmp_path / "other.pth")
