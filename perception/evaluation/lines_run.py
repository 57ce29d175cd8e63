"""`perception evaluate lines`: a detector or a file of segments, and a data set in; tables, JSON and a page out."""

import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perception.core.config import validated
from perception.core.errors import InvalidInput
from perception.core.files import write_atomic
from perception.evaluation.lines import (
    HEAT_THRESHOLDS,
    HeatScores,
    ImageLines,
    Update,
    heat_f_score,
    structural_ap,
    thresholds_for,
)
from perception.evaluation.lines_files import LineTruth, TrueLines, read_found, write_found
from perception.io.datasets.frames import attempt
from perception.lines.config import LinesConfig
from perception.lines.detector import open_line_detector
from perception.lines.segments import FoundLines

if TYPE_CHECKING:
    from rich.console import Group

RESULTS, NUMBERS, PAGE = "segments.json", "evaluation.json", "evaluation.html"
SIZE = (480, 640)  # px, height and width that a detector gets ready for

Detect = Callable[[np.ndarray], FoundLines]
"""Segments of an image (H, W, 3) uint8 RGB."""


@dataclass(frozen=True, slots=True)
class LineOptions:
    """What is evaluated on what, and how."""

    data: Path  # folder or file of a data set
    config: LinesConfig = field(default_factory=LinesConfig)  # the detector
    found: Path | None = None  # a file of segments, in the place of the detector
    images: Path | None = None  # folder of the images, where it is not beside the labels
    limit: int = 0  # images, evenly spread; 0: all
    threshold: float | None = None  # of use, for counts by image; None: the detector's, else the best one


@dataclass(slots=True, eq=False)
class LineEvaluation:
    """What was found on one data set. Shares are 0 to 1."""

    heat: HeatScores
    structural: dict[float, float]  # sAP by limit
    use: int  # row of `heat.thresholds`
    images: list[ImageLines]
    truth: list[TrueLines]  # of the same images
    milliseconds: float | None = None  # of an image, median; None: read from a file
    notes: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """How many there are of what."""
        threshold = self.heat.thresholds[self.use]
        return {
            "images": len(self.images),
            "true segments": sum(len(image.truth) for image in self.images),
            "found segments": sum(len(image.segments) for image in self.images),
            "found segments at the threshold of use": sum(len(image.above(threshold).scores) for image in self.images),
        }

    def to_json(self) -> dict[str, Any]:
        """Everything but the segments."""
        heat = self.heat
        curve = zip(*(v.tolist() for v in (heat.thresholds, heat.precision, heat.recall, heat.f_scores)), strict=True)
        names = ("threshold", "precision", "recall", "F")
        return {
            "F^H": heat.f_score,
            "threshold of F^H": float(heat.thresholds[heat.best]),
            "AP^H": heat.average_precision,
            **{f"sAP{limit:g}": value for limit, value in self.structural.items()},
            "threshold of use": float(heat.thresholds[self.use]),
            "counts": self.counts(),
            "median_milliseconds": self.milliseconds,
            "curve": [dict(zip(names, row, strict=True)) for row in curve],
            "images": dict(zip((i.name for i in self.images), heat.of_images(self.use).tolist(), strict=True)),
            "notes": self.notes,
        }


def evaluate_lines(options: LineOptions, out: Path | None = None, update: Update | None = None) -> LineEvaluation:
    """Evaluate a detector, or what another one has found, on a data set; with `out`, a folder, write results there.

    Raises `ModelError`, `InvalidInput`, `ConfigError` or `MissingDependency`.
    """
    from perception.io.datasets.opening import open_dataset

    truth = LineTruth(open_dataset(options.data, options.images), options.limit)
    if options.found is not None:
        evaluation = evaluate_stored(options.found, truth, options.threshold, update)
        by = {"segments": str(options.found)}
    else:
        evaluation, by = _with_detector(options, truth, update)
    if out is not None:
        inputs = by | {"data": str(options.data), "kind of data": truth.dataset.kind}
        write_evaluation(out, evaluation, inputs)
    return evaluation


