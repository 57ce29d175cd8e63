"""The benchmark of detection: the shape of its rows and targets, from numbers that are made up."""

import json
import types

import numpy as np
import pytest

from benchmarks import detection_accuracy, detection_layers, detection_live, detection_peers, detection_speed
from benchmarks import detection_whole as whole
from benchmarks.detection import GROUPS
from benchmarks.detection_models import NANO, SMALL
from benchmarks.options import BenchOptions
from benchmarks.result import Result
from benchmarks.table import markdown_rows
from perception.bench import names
from perception.core.errors import ConfigError

ROOT = detection_peers.ROOT


def job(name: str, backend: str, seconds: list[float], side: int = 640, precision: str = "f32", problem: str = ""):
    what = {"name": name, "side": side, "backend": backend, "precision": precision}
    return {**what, "seconds": seconds, "problem": problem}


def verdicts(targets) -> dict[str, bool | None]:
    return {target.metric: target.met for target in targets}


def test_the_benchmark_is_found_by_its_name_and_its_parts_are_not():
    assert "detection" in names(ROOT)
    assert not [name for name in names(ROOT) if name.startswith("detection_")]


def test_a_group_that_there_is_not_is_refused():
    from benchmarks.detection import run

    with pytest.raises(ConfigError, match="parity"):
        run(BenchOptions(only=("nothing",)))
    assert next(iter(GROUPS)) == "parity"


def test_without_the_shared_data_rows_say_why_they_are_empty(tmp_path, monkeypatch):
    monkeypatch.setattr(detection_accuracy, "SHARED", tmp_path)
    monkeypatch.setattr(detection_accuracy, "FIXTURE", tmp_path / "none.npz")
    result = Result("detection")
    for measure in (detection_accuracy.parity, detection_accuracy.coco, detection_accuracy.real):
        measure(BenchOptions(), result)
    assert len(result.rows) == 4
    assert all(row.value is None and "shared" in row.unit for row in result.rows)
    assert set(verdicts(detection_accuracy.targets(result)).values()) == {None}


def test_accuracy_is_decided_against_what_was_published_and_promised():
    result = Result("detection")
    for metric, bound, unit in detection_accuracy.PARITY_BOUNDS:
        result.add("perception", detection_accuracy.PARITY, metric, bound, unit)
    result.add("perception", f"{detection_accuracy.COCO_FIXTURE}, 640", "AP", 42.6, "%")
    result.add("perception", f"{detection_accuracy.COCO_FIXTURE}, 640", "AP50", 58.1, "%")
    for name, precision in zip(detection_accuracy.MODELS, (57.0, 55.2)):
        result.add("perception", f"{detection_accuracy.GENERATED}, {name}", "AP", precision, "%")
        result.add("perception", f"{detection_accuracy.GENERATED}, {name}", "AP50", 79.9, "%")
    found = verdicts(detection_accuracy.targets(result))
    assert [met for metric, met in found.items() if "fixture" in metric] == [True] * 5
    assert found["AP against 42.2, published Nano, coco_mini, 640"] is False
    assert found["AP50 against 58.3, published Nano, coco_mini, 640"] is True
    assert found["AP against 29.0, published Nano, coco_mini, 320"] is None
    assert found["AP, generated world, held out, leyolo-nano-hard-swish"] is True
    assert found["AP50, generated world, held out, leyolo-nano-silu"] is False
    assert found["AP that hard-swish loses, generated world, held out"] is False


def test_each_network_is_compared_on_its_fastest_backend():
    result = Result("detection")
    timed = [
        job(NANO, "onnx", [0.030, 0.032, 0.040]),
        job(NANO, "openvino", [0.035, 0.036, 0.037]),
        job(SMALL, "onnx", [0.061, 0.061, 0.061]),
        job("YOLO11n", "onnx", [0.066, 0.068, 0.070]),
        job("YOLO11n", "openvino", [0.060, 0.062, 0.064]),
    ]
    detection_speed.add_times(result, timed)
    detection_speed.add_ratios(result, timed)
    data = detection_speed.ratio_data(640, "f32")
    assert result.value(NANO, "640x640, onnx f32, one thread", "median") == pytest.approx(32.0)
    assert result.value(NANO, data, detection_speed.ratio_metric()) == pytest.approx(2.0)
    assert result.value(NANO, data, detection_speed.ratio_metric("median")) == pytest.approx(62 / 32)
    found = verdicts(detection_speed.targets(result))
    assert [met for metric, met in found.items() if metric.startswith(NANO + ",") and "640x640, f32" in metric] == [
        True
    ]
    assert [met for metric, met in found.items() if metric.startswith(SMALL) and "640x640" in metric] == [False]
    assert [met for metric, met in found.items() if "bf16" in metric] == [None] * 4
    assert "| NANO |" not in markdown_rows(result)
    assert f"| {NANO} | {SMALL} | YOLO11n | unit |" in markdown_rows(result)


