import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

pytest.importorskip("onnx")

from perception.core.errors import ModelError
from perception.inference import model_card
from perception.inference.model_card import Model, TensorSpec, models_folder, open_model, read_card, write_card
from tests.unit.inference.tiny import card, tiny_model


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return tiny_model(tmp_path / "store")


@pytest.fixture
def stored(model: Model, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setenv("PERCEPTION_MODELS", str(model.folder))
    return model


def values_of(model: Model) -> dict:
    return json.loads((model.folder / "tiny.json").read_text())


def test_a_card_is_read_as_it_was_written(model: Model) -> None:
    assert read_card(model.folder / "tiny.json") == model.card


def test_a_model_is_opened_by_the_path_of_its_card(model: Model) -> None:
    opened = open_model(str(model.folder / "tiny.json"))
    assert opened.card == model.card
    assert opened.path("onnx") == (model.folder / "tiny.onnx").resolve()
    assert opened.read("onnx") == (model.folder / "tiny.onnx").read_bytes()


def test_a_model_is_opened_by_its_name_in_the_store(stored: Model) -> None:
    assert models_folder() == stored.folder
    assert open_model("tiny").card == stored.card


def test_without_a_variable_the_store_is_in_the_data_folder_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERCEPTION_MODELS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert models_folder() == Path("/data/perception/models")


def test_a_packaged_model_comes_before_a_stored_one_of_its_name(stored: Model, monkeypatch, tmp_path: Path) -> None:
    packaged = tiny_model(tmp_path / "packaged", seed=2)
    monkeypatch.setattr(model_card, "PACKAGED", packaged.folder)
    assert open_model("tiny").card.files == packaged.card.files != stored.card.files


def test_an_unknown_name_is_refused_with_the_known_ones(stored: Model) -> None:
    with pytest.raises(ModelError, match=r"'yolo': is unknown; there are: .*tiny"):
        open_model("yolo")


@pytest.mark.parametrize("name", ["../tiny", "/etc/passwd", "a/b", "", "tiny\0"])
def test_a_name_never_leads_out_of_the_store(stored: Model, name: str) -> None:
    with pytest.raises(ModelError):
        open_model(name)


def test_a_card_must_have_the_name_of_its_file_to_be_found_by_it(stored: Model) -> None:
    (stored.folder / "tiny.json").rename(stored.folder / "other.json")
    with pytest.raises(ModelError, match="name: 'tiny' is not the name of the file"):
        open_model("other")


def test_a_changed_file_is_refused_by_name(model: Model) -> None:
    path = model.folder / "tiny.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    for use in (model.path, model.read):
        with pytest.raises(ModelError, match=r"model tiny: files\.onnx\.sha256: tiny\.onnx has .* fetch or export"):
            use("onnx")


def test_a_missing_file_is_named(model: Model) -> None:
    (model.folder / "tiny.onnx").unlink()
    with pytest.raises(ModelError, match=r"files\.onnx\.name: .*tiny\.onnx does not exist"):
        model.path("onnx")


def test_a_role_that_is_not_in_the_card_is_named(model: Model) -> None:
    with pytest.raises(ModelError, match=r"files\.weights is not in the card \(it has: onnx\)"):
        model.path("weights")


def test_a_file_of_enormous_size_is_not_read(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_card, "MAX_FILE_BYTES", 10)
    with pytest.raises(ModelError, match="more than 10 bytes"):
        model.read("onnx")


def test_a_link_that_leaves_the_folder_is_refused(model: Model, tmp_path: Path) -> None:
    outside = tmp_path / "outside.onnx"
    (model.folder / "tiny.onnx").rename(outside)
    (model.folder / "tiny.onnx").symlink_to(outside)
    with pytest.raises(ModelError, match="leaves the folder"):
        model.path("onnx")


@pytest.mark.parametrize(
    "name", ["../tiny.onnx", "/tmp/tiny.onnx", "a/tiny.onnx", "", ".onnx", "a\n.onnx", "tiny.onnx\n"]
)
def test_names_of_files_with_a_way_in_them_are_refused(model: Model, name: str) -> None:
    values = values_of(model)
    values["files"]["onnx"]["name"] = name
    (model.folder / "tiny.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match=r"files\.onnx\.name"):
        read_card(model.folder / "tiny.json")


@pytest.mark.parametrize("name", ["weights.pt", "weights.pkl", "weights.onnx", "weights"])
def test_weights_are_safetensors_only(tmp_path: Path, name: str) -> None:
    (tmp_path / "tiny.onnx").write_bytes(b"")
    with pytest.raises(ValidationError, match=r"does not end with \.safetensors"):
        card(tmp_path, files={"weights": {"name": name, "sha256": "0" * 64}})


WRONG = {
    "name": "../x",
    "inputs": [],
    "outputs": [{"name": "full", "shape": [0]}],
    "files": {"pickle": {"name": "a.onnx", "sha256": "0" * 64}},
    "classes": [""],
    "multiples": {"depth": 2},
    "input_size": [0, 5],
    "metrics": {"ap": float("nan")},
    "opset": -1,
    "colour": "red",
}


@pytest.mark.parametrize("field", WRONG)
def test_a_wrong_field_is_refused_by_name(model: Model, field: str) -> None:
    values = {**values_of(model), field: WRONG[field]}
    (model.folder / "tiny.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match=field):
        read_card(model.folder / "tiny.json")


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"inputs": [{"name": "a", "shape": [1]}] * 2, "multiples": {}}, "two have the name 'a'"),
        ({"inputs": [{"name": "a", "shape": ["height/2"]}], "multiples": {}}, "only outputs may do that"),
        ({"inputs": [{"name": "a", "shape": ["Height"]}], "multiples": {}}, "inputs"),
        ({"inputs": [{"name": "a", "shape": [1] * 9}], "multiples": {}}, "inputs"),
    ],
)
def test_tensors_that_do_not_fit_together_are_refused(tmp_path: Path, fields: dict, what: str) -> None:
    (tmp_path / "tiny.onnx").write_bytes(b"")
    with pytest.raises(ValidationError, match=what):
        card(tmp_path, **fields)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, '{"name": 1e999}', "\0", '{"a": "\ud800"}'])
