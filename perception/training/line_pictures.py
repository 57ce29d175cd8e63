"""Pictures with line segments to train on: data sets as compact arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception.core.errors import InvalidInput
from perception.io.datasets.frames import View
from perception.io.datasets.opening import open_dataset
from perception.io.datasets.pictures import read_color

LISTS = ("lines/lines.json", "lines.json", "train.json")  # in a folder: of generated sets, and of Wireframe


@dataclass(frozen=True, slots=True, eq=False)
class LinePictures:
    """All pictures of one or several data sets. Segments of picture i are the rows first[i] to first[i + 1]."""

    files: tuple[Path, ...]
    sizes: np.ndarray  # (P, 2) int64, width and height, px
    first: np.ndarray  # (P + 1,) int64
    segments: np.ndarray  # (N, 4) float32, px, pixel centres at integers

    def __len__(self) -> int:
        return len(self.files)

    def segments_of(self, picture: int) -> np.ndarray:
        """The segments of one picture, (N, 4) float32."""
        return self.segments[self.first[picture] : self.first[picture + 1]]


def read_line_pictures(paths: Sequence[Path]) -> LinePictures:
    """The pictures of data sets with line segments: generated, or in one of the layouts of Wireframe.

    A path is the folder of a set or its JSON file. Raises `InvalidInput` where labels or images are missing.
    """
    if not paths:
        raise InvalidInput("data: no data set was given; give at least one folder")
    views = [view for path in paths for view in _views(Path(path))]
    segments = [view.lines.segments for view in views if view.lines is not None]
    counts = [len(rows) for rows in segments]
    if not sum(counts):
        raise InvalidInput(f"data {', '.join(map(str, paths))}: holds no line segment")
    sizes = np.array([view.size or _size(view.path) for view in views], dtype=np.int64)
    first = np.cumsum([0, *counts])
    return LinePictures(tuple(view.path for view in views), sizes, first, np.concatenate(segments).astype(np.float32))


def _views(path: Path) -> list[View]:
    """All images of a set that have segments, be there none in them."""
    found = next((path / name for name in LISTS if (path / name).is_file()), path)
    return [view for frame in open_dataset(found).frames() for view in frame.views if view.lines is not None]


def _size(file: Path) -> tuple[int, int]:
    """Width and height of an image whose labels do not say them."""
    height, width = read_color(file).shape[:2]
    return width, height
