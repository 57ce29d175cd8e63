"""`perception export`: a model as an ONNX file in another precision or with another end, as OpenVINO's own files, or
as an engine that is built ahead.

Needs no torch: everything starts from the ONNX file of the model. In a folder, files gather by precision beside one
card; what changes inputs or outputs (fixed shape, decoding, suppression) gets a card of its own.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from perception.core.errors import ConfigError, InvalidInput, ModelError
from perception.core.files import write_atomic
from perception.inference import engines, lsdnet_export
from perception.inference.detection_graph import HEADS
from perception.inference.export import INT8_TOLERANCE, agreement, raw_graph
from perception.inference.model_card import FileEntry, Model, ModelCard, TensorSpec, file_entry, read_card, write_card
from perception.inference.onnx_graph import axes_of, checked, read, set_axes
from perception.inference.tensors import default_shapes
from perception.networks.lsdnet_graph import FAMILY

if TYPE_CHECKING:
    from onnx import ModelProto

Tell = Callable[[str], None]
Progress = Callable[[int, int], None]  # done, total (0: unknown)
End = Literal["raw", "decode", "nms"]
ROLES = {"f32": "onnx", "f16": "onnx_f16", "int8": "onnx_int8"}
ENGINES = ("tensorrt", "tensorrt_rtx")
IMAGES = (".jpg", ".jpeg", ".png", ".bmp")
MAX_CALIBRATION = 64  # images; more change little
MAX_SIDE = 8192  # px
F16_TOLERANCE = 5e-2  # of the largest output


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What the command was asked for."""

    backend: str = "onnx"
    precision: str = "f32"
    shape: tuple[int, int] | None = None  # height, width in px; None: free
    batch: int = 1  # images at once, at most, of an engine; of a fixed shape exactly
    end: End = "raw"
    score_threshold: float = 0.25
    iou_threshold: float = 0.7
    out: Path | None = None
    calibration: Path | None = None  # folder of images
    is_forced: bool = False  # build an engine anew although there is one
    num_calibration: int = MAX_CALIBRATION

    @property
    def is_long(self) -> bool:
        """Whether it takes long enough for a progress bar."""
        return self.backend in ENGINES or self.calibration is not None


def export(model: Model, options: ExportOptions, tell: Tell, progress: Progress = lambda done, total: None) -> Path:
    """Write what was asked for and return the card or file to use it by.

    Raises `ConfigError` for wishes that contradict each other, `ModelError`, `MissingDependency`.
    """
    check(model.card, options)
    if options.backend in ENGINES:
        return _engine(model, options, tell, progress)
    graph = in_precision(model, options, progress)
    difference = _compared(model, graph, options)
    if difference is not None:
        tell(f"{options.precision}: differs from f32 by at most {difference:.2g} of the largest output")
    if options.backend == "openvino":
        return _ir(model, graph, options)
    if options.shape is None and options.end == "raw":
        return _beside(model, graph, options, difference)
    return _variant(model, graph, options)


def parse_shape(text: str | None) -> tuple[int, int] | None:
    """`480x640` as (480, 640). Raises `ConfigError`."""
    if text is None:
        return None
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and 0 < int(height) <= MAX_SIDE and 0 < int(width) <= MAX_SIDE):
        raise ConfigError(f"--shape {text!r}: expected HEIGHTxWIDTH in px, up to {MAX_SIDE}, e.g. 480x640")
    return int(height), int(width)


def in_precision(model: Model, options: ExportOptions, progress: Progress) -> "ModelProto":
    """The network with raw heads in the precision that was asked for. Raises `ConfigError` without calibration."""
    from perception.inference.precision import half
    from perception.inference.quantization import calibrated, quantised

    role = ROLES[options.precision]
    if options.calibration is None and role in model.card.files and role != "onnx":
        return read(model.read(role))
    graph = raw_graph(model)
    match options.precision:
        case "f16":
            return half(graph)
        case "int8":
            if options.calibration is None:
                raise ConfigError("precision int8: give --calibration FOLDER with images like those it will see")
            return quantised(graph, calibrated(graph, _batches(model.card, options), progress=progress))
    return graph


