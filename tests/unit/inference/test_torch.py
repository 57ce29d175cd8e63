"""The backend torch: what only it does. That it computes the right thing is shown in tests/golden/test_runtime.py."""

import warnings
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from perception.core.errors import ConfigError, InvalidInput, ModelError  # noqa: E402
from perception.inference.model_card import Model, ModelCard, file_entry  # noqa: E402
from perception.inference.runtime import make_runtime  # noqa: E402
from perception.networks.leyolo import LeYolo  # noqa: E402
from perception.networks.leyolo_graph import LeYoloConfig  # noqa: E402
from perception.networks.weights import save_leyolo  # noqa: E402

NUM_CLASSES = 2
CONFIG = LeYoloConfig(num_classes=NUM_CLASSES, activation="hard_swish")
SHAPE = (1, 3, 32, 64)
FOLDING = 1e-5  # largest difference
UNIT_LENGTH = 1e-3  # largest difference: small features at random, scaled to length 1
BF16 = 2e-2  # of the largest output


@pytest.fixture(scope="module")
def network() -> LeYolo:
    torch.manual_seed(0)
    return LeYolo(CONFIG).eval()


@pytest.fixture(scope="module")
def model(network: LeYolo, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("torch")
    save_leyolo(network, folder / "nano.safetensors")
    outputs = [
        {"name": f"p{level}", "shape": ["batch", 64 + NUM_CLASSES, f"height/{2**level}", f"width/{2**level}"]}
        for level in (3, 4, 5)
    ]
    card = {
        "name": "nano",
        "family": "leyolo",
        "task": "detection",
        "network": CONFIG.model_dump(mode="json"),
        "inputs": [{"name": "images", "shape": ["batch", 3, "height", "width"]}],
        "outputs": outputs,
        "multiples": {"height": 32, "width": 32},
        "licence": "Apache-2.0",
        "training_data": "None.",
        "files": {"weights": file_entry(folder / "nano.safetensors")},
    }
    return Model(ModelCard.model_validate(card), folder)


def with_card(model: Model, **fields) -> Model:
    return Model(ModelCard.model_validate({**model.card.model_dump(), **fields}), model.folder)


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def test_outputs_are_those_of_the_network_in_changing_shapes(model: Model, network: LeYolo) -> None:
    runtime = make_runtime(model, "torch", device="cpu", num_threads=1)
    assert (runtime.backend, runtime.precision, runtime.device) == ("torch", "f32", "cpu")
    for shape in (SHAPE, (2, 3, 64, 32), SHAPE):
        images = pixels(*shape)
        outputs = runtime.infer({"images": images})
        with torch.no_grad():
            expected = network(torch.from_numpy(images))
        assert list(outputs) == ["p3", "p4", "p5"]
        for have, want in zip(outputs.values(), expected):
            assert have.flags.c_contiguous
            np.testing.assert_allclose(have, want.numpy(), atol=FOLDING)


@pytest.mark.parametrize("has_bf16", [True, False])
def test_bfloat16_answers_in_float32_and_nearly_the_same(model: Model, monkeypatch, has_bf16: bool) -> None:
    from perception.inference import torch as backend

    monkeypatch.setattr(backend, "has_bf16", lambda: has_bf16)
    images = {"images": pixels(*SHAPE)}
    full = make_runtime(model, "torch", "f32", device="cpu", num_threads=1).infer(images)
    low = make_runtime(model, "torch", "bf16", device="cpu", num_threads=1).infer(images)
    for name, want in full.items():
        assert low[name].dtype == np.float32
        assert 0 < np.abs(low[name] - want).max() < BF16 * np.abs(want).max()


def test_imitated_bfloat16_is_that_of_torch_but_for_the_order_of_sums(model: Model, monkeypatch) -> None:
    from perception.inference import torch as backend

    images, found = {"images": pixels(*SHAPE)}, {}
    for has_bf16 in (True, False):
        monkeypatch.setattr(backend, "has_bf16", lambda has_bf16=has_bf16: has_bf16)
        runtime = make_runtime(model, "torch", "bf16", device="cpu", num_threads=1)
        found[has_bf16] = {name: values.copy() for name, values in runtime.infer(images).items()}
    full = make_runtime(model, "torch", "f32", device="cpu", num_threads=1).infer(images)
    for name, want in full.items():
        apart = {has_bf16: float(np.abs(values[name] - want).mean()) for has_bf16, values in found.items()}
        assert 0.3 < apart[False] / apart[True] < 3
        is_rounded = found[False][name].view(np.uint32) & 0xFFFF == 0
        assert is_rounded.all()


def test_the_threads_of_the_process_are_as_before_after_a_call(model: Model, monkeypatch) -> None:
    before, seen = torch.get_num_threads(), []
    runtime = make_runtime(model, "torch", device="cpu", num_threads=before + 1)
    network = runtime._network
    runtime._network = lambda *tensors: seen.append(torch.get_num_threads()) or network(*tensors)
    runtime.infer({"images": pixels(*SHAPE)})
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_read_only_arrays_are_read_without_a_warning(model: Model) -> None:
    images = pixels(*SHAPE)
    images.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_runtime(model, "torch", device="cpu", num_threads=1).infer({"images": images})


def test_outputs_are_kept_until_the_next_call_and_then_written_again(model: Model) -> None:
    runtime = make_runtime(model, "torch", device="cpu", num_threads=1)
    first = runtime.infer({"images": pixels(*SHAPE)})
    kept = first["p3"].copy()
    second = runtime.infer({"images": 1 - pixels(*SHAPE)})
    assert second["p3"] is first["p3"] or np.shares_memory(second["p3"], first["p3"])
    assert not np.array_equal(kept, second["p3"])


def test_sides_that_the_network_cannot_halve_are_refused(model: Model) -> None:
    with pytest.raises(InvalidInput, match="height: 40 is no multiple of 32"):
        make_runtime(model, "torch", device="cpu").infer({"images": pixels(1, 3, 40, 64)})


def test_a_closed_runtime_says_so(model: Model) -> None:
    runtime = make_runtime(model, "torch", device="cpu", num_threads=1)
    runtime.close()
    runtime.close()
    with pytest.raises(ModelError, match="model nano: the runtime is closed"):
        runtime.infer({"images": pixels(*SHAPE)})


def test_weights_of_another_network_than_the_card_describes_are_refused(model: Model) -> None:
    other = with_card(model, network={**model.card.network, "activation": "silu"})
    with pytest.raises(ModelError, match=r"network\.activation: the card says 'silu', the weights 'hard_swish'"):
        make_runtime(other, "torch", device="cpu")


def test_a_family_without_a_torch_network_is_refused(model: Model) -> None:
    with pytest.raises(ModelError, match="family: 'other' has no torch network; use onnx"):
        make_runtime(with_card(model, family="other"), "torch", device="cpu")


def test_networks_for_the_looks_of_objects_are_run_as_well(tmp_path: Path) -> None:
    from perception.networks.reid import ReidNetwork, save_reid
    from perception.networks.reid_graph import ReidConfig

    torch.manual_seed(0)
    config = ReidConfig(stem=8, widths=(16, 16), dimensions=8, height=32, width=32)
    network = ReidNetwork(config).eval()
    save_reid(network, tmp_path / "looks.safetensors")
    card = {
        "name": "looks",
        "family": "osnet",
        "task": "re-identification",
        "network": config.model_dump(mode="json"),
        "inputs": [{"name": "crops", "shape": ["batch", 3, 32, 32]}],
        "outputs": [{"name": "embeddings", "shape": ["batch", 8]}],
        "licence": "Apache-2.0",
        "training_data": "None.",
        "files": {"weights": file_entry(tmp_path / "looks.safetensors")},
    }
    runtime = make_runtime(Model(ModelCard.model_validate(card), tmp_path), "torch", device="cpu", num_threads=1)
    crops = pixels(3, 3, 32, 32)
    with torch.no_grad():
        expected = network(torch.from_numpy(crops)).numpy()
    np.testing.assert_allclose(runtime.infer({"crops": crops})["embeddings"], expected, atol=UNIT_LENGTH)


def test_another_number_of_outputs_than_in_the_card_is_refused(model: Model) -> None:
    runtime = make_runtime(with_card(model, outputs=model.card.outputs[:2]), "torch", device="cpu", num_threads=1)
    with pytest.raises(ModelError, match="3 outputs, the card has 2"):
        runtime.infer({"images": pixels(*SHAPE)})


@pytest.mark.parametrize("precision", ["int8", "f16"])
def test_precisions_that_torch_does_not_run_on_a_cpu_are_refused(model: Model, precision: str) -> None:
    with pytest.raises(ConfigError, match=f"backend torch does not run {precision} on cpu; use f32"):
        make_runtime(model, "torch", precision, device="cpu")


def test_a_gpu_that_is_not_there_is_refused_with_the_reason(model: Model, monkeypatch) -> None:
    from perception.inference import probe

    monkeypatch.setattr(probe, "gpu_problem", lambda library: "no driver")
    with pytest.raises(ConfigError, match=r"device: cuda does not work here \(no driver\); use cpu"):
        make_runtime(model, "torch", device="cuda")


def test_changed_weights_are_refused(model: Model, tmp_path: Path) -> None:
    data = bytearray((model.folder / "nano.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "nano.safetensors").write_bytes(data)
    with pytest.raises(ModelError, match=r"files\.weights\.sha256: nano\.safetensors has"):
        make_runtime(Model(model.card, tmp_path), "torch", device="cpu")