def test_a_network_that_a_backend_cannot_run_says_why():
    result = Result("detection")
    timed = [job(NANO, "openvino", [], problem="no such library"), job("YOLO11n", "onnx", [0.06])]
    detection_speed.add_times(result, timed)
    detection_speed.add_ratios(result, timed)
    assert result.rows[0].unit == "not measured: no such library"
    assert result.value(NANO, detection_speed.ratio_data(640, "f32"), detection_speed.ratio_metric()) is None


def test_without_amx_the_rows_of_bf16_say_so(monkeypatch):
    from perception.inference import hardware

    monkeypatch.setattr(hardware, "has_amx", lambda: False)
    result = Result("detection")
    assert detection_speed.precisions(result) == ("f32",)
    assert result.rows[0].unit == "not measured: no AMX on this CPU"
    monkeypatch.setattr(hardware, "has_amx", lambda: True)
    assert detection_speed.precisions(Result("detection")) == ("f32", "bf16")


def test_the_whole_detector_is_compared_with_torch_as_it_trains():
    result = Result("detection")
    name = detection_accuracy.MODELS[1]
    data = whole.data_of(name, 1)
    by_runtime = {
        whole.AUTO_F32: {"seconds": [[0.001, 0.030, 0.001], [0.001, 0.020, 0.001]], "boxes": [3, 4], "problem": ""},
        whole.AUTO_BF16: {"seconds": [], "boxes": [], "problem": "this CPU does not"},
        whole.EAGER: {"seconds": [[0.001, 0.080, 0.001], [0.001, 0.053, 0.001]], "boxes": [3, 4], "problem": ""},
    }
    whole._add(result, data, by_runtime)
    assert result.value(whole.AUTO_F32, data, "minimum") == pytest.approx(22.0)
    assert result.value(whole.AUTO_F32, data, whole.SPEED_UP) == pytest.approx(55 / 22)
    assert result.value(whole.AUTO_F32, data, whole.SHARE) == pytest.approx(50 * (2 / 32 + 2 / 22))
    assert result.value(whole.AUTO_F32, data, "boxes in an image, mean") == 3.5
    found = {metric: met for metric, met in verdicts(whole.targets(result)).items() if metric.endswith(data)}
    assert list(found.values()) == [True, None, True, False]


def test_layers_are_sorted_into_kinds_by_what_the_backends_call_them():
    kind = detection_layers.openvino_kind
    assert kind("Convolution", "brgconv_avx2_1x1_f32") == detection_layers.POINTWISE
    assert kind("Convolution", "jit_dw_avx2_f32") == detection_layers.DEPTHWISE
    assert kind("Convolution", "brgconv_avx2_f32") == detection_layers.DENSE
    assert kind("Convolution", "brgconv_avx2_f32", is_depthwise=True) == detection_layers.DEPTHWISE
    assert kind("Reorder", "jit_uni_f32") == "reordering"
    assert kind("Subgraph", "jit_avx2_f32") == detection_layers.ACTIVATIONS
    assert kind("MatMul", "any") == detection_layers.OTHERS


def test_layers_of_onnxruntime_are_told_by_the_shape_of_their_weights():
    def event(name: str, operator: str, weights: list[int], microseconds: int) -> dict:
        shapes = [{"float": [1, 8, 80, 80]}, {"float": weights}, {"float": [8]}]
        arguments = {"op_name": operator, "input_type_shape": shapes}
        return {"cat": "Node", "name": f"{name}_kernel_time", "dur": microseconds, "args": arguments}

    events = [
        event("a", "Conv", [8, 8, 1, 1], 9000),  # the first call, which is left out
        event("a", "Conv", [8, 8, 1, 1], 1000),
        event("b", "FusedConv", [8, 1, 5, 5], 2000),
        event("c", "Conv", [8, 3, 3, 3], 500),
        event("d", "Sigmoid", [], 250),
        {"cat": "Session", "name": "model_run", "dur": 5},
    ]
    assert detection_layers.onnxruntime_kinds(events, calls=1) == {
        detection_layers.POINTWISE: 1.0,
        detection_layers.DEPTHWISE: 2.0,
        detection_layers.DENSE: 0.5,
        detection_layers.ACTIVATIONS: 0.25,
    }


