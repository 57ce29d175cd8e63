"""Readers of line segments: the Wireframe set in its JSON layouts, and YorkUrban.

Layouts: one list of {`filename`, `lines`} (or `junctions` with `edges_positive`); one JSON per image with `size` and
`objects` (`lsdnet.md` section 5); one object of {image: {`width`, `height`, `segments`}}; YorkUrban's
`<name>/<name>LinesAndVP.mat`. Only plain numbers are read, no pickles.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.files import inside
from perception.core.labels import LineLabels
from perception.io.datasets.coco import images_root
from perception.io.datasets.fields import field, load_json, numbers, size_of, stamp_of
from perception.io.datasets.frames import Dataset, DatasetFrame, View
from perception.io.datasets.pictures import MAX_FILE

YORK_SUFFIX = "LinesAndVP.mat"
YORK_IMAGES = (".jpg", ".png")
SUFFIXES = (".jpg", ".jpeg", ".png")  # of images whose annotation does not name them


def open_wireframe(path: Path, content: Any, images: Path | None = None) -> Dataset:
    """The data set of one JSON file with the segments of many images, or of one image."""
    entries = _entries(path, content)
    root = images or images_root(path, [entry.get("filename") for entry in entries if isinstance(entry, dict)])
    notes = (f"images are looked for in {root}",)
    return Dataset(path, "Wireframe", entries, partial(_load, str(path), root), notes=notes)


def open_wireframe_folder(path: Path, files: list[Path], images: Path | None = None) -> Dataset:
    """The data set of a folder with one JSON per image; the image has the same name, or the one in the file."""
    root = path.parent if path.name == "annotations" else path
    reader = _FolderReader(images or images_root(root / "lines.json", _names(files[:1])))
    return Dataset(path, "Wireframe", files, reader.load, notes=(f"images are looked for in {reader.root}",))


def open_york_urban(path: Path, files: list[Path]) -> Dataset:
    """YorkUrban from its `LinesAndVP.mat` files, whose coordinates count pixels from 1."""
    return Dataset(path, "YorkUrban", files, _load_york, notes=("coordinates count pixels from 1",))


def _names(files: list[Path]) -> list[str]:
    """The images that annotation files name."""
    return [content["filename"] for content in map(load_json, files) if "filename" in content]


@dataclass(frozen=True, slots=True)
class _FolderReader:
    root: Path

    def load(self, file: Path) -> DatasetFrame:
        """The frame of one annotation file."""
        content = load_json(file)
        if not isinstance(content, dict):
            raise InvalidInput(f"{file}: expected an object with size and objects, got {type(content).__name__}")
        (entry,) = _entries(file, content)
        if not isinstance(entry.get("filename"), str):
            entry = {**entry, "filename": self._image_of(file)}
        return _load(str(file), self.root, entry)

    def _image_of(self, file: Path) -> str:
        places = (self.root / "images", self.root, file.parent)
        found = [place / f"{file.stem}{suffix}" for place in places for suffix in SUFFIXES]
        found = [path for path in found if path.is_file()]
        if not found:
            raise InvalidInput(f"{file}: no image {file.stem}{SUFFIXES[0]} in {self.root / 'images'}; give its folder")
        return str(found[0].relative_to(self.root))


def _entries(path: Path, content: Any) -> list[Any]:
    """One record with `filename` for each image, whatever the layout."""
    if isinstance(content, list):
        return content
    if isinstance(content, dict) and "objects" in content:
        return [content]
    if isinstance(content, dict) and all(isinstance(value, dict) for value in content.values()):
        return [{"filename": name, **value} for name, value in content.items()]
    raise InvalidInput(f"{path}: holds no line segments; expected a list of images, or an object with `objects`")


def _load(where: str, root: Path, entry: Any) -> DatasetFrame:
    name = field(entry, "filename", str, where)
    file, spot = inside(root, name), f"{where}: image {name}"
    stamp_ns = stamp_of(entry, spot)
    view = View(file.parent.name, file, stamp_ns, lines=LineLabels(_segments(entry, spot)), size=_size(entry, spot))
    return DatasetFrame(name, (view,), stamp_ns)


def _size(entry: dict[str, Any], where: str) -> tuple[int, int] | None:
    if "size" in entry:
        width, height = numbers(entry["size"], (2,), f"{where}: size").tolist()
        return size_of({"width": int(width), "height": int(height)}, where)
    return size_of(entry, where) if "width" in entry else None


def _segments(entry: dict[str, Any], where: str) -> np.ndarray:
    """Segments (N, 4) float32, px."""
    if "objects" in entry:
        kept = [item for item in field(entry, "objects", list, where) if _is_segment(item)]
        ends = numbers([field(item, "data", list, where) for item in kept], (-1, 2, 2), f"{where}: data")
    elif "edges_positive" in entry:
        ends = _joined(entry, where)
    else:
        name = "segments" if "segments" in entry else "lines"
        ends = numbers(field(entry, name, list, where), (-1, 4), f"{where}: {name}")
    return ends.reshape(-1, 4).astype(np.float32)


def _is_segment(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type", "seg") == "seg"


def _joined(entry: dict[str, Any], where: str) -> np.ndarray:
    """Segments between the junctions that the edges name."""
    name = "junctions" if "junctions" in entry else "junc"
    junctions = numbers(field(entry, name, list, where), (-1, 2), f"{where}: {name}")
    edges = numbers(entry["edges_positive"], (-1, 2), f"{where}: edges_positive").astype(np.int64)
    if edges.size and not 0 <= edges.min() <= edges.max() < len(junctions):
        raise InvalidInput(f"{where}: edges_positive: names junction {edges.max()} of {len(junctions)}")
    return junctions[edges.reshape(-1, 2)]


def _load_york(file: Path) -> DatasetFrame:
    name = file.name.removesuffix(YORK_SUFFIX)
    image = next((p for p in (file.with_name(name + suffix) for suffix in YORK_IMAGES) if p.is_file()), None)
    if image is None:
        raise InvalidInput(f"{file}: the image {name}{YORK_IMAGES[0]} is not beside it; copy the folder whole")
    ends = numbers(_mat_lines(file), (-1, 2), f"{file}: lines")
    if len(ends) % 2:
        raise InvalidInput(f"{file}: lines: has {len(ends)} end points, expected pairs")
    view = View(file.parent.name, image, lines=LineLabels((ends.reshape(-1, 4) - 1.0).astype(np.float32)))
    return DatasetFrame(name, (view,))


def _mat_lines(file: Path) -> Any:
    from scipy.io import loadmat

    try:
        if file.stat().st_size > MAX_FILE:
            raise InvalidInput(f"{file}: is larger than {MAX_FILE} bytes")
        return loadmat(file, variable_names=["lines"])["lines"]
    except InvalidInput:
        raise
    except Exception as error:  # SciPy raises whatever its parser stumbles over
        raise InvalidInput(f"{file}: is no MATLAB file with `lines` ({error})") from None