def profiles(card: ModelCard, options: ExportOptions) -> dict[str, engines.Profile]:
    """Shapes an engine runs: the one that was asked for, or every size up to a square of the card's long side."""
    usual = default_shapes(card)
    sides = options.shape or card.input_size
    longest = max(sides) if sides else None
    made = {}
    for spec in card.inputs:
        rows = []
        for axis, default in zip(spec.shape, usual[spec.name]):
            rows.append(_range(axis, default, card.multiples, options, longest))
        smallest, middle, largest = zip(*rows)
        made[spec.name] = engines.Profile(smallest=smallest, usual=middle, largest=largest)
    return made


def _range(
    axis: int | str, default: int, multiples: dict[str, int], options: ExportOptions, longest: int | None
) -> tuple[int, int, int]:
    """Smallest, usual and largest size of an axis."""
    if isinstance(axis, int):
        return axis, axis, axis
    if axis == "batch":
        return 1, 1, options.batch
    if options.shape is not None and axis in ("height", "width"):
        size = options.shape[("height", "width").index(axis)]
        return size, size, size
    step = multiples.get(axis, 1)
    largest = max(default, longest or default)
    return step, default, -(-largest // step) * step


def check(card: ModelCard, options: ExportOptions) -> None:
    """Raises `ConfigError` for wishes that contradict each other or the card."""
    if options.end != "raw" and options.backend != "onnx":
        raise ConfigError(
            f"--{options.end}: belongs into an ONNX file. Export that first, then give its card: "
            f"perception export {card.name} --{options.end} --out FOLDER; "
            f"perception export FOLDER/{card.name}-{options.end}.json --backend {options.backend}"
        )
    names = tuple(spec.name for spec in card.outputs)
    if options.precision != "f32" and card.family == "leyolo" and names != HEADS:
        raise ConfigError(f"--precision: {card.name} ends with {', '.join(names)}; choose it when that is exported")
    if options.shape is not None:
        for axis, size in zip(("height", "width"), options.shape):
            step = card.multiples.get(axis, 1)
            if size % step:
                raise ConfigError(f"--shape: {axis} {size} is no multiple of {step}; use {-(-size // step) * step}")
            if not any(axis in spec.shape for spec in card.inputs):
                raise ConfigError(f"--shape: {card.name} has no free {axis}; its shape is fixed already")
    if options.calibration is not None and options.precision != "int8":
        raise ConfigError(f"--calibration: is for --precision int8, not {options.precision}")


def _compared(model: Model, graph: "ModelProto", options: ExportOptions) -> float | None:
    """How far a precision is from float32, as a share of the largest output; None for float32 itself."""
    if options.precision == "f32":
        return None
    tolerance = {"f16": F16_TOLERANCE, "int8": INT8_TOLERANCE}[options.precision]
    if options.calibration is not None:
        inputs = next(_batches(model.card, options))
    else:
        shapes = default_shapes(model.card)
        inputs = {name: np.random.default_rng(0).random(shape, dtype=np.float32) for name, shape in shapes.items()}
    if model.card.family == FAMILY:
        return lsdnet_export.agreement(raw_graph(model), graph, inputs, tolerance)
    return agreement(raw_graph(model), graph, inputs, tolerance)


def _beside(model: Model, graph: "ModelProto", options: ExportOptions, difference: float | None) -> Path:
    """Add the file of a precision to the model in the folder `out`, which is made of the model's files if need be."""
    folder = options.out or Path(model.card.name)
    there = _copied(model, folder)
    if difference is None:
        return _with(there, folder, dict(there.files), dict(there.metrics))
    role = ROLES[options.precision]
    path = folder / f"{model.card.name}-{options.precision}.onnx"
    write_atomic(path, graph.SerializeToString())
    sentence = f"at most {difference:.2g} of the largest output from float32"
    return _with(
        there, folder, {**there.files, role: file_entry(path)}, {**there.metrics, f"{role}_difference": sentence}
    )


def _copied(model: Model, folder: Path) -> ModelCard:
    """The model in `folder`: there already, or copied now. Raises `ModelError` for another one of that name."""
    card = folder / f"{model.card.name}.json"
    if card.exists():
        there = read_card(card)
        if there.files.get("onnx") == model.card.files.get("onnx") or folder.resolve() == model.folder.resolve():
            return there
        raise ModelError(f"{card}: belongs to another model of this name; choose another folder with --out")
    folder.mkdir(parents=True, exist_ok=True)
    for role in model.card.files:
        path = model.path(role)
        shutil.copyfile(path, folder / path.name)
    return model.card


def _with(card: ModelCard, folder: Path, files: Mapping[Any, FileEntry], metrics: Mapping[str, float | str]) -> Path:
    made = ModelCard.model_validate({**card.model_dump(), "files": files, "metrics": metrics})
    path = folder / f"{card.name}.json"
    write_card(made, path)
    return path


def _variant(model: Model, graph: "ModelProto", options: ExportOptions) -> Path:
    """A file with other inputs or outputs, and its own card."""
    from perception.inference.detection_graph import with_decode, with_nms

    if options.shape is not None:
        graph = _fixed(graph, options)
    if options.end == "decode":
        graph = with_decode(graph)
    elif options.end == "nms":
        graph = with_nms(graph, options.score_threshold, options.iou_threshold)
    parts = [model.card.name, *(["x".join(map(str, options.shape))] if options.shape else [])]
    parts += [part for part in (options.end, options.precision) if part not in ("raw", "f32")]
    name, folder = "-".join(parts), options.out or Path(model.card.name)
    path = folder / f"{name}.onnx"
    write_atomic(path, graph.SerializeToString())
    card = _variant_card(model.card, graph, name, options)
    return _with(card, folder, {"onnx": file_entry(path)}, dict(model.card.metrics))


def _fixed(graph: "ModelProto", options: ExportOptions) -> "ModelProto":
    """Batch and sides as numbers; the shapes of the outputs follow."""
    assert options.shape is not None
    sizes = {"batch": options.batch, "height": options.shape[0], "width": options.shape[1]}

    def size(axis: int | str) -> int | str:
        name, _, divisor = str(axis).partition("/")
        return sizes[name] // int(divisor or 1) if name in sizes else axis

    for value in (*graph.graph.input, *graph.graph.output):
        axes = [size(axis) for axis in axes_of(graph, value.name)]
        set_axes(graph, value.name, axes)
    return checked(graph)


def _variant_card(card: ModelCard, graph: "ModelProto", name: str, options: ExportOptions) -> ModelCard:
    from onnx.helper import tensor_dtype_to_np_dtype

    def specs(values: object) -> tuple[TensorSpec, ...]:
        return tuple(
            TensorSpec.model_validate(
                {
                    "name": value.name,
                    "shape": axes_of(graph, value.name),
                    "dtype": str(tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)),
                }
            )
            for value in values  # type: ignore[attr-defined]
        )

    inputs = specs(graph.graph.input)
    free = {axis for spec in inputs for axis in spec.shape}
    changes = {
        "name": name,
        "inputs": inputs,
        "outputs": specs(graph.graph.output),
        "multiples": {axis: step for axis, step in card.multiples.items() if axis in free},
        "input_size": options.shape or card.input_size,
    }
    return ModelCard.model_validate({**card.model_dump(), **changes})