def test_an_answer_that_comes_ever_later_is_a_backlog():
    result = Result("detection")
    latencies = (np.linspace(0.020, 0.040, 90)).tolist()
    found = {"images": 100, "latencies": latencies, "boxes": [2] * 90, "facts": {}, "before": {}}
    found |= {"facts": {"detection inbox dropped": "17"}, "before": {"detection inbox dropped": "7"}}
    data = detection_live.DETECTION.data
    for metric, value, unit in detection_live._rows(found, {"node": 60.0}, 300.0, detection_live.DETECTION):
        result.add("perception", data, metric, value, unit)
    assert result.value("perception", data, "images dropped by the busy node") == 10
    assert list(verdicts(detection_live.targets(result)).values()) == [True, False, False]


def test_a_node_that_never_answers_meets_no_target():
    result = Result("detection")
    found = {"images": 10, "latencies": [], "boxes": [], "facts": {}, "before": {}}
    with np.errstate(invalid="ignore"):
        for metric, value, unit in detection_live._rows(found, {}, 0.0, detection_live.DETECTION):
            result.add("perception", detection_live.DETECTION.data, metric, value, unit)
    assert list(verdicts(detection_live.targets(result)).values()) == [None, None, False]


def test_what_is_made_once_lies_where_the_variable_says_else_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(detection_peers.FOLDER_VARIABLE, raising=False)
    assert detection_peers.data_folder() == tmp_path / "cache" / "perception" / "bench"
    cached = detection_peers.peer_file("yolo11n", 640)
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"onnx")
    monkeypatch.setenv(detection_peers.FOLDER_VARIABLE, str(tmp_path / "given"))
    assert detection_peers.data_folder() == tmp_path / "given"
    assert detection_peers.peer_file("yolo11n", 640) == cached
    assert detection_peers.peer_file("yolo11n", 320).parent == tmp_path / "given" / "peers"
    assert len(detection_peers.missing_peers()) == 3


def test_peers_that_are_there_are_not_made_again(monkeypatch):
    monkeypatch.setattr(detection_peers, "missing_peers", list)
    monkeypatch.setattr(detection_peers, "_run", lambda *arguments: pytest.fail("ran a command"))
    detection_peers.make_peers(BenchOptions())


def test_held_out_pictures_that_are_there_are_taken_and_else_a_small_set_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(detection_peers.FOLDER_VARIABLE, str(tmp_path / "given"))
    made = []
    from perception.world import picture_set

    monkeypatch.setattr(picture_set, "write_picture_set", lambda out, config: made.append((out, config)) or out)
    assert detection_accuracy.held_out(BenchOptions()).name == "heldout-60"
    assert made[0][1].seeds == range(1_000_000, 1_000_005)
    assert detection_accuracy.held_out(BenchOptions(long=True)) == tmp_path / "given" / "heldout"
    assert made[1][1].num_worlds * made[1][1].per_world == 500
    labels = tmp_path / "cache" / "perception" / "bench" / "heldout" / "annotations" / "instances.json"
    labels.parent.mkdir(parents=True)
    labels.write_text(json.dumps({}))
    assert detection_accuracy.held_out(BenchOptions()) == labels.parent.parent
    assert len(made) == 2


def test_peers_get_a_card_that_their_file_fits(tmp_path, monkeypatch):
    from benchmarks import detection_models
    from perception.inference.model_card import open_model

    file = tmp_path / "yolov8n-320.onnx"
    file.write_bytes(b"onnx")
    monkeypatch.setattr(detection_models, "peer_file", lambda name, side: file)
    model = open_model(str(detection_models.peer_card("yolov8n", 320)))
    assert model.path("onnx") == file
    assert model.card.inputs[0].shape == (1, 3, 320, 320)
    assert [spec.shape for spec in model.card.outputs] == [(1, 144, 40, 40), (1, 144, 20, 20), (1, 144, 10, 10)]