def test_what_is_no_card_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ModelError, match="model card"):
        read_card(path)


def test_a_card_of_enormous_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b" " * (model_card.MAX_CARD_BYTES + 1))
    with pytest.raises(ModelError, match="has more than"):
        read_card(path)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    model = tiny_model(tmp_path_factory.mktemp("mutated"))
    return (model.folder / "tiny.json").read_bytes()


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_a_mutated_card_is_read_or_refused_and_nothing_else(text: bytes, tmp_path_factory, seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(text)
    for _ in range(chance.randint(1, 6)):
        row = chance.randrange(len(data))
        match chance.randrange(3):
            case 0:
                data[row] = chance.randrange(256)
            case 1:
                del data[row : row + chance.randint(1, 40)]
            case 2:
                data[row:row] = data[row : row + chance.randint(1, 40)]
    path = tmp_path_factory.getbasetemp() / "mutated.json"
    path.write_bytes(data)
    try:
        found = read_card(path)
    except ModelError:
        return
    assert found.inputs and found.files is not None


def test_the_fingerprint_follows_the_files_and_not_the_words(tmp_path: Path) -> None:
    first, second = tiny_model(tmp_path / "a"), tiny_model(tmp_path / "b", licence="MIT")
    assert first.fingerprint == second.fingerprint
    assert first.fingerprint != tiny_model(tmp_path / "c", seed=3).fingerprint
    assert first.fingerprint != tiny_model(tmp_path / "d", network={"size": "small"}).fingerprint


def test_shapes_come_back_as_numbers_and_names(tmp_path: Path) -> None:
    spec = TensorSpec(name="a", shape=("batch", 3, "height"))
    assert TensorSpec.model_validate_json(spec.model_dump_json()).shape == ("batch", 3, "height")


def test_writing_replaces_a_card(model: Model) -> None:
    changed = model.card.model_copy(update={"metrics": {"ap": 0.5}})
    write_card(changed, model.folder / "tiny.json")
    assert read_card(model.folder / "tiny.json").metrics == {"ap": 0.5}
