"""Rows of `perception bench detection` about layers: what each kind of them takes, as the backends' profilers say.

Runs in a process of its own: `python -m benchmarks.detection_layers CARD OUT.json CORE SIDE PRECISION`.
"""

import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.detection_models import NANO, NANO_HARD, OURS, random_leyolo
from benchmarks.detection_speed import precisions
from benchmarks.jobs import JobFailed, child, cores
from benchmarks.options import BenchOptions
from benchmarks.result import Result

CALLS, WARM_UP_CALLS = 30, 5
SIDE = 640
SECONDS = 300
LEAST = 0.05  # ms: kinds that take less are counted together
POINTWISE, DEPTHWISE, DENSE = "1x1 convolutions", "depthwise convolutions", "dense convolutions"
ACTIVATIONS, OTHERS = "activations and sums", "the rest"
ACTIVE = ("Sigmoid", "Mul", "Add", "HardSwish", "HardSigmoid", "QuickGelu", "Eltwise", "Subgraph", "Swish", "Sum")
ROUTES = {"Concat": "concatenation", "Concatenation": "concatenation", "Resize": "up-sampling"}
ROUTES |= {"Interpolate": "up-sampling", "Upsample": "up-sampling", "MaxPool": "pooling", "Pooling": "pooling"}
ROUTES |= {"ReorderInput": "reordering", "ReorderOutput": "reordering", "Reorder": "reordering"}


def measure(options: BenchOptions, result: Result) -> None:
    """Nano in both activations at 640 on every backend, one thread."""
    names, silent = (NANO, NANO_HARD), Result("none")
    with tempfile.TemporaryDirectory(prefix="bench-detection") as folder:
        for name in names:
            card, out = random_leyolo(*OURS[name], Path(folder)), Path(folder) / "layers.json"
            for precision in precisions(silent):
                options.say(f"layers: {name}, {precision}")
                command = [str(card), str(out), str(cores()[-1]), str(SIDE), precision]
                try:
                    child([sys.executable, "-m", "benchmarks.detection_layers", *command], SECONDS)
                except JobFailed as failure:
                    result.add(name, f"layers, {precision}", "all", None, f"not measured: {failure}")
                    continue
                for backend, kinds in json.loads(out.read_text(encoding="utf-8")).items():
                    _add(result, name, f"layers at {SIDE}x{SIDE}, {backend} {precision}, one thread", kinds)


def _add(result: Result, name: str, data: str, kinds: dict[str, float]) -> None:
    shown = defaultdict(float)
    for kind, milliseconds in kinds.items():
        shown[kind if milliseconds >= LEAST else OTHERS] += milliseconds
    for kind in sorted(shown, key=shown.__getitem__, reverse=True):
        result.add(name, data, kind, shown[kind], "ms")
    result.add(name, data, "sum", sum(shown.values()), "ms")


def main(card: str, out: str, core: str, side: str, precision: str) -> None:
    """Profile one network on every backend that can."""
    os.sched_setaffinity(0, {int(core)})
    from benchmarks.detection_models import open_card

    data = open_card(Path(card)).read("onnx")
    found = {"openvino": by_openvino(data, int(side), precision)}
    if precision == "f32":
        found["onnx"] = by_onnxruntime(data, int(side))
    Path(out).write_text(json.dumps(found), encoding="utf-8")


def by_openvino(data: bytes, side: int, precision: str) -> dict[str, float]:
    """Milliseconds of one call by kind of layer."""
    import numpy as np

    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # its statistics service stays out
    import openvino

    core = openvino.Core()
    network = core.read_model(data)
    network.reshape([1, 3, side, side])
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERF_COUNT": True}
    request = core.compile_model(network, "CPU", settings).create_infer_request()
    images = np.random.default_rng(0).random((1, 3, side, side), dtype=np.float32)
    groups = {op.get_friendly_name(): _is_depthwise(op) for op in network.get_ops()}
    kinds: dict[str, float] = defaultdict(float)
    for call in range(WARM_UP_CALLS + CALLS):
        request.infer([images])
        if call < WARM_UP_CALLS:
            continue
        for entry in request.get_profiling_info():
            if entry.status.name == "EXECUTED":
                kind = openvino_kind(entry.node_type, entry.exec_type, groups.get(entry.node_name, False))
                kinds[kind] += entry.real_time.total_seconds() * 1e3 / CALLS
    return dict(kinds)


def openvino_kind(node_type: str, exec_type: str, is_depthwise: bool = False) -> str:
    """The kind of a layer from what OpenVINO calls it and how it computes it."""
    if "Convolution" in node_type:
        if is_depthwise or "dw" in exec_type or node_type.startswith("Group"):
            return DEPTHWISE
        return POINTWISE if "1x1" in exec_type else DENSE
    return ROUTES.get(node_type, ACTIVATIONS if node_type in ACTIVE else OTHERS)


def by_onnxruntime(data: bytes, side: int) -> dict[str, float]:
    """Milliseconds of one call by kind of layer."""
    import numpy as np
    import onnxruntime

    with tempfile.TemporaryDirectory(prefix="bench-profile") as folder:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        settings.enable_profiling, settings.profile_file_prefix = True, str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(data, settings, providers=["CPUExecutionProvider"])
        images = np.random.default_rng(0).random((1, 3, side, side), dtype=np.float32)
        for _ in range(WARM_UP_CALLS + CALLS):
            session.run(None, {session.get_inputs()[0].name: images})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return onnxruntime_kinds(events, CALLS)


def onnxruntime_kinds(events: Iterable[dict[str, Any]], calls: int) -> dict[str, float]:
    """Milliseconds by kind, of the last `calls` runs of every layer."""
    durations: dict[str, list[float]] = defaultdict(list)
    kinds: dict[str, str] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            durations[event["name"]].append(event["dur"] / 1e3)
            kinds[event["name"]] = onnxruntime_kind(event["args"])
    found: dict[str, float] = defaultdict(float)
    for name, times in durations.items():
        found[kinds[name]] += sum(times[-calls:]) / calls
    return dict(found)


def onnxruntime_kind(arguments: dict[str, Any]) -> str:
    """The kind of a layer from its operator and the shapes of its inputs."""
    operator = arguments.get("op_name", "")
    if "Conv" in operator:
        shapes = [next(iter(shape.values())) for shape in arguments.get("input_type_shape", [])]
        weights = next((shape for shape in shapes[1:] if len(shape) == 4), [0, 0, 0, 0])
        if weights[2:] == [1, 1]:
            return POINTWISE
        return DEPTHWISE if weights[1] == 1 else DENSE
    return ROUTES.get(operator, ACTIVATIONS if operator in ACTIVE else OTHERS)


def _is_depthwise(op: Any) -> bool:
    return op.get_type_name() == "GroupConvolution"


if __name__ == "__main__":
    main(*sys.argv[1:])
