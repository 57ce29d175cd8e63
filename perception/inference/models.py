"""The models at hand, packaged and in the user's store, as tables for people."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from perception.core.errors import ModelError
from perception.inference.model_card import PACKAGED, Model, ModelCard, TensorSpec, model_names, open_model, read_card
from perception.inference.tensors import InputCheck, default_shapes, one_line

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

MAX_CLASSES_SHOWN = 12
MEGA = 1e6


def listing() -> "Table":
    """Every model by name; those whose card cannot be used say why."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("name", no_wrap=True)
    for heading in ("task", "classes", "px", "MB", "licence", "where"):
        table.add_column(heading, overflow="fold")
    for name, path in sorted(model_names().items()):
        where = "packaged" if path.parent == PACKAGED else str(path.parent)
        try:
            table.add_row(*_row(name, path), where)
        except ModelError as error:
            table.add_row(name, f"[red]{_escaped(one_line(error))}", *[""] * 4, where)
    if not table.row_count:
        table.caption = "No model is packaged or stored."
    return table


def details(name_or_path: str) -> "Group":
    """Everything that a card says, and whether its files are as it says. Raises `ModelError`."""
    from rich.console import Group
    from rich.table import Table

    model = open_model(name_or_path)
    facts = Table("field", "value", title=_escaped(model.card.name))
    for field, value in _facts(model.card):
        facts.add_row(field, _escaped(value))
    files = Table("role", "file", "state", title="files")
    for role, entry in model.card.files.items():
        files.add_row(role, entry.name, _escaped(_state(model, role)))
    metrics = Table("metric", "value", title="measured")
    for metric, result in model.card.metrics.items():
        metrics.add_row(_escaped(metric), _escaped(result if isinstance(result, str) else f"{result:g}"))
    return Group(facts, files, *([metrics] if model.card.metrics else []))


def comparison(name_or_path: str, size: tuple[int, int] | None, num_threads: int) -> "Table":
    """Every backend measured anew at a size (height, width) in px, the fastest first; the others say why not.

    What was measured is also what `auto` goes by from now on. Raises `ModelError`, `InvalidInput` for a size that does
    not fit the card.
    """
    from rich.table import Table

    from perception.inference.choice import measured
    from perception.inference.hardware import cpu_model, threads
    from perception.inference.runtime import RuntimeOptions

    model = open_model(name_or_path)
    shapes = default_shapes(model.card, size)
    InputCheck(model.card).axes(shapes)
    found = measured(model, RuntimeOptions(num_threads=num_threads, shapes=shapes), is_fresh=True)
    sizes = ", ".join("x".join(map(str, shape)) for shape in shapes.values())
    table = Table("backend", "ms", "", title=f"{_escaped(model.card.name)} at {sizes}")
    table.caption = f"fastest run, {threads(num_threads)} threads, {_escaped(cpu_model())}"
    for entry in sorted(found, key=lambda entry: entry.ms or math.inf):
        table.add_row(entry.name, f"{entry.ms:.3g}" if entry.ms else "", _escaped(entry.problem))
    return table


def _row(name: str, path: Path) -> tuple[str, ...]:
    card = read_card(path)
    if card.name != name:
        raise ModelError(f"its card says name: {card.name!r}; rename the file or the model")
    size = "x".join(map(str, card.input_size)) if card.input_size else ""
    files = [path.parent / entry.name for entry in card.files.values()]
    num_bytes = sum(file.stat().st_size for file in files if file.is_file())
    numbers = (str(len(card.classes)), size, f"{num_bytes / MEGA:.1f}")
    return (name, card.task, *numbers, _escaped(card.licence))


def _facts(card: ModelCard) -> list[tuple[str, str]]:
    more = ", ..." if len(card.classes) > MAX_CLASSES_SHOWN else ""
    return [
        ("task", card.task),
        ("family", card.family),
        ("network", ", ".join(f"{key}: {value}" for key, value in card.network.items() if value is not None)),
        ("inputs", "\n".join(map(_tensor, card.inputs))),
        ("outputs", "\n".join(map(_tensor, card.outputs))),
        ("multiples", ", ".join(f"{axis}: {number}" for axis, number in card.multiples.items())),
        ("input size", "x".join(map(str, card.input_size)) + " px" if card.input_size else "any"),
        ("classes", f"{len(card.classes)}: {', '.join(card.classes[:MAX_CLASSES_SHOWN])}{more}"),
        ("licence", card.licence),
        ("training data", card.training_data + (" (generated)" if card.is_generated_data else "")),
        ("opset", str(card.opset or "")),
    ]


def _tensor(spec: TensorSpec) -> str:
    return f"{spec.name} ({', '.join(map(str, spec.shape))}) {spec.dtype}"


def _state(model: Model, role: str) -> str:
    try:
        path = model.path(role)
    except ModelError as error:
        return str(error)
    return f"{path.stat().st_size / MEGA:.1f} MB, hash as stated"


def _escaped(text: str) -> str:
    """Text of a card without meaning for the terminal."""
    from rich.markup import escape

    return escape("".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text))
