"""The TensorRT adapter with stand-ins for every version, and its probe on whatever machine this is."""

import sys
from pathlib import Path

import numpy as np
import pytest

from perception.core.errors import ConfigError, MissingDependency, ModelError
from perception.inference import engines, tensorrt
from perception.inference.device_memory import CudaDevice
from perception.inference.engines import Profile
from perception.inference.runtime import RuntimeOptions, make_runtime
from perception.inference.tensorrt import Execution, Probe, engine_key, load_library, probe
from perception.inference.tensorrt_build import BuildOptions, build
from tests.unit.inference.tensorrts import HostCuda, Log, library
from tests.unit.inference.tiny import tiny_model

PROFILES = {"images": Profile(smallest=(1, 3, 1, 1), usual=(1, 3, 4, 4), largest=(2, 3, 8, 8))}
USABLE = Probe("tensorrt", True, "", "10.3.0", True, "Orin", "8.7")


# Building.


@pytest.mark.parametrize(
    ("version", "precision", "network", "flags"),
    [
        ("8.6", "f32", 1 << 0, []),
        ("8.6", "f16", 1 << 0, ["FP16"]),
        ("8.6", "int8", 1 << 0, ["INT8"]),
        ("10.3", "f16", 1 << 1, []),
        ("10.3", "int8", 1 << 1, []),
        ("11.4", "f16", 1 << 0, []),
        ("11.4", "int8", 1 << 0, []),
    ],
)
def test_precision_comes_from_the_file_and_from_flags_only_where_types_are_weak(version, precision, network, flags):
    log = Log()
    assert build(library(version, log), b"onnx", BuildOptions(precision, PROFILES)) == b"engine"
    assert ("network", network) in log
    assert [entry[1] for entry in log if entry[0] == "flag"] == flags
    assert ("profile", "images", (1, 3, 1, 1), (1, 3, 4, 4), (2, 3, 8, 8)) in log
    assert ("WORKSPACE", 1 << 30) in log
    assert (("PROFILE_SHARING_0806", True) in log) == (version == "8.6")


@pytest.mark.parametrize(("version", "seen"), [("8.6", []), ("10.3", [(0, 3), (1, 3), (3, 3)])])
def test_progress_is_told_by_versions_that_can(version, seen):
    told = []
    build(library(version), b"onnx", BuildOptions(profiles=PROFILES), lambda done, total: told.append((done, total)))
    assert told == seen


def test_measured_kernels_are_kept_from_build_to_build_of_one_version(tmp_path: Path):
    options = BuildOptions(profiles=PROFILES, timing_cache=tmp_path / "kernels")
    build(library("10.3"), b"onnx", options)
    build(library("10.3"), b"onnx", options)
    assert (tmp_path / "kernels").read_bytes() == b"10.3.0++"
    build(library("11.4"), b"onnx", options)
    assert (tmp_path / "kernels").read_bytes() == b"11.4.0+"


def test_what_parser_and_builder_say_is_passed_on():
    with pytest.raises(ModelError, match=r"tensorrt 10.3.0: cannot parse .*no such operator; odd shape"):
        build(library("10.3", problems=["no such operator", "odd\nshape"]), b"onnx", BuildOptions(profiles=PROFILES))
    with pytest.raises(ModelError, match=r"tensorrt 11.4.0: cannot build .*out of memory"):
        build(library("11.4", reason="out of memory"), b"onnx", BuildOptions(profiles=PROFILES))


# Running.


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def cuda(log) -> HostCuda:
    return HostCuda(log)


@pytest.fixture
def execution(log, cuda) -> Execution:
    return Execution(library("10.3", log), b"engine", CudaDevice(cuda))


def images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9, 9, size=shape).astype(np.float32)