def _ir(model: Model, graph: "ModelProto", options: ExportOptions) -> Path:
    """OpenVINO's own two files, for programs that read those; the backend of this package reads the ONNX file."""
    from perception.inference.openvino import save_ir

    folder = options.out or Path(model.card.name)
    folder.mkdir(parents=True, exist_ok=True)
    if options.shape is not None:
        graph = _fixed(graph, options)
    path = folder / f"{model.card.name}-{options.precision}.xml"
    save_ir(graph.SerializeToString(), path)
    return path


def _engine(model: Model, options: ExportOptions, tell: Tell, progress: Progress) -> Path:
    """An engine in the cache (or `out`), built unless there is one that fits."""
    from perception.inference.tensorrt import engine_key, load_library, probe
    from perception.inference.tensorrt_build import BuildOptions, build

    found = probe(options.backend)
    if not found.can_build:
        raise ModelError(f"backend {options.backend}: cannot build engines here: {found.reason}")
    key = engine_key(model, options.backend, options.precision, found)
    shapes, folder = profiles(model.card, options), options.out or engines.engines_folder()
    path = engines.engine_path(model.card.name, key, shapes, folder)
    reason = _stale(path, key)
    if not reason and not options.is_forced:
        tell("there is one that fits; --force builds it anew")
        return path
    if path.exists():
        tell(f"builds it anew: {reason or 'asked for'}")
    onnx = in_precision(model, options, progress).SerializeToString()
    cache = folder / f"{options.backend}-{found.version}-{found.gpu or 'no-gpu'}.kernels".replace(" ", "-")
    start = time.perf_counter()
    settings = BuildOptions(options.precision, shapes, timing_cache=cache)
    try:
        engine = build(load_library(options.backend), onnx, settings, progress)
    except ModelError as error:
        hint = "; its NonMaxSuppression may be what the library does not know: build the engine without --nms"
        raise ModelError(f"{error}{hint if b'NonMaxSuppression' in onnx else ''}") from error
    car = engines.side_car(engine, model.card.name, key, shapes, time.perf_counter() - start)
    engines.store(engine, car, path)
    if not found.is_usable:
        tell(f"built, but it cannot run here: {found.reason}")
    return path


