"""The curves of a run as one picture, drawn with OpenCV: training asks for no plotting library."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from perception.core.files import write_atomic
from perception.training.curves import Row

WIDTH, HEIGHT = 900, 380  # px of one panel
LEFT, RIGHT, TOP, BOTTOM = 90, 20, 40, 40  # px around the area of a panel
WHITE, BLACK, GRID = (255, 255, 255), (40, 40, 40), (225, 225, 225)
COLOURS = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189))  # RGB
NUM_TICKS = 5
FONT, FONT_SCALE = 0, 0.45  # OpenCV's plain one


def write_curves_picture(path: Path, rows: Sequence[Row]) -> None:
    """Write loss and its terms, learning rate and speed by step as PNG; without effect for fewer than two rows."""
    import cv2

    if len(rows) < 2:
        return
    panels = (
        ("loss per image", ("loss", *rows[-1].terms)),
        ("learning rate", ("learning_rate",)),
        ("windows per second", ("speed",)),
    )
    picture = np.concatenate([panel(title, steps_of(rows), series_of(rows, names)) for title, names in panels])
    _, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    write_atomic(path, encoded.tobytes(), is_durable=False)


def steps_of(rows: Sequence[Row]) -> np.ndarray:
    """Steps done, (N,) float64."""
    return np.array([row.step for row in rows], dtype=np.float64)


def series_of(rows: Sequence[Row], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of the rows, (N,) float64; `speed`: windows per second."""
    columns = {"speed": [row.images / max(row.seconds, 1e-9) for row in rows]}
    columns |= {name: [_value(row, name) for row in rows] for name in names if name != "speed"}
    return {name: np.array(columns[name], dtype=np.float64) for name in names}


def _value(row: Row, name: str) -> float:
    return row.terms[name] if name in row.terms else float(getattr(row, name))


def panel(title: str, steps: np.ndarray, series: dict[str, np.ndarray]) -> np.ndarray:
    """Lines over steps from 0 up, (H, W, 3) uint8 RGB."""
    import cv2

    canvas = np.full((HEIGHT, WIDTH, 3), WHITE, dtype=np.uint8)
    top = max(float(max(values.max() for values in series.values())), 1e-12)
    span = (max(float(steps.max()), 1.0), top)
    for share in np.linspace(0, 1, NUM_TICKS):
        (x, y), value = _place(share, share), share * top
        cv2.line(canvas, (LEFT, y), (WIDTH - RIGHT, y), GRID, 1)
        cv2.putText(canvas, f"{value:.3g}", (8, y + 5), FONT, FONT_SCALE, BLACK, 1, cv2.LINE_AA)
        cv2.putText(canvas, f"{share * span[0]:.0f}", (x - 14, HEIGHT - 14), FONT, FONT_SCALE, BLACK, 1, cv2.LINE_AA)
    cv2.putText(canvas, title, (LEFT, 24), FONT, FONT_SCALE * 1.2, BLACK, 1, cv2.LINE_AA)
    for number, (name, values) in enumerate(series.items()):
        points = np.array([_place(x, y) for x, y in zip(steps / span[0], values / top)], dtype=np.int32)
        colour = COLOURS[number % len(COLOURS)]
        cv2.polylines(canvas, [points], False, colour, 2, cv2.LINE_AA)
        cv2.putText(canvas, name, (WIDTH - 480 + 110 * number, 24), FONT, FONT_SCALE, colour, 1, cv2.LINE_AA)
    return canvas


def _place(x: float, y: float) -> tuple[int, int]:
    """Px of a point with shares `x`, `y` of the area."""
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    return round(LEFT + x * width), round(TOP + (1 - y) * height)
