"""Pictures with boxes to train on: COCO folders as compact arrays, images decoded when asked for and then kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.files import inside
from perception.io.datasets.coco import images_root, known_category, read_categories
from perception.io.datasets.fields import field, load_json, size_of
from perception.io.datasets.masks import corners
from perception.io.datasets.names import class_of
from perception.io.datasets.pictures import read_color

BYTES_PER_GB = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Objects in one picture or window."""

    corners: np.ndarray  # (N, 4) float32, px
    classes: np.ndarray  # (N,) int64
    is_ignored: np.ndarray  # (N,) bool: real, but too small or hidden to be asked for; neither object nor background

    def __len__(self) -> int:
        return len(self.corners)

    def __getitem__(self, rows: Any) -> "Boxes":
        return Boxes(self.corners[rows], self.classes[rows], self.is_ignored[rows])


@dataclass(frozen=True, slots=True, eq=False)
class PictureList:
    """All pictures of one or several data sets. Objects of picture i are the rows first[i] to first[i + 1]."""

    files: tuple[Path, ...]
    sizes: np.ndarray  # (P, 2) int64, width and height, px
    first: np.ndarray  # (P + 1,) int64
    boxes: Boxes

    def __len__(self) -> int:
        return len(self.files)

    def boxes_of(self, picture: int) -> Boxes:
        """The objects of one picture."""
        return self.boxes[self.first[picture] : self.first[picture + 1]]


def read_pictures(paths: Sequence[Path], classes: Sequence[str]) -> PictureList:
    """The pictures of COCO data sets: folders with `annotations/instances.json`, or JSON files.

    Categories are found by name, or by the class that a name stands for (`person`: pedestrian); others are
    background. Raises `InvalidInput` naming the file where labels or images are missing or nothing can be learned.
    """
    if not paths:
        raise InvalidInput("data: no data set was given; give at least one folder")
    rows: list[tuple[Path, tuple[int, int], list[_Object]]] = []
    for path in paths:
        rows += _read(_labels(Path(path)), {name: number for number, name in enumerate(classes)})
    found = [item for _, _, objects in rows for item in objects]
    if not any(not item.is_ignored for item in found):
        raise InvalidInput(f"data {', '.join(map(str, paths))}: holds no object of {', '.join(classes)}")
    first = np.cumsum([0, *(len(objects) for _, _, objects in rows)])
    boxes = Boxes(
        np.array([item.corners for item in found], dtype=np.float32).reshape(-1, 4),
        np.array([item.kind for item in found], dtype=np.int64),
        np.array([item.is_ignored for item in found], dtype=bool),
    )
    sizes = np.array([size for _, size, _ in rows], dtype=np.int64)
    return PictureList(tuple(file for file, _, _ in rows), sizes, first, boxes)


class Files(Protocol):
    """Pictures on disk."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Where they are."""

    @property
    def sizes(self) -> np.ndarray:
        """Width and height of each, (P, 2) int64, px."""


class PictureStore:
    """Decoded pictures, kept in memory up to a limit. Safe for threads."""

    def __init__(self, pictures: Files, limit_gb: float) -> None:
        self._pictures = pictures
        self._limit = limit_gb * BYTES_PER_GB
        self._kept: dict[int, np.ndarray] = {}
        self._bytes = 0
        self._lock = Lock()

    def __getitem__(self, picture: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB; not to be written to. Raises `InvalidInput` where the file does not fit its label."""
        kept = self._kept.get(picture)
        return self._decoded(picture) if kept is None else kept

    def _decoded(self, picture: int) -> np.ndarray:
        file, (width, height) = self._pictures.files[picture], self._pictures.sizes[picture]
        color = read_color(file)
        if color.shape[:2] != (height, width):
            raise InvalidInput(f"{file}: is {color.shape[1]}x{color.shape[0]} px, its labels say {width}x{height}")
        with self._lock:
            if picture not in self._kept and self._bytes + color.nbytes <= self._limit:
                self._kept[picture] = color
                self._bytes += color.nbytes
        return color


@dataclass(frozen=True, slots=True)
class _Object:
    corners: np.ndarray
    kind: int
    is_ignored: bool


def _labels(path: Path) -> Path:
    file = path / "annotations" / "instances.json" if path.is_dir() else path
    if not file.is_file():
        raise InvalidInput(f"data {path}: {file} is not there; give a COCO file, or a folder that holds one")
    return file


def _read(path: Path, numbers: dict[str, int]) -> list[tuple[Path, tuple[int, int], list[_Object]]]:
    content, where = load_json(path), str(path)
    entries = field(content, "images", list, where)
    categories = read_categories(content, where)
    kinds = {number: _kind(name, numbers) for number, name in categories.items()}
    objects: dict[int, list[_Object]] = {}
    for annotation in field(content, "annotations", list, where):
        spot = f"{where}: annotations"
        kind = kinds[known_category(annotation, categories, spot)]
        if kind is not None:
            item = _Object(corners(annotation.get("bbox"), spot), kind, bool(annotation.get("iscrowd", 0)))
            objects.setdefault(field(annotation, "image_id", int, spot), []).append(item)
    names = [field(entry, "file_name", str, f"{where}: images") for entry in entries]
    root = images_root(path, list(names))
    if entries and not inside(root, names[0]).is_file():
        raise InvalidInput(f"{where}: its image {names[0]} is not found beside it")
    sizes = [size_of(entry, f"{where}: images") for entry in entries]
    ids = [field(entry, "id", int, f"{where}: images") for entry in entries]
    return [(inside(root, name), size, objects.get(key, [])) for name, size, key in zip(names, sizes, ids)]


def _kind(name: str, numbers: dict[str, int]) -> int | None:
    return numbers[name] if name in numbers else numbers.get(class_of(name).label)