def _with_detector(
    options: LineOptions, truth: LineTruth, update: Update | None
) -> tuple[LineEvaluation, dict[str, str]]:
    """Evaluate the configured detector without its threshold, so that the curve shows what others would give."""
    config, is_network = options.config, options.config.detector == "lsdnet"
    asked = validated(LinesConfig, config.model_dump() | ({"score_threshold": 0.0} if is_network else {}))
    use = config.score_threshold if options.threshold is None and is_network else options.threshold
    with closing(open_line_detector(asked, SIZE)) as detector:
        thresholds = HEAT_THRESHOLDS if is_network else None
        evaluation = evaluate_detector(detector.detect, truth, thresholds, use, update)
        by = {"detector": config.model if is_network else f"lsd, {config.lsd.refine}"}
        runtime = getattr(detector, "runtime", None)
        if runtime is not None:
            by["runtime"] = f"{runtime.backend} {runtime.precision}"
    return evaluation, by


def evaluate_detector(
    detect: Detect,
    truth: LineTruth,
    thresholds: np.ndarray | None = None,
    use: float | None = None,
    update: Update | None = None,
) -> LineEvaluation:
    """Run a detector over a data set and judge it. Raises `InvalidInput` where no image could be read.

    `thresholds` None: chosen by the scores. `use` None: the threshold of the largest F.
    """
    seconds: list[float] = []

    def found(image: TrueLines) -> ImageLines:
        pixels = image.pixels()
        start = time.perf_counter()
        lines = detect(pixels)
        seconds.append(time.perf_counter() - start)
        return image.judged(lines, (pixels.shape[1], pixels.shape[0]))

    evaluation = _evaluated(found, truth, thresholds, use, update)
    evaluation.milliseconds = 1e3 * float(np.median(seconds))
    return evaluation


def evaluate_stored(
    path: Path, truth: LineTruth, use: float | None = None, update: Update | None = None
) -> LineEvaluation:
    """Judge a file of found segments (`lines_files`). Raises `InvalidInput`."""
    stored = read_found(path)

    def found(image: TrueLines) -> ImageLines:
        size = image.stated_size or image.pixels().shape[1::-1]
        return image.judged(stored.of(image.name, size), size)

    return _evaluated(found, truth, None, use, update)


def _evaluated(
    found: Callable[[TrueLines], ImageLines],
    truth: LineTruth,
    thresholds: np.ndarray | None,
    use: float | None,
    update: Update | None,
) -> LineEvaluation:
    images, kept = [], []
    for done, frame in enumerate(truth.images(), start=1):
        for image in frame:
            judged = attempt(truth.losses, partial(found, image))
            if judged is not None:
                images.append(judged)
                kept.append(image)
        if update:
            update(done, 2 * len(truth))
    if not images:
        raise InvalidInput(f"{truth.dataset.path}: no image with line segments could be judged ({_reason(truth)})")
    limits = thresholds_for(images) if thresholds is None else thresholds
    heat = heat_f_score(images, limits if use is None else np.union1d(limits, [use]), _second_half(update))
    row = heat.best if use is None else int(np.searchsorted(heat.thresholds, use))
    notes = [f"not used: {truth.losses}"] if truth.losses.counts else []
    return LineEvaluation(heat, structural_ap(images), row, images, kept, notes=notes)


def _second_half(update: Update | None) -> Update | None:
    return (lambda done, total: update(total + done, 2 * total)) if update else None


def _reason(truth: LineTruth) -> str:
    return str(truth.losses) if truth.losses.counts else "none has labels of lines"


def write_evaluation(out: Path, evaluation: LineEvaluation, inputs: dict[str, str]) -> None:
    """Write the segments, the numbers as JSON, and the page."""
    from perception.evaluation.lines_report import render_report

    write_found(out / RESULTS, evaluation.images)
    write_atomic(out / NUMBERS, json.dumps(inputs | evaluation.to_json(), indent=1, allow_nan=False) + "\n")
    title = f"{inputs.get('detector') or Path(inputs['segments']).name} on {Path(inputs['data']).name}"
    write_atomic(out / PAGE, render_report(evaluation, title, list(inputs.items())))


def terminal(evaluation: LineEvaluation) -> "Group":
    """The numbers for the terminal."""
    from rich.console import Group
    from rich.text import Text

    from perception.evaluation.evaluate import for_terminal
    from perception.evaluation.lines_report import tables

    warnings = [Text(f"warning: {note}", style="yellow") for note in evaluation.notes]
    return Group(*map(for_terminal, tables(evaluation)), *warnings)
