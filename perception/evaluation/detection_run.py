"""`perception evaluate detection`: a model and a data set in, tables, JSON, COCO results and a page out."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perception.core.errors import ConfigError
from perception.core.files import write_atomic
from perception.detection.config import NETWORK_STRIDE, NmsConfig
from perception.evaluation.detection import Evaluation, Protocol, Update, evaluate_detector, heads_of
from perception.evaluation.detection_report import render_report, tables
from perception.evaluation.detection_truth import Truth, truth_of

if TYPE_CHECKING:
    from rich.console import Group

RESULTS, NUMBERS, PAGE = "detections.json", "evaluation.json", "evaluation.html"


@dataclass(frozen=True, slots=True)
class DetectionOptions:
    """What is evaluated on what, and how. Raises `ConfigError`."""

    model: str  # name, or path of a card
    data: Path  # folder or file of a data set
    side: int = 640  # px
    is_square: bool = False
    limit: int = 0  # images, evenly spread; 0: all
    backend: str = "auto"
    precision: str = "auto"
    num_threads: int = 0
    images: Path | None = None  # folder of the images, where it is not beside the labels
    use: NmsConfig = field(default_factory=NmsConfig)

    def __post_init__(self) -> None:
        if self.side <= 0 or self.side % NETWORK_STRIDE:
            raise ConfigError(f"side: {self.side} px; give a multiple of {NETWORK_STRIDE}")


def evaluate_model(options: DetectionOptions, out: Path | None = None, update: Update | None = None) -> Evaluation:
    """Evaluate a model on a data set; with `out`, a folder, write the boxes, the numbers and the page there.

    Raises `ModelError`, `InvalidInput`, `ConfigError` or `MissingDependency`.
    """
    from perception.inference.model_card import open_model
    from perception.inference.runtime import make_runtime
    from perception.io.datasets.opening import open_dataset

    model = open_model(options.model)
    truth = truth_of(open_dataset(options.data, options.images), model.card.classes, options.limit)
    runtime = make_runtime(model, options.backend, options.precision, options.num_threads)
    try:
        evaluation = evaluate_detector(
            heads_of(runtime), truth, Protocol(options.side, options.is_square, options.use), update
        )
        inputs = inputs_of(options, model.card.name, truth, f"{runtime.backend} {runtime.precision}")
    finally:
        runtime.close()
    if out is not None:
        write_evaluation(out, evaluation, inputs)
    return evaluation


def inputs_of(options: DetectionOptions, name: str, truth: Truth, runtime: str) -> dict[str, Any]:
    """What was evaluated, by name."""
    return {
        "model": name,
        "runtime": runtime,
        "data": str(options.data),
        "kind of data": truth.dataset.kind,
        "classes compared": ", ".join(truth.classes.names),
        "long side of the input": f"{options.side} px{', square' if options.is_square else ''}",
        "threshold of use": options.use.score_threshold,
        "images of the set": len(truth.dataset),
    }


def write_evaluation(out: Path, evaluation: Evaluation, inputs: dict[str, Any]) -> None:
    """Write the boxes as COCO results, the numbers as JSON, and the page."""
    write_atomic(out / RESULTS, json.dumps(evaluation.results))
    write_atomic(out / NUMBERS, json.dumps(inputs | evaluation.to_json(), indent=1, allow_nan=False) + "\n")
    title = f"{inputs['model']} on {Path(inputs['data']).name}"
    write_atomic(out / PAGE, render_report(evaluation, title, [(name, str(value)) for name, value in inputs.items()]))


def terminal(evaluation: Evaluation) -> "Group":
    """The numbers for the terminal."""
    from rich.console import Group
    from rich.text import Text

    from perception.evaluation.evaluate import for_terminal

    warnings = [Text(f"warning: {note}", style="yellow") for note in evaluation.notes]
    return Group(*map(for_terminal, tables(evaluation)), *warnings)
