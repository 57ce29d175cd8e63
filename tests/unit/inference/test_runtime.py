"""Every backend against NumPy on a tiny network, and what each refuses."""

import builtins
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from perception.core.errors import ConfigError, InvalidInput, MissingDependency, ModelError
from perception.inference import hardware, openvino
from perception.inference.model_card import Model, file_entry
from perception.inference.runtime import Runtime, make_runtime
from tests.unit.inference.tiny import images, onnx_bytes, reference, tiny_model

PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}
TOLERANCE = 1e-5
SHAPE = (1, 3, 8, 12)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return tiny_model(tmp_path_factory.mktemp("runtime"))


@pytest.fixture(params=PACKAGES)
def backend(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(PACKAGES[request.param])
    return request.param


@pytest.fixture
def runtime(backend: str, model: Model) -> Iterator[Runtime]:
    made = make_runtime(model, backend, num_threads=1)
    yield made
    made.close()


def assert_right(outputs: dict[str, np.ndarray], pixels: np.ndarray) -> None:
    expected = reference(pixels)
    assert outputs.keys() == expected.keys()
    for name, values in expected.items():
        assert outputs[name].dtype == np.float32
        assert outputs[name].shape == values.shape
        np.testing.assert_allclose(outputs[name], values, atol=TOLERANCE)


def test_a_runtime_says_what_it_is(runtime: Runtime, backend: str, model: Model) -> None:
    assert (runtime.backend, runtime.precision, runtime.device) == (backend, "f32", "cpu")
    assert (runtime.inputs, runtime.outputs) == (model.card.inputs, model.card.outputs)
    assert runtime.choice == f"{backend}: asked for"


def test_outputs_are_those_of_numpy(runtime: Runtime) -> None:
    pixels = images(*SHAPE)
    assert_right(runtime.infer({"images": pixels}), pixels)


def test_batches_and_changing_shapes_are_right_in_any_order(runtime: Runtime) -> None:
    shapes = [SHAPE, (2, 3, 4, 6), (5, 3, 16, 2), SHAPE, (2, 3, 4, 6), *((1, 3, 2 * side, 4) for side in range(1, 12))]
    for seed, shape in enumerate([*shapes, *shapes]):
        pixels = images(*shape, seed=seed)
        assert_right(runtime.infer({"images": pixels}), pixels)


def test_a_shape_that_comes_often_stays_right(runtime: Runtime) -> None:
    runtime.infer({"images": images(*SHAPE)})
    for seed in range(openvino.OFTEN + 4):
        pixels = images(1, 3, 6, 4, seed=seed)
        assert_right(runtime.infer({"images": pixels}), pixels)


def test_outputs_stay_valid_until_the_next_call(runtime: Runtime) -> None:
    first, second = images(*SHAPE, seed=1), images(*SHAPE, seed=2)
    outputs = runtime.infer({"images": first})
    kept = {name: values.copy() for name, values in outputs.items()}
    del first
    images(64, 3, 64, 64, seed=3)  # memory that is written to meanwhile
    for name, values in outputs.items():
        np.testing.assert_array_equal(values, kept[name])
    assert_right(runtime.infer({"images": second}), second)


def test_an_array_that_changes_in_place_is_read_again(runtime: Runtime) -> None:
    pixels = images(*SHAPE)
    runtime.infer({"images": pixels})
    pixels *= -1
    assert_right(runtime.infer({"images": pixels}), pixels)


def test_arrays_that_come_and_go_are_read_where_they_lie(runtime: Runtime) -> None:
    for seed in range(20):
        pixels = images(*SHAPE, seed=seed)
        assert_right(runtime.infer({"images": pixels}), pixels)


def test_read_only_and_scattered_arrays_are_read(runtime: Runtime) -> None:
    pixels = images(*SHAPE)
    pixels.flags.writeable = False
    assert_right(runtime.infer({"images": pixels}), pixels)
    scattered = np.moveaxis(images(1, 8, 12, 3), 3, 1)
    assert not scattered.flags.c_contiguous
    assert_right(runtime.infer({"images": scattered}), scattered)


@pytest.mark.parametrize(
    ("inputs", "what"),
    [
        ({}, "'images' is missing; the network reads images"),
        ({"images": images(*SHAPE), "more": images(1)}, "'more' is unknown; the network reads images"),
        ({"pixels": images(*SHAPE)}, "'pixels' is unknown"),
        ({"images": images(*SHAPE).astype(np.float64)}, "images: expected float32, got float64; convert it"),
        ({"images": images(*SHAPE).tolist()}, "images: expected a NumPy array, got list"),
        ({"images": images(3, 8, 12)}, r"images: expected 4 axes \(batch, 3, height, width\), got \(3, 8, 12\)"),
        ({"images": images(1, 4, 8, 12)}, r"images: expected .* with 3 = 3, got \(1, 4, 8, 12\)"),
        ({"images": images(1, 3, 7, 12)}, "height: 7 is no multiple of 2; pad or resize"),
        ({"images": images(0, 3, 8, 12)}, "images: batch is 0, expected 1 to"),
    ],
)
def test_wrong_inputs_are_refused_by_name(runtime: Runtime, inputs: dict, what: str) -> None:
    with pytest.raises(InvalidInput, match=what):
        runtime.infer(inputs)
    pixels = images(*SHAPE)
    assert_right(runtime.infer({"images": pixels}), pixels)


def test_enormous_shapes_are_refused_before_memory_is_asked_for(runtime: Runtime) -> None:
    with pytest.raises(InvalidInput, match="has more than"):
        runtime.warm_up({"images": (65536, 3, 65536, 65536)})


def test_warming_up_prepares_a_shape(backend: str, model: Model) -> None:
    runtime = make_runtime(model, backend, num_threads=1)
    runtime.warm_up({"images": SHAPE})
    runtime.warm_up({"images": (2, 3, 4, 6)})
    prepared = runtime._bound if backend == "onnx" else runtime._compiled
    assert list(prepared) == [(SHAPE,), ((2, 3, 4, 6),)]
    before = list(prepared.values())
    runtime.infer({"images": images(*SHAPE)})
    assert list(prepared.values()) == before
    with pytest.raises(InvalidInput, match="is unknown"):
        runtime.warm_up({"pixels": SHAPE})


def test_a_closed_runtime_holds_nothing_and_says_so(backend: str, model: Model) -> None:
    runtime = make_runtime(model, backend, num_threads=1)
    pixels = images(*SHAPE)
    outputs = runtime.infer({"images": pixels})
    runtime.close()
    runtime.close()
    assert_right(outputs, pixels)  # what was handed out can still be read
    with pytest.raises(ModelError, match="model tiny: the runtime is closed; make a new one"):
        runtime.infer({"images": pixels})
    with pytest.raises(ModelError, match="closed"):
        runtime.warm_up({"images": SHAPE})


CLOSING = """
import sys, psutil
from perception.inference.model_card import open_model
from perception.inference.runtime import make_runtime
model, counts = open_model(sys.argv[1]), []
for _ in range(6):
    runtime = make_runtime(model, sys.argv[2], num_threads=2)
    runtime.warm_up({"images": (1, 3, 8, 12)})
    runtime.close()
    counts.append(psutil.Process().num_threads())
print(*counts)
"""


def test_closing_leaves_no_threads_behind(backend: str, model: Model) -> None:
    command = [sys.executable, "-c", CLOSING, str(model.folder / "tiny.json"), backend]
    first, *_, last = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert last <= first + 1


def test_threads_are_those_asked_for(model: Model) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    runtime = make_runtime(model, "onnx", num_threads=3)
    assert runtime._session.get_session_options().intra_op_num_threads == 3
    assert isinstance(runtime._session, onnxruntime.InferenceSession)


def test_threads_and_precision_of_openvino_are_those_asked_for(model: Model) -> None:
    pytest.importorskip("openvino")
    runtime = make_runtime(model, "openvino", num_threads=1)
    runtime.warm_up({"images": SHAPE})
    network = runtime._compiled[(SHAPE,)]._request.get_compiled_model()
    assert network.get_property("INFERENCE_NUM_THREADS") == 1
    assert network.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"
    assert network.get_property("NUM_STREAMS") == 1


def test_no_threads_given_means_all_physical_cores() -> None:
    assert hardware.threads(0) == hardware.num_cores() >= 1
    assert hardware.threads(3) == 3


def test_openvino_is_loaded_without_its_statistics_service(model: Model) -> None:
    pytest.importorskip("openvino")
    code = "import sys; from perception.inference.openvino import _library; _library(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "openvino" in done.stdout.split()
    assert not [name for name in done.stdout.split() if name.startswith("openvino_telemetry")]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"backend": "caffe"}, "backend: 'caffe' is unknown; use auto, torch, onnx, openvino, tensorrt"),
        ({"precision": "f8"}, "precision: 'f8' is unknown; use auto, f32, bf16"),
        ({"device": "tpu"}, "device: 'tpu' is unknown"),
        ({"num_threads": -1}, "num_threads: -1 is not 0"),
        ({"backend": "onnx", "precision": "bf16"}, "precision: backend onnx does not run bf16; use f32, f16, int8"),
        ({"backend": "onnx", "device": "cuda"}, "device: this onnxruntime has no CUDAExecutionProvider; use cpu"),
        ({"backend": "openvino", "device": "cuda"}, "device: backend openvino runs on the cpu, not on cuda"),
    ],
)
def test_unknown_and_contradictory_options_are_refused(model: Model, options: dict, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        make_runtime(model, **{"backend": "onnx", **options})


def test_bfloat16_is_refused_where_the_cpu_has_none(model: Model) -> None:
    library = pytest.importorskip("openvino")
    if "BF16" in library.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        assert make_runtime(model, "openvino", "bf16").precision == "bf16"
        return
    with pytest.raises(ConfigError, match="precision: this CPU does not compute with bf16; use f32"):
        make_runtime(model, "openvino", "bf16")


def test_a_gpu_without_a_working_driver_is_refused_before_it_is_touched(model: Model, monkeypatch) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    from perception.inference import probe

    known = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: known)
    monkeypatch.setattr(probe, "gpu_problem", lambda library: "cuInit fails")
    for device in ("cuda", "tensorrt"):
        with pytest.raises(ConfigError, match=rf"device: {device} does not work here \(cuInit fails\); use cpu"):
            make_runtime(model, "onnx", device=device)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_refused_and_not_replaced(model: Model, monkeypatch) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    from perception.inference import probe

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has the provider")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(probe, "gpu_problem", lambda library: None)
    with pytest.raises(ModelError):
        make_runtime(model, "onnx", device="cuda")


