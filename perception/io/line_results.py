"""Segments found in a series of images as one file: what `perception evaluate lines` and other programs read.

`lines.json` is a list of {`filename`, `width`, `height`, `stamp_ns`, `lines` = [[x1, y1, x2, y2], ...], `scores`}: the
layout of the Wireframe set, `scores` beyond it. Px, pixel centres at integers.
"""

import json
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np

from perception.core.files import atomic_file
from perception.core.types import LineSegments

RESULTS = "lines.json"
DECIMALS, SCORE_DECIMALS = 2, 4


class LinesWriter:
    """Writes the file to a folder as the images come; it appears whole when the block ends, or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._num_images = 0

    def __enter__(self) -> "LinesWriter":
        with ExitStack() as stack:
            self._file = stack.enter_context(atomic_file(self.folder / RESULTS))
            self._file.write(b"[")
            self._files = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._file.write(b"\n]\n")
        self._files.__exit__(kind, error, trace)

    def add(self, name: str, lines: LineSegments) -> None:
        """The segments of one image, which is called `name`."""
        width, height = lines.size_px
        record = {
            "filename": name,
            "width": width,
            "height": height,
            "stamp_ns": lines.stamp_ns,
            "lines": lines.segments.astype(np.float64).round(DECIMALS).tolist(),
            "scores": lines.scores.astype(np.float64).round(SCORE_DECIMALS).tolist(),
        }
        self._num_images += 1
        text = json.dumps(record, allow_nan=False, separators=(",", ":"))
        self._file.write(((",\n" if self._num_images > 1 else "\n") + text).encode())
