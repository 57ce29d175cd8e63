"""Trying things out in a child process: what crashes, hangs or takes memory there leaves this process as it was.

`python -m perception.inference.probe` is that child: it reads one request as JSON and answers with one line.
"""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from perception.core.errors import ModelError, PerceptionError
from perception.inference.hardware import has_gpu_device
from perception.inference.model_card import Model, ModelCard
from perception.inference.runtime import RuntimeOptions, open_backend
from perception.inference.tensors import example, one_line

MARK = "perception.probe:"  # libraries print as well
ROOT = Path(__file__).resolve().parents[2]
CHILD_SECONDS = 180.0  # for import, reading, warm-up and runs together, on a busy machine
GPU_SECONDS = 60.0
RUN_SECONDS = 1.0  # of measured runs
MIN_RUNS, MAX_RUNS = 3, 30
MILLI = 1e3
TAIL = 300  # characters of what a child that died had printed
CUDA_CHECKS = {
    "torch": "import torch; torch.zeros(1, device='cuda').add_(1).item()",
    "onnx": "import ctypes; c = ctypes.CDLL('libcuda.so.1'); assert c.cuInit(0) == 0, 'cuInit fails'",
}


def measure(backend: str, model: Model, options: RuntimeOptions, seconds: float = CHILD_SECONDS) -> float:
    """Milliseconds of the fastest run of a backend at `options.shapes`, tried in a child process.

    Raises `ModelError` saying why it does not run.
    """
    request = {
        "backend": backend,
        "card": model.card.model_dump(mode="json"),
        "folder": str(model.folder.resolve()),
        "options": asdict(options),
    }
    command = [sys.executable, "-m", "perception.inference.probe"]
    output = _child(command, json.dumps(request), seconds)
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    answer = json.loads(lines[-1].removeprefix(MARK)) if lines else {"problem": "it gave no answer"}
    if "problem" in answer:
        raise ModelError(answer["problem"])
    return float(answer["ms"])


@functools.cache
def gpu_problem(library: str) -> str | None:
    """Why `library` (torch, onnx) cannot use an NVIDIA GPU here, or None. Tried once, in a child process."""
    if not has_gpu_device():
        return "no driver of an NVIDIA GPU is loaded"
    try:
        _child([sys.executable, "-c", CUDA_CHECKS[library]], "", GPU_SECONDS)
    except ModelError as error:
        return one_line(error)
    return None


def _child(command: list[str], text: str, seconds: float) -> str:
    """What a command prints. Raises `ModelError` when it fails, dies or takes too long."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            env=environment,
            cwd=ROOT,  # Python would import from the current folder first, whoever's that is
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"it took more than {seconds:g} s") from None
    except OSError as error:
        raise ModelError(f"no child process can be started ({error})") from None
    if done.returncode:
        raise ModelError(f"{_ended(done.returncode)}: {' '.join(done.stderr.split())[-TAIL:] or 'it said nothing'}")
    return done.stdout


def _ended(code: int) -> str:
    if code >= 0:
        return f"it ended with {code}"
    try:
        return f"it was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was ended by signal {-code}"


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    options = request["options"]
    shapes = {name: tuple(shape) for name, shape in options.pop("shapes").items()}
    model = Model(ModelCard.model_validate(request["card"]), Path(request["folder"]))
    try:
        return {"ms": _time(request["backend"], model, RuntimeOptions(shapes=shapes, **options))}
    except PerceptionError as error:
        return {"problem": one_line(error)}


def _time(backend: str, model: Model, options: RuntimeOptions) -> float:
    runtime = open_backend(backend, model, options)
    runtime.warm_up(options.shapes)
    inputs = example(runtime.inputs, options.shapes)
    fastest, end, num_runs = float("inf"), time.perf_counter() + RUN_SECONDS, 0
    while num_runs < MAX_RUNS and (num_runs < MIN_RUNS or time.perf_counter() < end):
        start = time.perf_counter()
        runtime.infer(inputs)
        fastest = min(fastest, time.perf_counter() - start)
        num_runs += 1
    runtime.close()
    return fastest * MILLI


if __name__ == "__main__":
    sys.stdout.write(f"{MARK}{json.dumps(_answer(json.load(sys.stdin)))}\n")