def test_engines_of_the_tensorrt_provider_are_kept_in_the_cache(tmp_path: Path, monkeypatch) -> None:
    from perception.inference.onnx import providers

    monkeypatch.setenv("PERCEPTION_CACHE", str(tmp_path))
    names = [name for name, _ in providers("tensorrt")]
    assert names == ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    assert providers("tensorrt")[0][1]["trt_engine_cache_path"].startswith(str(tmp_path))
    assert [name for name, _ in providers("cuda")] == names[1:]
    assert [name for name, _ in providers("cpu")] == names[2:]


def test_shapes_that_do_not_fit_the_card_are_refused_at_once(model: Model) -> None:
    with pytest.raises(InvalidInput, match="width: 3 is no multiple of 2"):
        make_runtime(model, shapes={"images": (1, 3, 8, 3)})


@pytest.mark.parametrize(
    ("backend", "package", "remedy"),
    [
        ("onnx", "onnxruntime", "backend onnx needs onnxruntime: pip install onnxruntime"),
        ("openvino", "openvino", r"backend openvino needs openvino: pip install 'perception\[cpu\]'"),
        ("torch", "torch", r"backend torch needs torch and safetensors: pip install 'perception\[torch\]'"),
    ],
)
def test_a_missing_package_comes_with_its_install_command(
    model: Model, monkeypatch: pytest.MonkeyPatch, backend: str, package: str, remedy: str
) -> None:
    real = builtins.__import__

    def missing(name, *rest):
        if name.partition(".")[0] == package:
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingDependency, match=remedy):
        make_runtime(model, backend)


