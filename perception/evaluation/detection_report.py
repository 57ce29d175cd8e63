"""The page of a detector's evaluation: numbers, curves, who is taken for whom, and pictures of the worst failures."""

from collections.abc import Sequence
from html import escape

import numpy as np

from perception.core.errors import InvalidInput
from perception.evaluation.detection import Evaluation
from perception.evaluation.detection_matching import KINDS, Failure
from perception.evaluation.gallery import figure, gallery
from perception.evaluation.page import Page, Section, Table, render, tables_of

CROP, MIN_CROP = 220, 48  # px: side of a picture in the gallery, and the least part of the image that it shows
MARGIN = 1.0  # of the box, shown around it on each side
RED, GREEN = (220, 50, 47), (60, 180, 75)
CELL, LABELS = 34, 120  # units of the confusion picture: a cell, and the room for names
WIDEST = 1.3  # px of the screen for a unit of that picture
DARK = 0.55  # share above which a cell is written on in white
EXPLAINED = {
    KINDS[0]: "Boxes with the highest scores that no object explains.",
    KINDS[1]: "Objects that were found, but as something else; highest scores first.",
    KINDS[2]: "Objects without a box at the threshold of use; largest first.",
}


def render_report(evaluation: Evaluation, title: str, inputs: Sequence[tuple[str, str]]) -> str:
    """The page as HTML that needs nothing else. `inputs` are names and values of what was evaluated."""
    precision, recall = evaluation.tally.totals()
    summary = evaluation.summary
    return render(
        Page(
            title=title,
            subtitle=f"{evaluation.counts['images']} images, {evaluation.counts['objects']} objects",
            tiles=[
                *((name, percent(summary[name])) for name in ("AP", "AP50", "AR 100")),
                ("precision at the threshold of use", percent(precision)),
                ("recall at the threshold of use", percent(recall)),
            ],
            summary_rows=list(inputs),
            notes=evaluation.notes,
            sections=[_confusion_section(evaluation), *_galleries(evaluation)],
            tables=tables(evaluation),
        )
    )


def tables(evaluation: Evaluation) -> list[Table]:
    """The numbers, for the page and for the terminal."""
    head = ("class", "objects", "AP", "AP50", "AR", "precision", "recall")
    rows = [
        (
            *(entry.name, str(entry.objects), percent(entry.average_precision), percent(entry.average_precision_50)),
            *(percent(entry.average_recall), percent(entry.precision), percent(entry.recall)),
        )
        for entry in evaluation.classes
    ]
    summary = [(name, percent(value)) for name, value in evaluation.summary.items()]
    milliseconds = {name: 1e3 * value for name, value in evaluation.seconds.items()}
    return [
        Table("All classes", summary),
        Table("By class", rows, head),
        *tables_of(evaluation.counts, "Counts"),
        *tables_of(milliseconds, "Milliseconds of an image, median"),
    ]


def percent(share: float | None) -> str:
    """A share in percent; a dash where there is none."""
    return "-" if share is None else f"{100.0 * share:.1f} %"


def confusion_picture(names: Sequence[str], counts: np.ndarray) -> str:
    """Objects (rows) by what they were found as (columns) as SVG; colours are shares of a row, numbers are counts."""
    rows, columns = [*names, "background"], [*names, "missed"]
    side = LABELS + CELL * len(rows) + 6
    parts = [
        f'<svg class="chart" viewBox="0 0 {side} {side}" style="max-width:{WIDEST * side:.0f}px" role="img"'
        ' aria-label="confusion of classes">',
        *(_label(LABELS - 6, LABELS + CELL * (k + 0.6), name, "end") for k, name in enumerate(rows)),
        *(_label(LABELS + CELL * (k + 0.6), LABELS - 6, name, "start", turned=True) for k, name in enumerate(columns)),
    ]
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for row, column in np.argwhere(counts > 0).tolist():
        parts.append(_cell(row, column, int(counts[row, column]), float(counts[row, column] / totals[row, 0])))
    return "".join([*parts, "</svg>"])


def _confusion_section(evaluation: Evaluation) -> Section:
    picture = confusion_picture(evaluation.tally.names, evaluation.tally.confusion)
    note = (
        "Rows: what is there; columns: what it was found as, at the threshold of use, with an IoU of at least 0.5. "
        "The colour is the share of the row."
    )
    return Section("Confusion of classes", [picture], [note])


def _cell(row: int, column: int, count: int, share: float) -> str:
    x, y = LABELS + CELL * column, LABELS + CELL * row
    colour = "#2a9d5c" if row == column else "#c0392b"
    ink = ' style="fill:#fff"' if share > DARK else ""
    return (
        f'<rect x="{x + 1}" y="{y + 1}" width="{CELL - 2}" height="{CELL - 2}" rx="3" style="fill:{colour}"'
        f' opacity="{0.08 + 0.92 * share:.2f}"><title>{100 * share:.1f} %</title></rect>'
        f'<text class="tick" x="{x + CELL / 2}" y="{y + CELL * 0.6:.1f}" text-anchor="middle"{ink}>{count}</text>'
    )


def _label(x: float, y: float, text: str, anchor: str, turned: bool = False) -> str:
    turn = f' transform="rotate(-60 {x:.1f} {y:.1f})"' if turned else ""
    return f'<text class="label" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turn}>{escape(text)}</text>'


def _galleries(evaluation: Evaluation) -> list[Section]:
    sections = []
    for kind in KINDS:
        figures = [shown for failure in evaluation.tally.failures(kind) if (shown := _figure(failure))]
        if figures:
            sections.append(Section(f"Failures: {kind}", [gallery(figures)], [EXPLAINED[kind]]))
    return sections


def _figure(failure: Failure) -> str:
    """A picture with its caption; nothing where the image can no longer be read."""
    try:
        pixels = failure.image.pixels()
    except InvalidInput:
        return ""
    words = [f"found {failure.found} {failure.score:.2f}" if failure.found else ""]
    words += [f"is {failure.expected}" if failure.expected else ""]
    caption = ", ".join(word for word in words if word)
    return figure(crop(pixels, failure), caption, failure.image.name)


def crop(pixels: np.ndarray, failure: Failure) -> np.ndarray:
    """The box in its surroundings, (CROP, CROP, 3) uint8 RGB: red what was found, green what is there."""
    import cv2

    low, high = failure.box[:2].astype(np.float64), failure.box[2:].astype(np.float64)
    half = max(float((high - low).max()) * (0.5 + MARGIN), MIN_CROP / 2)
    scale = CROP / (2 * half)
    shift = CROP / 2 - scale * (low + high) / 2
    picture = cv2.warpAffine(pixels, np.array([[scale, 0, shift[0]], [0, scale, shift[1]]]), (CROP, CROP))
    near = ~failure.image.is_ignored
    frames = [(box, GREEN, 1) for box in failure.image.boxes[near]]
    for box, colour, width in [*frames, (failure.box, RED if failure.found else GREEN, 2)]:
        corners = (np.asarray(box, dtype=np.float64).reshape(2, 2) * scale + shift).round().clip(-CROP, 2 * CROP)
        start, end = corners.astype(int).tolist()
        cv2.rectangle(picture, start, end, colour, width)
    return picture