def test_each_shape_is_computed_right_step_by_step_and_then_as_a_graph(execution, log):
    for seed, shape in enumerate([(1, 3, 4, 4), (2, 3, 8, 8), (1, 3, 1, 5)]):
        given = images(*shape, seed=seed)
        outputs = execution.run({"images": given})
        np.testing.assert_array_equal(outputs["doubled"], given * 2)
        np.testing.assert_array_equal(outputs["sums"], given.sum(axis=(1, 2, 3)))
    execution.run({"images": images(1, 3, 4, 4)})
    assert log[-2:] == [("recorded", 4), ("destroyed",)]
    for seed in (10, 11):
        log.clear()
        given = images(1, 3, 4, 4, seed=seed)
        outputs = execution.run({"images": given})
        assert log == [("launch",), ("wait",)]
        np.testing.assert_array_equal(outputs["doubled"], given * 2)
        np.testing.assert_array_equal(outputs["sums"], given.sum(axis=(1, 2, 3)))


def test_a_graph_stays_valid_when_other_shapes_come_between(execution, log):
    for _ in range(2):
        execution.run({"images": images(1, 3, 4, 4)})
    for shape in ((2, 3, 8, 8), (1, 3, 4, 4), (1, 3, 1, 2), (1, 3, 4, 4)):
        given = images(*shape, seed=sum(shape))
        np.testing.assert_array_equal(execution.run({"images": given})["doubled"], given * 2)
    assert log.count(("launch",)) == 2
    assert log.contexts == 2


def test_graphs_of_many_shapes_do_not_gather(execution, log):
    for width in range(1, 9):
        for height in (1, 2):
            for _ in range(3):
                given = images(1, 3, height, width)
                np.testing.assert_array_equal(execution.run({"images": given})["doubled"], given * 2)
    assert log.contexts == 1 + tensorrt.MAX_GRAPHS


def test_only_the_bytes_of_the_shape_are_copied_on_the_stream_of_the_device(execution, log):
    log.clear()
    execution.run({"images": images(1, 3, 4, 4)})
    assert log == [
        ("cudaMemcpyHostToDevice", 48 * 4),
        ("execute", 77, (1, 3, 4, 4)),
        ("cudaMemcpyDeviceToHost", 48 * 4),
        ("cudaMemcpyDeviceToHost", 4),
        ("wait",),
    ]


def test_where_graphs_cannot_be_recorded_it_runs_step_by_step(execution, cuda, caplog):
    cuda.fails.add("cudaStreamBeginCapture")
    for _ in range(4):
        given = images(1, 3, 2, 2)
        np.testing.assert_array_equal(execution.run({"images": given})["doubled"], given * 2)
    assert [record.message for record in caplog.records if "step by step" in record.message] == [
        "engine: cannot be recorded as a CUDA graph (GPU: cudaStreamBeginCapture failed with "
        "cudaErrorStreamCaptureUnsupported); it runs step by step"
    ]


def test_buffers_are_made_once_and_outputs_stay_in_them(execution, cuda):
    first = execution.run({"images": images(2, 3, 8, 8)})["doubled"]
    held = len(cuda.held)
    second = execution.run({"images": images(2, 3, 8, 8, seed=5)})["doubled"]
    assert np.shares_memory(first, second)
    assert held == 1 + 2 * 3  # the stream, and two buffers for each tensor
    assert len(cuda.held) == held + 1  # the graph


def test_a_shape_outside_the_profile_is_refused_and_the_next_one_works(execution):
    with pytest.raises(ModelError, match=r"images \(3, 3, 8, 8\) is outside its profile"):
        execution.run({"images": images(3, 3, 8, 8)})
    given = images(1, 3, 8, 8)
    np.testing.assert_array_equal(execution.run({"images": given})["doubled"], given * 2)


def test_closing_frees_everything_once(execution, cuda):
    execution.run({"images": images(1, 3, 4, 4)})
    execution.run({"images": images(1, 3, 4, 4)})
    execution.close()
    execution.close()
    assert cuda.held == {}
    with pytest.raises(ModelError, match="closed"):
        execution.run({"images": images(1, 3, 4, 4)})


def test_an_engine_that_the_library_does_not_take_is_refused_with_its_words(cuda):
    with pytest.raises(ModelError, match="magic tag does not match"):
        Execution(library("10.3"), b"other", CudaDevice(cuda))


