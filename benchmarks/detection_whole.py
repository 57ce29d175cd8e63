"""Rows of `perception bench detection` about the whole detector: image in to boxes out, and where the time goes.

The timing runs in a process of its own: `python -m benchmarks.detection_whole PICTURES.npz OUT.json THREADS ROUNDS`.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.detection_accuracy import MODELS, NO_AMX, pictures
from benchmarks.detection_speed import MEDIAN, MINIMUM
from benchmarks.jobs import child
from benchmarks.options import BenchOptions
from benchmarks.result import Result, Target, target

if TYPE_CHECKING:
    from perception.detection.detector import Detector
    from perception.inference.model_card import Model

NUM_PICTURES = 12
ROUNDS, LONG_ROUNDS = 6, 40  # over all pictures
SIZE = (480, 640)  # px, height and width
PARTS = ("preparation", "network", "suppression")
EAGER = "torch eager"
AUTO_F32, AUTO_BF16 = "auto f32", "auto bf16"
TORCH = "torch, norms folded"
SPEED_UP = f"times faster than {EAGER}, minima"
SHARE, AROUND = "share of preparation and suppression, medians", "preparation and suppression, median"
SECONDS = 900  # the longest that a child may take


class Eager:
    """The network as it trains, layer by layer in torch, in the place of a runtime."""

    backend, precision, device, choice = EAGER, "f32", "cpu", "for comparison"

    def __init__(self, model: "Model", num_threads: int) -> None:
        import torch

        from perception.networks.weights import load_leyolo

        torch.set_num_threads(num_threads)
        self.inputs, self.outputs = model.card.inputs, model.card.outputs
        self._torch, self._network = torch, load_leyolo(model.path("weights"))

    def infer(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The raw heads."""
        with self._torch.inference_mode():
            outputs = self._network(*(self._torch.from_numpy(array) for array in inputs.values()))
        return {spec.name: output.numpy() for spec, output in zip(self.outputs, outputs)}

    def warm_up(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Run once."""
        self.infer({name: np.zeros(shape, dtype=np.float32) for name, shape in shapes.items()})

    def close(self) -> None:
        """Nothing to free."""


def measure(options: BenchOptions, result: Result) -> None:
    """Times of both networks with one thread and with all cores."""
    from perception.inference.hardware import has_amx, num_cores

    images = pictures(options, NUM_PICTURES)
    with tempfile.TemporaryDirectory(prefix="bench-detection") as folder:
        source, out = Path(folder) / "pictures.npz", Path(folder) / "times.json"
        np.savez(source, pictures=np.stack(images))
        for num_threads in sorted({1, num_cores()}):
            options.say(f"end to end: {num_threads} threads")
            rounds = LONG_ROUNDS if options.long else ROUNDS
            command = ["-m", "benchmarks.detection_whole", str(source), str(out), str(num_threads), str(rounds)]
            child([sys.executable, *command], SECONDS)
            for name, by_runtime in json.loads(out.read_text(encoding="utf-8")).items():
                _add(result, data_of(name, num_threads), by_runtime)
    if not has_amx():
        for name in MODELS:
            result.add(AUTO_BF16, data_of(name, 1), MINIMUM, None, NO_AMX)


def data_of(name: str, num_threads: int) -> str:
    """The name of the rows of one network."""
    return f"{SIZE[1]}x{SIZE[0]} to boxes, {name}, {num_threads} thread{'s' if num_threads > 1 else ''}"


def targets(result: Result) -> list[Target]:
    """What is asked of the whole detector; one thread, and all cores where that was measured."""
    asked = []
    for name in MODELS:
        every = data_of(name, 1).rpartition(",")[0]
        found = dict.fromkeys(row.data for row in result.rows if row.data.startswith(every))
        for data in found or [data_of(name, 1)]:
            for runtime, bound in ((AUTO_F32, 2.5), (AUTO_BF16, 3.0)):
                value = result.value(runtime, data, SPEED_UP)
                asked.append(target(f"{runtime}, {SPEED_UP}, {data}", bound, value, ">=", "x"))
            for metric, bound, sense, unit in ((SHARE, 15.0, "<", "%"), (AROUND, 1.2, "<=", "ms")):
                value = result.value(AUTO_F32, data, metric)
                asked.append(target(f"{AUTO_F32}, {metric}, {data}", bound, value, sense, unit))
    return asked


def _add(result: Result, data: str, by_runtime: dict[str, dict[str, Any]]) -> None:
    """Rows of one network; `by_runtime` holds the seconds of every part of every call."""
    wholes = {}
    for runtime, found in by_runtime.items():
        if found["problem"]:
            result.add(runtime, data, MINIMUM, None, f"not measured: {found['problem']}")
            continue
        parts = np.array(found["seconds"]) * 1e3  # (calls, 3)
        whole = wholes[runtime] = parts.sum(axis=1)
        around = parts[:, [0, 2]].sum(axis=1)
        result.add(runtime, data, MINIMUM, float(whole.min()), "ms")
        result.add(runtime, data, MEDIAN, float(np.median(whole)), "ms")
        for name, column in zip(PARTS, parts.T):
            result.add(runtime, data, f"{name}, median", float(np.median(column)), "ms")
        result.add(runtime, data, AROUND, float(np.median(around)), "ms")
        result.add(runtime, data, SHARE, 100.0 * float(np.median(around / whole)), "%")
        result.add(runtime, data, "boxes in an image, mean", mean(found["boxes"]), "")
    for runtime, whole in wholes.items():
        if EAGER in wholes:
            eager = wholes[EAGER]
            result.add(runtime, data, SPEED_UP, float(eager.min() / whole.min()), "x")
            medians = float(np.median(eager) / np.median(whole))
            result.add(runtime, data, f"times faster than {EAGER}, medians", medians, "x")


def main(source: str, out: str, num_threads: str, rounds: str) -> None:
    """Time every network on every runtime; they take turns."""
    with np.load(source, allow_pickle=False) as file:
        images = list(file["pictures"])
    found = {}
    for name in MODELS:
        made = dict(_detectors(name, int(num_threads)))
        times = {runtime: {"seconds": [], "boxes": [], "problem": ""} for runtime in made}
        for runtime, detector in made.items():
            if isinstance(detector, str):
                times[runtime]["problem"] = detector
        ready = {runtime: detector for runtime, detector in made.items() if not isinstance(detector, str)}
        for turn in range(int(rounds) + 1):
            for runtime, detector in ready.items():
                for image in images:
                    seconds, num_boxes = _timed(detector, image)
                    if turn:  # the first only warms up
                        times[runtime]["seconds"].append(seconds)
                        times[runtime]["boxes"].append(num_boxes)
        found[name] = times
    Path(out).write_text(json.dumps(found), encoding="utf-8")


def _detectors(name: str, num_threads: int) -> "Iterator[tuple[str, Detector | str]]":
    """Detectors that are warm, or why there is none, by runtime."""
    from perception.core.errors import PerceptionError
    from perception.detection import detector
    from perception.detection.config import DetectionConfig
    from perception.inference.hardware import has_amx
    from perception.inference.model_card import open_model

    detector.warm_up()
    wanted = {AUTO_F32: ("auto", "f32"), TORCH: ("torch", "f32")}
    for runtime, (backend, precision) in (wanted | ({AUTO_BF16: ("auto", "bf16")} if has_amx() else {})).items():
        values = {"model": name, "backend": backend, "precision": precision, "num_threads": num_threads}
        try:
            yield runtime, detector.open_detector(DetectionConfig(**values), SIZE)
        except PerceptionError as error:
            yield runtime, str(error)
    model = open_model(name)
    eager = detector.Detector(model, DetectionConfig(model=name), Eager(model, num_threads))
    eager.warm_up(SIZE)
    yield EAGER, eager


def _timed(detector: "Detector", image: np.ndarray) -> tuple[tuple[float, float, float], int]:
    """Seconds of the parts of `Detector.detect`, and the number of boxes."""
    start = time.perf_counter()
    given = detector.prepare(image)
    prepared = time.perf_counter()
    outputs = detector.runtime.infer({detector.card.inputs[0].name: given.tensor})
    computed = time.perf_counter()
    boxes = detector.boxes(outputs, given.letterbox)
    return (prepared - start, computed - prepared, time.perf_counter() - computed), len(boxes)


if __name__ == "__main__":
    main(*sys.argv[1:])
