"""The backend `auto`: everything that works here is measured once, the fastest is taken, and the reason is told.

Measurements are kept on disk by everything they depend on, so that the next start is instant.
"""

import hashlib
import importlib.util
import json
import logging
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

import perception
from perception.core.config import Config
from perception.core.errors import ModelError, PerceptionError
from perception.core.files import write_atomic
from perception.inference import probe
from perception.inference.cache import cache_folder
from perception.inference.hardware import cpu_model, has_amx, has_gpu_device, threads
from perception.inference.model_card import ONNX_ROLES, Model, ModelCard
from perception.inference.runtime import Runtime, RuntimeOptions, open_backend
from perception.inference.tensors import one_line

PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino", "torch": "torch", "tensorrt": "tensorrt"}
DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu", "openvino", "torch", "tensorrt", "numpy")
MAX_LOSS = 0.3  # points of accuracy that a lower precision may cost to be taken without being asked for
MEASURES = ("ap", "fh")  # of accuracy, by their names in cards: AP of boxes, F^H of line segments
MAX_RECORD_BYTES = 1 << 16

log = logging.getLogger(__name__)


class Measurement(Config):
    """One backend with device and precision: how fast it is, or why it does not run."""

    backend: str = Field(max_length=32)
    device: str = Field(max_length=32)
    precision: str = Field(max_length=32)
    ms: float | None = Field(None, gt=0.0, description="Fastest run.")
    problem: str = Field("", max_length=2000)

    @property
    def name(self) -> str:
        """Short name for sentences."""
        return f"{self.backend} {self.precision}" + (f" on {self.device}" if self.device != "cpu" else "")


class Record(Config):
    """What was measured, and all that it depends on."""

    key: dict[str, Any]
    measurements: tuple[Measurement, ...] = Field(max_length=64)


def choose(model: Model, options: RuntimeOptions) -> Runtime:
    """The fastest runtime that works here; `choice` says which and why. Raises `ModelError` when none does."""
    measurements = measured(model, options)
    problems = [entry for entry in measurements if entry.ms is None]
    for entry in sorted((m for m in measurements if m.ms is not None), key=lambda m: m.ms or 0.0):
        try:
            wanted = replace(options, precision=entry.precision, device=entry.device)
            runtime = open_backend(entry.backend, model, wanted)
        except PerceptionError as error:
            problems.append(entry.model_copy(update={"ms": None, "problem": one_line(error)}))
            continue
        runtime.choice = _sentence(entry, measurements, problems, options)
        log.info("model %s: %s", model.card.name, runtime.choice)
        return runtime
    reasons = "; ".join(f"{entry.name}: {entry.problem}" for entry in problems)
    raise ModelError(f"model {model.card.name}: no backend runs it here. {reasons}")


def measured(model: Model, options: RuntimeOptions, is_fresh: bool = False) -> tuple[Measurement, ...]:
    """Every candidate with its time or its problem, from the disk unless `is_fresh` or something has changed."""
    key = _key(model, options)
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    path = cache_folder("choices") / f"{digest[:32]}.json"
    record = None if is_fresh else _read(path, key)
    if record is None:
        record = Record(key=key, measurements=tuple(_measure(entry, model, options) for entry in _all(model, options)))
        if any(entry.ms is not None for entry in record.measurements):
            _write(path, record)
    return record.measurements


def allows(card: ModelCard, precision: str) -> bool:
    """Whether the card says that a precision costs at most `MAX_LOSS` points of AP, or of F^H."""
    losses = [card.metrics.get(f"{measure}_loss_{precision}") for measure in MEASURES]
    return precision == "f32" or any(isinstance(loss, int | float) and loss <= MAX_LOSS for loss in losses)


def settled_precision(backend: str, card: ModelCard) -> str:
    """What precision `auto` means for a backend that is asked for by name: nothing is measured."""
    if backend == "openvino" and has_amx() and allows(card, "bf16"):
        return "bf16"
    if backend in ("tensorrt", "tensorrt_rtx") and allows(card, "f16"):
        return "f16"
    return "f32"