# The runtime.


@pytest.fixture
def usable(monkeypatch, tmp_path, cuda, log):
    """A machine on which TensorRT would run."""
    monkeypatch.setenv("PERCEPTION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tensorrt, "probe", lambda flavour: USABLE)
    monkeypatch.setattr(tensorrt, "make_device", lambda: CudaDevice(cuda))
    monkeypatch.setattr(tensorrt, "load_library", lambda flavour: library("10.3", log))


def outputs() -> list[dict]:
    return [{"name": "doubled", "shape": ("batch", 3, "height", "width")}, {"name": "sums", "shape": ("batch",)}]


def test_a_runtime_opens_the_engine_of_its_model_and_computes(usable, tmp_path: Path):
    pytest.importorskip("onnx")
    model = tiny_model(tmp_path / "model", outputs=outputs())
    key = engine_key(model, "tensorrt", "f32", USABLE)
    path = engines.engine_path("tiny", key, PROFILES, engines.engines_folder())
    engines.store(b"engine", engines.side_car(b"engine", "tiny", key, PROFILES, 1), path)
    runtime = make_runtime(model, "tensorrt", "f32", shapes={"images": (1, 3, 4, 4)})
    runtime.warm_up({"images": (1, 3, 4, 4)})
    given = images(1, 3, 4, 4)
    np.testing.assert_array_equal(runtime.infer({"images": given})["doubled"], given * 2)
    assert (runtime.backend, runtime.precision, runtime.device) == ("tensorrt", "f32", "cuda")
    runtime.close()


def test_a_runtime_without_an_engine_says_how_to_build_one(usable, tmp_path: Path):
    pytest.importorskip("onnx")
    with pytest.raises(ModelError, match="Run: perception export tiny --backend tensorrt --precision f16"):
        make_runtime(tiny_model(tmp_path), "tensorrt", "f16")


def test_bfloat16_is_no_precision_of_an_engine(usable, tmp_path: Path):
    pytest.importorskip("onnx")
    with pytest.raises(ConfigError, match="does not run bf16"):
        make_runtime(tiny_model(tmp_path), "tensorrt", "bf16")


def test_an_engine_for_rtx_fits_every_gpu_and_others_only_theirs(tmp_path: Path):
    pytest.importorskip("onnx")
    model = tiny_model(tmp_path)
    assert engine_key(model, "tensorrt_rtx", "f32", USABLE).gpu == "any"
    assert engine_key(model, "tensorrt", "f32", USABLE).gpu == "Orin"


# The probe.


def test_the_probe_tells_why_a_library_cannot_run_here_and_never_raises():
    found = probe("tensorrt_rtx")
    assert found.is_usable == (not found.reason)
    assert bool(found.gpu) or not found.is_usable
    with pytest.raises(ConfigError, match="unknown"):
        probe("other")


def test_a_library_that_ends_the_process_is_told_by_the_signal(monkeypatch, tmp_path: Path):
    (tmp_path / "tensorrt.py").write_text("import os\nos.abort()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = probe.__wrapped__("tensorrt")
    assert not found.is_usable
    assert "signal 6 after: import of the library" in found.reason


def test_a_library_that_hangs_is_given_up(monkeypatch, tmp_path: Path):
    (tmp_path / "tensorrt.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(tensorrt, "PROBE_SECONDS", 3)
    assert "did not end within 3 s" in probe.__wrapped__("tensorrt").reason


def test_a_missing_library_names_its_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(MissingDependency, match="pip install tensorrt"):
        load_library("tensorrt")


def test_a_machine_on_which_it_cannot_run_says_why(monkeypatch, tmp_path: Path):
    pytest.importorskip("onnx")
    monkeypatch.setattr(tensorrt, "probe", lambda flavour: Probe(flavour, False, "there is no GPU"))
    with pytest.raises(ModelError, match="there is no GPU; use onnx or openvino"):
        tensorrt.TensorRtRuntime(tiny_model(tmp_path), RuntimeOptions(precision="f32"), "tensorrt")