def with_card(model: Model, **fields) -> Model:
    return Model(type(model.card).model_validate({**model.card.model_dump(), **fields}), model.folder)


@pytest.mark.parametrize(
    "outputs",
    [
        [{"name": "full", "shape": ["batch", 4, "height", "width"]}],
        [
            {"name": "full", "shape": ["batch", 4, "height", "width"]},
            {"name": "other", "shape": ["batch", 4, "height/2", "width/2"]},
        ],
        [
            {"name": "full", "shape": ["batch", 5, "height", "width"]},
            {"name": "half", "shape": ["batch", 4, "height/2", "width/2"]},
        ],
        [
            {"name": "full", "shape": ["batch", 4, "height"]},
            {"name": "half", "shape": ["batch", 4, "height/2", "width/2"]},
        ],
        [
            {"name": "full", "shape": ["batch", 4, "height", "width"], "dtype": "int64"},
            {"name": "half", "shape": ["batch", 4, "height/2", "width/2"]},
        ],
    ],
)
def test_a_card_whose_outputs_the_file_does_not_have_is_refused(backend: str, model: Model, outputs: list) -> None:
    with pytest.raises(ModelError, match=r"model tiny: outputs.*: the ONNX file has .*, the card"):
        make_runtime(with_card(model, outputs=outputs), backend)


