"""Rows of `perception bench detection` about speed: tensor in to raw heads on one thread, ours beside its peers."""

import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.detection_accuracy import NO_AMX
from benchmarks.detection_models import NANO, NANO_HARD, PEERS, SMALL, cards
from benchmarks.detection_peers import SIDES, make_peers, missing_peers
from benchmarks.jobs import JobFailed, child, cores
from benchmarks.options import BenchOptions
from benchmarks.result import Result, Target, target

BACKENDS = {"f32": ("onnx", "openvino"), "bf16": ("openvino",)}
ROUNDS, LONG_ROUNDS = 20, 150
SECONDS = 1800  # the longest that a child may take
YOLO11 = PEERS["yolo11n"]
MEMORY_BACKENDS = ("onnx", "openvino", "torch")
MINIMUM, MEDIAN = "minimum", "median"


def measure(options: BenchOptions, result: Result) -> None:
    """Times of every network on every backend, and how many times faster each is than YOLO11n."""
    try:
        make_peers(options)
    except (JobFailed, OSError) as error:
        names = ", ".join(sorted({file.name.partition("-")[0] for file in missing_peers()}))
        result.add(names, "peers", "ONNX files", None, f"not measured: {error}")
    options.say("speed: exporting networks, then taking turns")
    with tempfile.TemporaryDirectory(prefix="bench-detection") as folder:
        found = cards(Path(folder))
        jobs = [job for precision in precisions(result) for job in _jobs(found, precision)]
        timed = run_jobs(jobs, Path(folder), LONG_ROUNDS if options.long else ROUNDS)
    add_times(result, timed)
    add_ratios(result, timed)


def precisions(result: Result) -> tuple[str, ...]:
    """f32, and bf16 where this CPU has a unit for it; else a row says that it has none."""
    from perception.inference.hardware import has_amx

    if has_amx():
        return ("f32", "bf16")
    result.add(NANO, "bf16", MINIMUM, None, NO_AMX)
    return ("f32",)


def _jobs(found: dict[tuple[str, int], Path], precision: str) -> Iterator[dict[str, Any]]:
    for (name, side), card in found.items():
        for backend in BACKENDS[precision]:
            what = {"name": name, "side": side, "backend": backend, "precision": precision}
            yield {**what, "card": str(card), "size": [side, side]}


def run_jobs(jobs: list[dict[str, Any]], folder: Path, rounds: int) -> list[dict[str, Any]]:
    """The jobs with their seconds, measured on the last core. Raises `JobFailed`."""
    source, out = folder / "jobs.json", folder / "times.json"
    source.write_text(json.dumps(jobs), encoding="utf-8")
    module = [sys.executable, "-m", "benchmarks.detection_timing"]
    child([*module, str(source), str(out), str(cores()[-1]), str(rounds)], SECONDS)
    return json.loads(out.read_text(encoding="utf-8"))


def add_times(result: Result, timed: Iterable[dict[str, Any]]) -> None:
    """Minimum and median of every network on every backend, ms."""
    for job in timed:
        data = f"{job['side']}x{job['side']}, {job['backend']} {job['precision']}, one thread"
        for metric, pick in ((MINIMUM, min), (MEDIAN, median)):
            value = 1e3 * pick(job["seconds"]) if job["seconds"] else None
            result.add(job["name"], data, metric, value, "ms" if value else f"not measured: {job['problem']}")


def add_ratios(result: Result, timed: list[dict[str, Any]]) -> None:
    """How many times faster than YOLO11n a network is, each on its fastest backend, by minima and by medians."""
    for metric, pick in ((MINIMUM, min), (MEDIAN, median)):
        fastest: dict[tuple[str, str, int], float] = {}
        for job in timed:
            key = (job["precision"], job["name"], job["side"])
            if job["seconds"]:
                fastest[key] = min(fastest.get(key, float("inf")), pick(job["seconds"]))
        for (precision, name, side), seconds in fastest.items():
            data = ratio_data(side, precision)
            result.add(name, data, f"{metric} of the fastest backend", 1e3 * seconds, "ms")
            peer = fastest.get((precision, YOLO11, side))
            if peer is not None:
                result.add(name, data, ratio_metric(metric), peer / seconds, "x")


def ratio_data(side: int, precision: str) -> str:
    """The name of the rows that compare at one size."""
    return f"{side}x{side}, {precision}, one thread"


def ratio_metric(metric: str = MINIMUM) -> str:
    """The name of the rows that say how many times faster than YOLO11n a network is."""
    return f"times faster than {YOLO11}, {metric}"


def memory(options: BenchOptions, result: Result) -> None:
    """The most memory that a process with a detector takes, for each backend, and before it makes one."""
    for backend in ("none", *MEMORY_BACKENDS):
        options.say(f"memory: {backend}")
        data, metric = f"640x480, {backend}", "peak memory of the process"
        try:
            found = json.loads(child([sys.executable, "-m", "benchmarks.detection_memory", backend]))
            result.add("perception", data, metric, found["peak_mib"], "MiB")
        except JobFailed as failure:
            result.add("perception", data, metric, None, f"not measured: {failure}")


def targets(result: Result) -> list[Target]:
    """What is asked of the speed."""
    asked = [(NANO, "f32", 1.8, SIDES), (SMALL, "f32", 1.0, SIDES), (NANO, "bf16", 1.0, SIDES)]
    asked += [(NANO_HARD, "bf16", 1.7, SIDES)]
    return [
        target(
            f"{name}, {ratio_metric()}, {ratio_data(side, precision)}",
            bound,
            result.value(name, ratio_data(side, precision), ratio_metric()),
            ">=",
            "x",
        )
        for name, precision, bound, sides in asked
        for side in sides
    ]
