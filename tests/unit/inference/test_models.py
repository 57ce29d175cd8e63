"""`perception models`: what people are told about the models at hand."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("onnx")

from perception.cli import main
from perception.inference import model_card, probe
from perception.inference.model_card import PACKAGED, Model, open_model
from tests.unit.inference.tiny import tiny_model


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A tiny model in a store, and none in the package."""
    model = tiny_model(tmp_path / "store")
    monkeypatch.setenv("PERCEPTION_MODELS", str(model.folder))
    monkeypatch.setenv("PERCEPTION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(model_card, "PACKAGED", tmp_path / "packaged")
    monkeypatch.setenv("COLUMNS", "200")
    return model


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["models", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_the_list_has_each_model_with_its_licence(stored: Model) -> None:
    (line,) = [line for line in run("list").splitlines() if "tiny" in line]
    assert all(word in line for word in ("testing", "8x12", "Apache-2.0", str(stored.folder)[:20]))


def test_an_empty_list_says_so(stored: Model) -> None:
    (stored.folder / "tiny.json").unlink()
    assert "No model is packaged or stored." in run("list")


def test_a_model_whose_card_is_damaged_is_listed_with_the_reason(stored: Model) -> None:
    (stored.folder / "broken.json").write_text("{}")
    output = run("list")
    assert "broken" in output
    assert "field required" in output
    assert "testing" in output


def test_a_card_is_shown_with_the_state_of_its_files(stored: Model) -> None:
    output = run("show", "tiny")
    assert all(word in output for word in ("None: random numbers. (generated)", "images (batch, 3, height, width)"))
    assert "hash as stated" in output
    assert "ap_loss_bf16" in output
    (stored.folder / "tiny.onnx").write_bytes(b"")
    assert "files.onnx.sha256" in run("show", str(stored.folder / "tiny.json"))


def test_a_model_that_is_not_there_is_refused(stored: Model) -> None:
    assert "model 'nothing': is unknown; there are: tiny" in run("show", "nothing", code=1)


def test_words_of_a_card_do_not_steer_the_terminal(stored: Model) -> None:
    path = stored.folder / "tiny.json"
    values = json.loads(path.read_text())
    values["licence"] = "\u001b[31mred [bold]loud[/bold]"
    path.write_text(json.dumps(values))
    for command in (["show", "tiny"], ["list"]):
        output = run(*command)
        assert "\u001b" not in output
        assert "[bold]loud[/bold]" in output


def test_measuring_shows_every_backend_and_is_what_auto_goes_by(stored: Model, monkeypatch) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("torch")
    from perception.inference.runtime import make_runtime

    asked = []

    def measure(backend, model, options, seconds=0.0):
        asked.append((backend, options.shapes["images"], options.num_threads))
        return {"openvino": 1.25, "onnx": 2.5}[backend]

    monkeypatch.setattr(probe, "measure", measure)
    output = run("measure", "tiny", "--size", "4", "6", "--threads", "1")
    assert output.index("openvino f32") < output.index("onnx f32") < output.index("torch f32")
    assert all(word in output for word in ("1.25", "2.5", "the model has no file weights", "1x3x4x6"))
    assert {shape for _, shape, _ in asked} == {(1, 3, 4, 6)}
    before = len(asked)
    runtime = make_runtime(open_model("tiny"), num_threads=1, shapes={"images": (1, 3, 4, 6)})
    assert runtime.backend == "openvino"
    assert len(asked) == before
    run("measure", "tiny", "--size", "4", "6", "--threads", "1")
    assert len(asked) > before


def test_a_size_that_does_not_fit_is_refused(stored: Model) -> None:
    assert "width: 3 is no multiple of 2" in run("measure", "tiny", "--size", "4", "3", code=1)


PACKAGED_CARDS = sorted(PACKAGED.glob("*.json"))


@pytest.mark.parametrize("path", PACKAGED_CARDS, ids=lambda path: path.stem)
def test_packaged_models_are_whole_small_and_free(path: Path) -> None:
    model = open_model(str(path))
    assert model.card.name == path.stem
    assert "AGPL" not in model.card.licence
    assert model.card.is_generated_data or path.with_suffix(".LICENSE.txt").is_file()
    for role in model.card.files:
        assert model.path(role).stat().st_size <= 5_000_000
    model.read("onnx")


def test_every_file_of_the_package_belongs_to_a_card() -> None:
    named = {entry.name for path in PACKAGED_CARDS for entry in open_model(str(path)).card.files.values()}
    others = {path.name for path in PACKAGED.glob("*") if path.suffix in (".onnx", ".safetensors", ".pt")}
    assert others <= named