def test_inputs_of_another_name_are_refused(backend: str, model: Model) -> None:
    inputs = [{"name": "pixels", "shape": ["batch", 3, "height", "width"]}]
    with pytest.raises(ModelError, match="model tiny: inputs: the ONNX file has images, the card pixels"):
        make_runtime(with_card(model, inputs=inputs), backend)


def test_a_file_that_is_no_network_is_refused(backend: str, tmp_path: Path) -> None:
    model = tiny_model(tmp_path)
    (tmp_path / "tiny.onnx").write_bytes(b"\x0a\x03abc")  # protocol buffers, but no graph
    files = {"onnx": file_entry(tmp_path / "tiny.onnx").model_dump()}
    with pytest.raises(ModelError, match="model tiny: "):
        make_runtime(with_card(model, files=files), backend)


def test_shapes_of_outputs_may_depend_on_what_is_in_the_inputs(backend: str, tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("NonZero", ["values"], ["places"])],
        "places",
        [value("values", TensorProto.FLOAT, ["count"])],
        [value("places", TensorProto.INT64, [1, "found"])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model = tiny_model(tmp_path)
    (tmp_path / "tiny.onnx").write_bytes(made.SerializeToString())
    fields = {
        "inputs": [{"name": "values", "shape": ["count"]}],
        "outputs": [{"name": "places", "shape": [1, "found"], "dtype": "int64"}],
        "multiples": {},
        "files": {"onnx": file_entry(tmp_path / "tiny.onnx").model_dump()},
    }
    runtime = make_runtime(with_card(model, **fields), backend, num_threads=1)
    for values in ([0, 1, 0, 2], [0, 0, 0, 0], [1, 1, 1, 1], [0, 3]):
        outputs = runtime.infer({"values": np.array(values, dtype=np.float32)})
        np.testing.assert_array_equal(outputs["places"][0], np.flatnonzero(values))


def test_nothing_heavy_is_loaded_before_a_backend_is_asked_for() -> None:
    code = "import sys; import perception.inference.runtime, perception.inference.choice; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"onnxruntime", "openvino", "torch", "onnx", "tensorrt"} & set(done.stdout.split())


def test_the_bytes_of_the_tiny_network_follow_from_its_seed() -> None:
    assert onnx_bytes(1) == onnx_bytes(1) != onnx_bytes(2)
