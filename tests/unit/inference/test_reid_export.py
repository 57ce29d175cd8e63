import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("safetensors")

from perception.detection.tracking.appearance import Appearance  # noqa: E402
from perception.detection.tracking.config import AppearanceConfig  # noqa: E402
from perception.inference.export import Description  # noqa: E402
from perception.inference.model_card import open_model  # noqa: E402
from perception.inference.reid_export import write_reid  # noqa: E402
from perception.networks.reid import ReidNetwork  # noqa: E402
from perception.networks.reid_graph import ReidConfig  # noqa: E402

WORDS = Description(name="looks", classes=(), licence="none", training_data="none")


def test_an_exported_network_embeds_boxes_alike_by_onnx_and_by_torch(tmp_path):
    torch.manual_seed(0)
    network = ReidNetwork(ReidConfig(stem=8, widths=(8, 16), dimensions=16, height=32, width=32)).train()
    with torch.no_grad():
        network(torch.rand(8, 3, 32, 32))
    write_reid(network.eval(), WORDS, tmp_path)
    model = open_model(str(tmp_path / "looks.json"))
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    corners = np.array([[0, 0, 30, 40], [20, 10, 79, 59], [-5, -5, 10, 10]], dtype=np.float32)
    by = {b: Appearance(model, AppearanceConfig(backend=b)).embed(pixels, corners) for b in ("onnx", "torch")}
    np.testing.assert_allclose((by["onnx"] * by["torch"]).sum(axis=1), 1.0, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(by["onnx"], axis=1), 1.0, atol=1e-3)
    assert abs(by["onnx"][0] @ by["onnx"][1]) < 0.999  # they tell boxes apart
