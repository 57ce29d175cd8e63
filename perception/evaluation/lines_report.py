"""The page of an evaluation of line segments: numbers, curves, and the images where the detector is best and worst."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from perception.core.errors import InvalidInput
from perception.evaluation.gallery import figure, gallery
from perception.evaluation.page import Page, Section, Table, number, render, tables_of
from perception.evaluation.plots import Chart, Curve, line_chart

if TYPE_CHECKING:
    from perception.evaluation.lines_run import LineEvaluation

NUM_SHOWN = 6  # images at each end
MAX_SIDE = 640  # px of a picture
FIGURE_WIDTH = 320  # px on the screen
TRUE, FOUND = (60, 200, 90), (235, 45, 45)
DIMMED = 0.55  # share of the image's brightness that is left behind the lines
FINE = 4  # bits of a pixel in the coordinates of what is drawn


def render_report(evaluation: "LineEvaluation", title: str, inputs: Sequence[tuple[str, str]]) -> str:
    """The page as HTML that needs nothing else. `inputs` are names and values of what was evaluated."""
    counts, heat = evaluation.counts(), evaluation.heat
    return render(
        Page(
            title=title,
            subtitle=f"{counts['images']} images, {counts['true segments']} true segments",
            tiles=[
                ("F^H", percent(heat.f_score)),
                ("AP^H", percent(heat.average_precision)),
                *((f"sAP{limit:g}", percent(value)) for limit, value in evaluation.structural.items()),
            ],
            summary_rows=list(inputs),
            notes=evaluation.notes,
            sections=[_curves(evaluation), *_galleries(evaluation)],
            tables=tables(evaluation),
        )
    )


def tables(evaluation: "LineEvaluation") -> list[Table]:
    """The numbers, for the page and for the terminal."""
    heat = evaluation.heat
    best = number(float(heat.thresholds[heat.best]))
    summary = [(f"F^H, at {best}", percent(heat.f_score)), ("AP^H", percent(heat.average_precision))]
    summary += [(f"sAP{limit:g}", percent(value)) for limit, value in evaluation.structural.items()]
    rows = [
        (number(float(threshold)), *map(percent, shares))
        for threshold, *shares in zip(heat.thresholds, heat.precision, heat.recall, heat.f_scores)
    ]
    extra = {} if evaluation.milliseconds is None else {"milliseconds of an image, median": evaluation.milliseconds}
    return [
        Table("All images", summary),
        Table("By threshold", rows, ("threshold", "precision", "recall", "F")),
        *tables_of(evaluation.counts() | extra, "Counts"),
    ]


def percent(share: float) -> str:
    """A share in percent."""
    return f"{100.0 * share:.1f} %"


def _curves(evaluation: "LineEvaluation") -> Section:
    heat = evaluation.heat
    order = np.argsort(heat.recall, kind="stable")
    relation = Curve("", heat.recall[order], heat.precision[order])
    by_threshold = [
        Curve(name, heat.thresholds, values, colour)
        for colour, (name, values) in enumerate(
            (("F", heat.f_scores), ("precision", heat.precision), ("recall", heat.recall)), start=1
        )
    ]
    charts = [
        Chart("Precision by recall", "recall", "precision", [relation], from_zero=True, top=1.0),
        Chart("By threshold", "threshold", "share", by_threshold, from_zero=True, top=1.0),
    ]
    return Section("Pixels on lines", [line_chart(chart) for chart in charts])


def _galleries(evaluation: "LineEvaluation") -> list[Section]:
    shares = evaluation.heat.of_images(evaluation.use)
    order = np.argsort(shares, kind="stable")
    num = min(NUM_SHOWN, (len(order) + 1) // 2)
    threshold = number(float(evaluation.heat.thresholds[evaluation.use]))
    note = f"Green: true segments. Red: what was found with scores from {threshold} on."
    sections = []
    for title, rows in (("Worst images", order[:num]), ("Best images", order[len(order) - num :][::-1])):
        figures = [shown for row in rows.tolist() if (shown := _figure(evaluation, row, float(shares[row])))]
        if figures:
            sections.append(Section(title, [gallery(figures, FIGURE_WIDTH)], [note]))
    return sections


def _figure(evaluation: "LineEvaluation", row: int, share: float) -> str:
    """An image with both kinds of lines; nothing where it can no longer be read."""
    try:
        pixels = evaluation.truth[row].pixels()
    except InvalidInput:
        return ""
    image = evaluation.images[row].above(evaluation.heat.thresholds[evaluation.use])
    return figure(drawn(pixels, image.truth, image.segments), f"F {percent(share)}", image.name)


def drawn(pixels: np.ndarray, truth: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """The image (H, W, 3) uint8 RGB, scaled to fit the page, with true and found segments (N, 4) on it."""
    import cv2

    scale = min(1.0, MAX_SIDE / max(pixels.shape[:2]))
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    picture = cv2.convertScaleAbs(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), alpha=DIMMED)
    factors = np.array([size[0] / pixels.shape[1], size[1] / pixels.shape[0]] * 2)
    for lines, colour, width in ((truth, TRUE, 3), (segments, FOUND, 1)):
        ends = ((lines + 0.5) * factors - 0.5) * (1 << FINE)
        for x1, y1, x2, y2 in ends.round().clip(-(1 << 20), 1 << 20).astype(int).tolist():
            cv2.line(picture, (x1, y1), (x2, y2), colour, width, cv2.LINE_AA, FINE)
    return picture
