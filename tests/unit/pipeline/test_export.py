import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("safetensors")

import cv2

from perception.cli import main
from perception.core.errors import ConfigError, ModelError
from perception.inference import engines, tensorrt
from perception.inference.export import Description, write_leyolo
from perception.inference.model_card import Model, open_model
from perception.inference.runtime import make_runtime
from perception.inference.tensorrt import Probe
from perception.pipeline.export import ExportOptions, export, parse_shape, profiles
from tests.unit.inference import leyolos
from tests.unit.inference.tensorrts import Log, library

IMAGES = leyolos.images(1, 3, 64, 96)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    description = Description(
        name="tried",
        classes=tuple("abcde"),
        licence="Apache-2.0",
        training_data="Nothing.",
        input_size=(64, 96),
    )
    return write_leyolo(leyolos.network(), description, tmp_path_factory.mktemp("model"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos" / "inner"
    folder.mkdir(parents=True)
    for row in range(3):
        pixels = np.random.default_rng(row).integers(0, 256, size=(40, 70, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{row}.png"), pixels)
    return folder.parent


def computed(card: Path, precision: str = "f32") -> dict[str, np.ndarray]:
    runtime = make_runtime(open_model(str(card)), "onnx", precision, num_threads=1)
    return {name: array.copy() for name, array in runtime.infer({"images": IMAGES}).items()}


def silent(line: str) -> None:
    pass


def test_precisions_gather_in_a_folder_beside_one_card_and_each_runs(model, photos, tmp_path: Path):
    said = []
    half = export(model, ExportOptions(precision="f16", out=tmp_path / "out"), said.append)
    options = ExportOptions(precision="int8", out=tmp_path / "out", calibration=photos)
    done = []
    bytes_ = export(model, options, said.append, lambda *counts: done.append(counts))
    assert half == bytes_ == tmp_path / "out" / "tried.json"
    card = open_model(str(half)).card
    assert set(card.files) == {"weights", "onnx", "onnx_f16", "onnx_int8"}
    assert card.files["onnx"] == model.card.files["onnx"]
    assert [line.split(":")[0] for line in said] == ["f16", "int8"]
    assert done[-1][0] == 3
    full = computed(half)
    for precision, tolerance in (("f16", 0.03), ("int8", 0.5)):
        for name, array in computed(half, precision).items():
            error = np.abs(array - full[name]).max() / np.abs(full[name]).max()
            assert 0 < error < tolerance


def test_a_float32_export_is_the_model_itself_in_another_folder(model, tmp_path: Path):
    card = export(model, ExportOptions(out=tmp_path), silent)
    assert open_model(str(card)).card == model.card


def test_a_folder_of_another_model_of_that_name_is_left_alone(model, tmp_path: Path):
    (tmp_path / "tried.json").write_text(json.dumps({**model.card.model_dump(mode="json"), "files": {}}))
    with pytest.raises(ModelError, match="another model of this name"):
        export(model, ExportOptions(precision="f16", out=tmp_path), silent)


def test_another_end_has_a_card_of_its_own_and_runs(model, tmp_path: Path):
    card = export(model, ExportOptions(end="nms", precision="f16", score_threshold=0.3, out=tmp_path), silent)
    assert card.name == "tried-nms-f16.json"
    found = computed(card)
    assert found["detections"].shape == (1, 300, 6)
    assert 0 < found["num_detections"][0] <= 300
    scores = found["detections"][0, : found["num_detections"][0], 4]
    assert scores.min() > 0.3


def test_a_fixed_shape_is_in_the_file_and_in_the_card(model, tmp_path: Path):
    card = export(model, ExportOptions(shape=(64, 96), end="decode", out=tmp_path), silent)
    made = open_model(str(card)).card
    assert made.name == "tried-64x96-decode"
    assert made.inputs[0].shape == (1, 3, 64, 96)
    assert made.outputs[0].shape == (1, 9, 126)
    assert made.multiples == {}
    free = computed(export(model, ExportOptions(end="decode", out=tmp_path), silent))
    np.testing.assert_allclose(computed(card)["decoded"], free["decoded"], rtol=1e-5, atol=1e-4)


def test_openvino_reads_its_own_files_and_computes_the_same(model, tmp_path: Path):
    openvino = pytest.importorskip("openvino")
    path = export(model, ExportOptions(backend="openvino", out=tmp_path), silent)
    assert path.name == "tried-f32.xml"
    network = openvino.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    expected = computed(export(model, ExportOptions(out=tmp_path), silent))
    for port, array in network([IMAGES]).items():
        np.testing.assert_allclose(array, expected[port.get_any_name()], atol=1e-3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (ExportOptions(shape=(64, 100)), "width 100 is no multiple of 32; use 128"),
        (ExportOptions(precision="int8"), "give --calibration"),
        (ExportOptions(precision="f16", calibration=Path()), "is for --precision int8"),
        (ExportOptions(backend="tensorrt", end="nms"), r"perception export FOLDER/tried-nms\.json --backend tensorrt"),
    ],
)
def test_wishes_that_contradict_each_other_are_refused_with_a_remedy(model, options, words):
    with pytest.raises(ConfigError, match=words):
        export(model, options, silent)


@pytest.mark.parametrize("text", ["480", "480x", "0x32", "-1x32", "480x640x3", "9000x32", "axb"])
def test_a_shape_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match="HEIGHTxWIDTH"):
        parse_shape(text)


def test_a_folder_without_images_is_refused(model, tmp_path: Path):
    with pytest.raises(ValueError, match="holds no images"):
        export(model, ExportOptions(precision="int8", calibration=tmp_path), silent)
    (tmp_path / "x.png").write_bytes(b"none")
    with pytest.raises(ValueError, match=r"x\.png cannot be read"):
        export(model, ExportOptions(precision="int8", calibration=tmp_path), silent)


# Engines, with a stand-in for TensorRT.


def test_profiles_are_free_up_to_a_square_or_fixed(model):
    free = profiles(model.card, ExportOptions(batch=2))["images"]
    assert (free.smallest, free.usual, free.largest) == ((1, 3, 32, 32), (1, 3, 64, 96), (2, 3, 96, 96))
    fixed = profiles(model.card, ExportOptions(shape=(96, 32)))["images"]
    assert fixed.smallest == fixed.usual == fixed.largest == (1, 3, 96, 32)


@pytest.fixture
def machine(monkeypatch, tmp_path: Path) -> dict:
    """A machine with TensorRT; its GPU can be exchanged."""
    facts = {"gpu": "Orin", "log": Log()}
    monkeypatch.setenv("PERCEPTION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        tensorrt, "probe", lambda flavour: Probe(flavour, True, "", "10.3.0", True, facts["gpu"], "8.7")
    )
    monkeypatch.setattr(tensorrt, "load_library", lambda flavour: library("10.3", facts["log"]))
    return facts


def test_an_engine_is_built_once_and_again_when_something_has_changed(model, machine):
    options, said = ExportOptions(backend="tensorrt", precision="f16"), []
    path = export(model, options, said.append)
    assert path.parent == engines.engines_folder()
    assert path.read_bytes() == b"engine"
    assert export(model, options, said.append) == path
    assert said == ["there is one that fits; --force builds it anew"]
    machine["gpu"] = "Xavier"
    assert export(model, options, said.append) == path
    assert "gpu: Orin, here Xavier" in said[-1]
    path.write_bytes(b"engi")
    export(model, options, said.append)
    assert "has 4 bytes, expected 6" in said[-1]
    num_builds = machine["log"].count(("added",))
    export(model, ExportOptions(backend="tensorrt", precision="f16", is_forced=True), said.append)
    assert machine["log"].count(("added",)) == num_builds + 1 == 4


def test_a_machine_that_cannot_build_says_why(model, monkeypatch):
    monkeypatch.setattr(tensorrt, "probe", lambda flavour: Probe(flavour, False, "it is not installed"))
    with pytest.raises(ModelError, match="cannot build engines here: it is not installed"):
        export(model, ExportOptions(backend="tensorrt"), silent)


# The commands.


def test_the_command_writes_and_tells_where(model, tmp_path: Path):
    card = str(model.folder / "tried.json")
    done = CliRunner().invoke(main, ["export", card, "--nms", "--shape", "64x96", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [f"wrote {tmp_path / 'tried-64x96-nms.json'}"]
    refused = CliRunner().invoke(main, ["export", card, "--shape", "64x97"])
    assert refused.exit_code == 2
    assert "use 128" in refused.output


def test_the_command_imports_a_checkpoint_into_the_store(tmp_path: Path, monkeypatch):
    import torch

    from perception.networks.weights import ordered_names, published_names

    monkeypatch.setenv("PERCEPTION_MODELS", str(tmp_path / "store"))
    network = leyolos.network()
    state = network.state_dict()
    names = [f"model.{name}" for name in published_names(network)]
    torch.save({"model": dict(zip(names, map(state.get, ordered_names(network))))}, tmp_path / "nano.pt")
    done = CliRunner().invoke(main, ["models", "import", str(tmp_path / "nano.pt"), "--name", "mine"])
    assert done.exit_code == 0, done.output
    assert "use it as mine" in done.output
    assert open_model("mine").card.classes[0] == "class_0"
    (tmp_path / "bad.pt").write_bytes(b"bad")
    refused = CliRunner().invoke(main, ["models", "import", str(tmp_path / "bad.pt")])
    assert refused.exit_code == 1
    assert "torch.save" in refused.output