def test_turns_leave_out_the_first_call_and_keep_the_reason_of_a_job_that_fails(tmp_path, monkeypatch):
    from benchmarks import detection_timing

    calls = []
    ready = {"name": "a", "run": lambda: calls.append(1), "seconds": [], "problem": ""}
    broken = {"name": "b", "run": None, "seconds": [], "problem": "no library"}
    monkeypatch.setattr(detection_timing, "time_of", lambda job: {"a": ready, "b": broken}[job["name"]])
    monkeypatch.setattr(detection_timing, "os", types.SimpleNamespace(sched_setaffinity=lambda *given: None))
    jobs, out = tmp_path / "jobs.json", tmp_path / "out.json"
    jobs.write_text(json.dumps([{"name": "a"}, {"name": "b"}]))
    detection_timing.main(str(jobs), str(out), "0", "4")
    first, second = json.loads(out.read_text())
    assert len(first["seconds"]) == 4 * detection_timing.CALLS
    assert len(calls) == 4 * (detection_timing.CALLS + 1)
    assert second == {"name": "b", "seconds": [], "problem": "no library"}


def evaluation(precision: float):
    """One object, found, with a made-up AP."""
    from perception.evaluation.detection import ClassScores, Evaluation
    from perception.evaluation.detection_matching import Tally

    tally = Tally(("car",))
    tally.confusion[0, 0], tally.num_found = 1, 1
    summary = {"AP": precision, "AP50": 0.9, "AP75": None, "AR 100": 0.8}
    scores = [ClassScores("car", 1, precision, 0.9, 0.8, 1.0, 1.0)]
    return Evaluation(summary, scores, tally, {"images": 3, "objects": 1}, {})


@pytest.mark.parametrize("has_amx", [True, False])
def test_the_generated_world_has_rows_of_both_networks_and_of_what_bf16_costs(tmp_path, monkeypatch, has_amx):
    from perception.inference import hardware

    asked = []

    def on_model(name, data, backend="auto", precision="f32"):
        asked.append((name, backend, precision))
        return evaluation(0.56 if precision == "f32" else 0.555)

    monkeypatch.setattr(hardware, "has_amx", lambda: has_amx)
    monkeypatch.setattr(detection_accuracy, "held_out", lambda options: tmp_path)
    monkeypatch.setattr(detection_accuracy, "_on_model", on_model)
    result = Result("detection")
    detection_accuracy.world(BenchOptions(), result)
    data = f"{detection_accuracy.GENERATED}, leyolo-nano-silu"
    assert result.value("perception", data, "AP") == pytest.approx(56.0)
    assert result.value("perception", data, "AP of car") == pytest.approx(56.0)
    assert result.value("perception", data, "images") == 3
    assert ("leyolo-nano-hard-swish", "openvino" if has_amx else "torch", "bf16") in asked
    found = verdicts(detection_accuracy.targets(result))
    assert found[f"AP, {data}"] is True
    assert found["AP that hard-swish loses, generated world, held out"] is True
    assert found[f"AP that bf16 loses, {data}"] is False


def test_measured_numbers_go_into_the_cards_and_others_stay(tmp_path):
    from benchmarks import detection_cards
    from perception.inference.model_card import ModelCard, TensorSpec, read_card, write_card

    name = detection_accuracy.MODELS[0]
    spec = (TensorSpec(name="images", shape=("batch", 3)),)
    values = {"name": name, "family": "leyolo", "task": "detection", "inputs": spec, "outputs": spec, "files": {}}
    metrics = {"training": "a sentence", "ap_loss_bf16": 9.0}
    write_card(ModelCard(**values, licence="any", training_data="any", metrics=metrics), tmp_path / f"{name}.json")
    result = Result("detection")
    data = f"{detection_accuracy.GENERATED}, {name}"
    for metric, value in (("images", 500.0), ("AP", 56.04), ("AP50", 81.26), ("AP that bf16 loses", 0.125)):
        result.add("perception", data, metric, value, "%")
    result.add("perception", f"{detection_accuracy.KITTI}, {name}", "images", 154.0, "")
    result.add("perception", f"{detection_accuracy.KITTI}, {name}", "AP", 6.62, "%")
    assert detection_cards.update(result, tmp_path) == [name]
    assert read_card(tmp_path / f"{name}.json").metrics == {
        "training": "a sentence",
        "ap_loss_bf16": 0.12,
        "AP, generated world, held out, 500 images": 56.0,
        "AP50, generated world, held out, 500 images": 81.3,
        "AP, kitti_raw_0005, 154 images": 6.6,
    }
