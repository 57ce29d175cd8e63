"""Curves of a run: a CSV file that grows with it."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from perception.core.errors import InvalidInput
from perception.core.files import write_atomic

FIRST, LAST = ("step", "images", "learning_rate", "loss"), ("gradient", "seconds")  # columns around the terms


@dataclass(frozen=True, slots=True)
class Row:
    """Means over the steps since the row before."""

    step: int  # steps done
    images: int  # windows of these steps, over all processes
    learning_rate: float
    loss: float  # per image, the sum of its terms
    terms: Mapping[str, float]  # by name
    gradient: float  # L2 norm before it is shortened
    seconds: float  # of the steps


class Curves:
    """The rows of a run, kept in a file; those after the step at which a run goes on are dropped."""

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        self.rows = [row for row in read_curves(path) if row.step <= step] if path.is_file() else []

    def add(self, row: Row) -> None:
        """Append a row and write the file."""
        self.rows.append(row)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*FIRST, *row.terms, *LAST])
        writer.writerows([_short(value) for value in _values(entry)] for entry in self.rows)
        write_atomic(self._path, text.getvalue(), is_durable=False)


def read_curves(path: Path) -> list[Row]:
    """The rows of a file of curves. Raises `InvalidInput`."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [_row(values) for values in csv.DictReader(file)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{path}: no curves that can be read ({error})") from None


def _row(values: dict[str, str]) -> Row:
    step, images, rate, loss = (values.pop(name) for name in FIRST)
    gradient, seconds = (float(values.pop(name)) for name in LAST)
    terms = {name: float(value) for name, value in values.items()}
    return Row(int(step), int(images), float(rate), float(loss), terms, gradient, seconds)


def _values(row: Row) -> list[float]:
    return [row.step, row.images, row.learning_rate, row.loss, *row.terms.values(), row.gradient, row.seconds]


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
