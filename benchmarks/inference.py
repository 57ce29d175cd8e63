"""The benchmark of the runtime itself: `perception bench inference`. What a call and a start cost beside the network.

The network has two convolutions on 8x12 pixels, so that almost all of a call is the way to it and back. `library` is
the plainest call that each library offers, with its own copies.
"""

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.groups import check_only, measure_groups
from benchmarks.options import BenchOptions
from benchmarks.result import Result, machine, versions
from perception.inference.cache import CACHE_VARIABLE
from perception.inference.model_card import Model, open_model
from perception.inference.runtime import Runtime, make_runtime
from tests.unit.inference.tiny import tiny_model

BACKENDS = ("onnx", "openvino")
SHAPE = (1, 3, 8, 12)
TINY = "two convolutions, 8x12 px"
CALLS, ROUNDS = 100, 100
MICRO, MILLI = 1e6, 1e3
PACKAGES = ["numpy", "onnx", "onnxruntime", "openvino"]


def run(options: BenchOptions) -> Result:
    """Measure the groups that were asked for. Raises `ConfigError` for an unknown group."""
    groups = {"calls": _calls, "starts": _starts}
    check_only(groups, options)
    result = Result("inference", machine(), versions(PACKAGES))
    measure_groups(groups, options, result)
    return result


def _calls(options: BenchOptions, result: Result) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = tiny_model(Path(folder))
        for backend in BACKENDS:
            options.say(f"calls of {backend}")
            runtime = make_runtime(model, backend, "f32", num_threads=1)
            images = [{"images": np.full(SHAPE, value, dtype=np.float32)} for value in (0.0, 1.0)]
            runtime.infer(images[0])
            turns = _alternating(runtime, images)
            result.add(backend, TINY, "call, same array", _fastest(partial(runtime.infer, images[0])), "us")
            result.add(backend, TINY, "call, another array", _fastest(turns), "us")
            result.add(backend, TINY, "library", _fastest(_plain(runtime, images[0])), "us")
            runtime.close()


def _starts(options: BenchOptions, result: Result) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = open_model(str(tiny_model(Path(folder)).folder / "tiny.json"))
        before = os.environ.get(CACHE_VARIABLE)
        os.environ[CACHE_VARIABLE] = str(Path(folder) / "cache")
        try:
            for metric in ("start, everything measured", "start, measured before"):
                result.add("auto", TINY, metric, _seconds(model) * MILLI, "ms")
        finally:
            os.environ.pop(CACHE_VARIABLE)
            if before is not None:
                os.environ[CACHE_VARIABLE] = before


def _seconds(model: Model) -> float:
    start = time.perf_counter()
    make_runtime(model, num_threads=1).close()
    return time.perf_counter() - start


def _alternating(runtime: Runtime, images: list[dict[str, np.ndarray]]) -> Callable[[], Any]:
    def call() -> None:
        images.reverse()
        runtime.infer(images[0])

    return call


def _plain(runtime: Any, images: dict[str, np.ndarray]) -> Callable[[], Any]:
    """The library's own call, past the runtime."""
    if runtime.backend == "onnx":
        return lambda: runtime._session.run(None, images)
    request = runtime._compiled[(SHAPE,)]._request
    return lambda: request.infer(images)


def _fastest(call: Callable[[], Any]) -> float:
    """Microseconds of a call: the fastest of many rounds, as other programs only ever slow it down."""
    fastest = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(CALLS):
            call()
        fastest = min(fastest, time.perf_counter() - start)
    return fastest / CALLS * MICRO
