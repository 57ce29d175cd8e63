"""Line segments on disk: the images of a data set that have true ones, and files of found ones.

A file of found segments is a list of {`filename`, `width`, `height`, `lines` = [[x1, y1, x2, y2], ...], `scores`}: the
layout of the Wireframe set and `scores` beyond it. Px, pixel centres at integers; the higher a score, the surer.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.files import write_atomic
from perception.evaluation.lines import ImageLines
from perception.io.datasets.fields import field as value_of
from perception.io.datasets.fields import load_records, numbers, size_of
from perception.io.datasets.frames import Dataset, View, attempt
from perception.io.recording import Losses
from perception.lines.segments import FoundLines

DECIMALS, SCORE_DECIMALS = 3, 5


@dataclass(frozen=True, slots=True, eq=False)
class TrueLines:
    """One image and the line segments in it, px, pixel centres at integers."""

    name: str  # unique in the set
    segments: np.ndarray  # (N, 4) float32
    stated_size: tuple[int, int] | None  # px, width and height; None: that of the pixels
    pixels: Callable[[], np.ndarray]  # (H, W, 3) uint8 RGB; raises `InvalidInput`

    def judged(self, found: FoundLines, size: tuple[int, int]) -> ImageLines:
        """The image with what was found in it; `size` is its width and height."""
        return ImageLines(self.name, size, self.segments, found.segments, found.scores)


@dataclass(slots=True, eq=False)
class LineTruth:
    """The images with line segments of a data set, read one at a time; what is damaged is counted in `losses`."""

    dataset: Dataset
    limit: int = 0  # frames, evenly spread; 0: all
    losses: Losses = field(default_factory=Losses)

    def __len__(self) -> int:
        """Frames that are read."""
        return len(self.dataset) if self.limit <= 0 else min(self.limit, len(self.dataset))

    def images(self) -> Iterator[tuple[TrueLines, ...]]:
        """The images of each frame that have labels of lines; none where it cannot be read."""
        rows = np.linspace(0, max(len(self.dataset) - 1, 0), len(self)).round().astype(int).tolist()
        for row in rows:
            frame = attempt(self.losses, partial(self.dataset.__getitem__, row))
            views = [view for view in frame.views if view.lines is not None] if frame is not None else []
            yield tuple(_true(frame.name, view, len(views)) for view in views)


def write_found(path: Path, images: Iterable[ImageLines]) -> None:
    """Write a file of found segments."""
    rows = [
        {
            "filename": image.name,
            "width": image.size[0],
            "height": image.size[1],
            "lines": image.segments.astype(np.float64).round(DECIMALS).tolist(),
            "scores": image.scores.astype(np.float64).round(SCORE_DECIMALS).tolist(),
        }
        for image in images
    ]
    write_atomic(path, json.dumps(rows, allow_nan=False) + "\n")


@dataclass(frozen=True, slots=True, eq=False)
class StoredLines:
    """What a file of found segments holds, by image."""

    path: Path
    by_name: dict[str, tuple[tuple[int, int], FoundLines]]

    def of(self, name: str, size: tuple[int, int]) -> FoundLines:
        """Segments of an image in px of `size`, by its whole name or, where that is not there, by that of its file.

        Raises `InvalidInput` where the file does not have the image: one without segments has an empty list.
        """
        stem = PurePosixPath(name).stem
        found = self.by_name.get(name) or self.by_name.get(stem)
        if found is None:
            raise InvalidInput(
                f"{self.path}: has no image {name}; list every image, with no lines where none are found"
            )
        if found[0] == size:
            return found[1]
        factors = np.array([size[0] / found[0][0], size[1] / found[0][1]] * 2, dtype=np.float32)
        return FoundLines((found[1].segments + np.float32(0.5)) * factors - np.float32(0.5), found[1].scores)


def read_found(path: Path) -> StoredLines:
    """Read a file of found segments. Raises `InvalidInput` naming image and field."""
    found: dict[str, tuple[tuple[int, int], FoundLines]] = {}
    stems: dict[str, list[str]] = {}
    for row in load_records(path):
        name = value_of(row, "filename", str, str(path))
        where = f"{path}: image {name}"
        if name in found:
            raise InvalidInput(f"{where}: is there twice; list every image once")
        lines = numbers(value_of(row, "lines", list, where), (-1, 4), f"{where}: lines").reshape(-1, 4)
        scores = row.get("scores", [1.0] * len(lines))
        scored = numbers(scores, (len(lines),), f"{where}: scores").astype(np.float32)
        found[name] = size_of(row, where), FoundLines(lines.astype(np.float32), scored)
        stems.setdefault(PurePosixPath(name).stem, []).append(name)
    shortened = {stem: found[names[0]] for stem, names in stems.items() if len(names) == 1}
    return StoredLines(path, shortened | found)


def _true(frame: str, view: View, num_views: int) -> TrueLines:
    assert view.lines is not None
    name = frame if num_views == 1 else f"{frame}/{view.camera}"
    return TrueLines(name, view.lines.segments, view.size, view.pixels)
