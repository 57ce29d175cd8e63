"""Official LeYOLO checkpoints become models of the user's store: tensors only, nothing of the file is run.

The checkpoints are pickled modules of another program. Their tensors are taken in the order in which that program
holds them (parameter order of the published networks) and must have its names and shapes.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from perception.core.errors import MissingDependency, ModelError
from perception.inference.checkpoints import read_checkpoint, walked
from perception.inference.model_card import Model, ModelName
from perception.inference.unpickler import Record

if TYPE_CHECKING:
    from perception.networks.leyolo import LeYolo

Size = Literal["nano", "small", "medium"]  # large is the same network as medium
SIZES: tuple[Size, ...] = ("nano", "small", "medium")
BATCH_COUNTER = "num_batches_tracked"
PREFIX = "model."
MODULES = ("ema", "model")  # entries of a checkpoint, the averaged weights first
LAST_CLASS_BIAS = re.compile(r"\.cv3\.0\.\d+\.bias\Z")
MAX_CLASS_NAME = 128
LICENCE = "AGPL-3.0, as of the published weights of LeYOLO"
INPUT_SIZE = (640, 640)
COCO = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
    *("elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee"),
    *("skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard"),
    *("tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),
    *("potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone"),
    *("microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear"),
    *("hair drier", "toothbrush"),
)


def import_checkpoint(checkpoint: Path, folder: Path, name: str | None = None) -> Model:
    """Take a published checkpoint over, of whichever network of ours it is: LeYOLO, or the place network.

    Raises `ModelError` naming what does not fit, `MissingDependency` without torch.
    """
    from perception.inference.rein_importing import import_rein, is_rein

    if is_rein(read_checkpoint(checkpoint)):
        return import_rein(checkpoint, folder, _name(checkpoint, folder, name))
    return import_leyolo(checkpoint, folder, name)


def import_leyolo(checkpoint: Path, folder: Path, name: str | None = None) -> Model:
    """Write the network of a checkpoint to `folder` as NAME.safetensors, NAME.onnx and NAME.json.

    Raises `ModelError` naming what does not fit, `MissingDependency` without torch.
    """
    name = _name(checkpoint, folder, name)
    try:
        from perception.inference.export import Description, write_leyolo

        network, classes = leyolo_of(checkpoint)
    except ImportError as error:
        if isinstance(error, MissingDependency):
            raise
        raise MissingDependency(f"importing checkpoints: pip install 'perception[torch]' ({error})") from None
    description = Description(
        name=name,
        classes=classes,
        licence=LICENCE,
        training_data=f"As its authors say (the published ones: COCO train2017); imported from {checkpoint.name}.",
        input_size=INPUT_SIZE,
    )
    return write_leyolo(network, description, folder)


def leyolo_of(checkpoint: Path) -> tuple["LeYolo", tuple[str, ...]]:
    """The network of a checkpoint, and the names of its classes. Raises `ModelError`."""
    module = _module(checkpoint, read_checkpoint(checkpoint))
    entries = dict(_tensors(module))
    num_classes = next((len(array) for name, array in reversed(entries.items()) if LAST_CLASS_BIAS.search(name)), 0)
    if not num_classes:
        raise ModelError(f"{checkpoint}: holds {len(entries)} tensors, but no head of LeYOLO; give a detector of it")
    network = _filled(checkpoint, entries, num_classes)
    return network, _class_names(module, num_classes)


def _module(path: Path, content: Any) -> Any:
    """The module, or the tensors by name, inside of a checkpoint."""
    if isinstance(content, dict):
        found = next((content[key] for key in MODULES if isinstance(content.get(key), Record | dict)), None)
        content = content if found is None else found
    if not isinstance(content, Record | dict):
        raise ModelError(f"{path}: holds no network; {' or '.join(MODULES)} was expected in it")
    return content


def _tensors(module: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Names and arrays in the order of the file, without the batch counters."""
    if isinstance(module, Record):
        pairs = walked(module)
    else:
        pairs = ((name, array) for name, array in module.items() if isinstance(name, str))
    for name, array in pairs:
        if isinstance(array, np.ndarray) and not name.endswith(BATCH_COUNTER):
            yield name, array


def _filled(path: Path, entries: Mapping[str, np.ndarray], num_classes: int) -> "LeYolo":
    from perception.networks.leyolo import LeYolo
    from perception.networks.leyolo_graph import LeYoloConfig
    from perception.networks.weights import load_ordered, ordered_names

    arrays, names = list(entries.values()), list(entries)
    reasons = []
    for size in SIZES:
        network = LeYolo(LeYoloConfig(size=size, num_classes=num_classes))
        state = network.state_dict()
        if [tuple(state[name].shape) for name in ordered_names(network)] != [array.shape for array in arrays]:
            reasons.append(f"{size} has {len(ordered_names(network))}")
            continue
        try:
            load_ordered(network, arrays, names)
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from None
        return network.eval()
    raise ModelError(f"{path}: its {len(arrays)} tensors are of no LeYOLO ({', '.join(reasons)}, of certain shapes)")


def _class_names(module: Any, num_classes: int) -> tuple[str, ...]:
    """Names that the file gives, if it names every class in plain text; else those of COCO, or numbers."""
    given = module.attributes().get("names") if isinstance(module, Record) else None
    if isinstance(given, dict):
        given = [given.get(row) for row in range(num_classes)] if len(given) == num_classes else None
    if isinstance(given, list | tuple) and len(given) == num_classes and _are_plain(given):
        return tuple(given)
    return COCO if num_classes == len(COCO) else tuple(f"class_{row}" for row in range(num_classes))


def _are_plain(names: Sequence[Any]) -> bool:
    return all(isinstance(name, str) and name.isprintable() and 0 < len(name) <= MAX_CLASS_NAME for name in names)


def _name(checkpoint: Path, folder: Path, name: str | None) -> str:
    from pydantic import TypeAdapter, ValidationError

    from perception.inference.model_card import model_names

    name = name or re.sub(r"[^a-z0-9_.-]+", "-", checkpoint.stem.lower()).strip("-._")
    try:
        TypeAdapter(ModelName).validate_python(name)
    except ValidationError:
        raise ModelError(f"--name {name!r}: use small letters, digits and -_. (up to 64), e.g. leyolo-nano") from None
    if name in model_names() or (folder / f"{name}.json").exists():
        raise ModelError(f"model {name!r}: is there already; give another --name, or delete it from {folder}")
    return name