def _stale(path: Path, key: engines.EngineKey) -> str:
    """Why an engine cannot be used; "" if it can."""
    try:
        engines.load(path, key)
    except ModelError as error:
        return str(error)
    return ""


def _batches(card: ModelCard, options: ExportOptions) -> Iterator[dict[str, np.ndarray]]:
    """Inputs made of the images of the calibration folder, evenly chosen. Raises `InvalidInput`."""
    import cv2

    assert options.calibration is not None
    paths = sorted(path for path in options.calibration.rglob("*") if path.suffix.lower() in IMAGES)
    if not paths:
        raise InvalidInput(f"--calibration {options.calibration}: holds no images ({', '.join(IMAGES)})")
    rows = np.linspace(0, len(paths) - 1, min(len(paths), options.num_calibration)).round().astype(int)
    spec, size = card.inputs[0], options.shape or card.input_size
    if size is None:
        raise ConfigError(f"model {card.name}: its card has no input_size; give --shape")
    for row in np.unique(rows):
        image = cv2.imread(str(paths[row]), cv2.IMREAD_COLOR)
        if image is None:
            raise InvalidInput(f"--calibration: {paths[row]} cannot be read as an image")
        yield {spec.name: _planes(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), size, card)[None]}


def _planes(pixels: np.ndarray, size: tuple[int, int], card: ModelCard) -> np.ndarray:
    """An image (H, W, 3) uint8 as a network of the card's family reads it, (3, height, width) float32."""
    if card.family == FAMILY:
        from perception.networks.lsdnet_input import stretched

        return stretched(pixels, size)
    from perception.detection.letterbox import fixed

    planes = fixed(pixels.shape[:2], size).apply(pixels).transpose(2, 0, 1)
    return np.ascontiguousarray(planes, dtype=np.float32) / np.float32(255)