def _all(model: Model, options: RuntimeOptions) -> Iterable[Measurement]:
    """Candidates that the options leave; bfloat16 on CPUs only where they have a unit for it."""
    devices = ("cpu", "cuda", "tensorrt") if options.device == "auto" else (options.device,)
    for backend, device, precision in _known():
        is_allowed = allows(model.card, precision) and not (precision == "bf16" and device == "cpu" and not has_amx())
        if device in devices and (is_allowed if options.precision == "auto" else precision == options.precision):
            yield Measurement(backend=backend, device=device, precision=precision)


def _known() -> list[tuple[str, str, str]]:
    on_cpu = [
        *(("onnx", "cpu", precision) for precision in ("f32", "int8")),
        *(("openvino", "cpu", precision) for precision in ("f32", "bf16", "int8")),
        *(("torch", "cpu", precision) for precision in ("f32", "bf16")),
    ]
    if not has_gpu_device():
        return on_cpu
    on_gpu = [
        *(("tensorrt", "cuda", precision) for precision in ("f32", "f16", "int8")),
        *(("onnx", device, precision) for device in ("cuda", "tensorrt") for precision in ("f32", "f16")),
        *(("torch", "cuda", precision) for precision in ("f32", "f16")),
    ]
    return [*on_gpu, *on_cpu]


def _measure(entry: Measurement, model: Model, options: RuntimeOptions) -> Measurement:
    package = PACKAGES[entry.backend]
    if importlib.util.find_spec(package) is None:
        return entry.model_copy(update={"problem": f"{package} is not installed"})
    role = _role(entry)
    if role not in model.card.files:
        return entry.model_copy(update={"problem": f"the model has no file {role}"})
    wanted = replace(options, precision=entry.precision, device=entry.device)
    try:
        return entry.model_copy(update={"ms": probe.measure(entry.backend, model, wanted)})
    except PerceptionError as error:
        return entry.model_copy(update={"problem": one_line(error)})


def _role(entry: Measurement) -> str:
    """The file that a candidate reads."""
    match entry.backend:
        case "torch":
            return "weights"
        case "tensorrt":
            return "onnx"  # its engines are made from that
    return ONNX_ROLES[entry.precision]


def _sentence(
    best: Measurement,
    measurements: Iterable[Measurement],
    problems: Iterable[Measurement],
    options: RuntimeOptions,
) -> str:
    passed_over = {best.name, *(entry.name for entry in problems)}
    others = [f"{entry.name} {entry.ms:.3g} ms" for entry in measurements if entry.ms and entry.name not in passed_over]
    shapes = ", ".join("x".join(map(str, shape)) for shape in options.shapes.values())
    is_alone = "" if others else ", the only one that runs here"
    parts = [f"{best.name}: {best.ms:.3g} ms for {shapes} with {threads(options.num_threads)} threads{is_alone}"]
    parts += [f"slower: {', '.join(others)}"] * bool(others)
    parts += [f"not {entry.name}: {entry.problem}" for entry in problems]
    return "; ".join(parts)


def _key(model: Model, options: RuntimeOptions) -> dict[str, Any]:
    return {
        "model": model.fingerprint,
        "allowed": [precision for precision in ("bf16", "f16", "int8") if allows(model.card, precision)],
        "cpu": cpu_model(),
        "engines": _engines(model) if has_gpu_device() else None,
        "perception": perception.__version__,
        "versions": {name: found for name in DISTRIBUTIONS if (found := _version(name))},
        "shapes": {name: list(shape) for name, shape in sorted(options.shapes.items())},
        "num_threads": threads(options.num_threads),
        "precision": options.precision,
        "device": options.device,
    }


def _engines(model: Model) -> dict[str, int]:
    """Engines of a model with the times they were written: a new one is a new candidate."""
    from perception.inference.engines import engines_folder

    return {path.name: path.stat().st_mtime_ns for path in sorted(engines_folder().glob(f"{model.card.name}-*.json"))}


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _read(path: Path, key: dict[str, Any]) -> Record | None:
    """The record of a key, or None where there is none that can be used."""
    try:
        if path.stat().st_size > MAX_RECORD_BYTES:
            return None
        record = Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.warning("%s: is not used (%s); everything is measured again", path, one_line(error))
        return None
    return record if record.key == key else None


def _write(path: Path, record: Record) -> None:
    try:
        write_atomic(path, record.model_dump_json(indent=1))
    except OSError as error:
        log.warning("%s: cannot be written (%s); the next start measures again", path, error)
