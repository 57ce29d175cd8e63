"""What `auto` takes, says and remembers."""

import json
import logging
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from perception.core.errors import ModelError
from perception.inference import choice, probe
from perception.inference.choice import allows, settled_precision
from perception.inference.model_card import Model
from perception.inference.runtime import RuntimeOptions, make_runtime
from tests.unit.inference.tiny import images, reference, tiny_model

SHAPES = {"images": (1, 3, 8, 12)}


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return tiny_model(tmp_path / "model")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, on a machine with an Intel CPU without AMX, without a GPU and with every package for CPUs."""
    monkeypatch.setenv("PERCEPTION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(choice, "has_gpu_device", lambda: False)
    monkeypatch.setattr(choice, "has_amx", lambda: False)
    monkeypatch.setattr(choice, "cpu_model", lambda: "A CPU")
    monkeypatch.setattr(choice.importlib.util, "find_spec", lambda name: name)
    return tmp_path / "cache" / "choices"


class Times:
    """Stands for the child process: milliseconds by backend and precision; None: it fails."""

    def __init__(self, **ms: float | None) -> None:
        self.ms = ms
        self.asked: list[str] = []

    def __call__(self, backend: str, model: Model, options: RuntimeOptions, seconds: float = 0.0) -> float:
        name = f"{backend}_{options.precision}"
        self.asked.append(name)
        ms = self.ms.get(name)
        if ms is None:
            raise ModelError(f"{name} fell over")
        return ms


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Times:
    made = Times(onnx_f32=3.0, openvino_f32=7.0)
    monkeypatch.setattr(probe, "measure", made)
    return made


def test_the_fastest_is_taken_and_every_time_and_reason_is_told(model: Model, times: Times) -> None:
    runtime = make_runtime(model, num_threads=1)
    assert (runtime.backend, runtime.precision) == ("onnx", "f32")
    assert runtime.choice == (
        "onnx f32: 3 ms for 1x3x8x12 with 1 threads; slower: openvino f32 7 ms; "
        "not torch f32: the model has no file weights"
    )
    pixels = images(*SHAPES["images"])
    np.testing.assert_allclose(runtime.infer({"images": pixels})["full"], reference(pixels)["full"], atol=1e-5)


def test_another_winner_is_taken_as_well(model: Model, times: Times) -> None:
    pytest.importorskip("openvino")
    times.ms["openvino_f32"] = 1.0
    assert make_runtime(model, num_threads=1).backend == "openvino"


def test_the_only_one_that_runs_says_so(model: Model, times: Times) -> None:
    del times.ms["openvino_f32"]
    chosen = make_runtime(model, num_threads=1).choice
    assert "onnx f32: 3 ms for 1x3x8x12 with 1 threads, the only one that runs here" in chosen
    assert "not openvino f32: openvino_f32 fell over" in chosen


def test_a_package_that_is_not_installed_is_told_and_not_tried(model: Model, times: Times, monkeypatch) -> None:
    monkeypatch.setattr(choice.importlib.util, "find_spec", lambda name: None if name == "openvino" else name)
    assert "not openvino f32: openvino is not installed" in make_runtime(model, num_threads=1).choice
    assert times.asked == ["onnx_f32"]


def test_the_second_start_measures_nothing(model: Model, times: Times, folder: Path) -> None:
    first = make_runtime(model, num_threads=1)
    assert times.asked == ["onnx_f32", "openvino_f32"]
    times.asked.clear()
    assert make_runtime(model, num_threads=1).choice == first.choice
    assert times.asked == []
    (record,) = folder.iterdir()
    assert json.loads(record.read_text())["key"]["cpu"] == "A CPU"


@pytest.mark.parametrize(
    "change",
    [
        lambda monkeypatch: {"num_threads": 2},
        lambda monkeypatch: {"precision": "f32"},
        lambda monkeypatch: {"device": "cpu"},
        lambda monkeypatch: {"shapes": {"images": (2, 3, 8, 12)}},
        lambda monkeypatch: monkeypatch.setattr(choice, "cpu_model", lambda: "Another CPU") or {},
        lambda monkeypatch: monkeypatch.setattr(choice, "_version", lambda name: "99") or {},
    ],
)
def test_it_measures_again_when_something_has_changed(model: Model, times: Times, monkeypatch, change) -> None:
    make_runtime(model, num_threads=1)
    times.asked.clear()
    make_runtime(model, **{"num_threads": 1, **change(monkeypatch)})
    assert "onnx_f32" in times.asked


def test_it_measures_again_for_another_model(model: Model, times: Times, tmp_path: Path) -> None:
    make_runtime(model, num_threads=1)
    times.asked.clear()
    make_runtime(tiny_model(tmp_path / "other", seed=5), num_threads=1)
    assert times.asked == ["onnx_f32", "openvino_f32"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": {}, "measurements": [{"backend": "rm"}]}', "\0" * 100_000])
def test_a_damaged_record_is_measured_again(model: Model, times: Times, folder: Path, text: str) -> None:
    make_runtime(model, num_threads=1)
    (record,) = folder.iterdir()
    record.write_text(text)
    times.asked.clear()
    assert make_runtime(model, num_threads=1).backend == "onnx"
    assert times.asked == ["onnx_f32", "openvino_f32"]
    assert json.loads(record.read_text())["measurements"]


def test_a_record_of_something_else_is_measured_again(model: Model, times: Times, folder: Path) -> None:
    make_runtime(model, num_threads=1)
    (record,) = folder.iterdir()
    values = json.loads(record.read_text())
    values["key"]["cpu"] = "Another CPU"
    record.write_text(json.dumps(values))
    times.asked.clear()
    make_runtime(model, num_threads=1)
    assert times.asked == ["onnx_f32", "openvino_f32"]


def test_a_cache_that_cannot_be_written_is_told_and_does_no_harm(
    model: Model, times: Times, folder: Path, caplog
) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert make_runtime(model, num_threads=1).backend == "onnx"
    assert "cannot be written" in caplog.text


def test_when_the_winner_does_not_open_the_next_is_taken(model: Model, times: Times, monkeypatch) -> None:
    times.ms["openvino_f32"] = 1.0
    real = choice.open_backend

    def opened(backend, *rest):
        if backend == "openvino":
            raise ModelError("openvino is broken today")
        return real(backend, *rest)

    monkeypatch.setattr(choice, "open_backend", opened)
    runtime = make_runtime(model, num_threads=1)
    assert runtime.backend == "onnx"
    assert "not openvino f32: openvino is broken today" in runtime.choice


def test_when_nothing_runs_every_reason_is_told_and_nothing_is_remembered(model, times: Times, folder: Path) -> None:
    times.ms.clear()
    with pytest.raises(
        ModelError, match=r"model tiny: no backend runs it here\. onnx f32: onnx_f32 fell over; openvino"
    ):
        make_runtime(model, num_threads=1)
    assert not folder.exists()


def test_bfloat16_is_tried_only_with_amx_and_a_card_that_allows_it(model, times: Times, monkeypatch, tmp_path) -> None:
    times.ms["openvino_bf16"] = 1.0
    assert allows(model.card, "bf16")
    make_runtime(model, num_threads=1)
    assert "openvino_bf16" not in times.asked
    monkeypatch.setattr(choice, "has_amx", lambda: True)
    for number, metrics in enumerate([{}, {"ap_loss_bf16": 0.31}, {"ap_loss_bf16": "small"}]):
        other = tiny_model(tmp_path / f"{number}", seed=number, metrics=metrics)
        assert not allows(other.card, "bf16")
        assert make_runtime(other, num_threads=1).backend == "onnx"
    assert "openvino_bf16" not in times.asked
    monkeypatch.setattr(choice, "open_backend", lambda backend, model, options: Opened(backend, options))
    chosen = make_runtime(tiny_model(tmp_path / "again", seed=9), num_threads=1)
    assert (chosen.backend, chosen.precision) == ("openvino", "bf16")


@pytest.mark.parametrize(("loss", "is_allowed"), [(0.3, True), (-0.1, True), (0.31, False), ("none", False)])
def test_a_card_of_line_segments_tells_its_loss_in_points_of_f_score(tmp_path, loss, is_allowed) -> None:
    model = tiny_model(tmp_path / "lines", metrics={"fh_loss_bf16": loss})
    assert allows(model.card, "bf16") == is_allowed
    assert not allows(model.card, "f16") and allows(model.card, "f32")


class Opened:
    def __init__(self, backend: str, options: RuntimeOptions) -> None:
        self.backend, self.precision = backend, options.precision


def test_a_precision_that_is_asked_for_is_measured_alone(model: Model, times: Times) -> None:
    with pytest.raises(ModelError, match="openvino bf16: openvino_bf16 fell over; torch bf16: the model has no file"):
        make_runtime(model, precision="bf16", num_threads=1)
    assert times.asked == ["openvino_bf16"]


def test_a_backend_by_name_takes_bfloat16_only_under_the_same_conditions(model: Model, monkeypatch) -> None:
    monkeypatch.setattr(choice, "has_amx", lambda: False)
    assert settled_precision("openvino", model.card) == "f32"
    monkeypatch.setattr(choice, "has_amx", lambda: True)
    assert settled_precision("openvino", model.card) == "bf16"
    assert settled_precision("onnx", model.card) == "f32"
    assert settled_precision("openvino", model.card.model_copy(update={"metrics": {}})) == "f32"


def test_backends_are_measured_in_child_processes(model: Model, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setenv("PERCEPTION_CACHE", str(tmp_path / "cache"))
    measured = choice.measured(model, RuntimeOptions(num_threads=1, shapes=SHAPES, device="cpu", precision="f32"))
    ms = {entry.backend: entry.ms for entry in measured}
    assert 0 < ms["onnx"] < 1000 and 0 < ms["openvino"] < 1000
    assert ms["torch"] is None


def test_a_child_that_cannot_run_the_model_says_why(model: Model) -> None:
    options = RuntimeOptions("bf16", 1, shapes=SHAPES)
    with pytest.raises(ModelError, match="precision: backend onnx does not run bf16"):
        probe.measure("onnx", model, options)


def child(code: str, seconds: float = 20.0) -> str:
    return probe._child([sys.executable, "-c", code], "", seconds)


def test_a_child_imports_nothing_from_the_current_folder(model: Model, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise SystemExit('imported from the current folder')")
    monkeypatch.chdir(tmp_path)
    relative = Model(model.card, Path("model"))
    assert probe.measure("onnx", relative, RuntimeOptions("f32", 1, shapes=SHAPES)) > 0


def test_a_child_that_dies_takes_nothing_with_it() -> None:
    with pytest.raises(ModelError, match="it was ended by SIGSEGV"):
        child("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")


def test_a_child_that_fails_says_what_it_printed() -> None:
    with pytest.raises(ModelError, match="it ended with 3: no such thing"):
        child("import sys; sys.stderr.write('no such thing'); sys.exit(3)")


def test_a_child_that_hangs_is_ended() -> None:
    with pytest.raises(ModelError, match=r"it took more than 0\.5 s"):
        child("import time; time.sleep(60)", seconds=0.5)


def test_a_child_that_answers_nothing_is_a_problem(model: Model, monkeypatch) -> None:
    monkeypatch.setattr(probe, "_child", lambda *rest: "chatter of a library\n")
    with pytest.raises(ModelError, match="it gave no answer"):
        probe.measure("onnx", model, RuntimeOptions(shapes=SHAPES))


def test_without_a_driver_no_gpu_is_tried(monkeypatch) -> None:
    monkeypatch.setattr(probe, "has_gpu_device", lambda: False)
    probe.gpu_problem.cache_clear()
    assert probe.gpu_problem("torch") == "no driver of an NVIDIA GPU is loaded"
    probe.gpu_problem.cache_clear()


def test_with_a_driver_the_gpu_is_tried_in_a_child(monkeypatch) -> None:
    monkeypatch.setattr(probe, "has_gpu_device", lambda: True)
    monkeypatch.setitem(probe.CUDA_CHECKS, "torch", "raise SystemExit('CUDA is not here')")
    probe.gpu_problem.cache_clear()
    assert "CUDA is not here" in (probe.gpu_problem("torch") or "")
    monkeypatch.setitem(probe.CUDA_CHECKS, "torch", "pass")
    probe.gpu_problem.cache_clear()
    assert probe.gpu_problem("torch") is None
    probe.gpu_problem.cache_clear()
